#include "netd/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uthash.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/id.h"
#include "netd/nameservers.h"
#include "netd/netns.h"

#define PORT 5300
#define ADDRESS "127.0.0.1#5300"
#define BACKLOG 16
#define MESSAGE_MAX 65535
#define HEADER_LEN 12     /* RFC 1035, 4.1.1 */
#define PATIENCE_MS 1500  /* for one server's answer */
#define IDLE_MS 10000     /* of a TCP connection */
#define VPC_ERRANDS 64    /* at once: one VPC does not take all */
#define ALL_ERRANDS 256
#define EVENTS_MAX 16

/* A VPC's two sockets. */
struct door {
	UT_hash_handle hh, by_udp, by_tcp;
	char vpc[MC_ID_LEN];
	int udp, tcp, stop; /* stop: an eventfd that its errands look at */
	unsigned errands;   /* that are under way */
};

struct relay {
	const char *servers, *resolv_conf;
	pthread_t thread;
	int epoll_fd, stop_fd;
	pthread_mutex_t lock; /* all below */
	pthread_cond_t ended; /* an errand */
	struct door *doors, *by_udp, *by_tcp; /* the same by VPC, and by socket */
	unsigned errands;
};

/* One question, or one TCP connection. */
struct errand {
	struct relay *relay;
	struct door *door;
	int sock; /* the connection; -1: a datagram */
	struct sockaddr_in from;
	size_t len; /* of the message */
	unsigned char message[MESSAGE_MAX];
};

/* --- datagrams ---------------------------------------------------------------------------- */

/* True when fd has something to be read (or to be written, for POLLOUT) before it is time to end. What has come by the time
 * we look is there, however late that is. */
static bool wait_fd(const struct errand *e, int fd, short events, int64_t end)
{
	struct pollfd p[2] = { { .fd = fd, .events = events }, { .fd = e->door->stop, .events = POLLIN } };
	int64_t left = (end - mc_clock_boot()) / MC_MS;

	return poll(p, 2, left > 0 ? (int)left : 0) > 0 && !p[1].revents;
}

/* The length of the answer, which is left in the message; 0: none. */
static size_t ask(struct errand *e, const struct nameserver *server)
{
	int64_t end = mc_clock_boot() + PATIENCE_MS * MC_MS;
	mc_auto_fd int fd = socket(server->addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unsigned char id[2] = { e->message[0], e->message[1] };
	mc_autofree unsigned char *answer = NULL;

	if (fd < 0 || connect(fd, (const struct sockaddr *)&server->addr, server->len) < 0 ||
	    send(fd, e->message, e->len, 0) < 0)
		return 0;
	answer = mc_alloc(MESSAGE_MAX);
	while (wait_fd(e, fd, POLLIN, end)) {
		ssize_t n = recv(fd, answer, MESSAGE_MAX, 0);

		if (n < 0 && errno != EAGAIN)
			return 0; /* nobody is there */
		if (n < HEADER_LEN || memcmp(answer, id, sizeof(id)) != 0)
			continue;
		memcpy(e->message, answer, (size_t)n);
		return (size_t)n;
	}
	return 0;
}

/* The question with SERVFAIL (RFC 1035, 4.1.1), so that whoever asked need not wait. */
static size_t fail(struct errand *e)
{
	e->message[2] |= 0x80;
	e->message[3] = (unsigned char)((e->message[3] & 0xf0) | 2);
	return e->len;
}

static void carry_datagram(struct errand *e)
{
	struct nameserver servers[NAMESERVERS_MAX];
	size_t n = nameservers_read(e->relay->servers, e->relay->resolv_conf, servers), len = 0;

	for (size_t i = 0; i < n && len == 0; i++)
		len = ask(e, &servers[i]);
	if (len == 0)
		len = fail(e);
	/* A lost answer is asked for again. */
	(void)!sendto(e->door->udp, e->message, len, MSG_DONTWAIT, (struct sockaddr *)&e->from, sizeof(e->from));
}

/* --- connections ----------------------------------------------------------------------------- */

/* The first server that takes a connection, or -1. */
static int connect_any(const struct errand *e)
{
	struct nameserver servers[NAMESERVERS_MAX];
	size_t n = nameservers_read(e->relay->servers, e->relay->resolv_conf, servers);

	for (size_t i = 0; i < n; i++) {
		int fd = socket(servers[i].addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		int error = 0;
		socklen_t len = sizeof(error);

		if (fd < 0)
			continue;
		if (connect(fd, (struct sockaddr *)&servers[i].addr, servers[i].len) == 0 ||
		    (errno == EINPROGRESS && wait_fd(e, fd, POLLOUT, mc_clock_boot() + PATIENCE_MS * MC_MS) &&
		     getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0))
			return fd;
		close(fd);
	}
	return -1;
}

/* Messages are smaller than a socket's buffer: what does not fit is no DNS. */
static bool pass(struct errand *e, int from, int to)
{
	ssize_t n = recv(from, e->message, sizeof(e->message), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN;
	return n > 0 && send(to, e->message, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) == n;
}

static void carry_connection(struct errand *e)
{
	mc_auto_fd int server = connect_any(e);
	struct pollfd p[3] = { { .fd = e->sock, .events = POLLIN }, { .fd = server, .events = POLLIN },
			       { .fd = e->door->stop, .events = POLLIN } };
	bool goes_on = server >= 0;

	while (goes_on && poll(p, 3, IDLE_MS) > 0 && !p[2].revents)
		goes_on = (!p[0].revents || pass(e, e->sock, server)) && (!p[1].revents || pass(e, server, e->sock));
}

/* --- errands ------------------------------------------------------------------------------------ */

static void *run_errand(void *arg)
{
	struct errand *e = arg;
	struct relay *r = e->relay;

	if (e->sock < 0) {
		carry_datagram(e);
	} else {
		carry_connection(e);
		close(e->sock);
	}
	pthread_mutex_lock(&r->lock);
	e->door->errands--;
	r->errands--;
	pthread_cond_broadcast(&r->ended);
	pthread_mutex_unlock(&r->lock);
	free(e);
	return NULL;
}

/* Too many: what asks asks again. Under the lock. */
static void send_errand(struct relay *r, struct door *d, struct errand *e)
{
	pthread_attr_t attr;
	pthread_t thread;
	int error = EAGAIN;

	e->relay = r;
	e->door = d;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (d->errands < VPC_ERRANDS && r->errands < ALL_ERRANDS)
		error = pthread_create(&thread, &attr, run_errand, e);
	pthread_attr_destroy(&attr);
	if (error == 0) {
		d->errands++;
		r->errands++;
		return;
	}
	if (e->sock >= 0)
		close(e->sock);
	free(e);
}

static void take_datagram(struct relay *r, struct door *d)
{
	struct errand *e = mc_alloc(sizeof(*e));
	socklen_t from_len = sizeof(e->from);
	ssize_t n = recvfrom(d->udp, e->message, sizeof(e->message), MSG_DONTWAIT, (struct sockaddr *)&e->from, &from_len);

	e->sock = -1;
	e->len = n > 0 ? (size_t)n : 0;
	if (e->len >= HEADER_LEN)
		send_errand(r, d, e);
	else
		free(e);
}

static void take_connection(struct relay *r, struct door *d)
{
	struct errand *e = mc_alloc(sizeof(*e));

	e->sock = accept4(d->tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (e->sock >= 0)
		send_errand(r, d, e);
	else
		free(e);
}

/* By the descriptor: a door that was closed since the event is not found. */
static void take(struct relay *r, int fd)
{
	struct door *udp, *tcp;

	HASH_FIND(by_udp, r->by_udp, &fd, sizeof(fd), udp);
	HASH_FIND(by_tcp, r->by_tcp, &fd, sizeof(fd), tcp);
	if (udp)
		take_datagram(r, udp);
	else if (tcp)
		take_connection(r, tcp);
}

static void *serve(void *arg)
{
	struct relay *r = arg;
	struct epoll_event events[EVENTS_MAX];
	bool stopped = false;

	while (!stopped) {
		int n = epoll_wait(r->epoll_fd, events, EVENTS_MAX, -1);

		pthread_mutex_lock(&r->lock);
		for (int i = 0; i < n; i++) {
			stopped = stopped || events[i].data.fd == r->stop_fd;
			take(r, events[i].data.fd);
		}
		pthread_mutex_unlock(&r->lock);
	}
	return NULL;
}

/* --- doors ------------------------------------------------------------------------------------------ */

static void door_free(struct door *d)
{
	const int fds[] = { d->udp, d->tcp, d->stop };

	for (size_t i = 0; i < MC_ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(d);
}

static int listen_on(int type)
{
	const struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(PORT),
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = netns_lift(socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), one = 1;

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	    (type == SOCK_DGRAM || listen(fd, BACKLOG) == 0))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* In the namespace: sockets made there stay there. -1 with errno. */
static int open_here(void *arg)
{
	struct door *d = arg;

	d->udp = listen_on(SOCK_DGRAM);
	d->tcp = d->udp < 0 ? -1 : listen_on(SOCK_STREAM);
	return d->tcp < 0 ? errno : 0;
}

static int hear(const struct relay *r, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	return fd < 0 ? -1 : epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

static struct door *find_door(const struct relay *r, const char *vpc_id)
{
	struct door *d;

	HASH_FIND_STR(r->doors, vpc_id, d);
	return d;
}

static void add_door(struct relay *r, struct door *d)
{
	HASH_ADD_STR(r->doors, vpc, d);
	HASH_ADD(by_udp, r->by_udp, udp, sizeof(d->udp), d);
	HASH_ADD(by_tcp, r->by_tcp, tcp, sizeof(d->tcp), d);
}

static void remove_door(struct relay *r, struct door *d)
{
	HASH_DEL(r->doors, d);
	HASH_DELETE(by_udp, r->by_udp, d);
	HASH_DELETE(by_tcp, r->by_tcp, d);
}

const char *relay_address(const struct relay *r)
{
	return r ? ADDRESS : "";
}

int relay_open(struct relay *r, const char *vpc_id, int ns_fd, mc_err **err)
{
	struct door *d;
	int error;

	if (!r)
		return 0;
	pthread_mutex_lock(&r->lock);
	d = find_door(r, vpc_id);
	pthread_mutex_unlock(&r->lock);
	if (d)
		return 0;
	d = mc_alloc(sizeof(*d));
	snprintf(d->vpc, sizeof(d->vpc), "%s", vpc_id);
	d->udp = d->tcp = -1;
	d->stop = eventfd(0, EFD_CLOEXEC);
	error = netns_call(ns_fd, open_here, d, err);
	if (error > 0)
		mc_err_set(err, error, "relay of %s", vpc_id);
	pthread_mutex_lock(&r->lock);
	if (error == 0 && (d->stop < 0 || hear(r, d->udp) < 0 || hear(r, d->tcp) < 0))
		error = mc_err_set(err, errno, "relay of %s", vpc_id);
	if (error == 0)
		add_door(r, d);
	pthread_mutex_unlock(&r->lock);
	if (error == 0)
		return 0;
	door_free(d);
	return -1;
}

void relay_close(struct relay *r, const char *vpc_id)
{
	struct door *d;

	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	d = find_door(r, vpc_id);
	if (d) {
		remove_door(r, d);
		eventfd_write(d->stop, 1);
		while (d->errands > 0)
			pthread_cond_wait(&r->ended, &r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	if (d)
		door_free(d);
}

/* --- life ----------------------------------------------------------------------------------------------- */

static void relay_free(struct relay *r)
{
	if (r->epoll_fd >= 0)
		close(r->epoll_fd);
	if (r->stop_fd >= 0)
		close(r->stop_fd);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->ended);
	free(r);
}

struct relay *relay_start(const char *servers, const char *resolv_conf, mc_err **err)
{
	struct relay *r = mc_alloc(sizeof(*r));
	int error;

	*r = (struct relay){ .servers = servers, .resolv_conf = resolv_conf, .lock = PTHREAD_MUTEX_INITIALIZER,
			     .ended = PTHREAD_COND_INITIALIZER };
	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r->stop_fd = eventfd(0, EFD_CLOEXEC);
	error = r->epoll_fd < 0 || hear(r, r->stop_fd) < 0 ? errno : pthread_create(&r->thread, NULL, serve, r);
	if (error == 0)
		return r;
	mc_err_set(err, error, "cannot relay names");
	relay_free(r);
	return NULL;
}

void relay_stop(struct relay *r)
{
	if (!r)
		return;
	eventfd_write(r->stop_fd, 1);
	pthread_join(r->thread, NULL);
	while (r->doors)
		relay_close(r, r->doors->vpc);
	relay_free(r);
}
