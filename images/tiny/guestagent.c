/*
 * guestagent - freezes and thaws the file systems when the host asks.
 *
 * Speaks the part of QEMU's guest agent protocol (docs/interop/qemu-ga-ref) that a
 * snapshot needs, line by line on the virtio port org.qemu.guest_agent.0. What it
 * has frozen it thaws by itself when the host does not in time: a host that has
 * forgotten us must not leave us stuck.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/fs.h>

#define PORT_NAME "org.qemu.guest_agent.0"
#define PORTS "/sys/class/virtio-ports"
#define FROZEN_MAX 64   /* file systems */
#define FROZEN_MS 5000  /* the longest that they stay so */
#define LINE_MAX_BYTES 4096
#define NOBODY_MS 500   /* between two looks whether the host listens again */

struct agent {
        int port;
        int frozen[FROZEN_MAX]; /* descriptors of mount points, in the order of freezing */
        int n;
        char line[LINE_MAX_BYTES];
        size_t len;
};

/* --- the port */

static bool port_is_ours(const char *name) {
        char path[256], text[64] = "";
        bool ok;
        FILE *f;

        snprintf(path, sizeof(path), PORTS "/%.64s/name", name);
        f = fopen(path, "re");
        if (!f)
                return false;
        ok = fgets(text, sizeof(text), f) != NULL;
        (void) fclose(f);
        return ok && strcmp(text, PORT_NAME "\n") == 0;
}

static int port_find(void) {
        DIR *dir = opendir(PORTS);
        struct dirent *entry;
        char path[128];
        int fd = -1;

        while (dir && fd < 0 && (entry = readdir(dir)))
                if (entry->d_name[0] != '.' && port_is_ours(entry->d_name)) {
                        snprintf(path, sizeof(path), "/dev/%.64s", entry->d_name);
                        fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
                }
        if (dir)
                closedir(dir);
        return fd;
}

/* The driver may come after us: its node then appears in /dev. */
static int port_open(void) {
        int watch = inotify_init1(IN_CLOEXEC), fd;
        char events[1024];

        if (watch < 0 || inotify_add_watch(watch, "/dev", IN_CREATE | IN_ATTRIB) < 0)
                return -1;
        while ((fd = port_find()) < 0)
                if (read(watch, events, sizeof(events)) < 0 && errno != EINTR)
                        break;
        close(watch);
        return fd;
}

/* --- freezing */

static int thaw(struct agent *a) {
        int n = 0;

        while (a->n > 0) {
                int fd = a->frozen[--a->n];

                n += ioctl(fd, FITHAW, 0) == 0;
                close(fd);
        }
        return n;
}

/* Those on block devices, each once; -1: one could not be, and none is. */
static int freeze(struct agent *a) {
        struct mntent *m;
        int error;
        FILE *mounts = setmntent("/proc/mounts", "re");

        while (mounts && a->n < FROZEN_MAX && (m = getmntent(mounts))) {
                int fd = strncmp(m->mnt_fsname, "/dev/", 5) == 0 ? open(m->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

                if (fd < 0)
                        continue;
                if (ioctl(fd, FIFREEZE, 0) == 0) {
                        a->frozen[a->n++] = fd;
                        continue;
                }
                error = errno;
                close(fd);
                if (error == EOPNOTSUPP || error == EBUSY) /* it cannot, or it is the same one mounted twice */
                        continue;
                thaw(a);
                a->n = 0;
                break;
        }
        if (mounts)
                endmntent(mounts);
        return a->n > 0 ? a->n : -1;
}

/* --- the protocol */

static void answer(struct agent *a, const char *text) {
        size_t len = strlen(text), done = 0;

        while (done < len) {
                struct pollfd p = { .fd = a->port, .events = POLLOUT };
                ssize_t n = write(a->port, text + done, len - done);

                if (n > 0)
                        done += (size_t) n;
                else if (errno != EAGAIN || poll(&p, 1, 1000) != 1 || (p.revents & POLLHUP))
                        return;
        }
}

static void answer_number(struct agent *a, const char *before, long long number) {
        char text[96];

        snprintf(text, sizeof(text), "%s{\"return\": %lld}\n", before, number);
        answer(a, text);
}

static void answer_error(struct agent *a, const char *class, const char *text) {
        char line[160];

        snprintf(line, sizeof(line), "{\"error\": {\"class\": \"%s\", \"desc\": \"%s\"}}\n", class, text);
        answer(a, line);
}

/* The number of "id": N; libvirt's own, so that it knows which answers are new. */
static long long id_of(const char *line) {
        const char *id = strstr(line, "\"id\"");

        id = id ? strchr(id, ':') : NULL;
        return id ? strtoll(id + 1, NULL, 10) : 0;
}

static void freeze_answer(struct agent *a) {
        int n = a->n > 0 ? -1 : freeze(a);

        if (n < 0)
                answer_error(a, "GenericError", "the file systems cannot be frozen");
        else
                answer_number(a, "", n);
}

static bool asks(const char *line, const char *command) {
        char quoted[64];

        snprintf(quoted, sizeof(quoted), "\"%s\"", command);
        return strstr(line, quoted) != NULL;
}

static void line_run(struct agent *a) {
        if (asks(a->line, "guest-sync-delimited"))
                answer_number(a, "\xff", id_of(a->line));
        else if (asks(a->line, "guest-sync"))
                answer_number(a, "", id_of(a->line));
        else if (asks(a->line, "guest-ping"))
                answer(a, "{\"return\": {}}\n");
        else if (asks(a->line, "guest-fsfreeze-freeze") || asks(a->line, "guest-fsfreeze-freeze-list"))
                freeze_answer(a);
        else if (asks(a->line, "guest-fsfreeze-thaw"))
                answer_number(a, "", thaw(a));
        else if (asks(a->line, "guest-fsfreeze-status"))
                answer(a, a->n > 0 ? "{\"return\": \"frozen\"}\n" : "{\"return\": \"thawed\"}\n");
        else
                answer_error(a, "CommandNotFound", "there is no such command here");
}

/* Lines longer than any of ours are no commands. */
static void bytes_take(struct agent *a, const char *bytes, size_t n) {
        for (size_t i = 0; i < n; i++) {
                if (bytes[i] != '\n') {
                        if ((unsigned char) bytes[i] == 0xff) /* the host begins anew */
                                a->len = 0;
                        else if (a->len < sizeof(a->line) - 1)
                                a->line[a->len++] = bytes[i];
                        continue;
                }
                a->line[a->len] = '\0';
                if (a->len > 0)
                        line_run(a);
                a->len = 0;
        }
}

static void serve(struct agent *a) {
        char bytes[512];

        for (;;) {
                struct pollfd p = { .fd = a->port, .events = POLLIN };
                int ready = poll(&p, 1, a->n > 0 ? FROZEN_MS : -1);
                ssize_t n = ready > 0 ? read(a->port, bytes, sizeof(bytes)) : -1;

                if (ready == 0)
                        thaw(a);
                else if (n > 0)
                        bytes_take(a, bytes, (size_t) n);
                else if (ready > 0 && (n == 0 || errno != EAGAIN)) {
                        thaw(a); /* nobody holds the other end */
                        poll(NULL, 0, NOBODY_MS);
                }
        }
}

int main(void) {
        struct agent a = { .port = port_open() };

        if (a.port < 0) {
                perror("guestagent: " PORT_NAME);
                return EXIT_FAILURE;
        }
        /* Nothing of it may have to be read from what it has frozen. */
        if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
                perror("guestagent: mlockall");
        serve(&a);
}
