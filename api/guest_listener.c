#include "api/guest_listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/fdpass.h"
#include "common/fs.h"
#include "common/json.h"

#define MAX_CONNECTIONS 512
#define MAX_PER_SOCKET 256
#define MAX_PER_GUEST 16
#define MAX_EVENTS 16
#define CLOSE_WAIT_S 2
#define WAKE 0 /* the serial of the wake-up descriptor: no listener has it */

struct listener {
	char vpc[MC_ID_LEN], key[MC_ID_LEN];
	uint64_t serial; /* what epoll knows it by: never used twice, so a late event finds nothing */
	int fd;          /* -1 while netd is asked */
	struct listener *next;
};

/* From accept() until the HTTP library closes it. The library names it only by
 * its descriptor, which is unique as long as it is open. */
struct connection {
	struct guest_peer peer;
	int fd;
	bool started; /* the library told of it, and will tell of its end */
	struct connection *next;
};

struct guest_listeners {
	const char *netd_fd;
	struct MHD_Daemon *mhd;
	pthread_t thread;
	bool running;
	int epoll, wake;
	int spare; /* given up to refuse a connection when descriptors run out */
	pthread_mutex_t lock; /* all below */
	pthread_cond_t changed;
	struct listener *listeners;
	struct connection *connections;
	uint64_t last_serial;
	bool stopping;
};

/* --- connections (under the lock) ------------------------------------------ */

static struct connection **connection_slot(struct guest_listeners *l, int fd, bool started)
{
	struct connection **c = &l->connections;

	while (*c && ((*c)->fd != fd || (*c)->started != started))
		c = &(*c)->next;
	return c;
}

static void connection_drop(struct guest_listeners *l, struct connection **slot)
{
	struct connection *c = *slot;

	if (!c)
		return;
	*slot = c->next;
	free(c);
	pthread_cond_broadcast(&l->changed);
}

/* Has neither side ended it (tcp(7), TCP_INFO)? The library tells of the end a while after the guest
 * has seen it: one who dials anew for each request must not be refused for what is over. */
static bool connection_open(const struct connection *c)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	return getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 || info.tcpi_state == TCP_ESTABLISHED;
}

static bool connection_allowed(const struct guest_listeners *l, const struct guest_peer *peer)
{
	unsigned all = 0, socket = 0, guest = 0;

	for (const struct connection *c = l->connections; c; c = c->next) {
		bool same = strcmp(c->peer.key, peer->key) == 0;

		all++;
		socket += same;
		guest += same && strcmp(c->peer.ip, peer->ip) == 0 && connection_open(c);
	}
	return all < MAX_CONNECTIONS && socket < MAX_PER_SOCKET && guest < MAX_PER_GUEST;
}

static struct listener **listener_slot(struct guest_listeners *l, const char *key)
{
	struct listener **s = &l->listeners;

	while (*s && strcmp((*s)->key, key) != 0)
		s = &(*s)->next;
	return s;
}

/* --- accepting ------------------------------------------------------------ */

/* Out of descriptors: take the connection on the spare one and refuse it, else
 * epoll would report it for ever. */
static void refuse_one(struct guest_listeners *l, int listen_fd)
{
	int fd;

	if (l->spare >= 0)
		close(l->spare);
	fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	l->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Note who this is; false: too many, or the address is no IPv4 one. Under the lock. */
static bool connection_note(struct guest_listeners *l, const struct listener *s, int fd,
			    const struct sockaddr_in *from)
{
	struct connection *c = mc_alloc(sizeof(*c));

	c->fd = fd;
	memcpy(c->peer.key, s->key, sizeof(c->peer.key));
	/* A leftover of this number was closed by the library before it started it. */
	connection_drop(l, connection_slot(l, fd, false));
	if (from->sin_family != AF_INET ||
	    !inet_ntop(AF_INET, &from->sin_addr, c->peer.ip, sizeof(c->peer.ip)) ||
	    !connection_allowed(l, &c->peer)) {
		free(c);
		return false;
	}
	c->next = l->connections;
	l->connections = c;
	return true;
}

/* Accept one connection of the listener with this serial; its descriptor or -1. */
static int accept_one(struct guest_listeners *l, uint64_t serial, struct sockaddr_in *from)
{
	socklen_t len = sizeof(*from);
	const struct listener *s;
	int fd = -1;

	memset(from, 0, sizeof(*from));
	pthread_mutex_lock(&l->lock);
	for (s = l->listeners; s && s->serial != serial; )
		s = s->next;
	if (s && s->fd >= 0) {
		fd = accept4(s->fd, (struct sockaddr *)from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			refuse_one(l, s->fd);
	}
	if (fd >= 0 && !connection_note(l, s, fd, from)) {
		close(fd);
		fd = -1;
	}
	pthread_mutex_unlock(&l->lock);
	return fd;
}

/* Give the connection to the HTTP library, which closes it even on failure. */
static void serve_one(struct guest_listeners *l, uint64_t serial)
{
	struct sockaddr_in from;
	int fd = accept_one(l, serial, &from);

	if (fd < 0 || MHD_add_connection(l->mhd, fd, (struct sockaddr *)&from, sizeof(from)) == MHD_YES)
		return;
	pthread_mutex_lock(&l->lock);
	connection_drop(l, connection_slot(l, fd, false));
	pthread_mutex_unlock(&l->lock);
}

static void *acceptor(void *arg)
{
	struct guest_listeners *l = arg;

	for (;;) {
		struct epoll_event events[MAX_EVENTS];
		int n = epoll_wait(l->epoll, events, MAX_EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.u64 == WAKE)
				return NULL;
			serve_one(l, events[i].data.u64);
		}
	}
}

/* --- what the HTTP library tells ------------------------------------------- */

static void connection_started(struct guest_listeners *l, int fd, void **socket_context)
{
	struct connection *c = *connection_slot(l, fd, false);

	*socket_context = c;
	if (!c)
		return;
	c->started = true;
	if (!*listener_slot(l, c->peer.key)) /* closed meanwhile */
		shutdown(fd, SHUT_RDWR);
}

void guest_listeners_notify(void *listeners, struct MHD_Connection *connection, void **socket_context,
			       enum MHD_ConnectionNotificationCode what)
{
	struct guest_listeners *l = listeners;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct connection *c = *socket_context;

	pthread_mutex_lock(&l->lock);
	if (what == MHD_CONNECTION_NOTIFY_STARTED && info)
		connection_started(l, info->connect_fd, socket_context);
	else if (what == MHD_CONNECTION_NOTIFY_CLOSED && c)
		connection_drop(l, connection_slot(l, c->fd, true));
	pthread_mutex_unlock(&l->lock);
}

const struct guest_peer *guest_peer(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	const struct connection *c = info ? info->socket_context : NULL;

	return c ? &c->peer : NULL;
}

/* --- opening and closing -------------------------------------------------- */

/* Is it a listening IPv4 socket? What netd sent is checked like any message. */
static bool is_listener(int fd)
{
	int domain = 0, listening = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_INET &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

/* The listening socket from netd, or -1 and *err. */
static int ask_netd(const char *netd_fd, const json_t *question, mc_err **err)
{
	static const struct mc_field fields[] = {
		{ .name = "ok", .type = MC_FIELD_BOOLEAN, .required = true },
		{ .name = "outcome", .type = MC_FIELD_STRING },
		{ .name = "message", .type = MC_FIELD_STRING },
		{ .name = NULL },
	};
	mc_auto_json json_t *answer = NULL;
	mc_auto_fd int fd = -1;

	if (mc_fdpass_call(netd_fd, question, -1, &answer, &fd, err) < 0)
		return -1;
	if (mc_fields_check(fields, answer, err) < 0)
		return mc_err_wrap(err, "answer of %s", netd_fd);
	if (!mc_json_bool(answer, "ok", false))
		return mc_err_set(err, 0, "netd: %s", mc_json_str(answer, "message", "refused"));
	if (fd < 0 || !is_listener(fd))
		return mc_err_set(err, 0, "%s sent no listening socket", netd_fd);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		return mc_err_set(err, errno, "socket of %s", netd_fd);
	return MC_STEAL_FD(fd);
}

/* Wait until nobody is asking netd for this socket; what is there then. Under the lock. */
static struct listener **settled(struct guest_listeners *l, const char *key)
{
	struct listener **s;

	while (*(s = listener_slot(l, key)) && (*s)->fd < 0)
		pthread_cond_wait(&l->changed, &l->lock);
	return s;
}

/* Enter the socket as being asked for. False where it is here already. */
static bool listener_reserve(struct guest_listeners *l, const char *vpc, const char *key)
{
	struct listener *s;
	bool fresh;

	pthread_mutex_lock(&l->lock);
	fresh = !*settled(l, key) && !l->stopping;
	if (fresh) {
		s = mc_alloc(sizeof(*s));
		strncpy(s->vpc, vpc, sizeof(s->vpc) - 1);
		strncpy(s->key, key, sizeof(s->key) - 1);
		s->serial = ++l->last_serial;
		s->fd = -1;
		s->next = l->listeners;
		l->listeners = s;
	}
	pthread_mutex_unlock(&l->lock);
	return fresh;
}

static void listener_remove(struct listener **slot)
{
	struct listener *s = *slot;

	*slot = s->next;
	if (s->fd >= 0)
		close(s->fd); /* which also takes it out of epoll */
	free(s);
}

/* Begin to accept on fd, or with fd -1 take the reservation back. */
static int listener_settle(struct guest_listeners *l, const char *key, int fd, mc_err **err)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct listener **slot;
	int r = 0;

	pthread_mutex_lock(&l->lock);
	slot = listener_slot(l, key);
	(*slot)->fd = fd;
	event.data.u64 = (*slot)->serial;
	if (fd >= 0 && epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		r = mc_err_set(err, errno, "socket %s", key);
	if (fd < 0 || r < 0)
		listener_remove(slot);
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
	return r;
}

int guest_listeners_open(struct guest_listeners *l, const char *vpc, const char *key, const json_t *question, mc_err **err)
{
	int fd;

	if (!mc_id_valid_any(vpc) || !mc_id_valid_any(key))
		return mc_err_set(err, EINVAL, "no id");
	if (!listener_reserve(l, vpc, key))
		return 0;
	fd = ask_netd(l->netd_fd, question, err);
	if (fd < 0)
		mc_err_wrap(err, "socket %s", key);
	return listener_settle(l, key, fd, err) < 0 || fd < 0 ? -1 : 0;
}

/* Shut the connections of sockets that are gone. Are there any? Under the lock. */
static bool shut_orphans(struct guest_listeners *l)
{
	bool any = false;

	for (struct connection *c = l->connections; c; c = c->next) {
		if (*listener_slot(l, c->peer.key))
			continue;
		any = true;
		if (c->started)
			shutdown(c->fd, SHUT_RDWR);
	}
	return any;
}

/* The next socket of the VPC that is not to stay. Under the lock. */
static struct listener **next_to_close(struct guest_listeners *l, const char *vpc, const json_t *keep)
{
	struct listener **s = &l->listeners;

	while (*s && (strcmp((*s)->vpc, vpc) != 0 || mc_json_has_str(keep, (*s)->key)))
		s = &(*s)->next;
	return s;
}

/* Close it, or what its key stands for when nobody asks netd for it any more. Under the lock. */
static void close_settled(struct guest_listeners *l, const struct listener *s)
{
	char key[MC_ID_LEN];
	struct listener **slot;

	memcpy(key, s->key, sizeof(key)); /* the listener may go while it is waited for */
	slot = settled(l, key);
	if (*slot)
		listener_remove(slot);
}

void guest_listeners_close(struct guest_listeners *l, const char *vpc, const json_t *keep)
{
	struct timespec until;
	struct listener **slot;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += CLOSE_WAIT_S;
	pthread_mutex_lock(&l->lock);
	while (*(slot = next_to_close(l, vpc, keep)))
		close_settled(l, *slot);
	while (r == 0 && shut_orphans(l))
		r = pthread_cond_timedwait(&l->changed, &l->lock, &until);
	pthread_mutex_unlock(&l->lock);
}

/* --- life ----------------------------------------------------------------- */

static void changed_init(pthread_cond_t *changed)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(changed, &attr);
	pthread_condattr_destroy(&attr);
}

struct guest_listeners *guest_listeners_new(const char *netd_fd, mc_err **err)
{
	struct guest_listeners *l = mc_alloc(sizeof(*l));
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = WAKE };

	l->netd_fd = netd_fd;
	pthread_mutex_init(&l->lock, NULL);
	changed_init(&l->changed);
	l->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->epoll < 0 || l->wake < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->wake, &event) < 0) {
		mc_err_set(err, errno, "acceptor of guests' connections");
		guest_listeners_free(l);
		return NULL;
	}
	return l;
}

int guest_listeners_run(struct guest_listeners *l, struct MHD_Daemon *mhd, mc_err **err)
{
	int r;

	l->mhd = mhd;
	r = pthread_create(&l->thread, NULL, acceptor, l);
	if (r != 0)
		return mc_err_set(err, r, "acceptor of guests' connections");
	l->running = true;
	return 0;
}

void guest_listeners_stop(struct guest_listeners *l)
{
	if (l->running && eventfd_write(l->wake, 1) == 0)
		pthread_join(l->thread, NULL);
	l->running = false;
	pthread_mutex_lock(&l->lock);
	l->stopping = true;
	while (l->listeners)
		close_settled(l, l->listeners);
	pthread_mutex_unlock(&l->lock);
}

void guest_listeners_free(struct guest_listeners *l)
{
	if (!l)
		return;
	while (l->connections)
		connection_drop(l, &l->connections);
	for (size_t i = 0; i < 3; i++) {
		int fd = ((const int[]){ l->epoll, l->wake, l->spare })[i];

		if (fd >= 0)
			close(fd);
	}
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
