/*
 * netplug - bring up network interfaces as they come, and forget them as they go.
 *
 * Listens to the kernel's link messages: an interface is set up when it
 * appears, gets a DHCP client once it has a carrier, is renewed when the
 * carrier returns, and loses its client when it disappears. A client that
 * dies is started again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#define CLIENT "/sbin/udhcpc"
#define INTERFACES_MAX 32
#define RESPAWN_MS 1000

struct interface {
        int index; /* 0: the slot is free */
        char name[IF_NAMESIZE];
        bool carrier;
        pid_t client; /* 0: none */
};

struct netplug {
        int netlink;
        int signals;
        bool client_died;
        struct interface interfaces[INTERFACES_MAX];
};

extern char **environ;

static struct interface *interface_find(struct netplug *n, int index) {
        for (size_t i = 0; i < INTERFACES_MAX; i++)
                if (n->interfaces[i].index == index)
                        return &n->interfaces[i];
        return NULL;
}

/* Clients run in the foreground, so that they are children whose end is seen. */
static void client_start(struct interface *i) {
        char *argv[] = {
                (char *) "udhcpc", (char *) "-f", (char *) "-S", (char *) "-i", i->name,
                /* a discover each second, for ever */
                (char *) "-t", (char *) "20", (char *) "-T", (char *) "1", (char *) "-A", (char *) "1",
                (char *) "-O", (char *) "mtu", (char *) "-O", (char *) "staticroutes",
                (char *) "-O", (char *) "search", NULL,
        };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none;
        int r;

        sigemptyset(&none); /* ours are blocked for the signalfd */
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawn_file_actions_init(&actions); /* it writes to syslog and, needlessly, here */
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        r = posix_spawn(&i->client, CLIENT, &actions, &attributes, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
        if (r != 0) {
                i->client = 0;
                fprintf(stderr, "netplug: %s: %s\n", CLIENT, strerror(r));
        }
}

static void interface_set_up(struct netplug *n, int index) {
        struct {
                struct nlmsghdr header;
                struct ifinfomsg link;
        } message = {
                .header = {
                        .nlmsg_len = sizeof(message),
                        .nlmsg_type = RTM_NEWLINK,
                        .nlmsg_flags = NLM_F_REQUEST,
                },
                .link = { .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP },
        };

        if (send(n->netlink, &message, sizeof(message), 0) < 0)
                perror("netplug: setting up an interface");
}

static void carrier_set(struct interface *i, bool carrier) {
        if (carrier == i->carrier)
                return;
        i->carrier = carrier;
        if (!carrier)
                return;
        if (i->client > 0)
                (void) kill(i->client, SIGUSR1); /* renew: it may be another network now */
        else
                client_start(i);
}

static bool name_is_ethernet(const char *name) {
        return strncmp(name, "eth", 3) == 0;
}

static void interface_changed(struct netplug *n, const struct ifinfomsg *link, const char *name) {
        struct interface *i = interface_find(n, link->ifi_index);

        if (!name_is_ethernet(name) && strcmp(name, "lo") != 0)
                return; /* a bridge or a tunnel is its maker's business */
        if (!i) {
                i = interface_find(n, 0);
                if (!i)
                        return;
                *i = (struct interface) { .index = link->ifi_index };
                if (!(link->ifi_flags & IFF_UP))
                        interface_set_up(n, link->ifi_index); /* once: who sets it down later means it */
        }
        if (!name_is_ethernet(name))
                return; /* lo gets no client */
        snprintf(i->name, sizeof(i->name), "%s", name);
        /* not IFF_RUNNING: the kernel sets that up to a second later */
        carrier_set(i, link->ifi_flags & IFF_UP && link->ifi_flags & IFF_LOWER_UP);
}

static void interface_gone(struct netplug *n, int index) {
        struct interface *i = interface_find(n, index);

        if (!i)
                return;
        if (i->client > 0)
                (void) kill(i->client, SIGTERM);
        *i = (struct interface) { 0 };
}

static const char *link_name(const struct nlmsghdr *header) {
        const struct ifinfomsg *link = NLMSG_DATA(header);
        int left = (int) IFLA_PAYLOAD(header);

        for (const struct rtattr *a = IFLA_RTA(link); RTA_OK(a, left); a = RTA_NEXT(a, left))
                if (a->rta_type == IFLA_IFNAME)
                        return RTA_DATA(a);
        return NULL;
}

static void message_handle(struct netplug *n, const struct nlmsghdr *header) {
        const struct ifinfomsg *link = NLMSG_DATA(header);
        const char *name;

        if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*link)))
                return;
        name = link_name(header);
        if (header->nlmsg_type == RTM_NEWLINK && name)
                interface_changed(n, link, name);
        else if (header->nlmsg_type == RTM_DELLINK)
                interface_gone(n, link->ifi_index);
}

static void links_ask(struct netplug *n) {
        struct {
                struct nlmsghdr header;
                struct ifinfomsg link;
        } message = {
                .header = {
                        .nlmsg_len = sizeof(message),
                        .nlmsg_type = RTM_GETLINK,
                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                },
        };

        if (send(n->netlink, &message, sizeof(message), 0) < 0)
                perror("netplug: asking for the links");
}

static void netlink_read(struct netplug *n) {
        static union {
                char bytes[32 * 1024];
                struct nlmsghdr align;
        } buffer;
        ssize_t size = recv(n->netlink, buffer.bytes, sizeof(buffer.bytes), 0);
        unsigned left;

        if (size < 0) {
                if (errno == ENOBUFS)
                        links_ask(n); /* some messages were lost: look at everything again */
                return;
        }
        left = (unsigned) size;
        for (struct nlmsghdr *h = &buffer.align; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left))
                message_handle(n, h);
}

static void children_reap(struct netplug *n) {
        struct signalfd_siginfo info;
        pid_t pid;

        (void) !read(n->signals, &info, sizeof(info));
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
                for (size_t i = 0; i < INTERFACES_MAX; i++)
                        if (n->interfaces[i].client == pid) {
                                n->interfaces[i].client = 0;
                                n->client_died = true;
                        }
}

static void clients_respawn(struct netplug *n) {
        n->client_died = false;
        for (size_t i = 0; i < INTERFACES_MAX; i++)
                if (n->interfaces[i].carrier && n->interfaces[i].client == 0)
                        client_start(&n->interfaces[i]);
}

static void netplug_init(struct netplug *n) {
        struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
        sigset_t child;

        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        (void) sigprocmask(SIG_BLOCK, &child, NULL);
        n->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
        n->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        if (n->signals < 0 || n->netlink < 0 ||
            bind(n->netlink, (struct sockaddr *) &address, sizeof(address)) < 0) {
                perror("netplug");
                exit(EXIT_FAILURE);
        }
        links_ask(n);
}

int main(void) {
        static struct netplug n;
        struct pollfd wait[2];

        netplug_init(&n);
        wait[0] = (struct pollfd) { .fd = n.netlink, .events = POLLIN };
        wait[1] = (struct pollfd) { .fd = n.signals, .events = POLLIN };
        for (;;) {
                int r = poll(wait, 2, n.client_died ? RESPAWN_MS : -1);

                if (r == 0)
                        clients_respawn(&n);
                if (r > 0 && wait[0].revents)
                        netlink_read(&n);
                if (r > 0 && wait[1].revents)
                        children_reap(&n);
        }
}
