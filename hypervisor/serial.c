#include "hypervisor/serial.h"

#include <errno.h>
#include <fcntl.h>
#include <libvirt/virterror.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/log.h"
#include "hypervisor/work.h"

#define AREA "hypervisor"
#define FROM_GUEST 65536 /* bytes kept for a reader that is slow */
#define TO_GUEST 1024    /* then its keyboard has to wait */
#define LINGER_MS 1000   /* for the last line */

struct session {
	struct session *next;
	char id[MC_ID_LEN];
	int wake_fd;        /* the port can be read or written, or one of these has changed: */
	_Atomic enum { UNCONTENDED, CONTENDED, OUSTED } fate; /* another session wants, has the port */
};

struct serials {
	pthread_mutex_t lock;
	struct session *sessions;
};

struct queue {
	char *bytes;
	size_t len, size;
};

struct pump {
	struct session *session;
	virStreamPtr stream;
	int fd;
	struct queue in, out; /* to the guest, from it */
	bool stream_ended, client_ended;
};

struct serials *serials_new(void)
{
	struct serials *s = mc_alloc(sizeof(*s));

	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void serials_free(struct serials *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void session_wake(const struct session *s)
{
	(void)!eventfd_write(s->wake_fd, 1);
}

/* Tell whoever has this instance's port what is to become of it. */
static void sessions_tell(struct serials *all, const char *id, int fate)
{
	pthread_mutex_lock(&all->lock);
	for (struct session *s = all->sessions; s; s = s->next)
		if (strcmp(s->id, id) == 0) {
			s->fate = fate;
			session_wake(s);
		}
	pthread_mutex_unlock(&all->lock);
}

static void session_join(struct serials *all, struct session *s)
{
	pthread_mutex_lock(&all->lock);
	s->next = all->sessions;
	all->sessions = s;
	pthread_mutex_unlock(&all->lock);
}

static void session_leave(struct serials *all, struct session *s)
{
	struct session **at;

	pthread_mutex_lock(&all->lock);
	for (at = &all->sessions; *at != s;)
		at = &(*at)->next;
	*at = s->next;
	pthread_mutex_unlock(&all->lock);
}

/* --- queues ------------------------------------------------------------------- */

/* Add what fits. */
static void queue_add(struct queue *q, const char *bytes, size_t n)
{
	size_t room = q->size - q->len;

	if (n > room)
		n = room;
	memcpy(q->bytes + q->len, bytes, n);
	q->len += n;
}

static void queue_drop(struct queue *q, size_t n)
{
	memmove(q->bytes, q->bytes + n, q->len - n);
	q->len -= n;
}

/* --- the port, by libvirt's stream ----------------------------------------------- */

/* In libvirt's event loop: no more of it until the pump has looked. libvirt may be here a
 * little longer than the session lives, so the descriptor is one of its own. */
static void on_stream(virStreamPtr stream, int events, void *opaque)
{
	(void)events;
	virStreamEventUpdateCallback(stream, 0);
	(void)!eventfd_write((int)(intptr_t)opaque, 1);
}

static void on_stream_free(void *opaque)
{
	close((int)(intptr_t)opaque);
}

static int watch_stream(virStreamPtr stream, int wake_fd)
{
	int fd = fcntl(wake_fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (virStreamEventAddCallback(stream, 0, on_stream, (void *)(intptr_t)fd, on_stream_free) == 0)
		return 0;
	close(fd);
	return -1;
}

static void from_guest(struct pump *p)
{
	char bytes[4096];
	int n;

	while ((n = virStreamRecv(p->stream, bytes, sizeof(bytes))) > 0)
		queue_add(&p->out, bytes, (size_t)n);
	p->stream_ended = n != -2; /* -2: nothing is there now; 0: the end */
}

static void to_guest(struct pump *p)
{
	int n = p->in.len ? virStreamSend(p->stream, p->in.bytes, p->in.len) : 0;

	if (n > 0)
		queue_drop(&p->in, (size_t)n);
	else if (n == -1)
		p->stream_ended = true;
}

static void listen_to_stream(struct pump *p)
{
	int events = VIR_STREAM_EVENT_READABLE | VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP;

	if (p->in.len)
		events |= VIR_STREAM_EVENT_WRITABLE;
	if (virStreamEventUpdateCallback(p->stream, events) < 0)
		p->stream_ended = true;
}

/* --- the client's connection ------------------------------------------------------ */

static void from_client(struct pump *p)
{
	ssize_t n = recv(p->fd, p->in.bytes + p->in.len, p->in.size - p->in.len, MSG_DONTWAIT);

	if (n > 0)
		p->in.len += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		p->client_ended = true;
}

static void to_client(struct pump *p)
{
	ssize_t n = send(p->fd, p->out.bytes, p->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n > 0)
		queue_drop(&p->out, (size_t)n);
	else if (errno != EAGAIN && errno != EINTR)
		p->client_ended = true;
}

static void wait_for_any(struct pump *p)
{
	bool room = p->in.len < p->in.size;
	struct pollfd fds[] = {
		{ .fd = p->session->wake_fd, .events = POLLIN },
		{ .fd = p->fd, .events = (short)((room ? POLLIN : 0) | (p->out.len ? POLLOUT : 0)) },
	};
	eventfd_t n;

	if (poll(fds, 2, -1) <= 0)
		return;
	if (fds[0].revents)
		(void)!eventfd_read(p->session->wake_fd, &n);
	if (room && fds[1].revents & (POLLIN | POLLHUP | POLLERR))
		from_client(p);
	else if (fds[1].revents & (POLLHUP | POLLERR))
		p->client_ended = true;
}

static void pass_on(struct pump *p)
{
	while (!p->client_ended && !p->stream_ended && p->session->fate != OUSTED) {
		from_guest(p);
		to_guest(p);
		if (p->out.len)
			to_client(p);
		if (!p->stream_ended)
			listen_to_stream(p);
		if (!p->stream_ended && !p->client_ended && p->session->fate != OUSTED)
			wait_for_any(p);
	}
}

/* A port that ends under a session may be another's already, before we hear of it. */
static bool was_ousted(const struct session *s)
{
	struct pollfd fd = { .fd = s->wake_fd, .events = POLLIN };
	eventfd_t n;

	while (s->fate == CONTENDED && poll(&fd, 1, LINGER_MS) > 0)
		(void)!eventfd_read(s->wake_fd, &n);
	return s->fate == OUSTED;
}

static void say_goodbye(struct pump *p)
{
	const char *why = was_ousted(p->session) ? "\r\n[another session has taken this console]\r\n"
						 : "\r\n[the instance's console has ended]\r\n";
	struct pollfd fd = { .fd = p->fd, .events = POLLOUT };

	if (p->client_ended)
		return;
	queue_add(&p->out, why, strlen(why));
	while (p->out.len && !p->client_ended && poll(&fd, 1, LINGER_MS) > 0)
		to_client(p);
}

/* --- a session --------------------------------------------------------------------- */

static int open_port(const struct work *w, virDomainPtr domain, virStreamPtr stream, bool force, mc_err **err)
{
	int r;

	if (force)
		sessions_tell(w->h->serials, w->id, CONTENDED);
	r = virDomainOpenConsole(domain, NULL, stream, force ? VIR_DOMAIN_CONSOLE_FORCE : 0);
	if (force)
		sessions_tell(w->h->serials, w->id, r == 0 ? OUSTED : UNCONTENDED);
	if (r == 0)
		return MC_IPC_OK;
	if (virGetLastErrorCode() != VIR_ERR_OPERATION_FAILED)
		return work_failed(w, err, "open the console of");
	mc_err_set(err, 0, "another session has the console of %s", w->id);
	return MC_IPC_IN_USE;
}

static void talk(struct hypervisor *h, struct session *session, virStreamPtr stream, int fd)
{
	mc_autofree char *in = mc_alloc(TO_GUEST), *out = mc_alloc(FROM_GUEST);
	struct pump p = { .session = session, .stream = stream, .fd = fd, .in = { in, 0, TO_GUEST },
			  .out = { out, 0, FROM_GUEST } };

	mc_log(MC_LOG_INFO, AREA, "console opened", "instance", session->id, NULL);
	session_join(h->serials, session);
	if (watch_stream(stream, session->wake_fd) == 0) {
		pass_on(&p);
		virStreamEventRemoveCallback(stream);
	}
	say_goodbye(&p);
	session_leave(h->serials, session);
	mc_log(MC_LOG_INFO, AREA, "console closed", "instance", session->id, NULL);
}

static int run_stream(const struct work *w, virStreamPtr stream, bool force, struct mc_ipc_upgrade *upgrade, mc_err **err)
{
	auto_domain domain = NULL;
	struct session session = { .wake_fd = -1 };
	mc_auto_fd int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int outcome = wake_fd < 0 ? mc_err_set(err, errno, "eventfd") : work_find_active(w, &domain, err);
	int fd;

	if (outcome == MC_IPC_OK)
		outcome = open_port(w, domain, stream, force, err);
	if (outcome != MC_IPC_OK)
		return outcome;
	memcpy(session.id, w->id, strlen(w->id) + 1);
	session.wake_fd = wake_fd;
	fd = mc_ipc_upgrade_accept(upgrade);
	if (fd >= 0)
		talk(w->h, &session, stream, fd);
	virStreamAbort(stream);
	return MC_IPC_OK;
}

int serial_run(struct hypervisor *h, const char *id, bool force, struct mc_ipc_upgrade *upgrade, mc_err **err)
{
	/* Without the instance's lock: a session must not keep it from being stopped. */
	auto_connection conn = connection_get(h->connection, err);
	struct work w = { .h = h, .conn = conn, .id = id };
	virStreamPtr stream = conn ? virStreamNew(conn, VIR_STREAM_NONBLOCK) : NULL;
	int outcome;

	if (!conn)
		return MC_IPC_UNAVAILABLE;
	if (!stream)
		return work_failed(&w, err, "open a stream for");
	outcome = run_stream(&w, stream, force, upgrade, err);
	virStreamFree(stream);
	return outcome;
}
