#include "hypervisor/events.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "common/cleanup.h"
#include "common/fs.h"

#define QUEUE_MAX 1024
#define PROBE_MS 1000 /* how often an idle stream looks whether its peer is still there */

struct listener {
	struct listener *next;
	json_t *queue; /* array */
	int wake_fd;
};

struct events {
	pthread_mutex_t lock;
	struct listener *listeners;
	bool closed;
};

struct events *events_new(void)
{
	struct events *e = mc_alloc(sizeof(*e));

	pthread_mutex_init(&e->lock, NULL);
	return e;
}

void events_free(struct events *e)
{
	if (!e)
		return;
	pthread_mutex_destroy(&e->lock);
	free(e);
}

static json_t *event_doc(const char *instance, const char *event, const char *reason)
{
	return json_pack("{s:s*, s:s, s:s*}", "instance", instance, "event", event, "reason", reason);
}

static void listener_wake(const struct listener *l)
{
	(void)!eventfd_write(l->wake_fd, 1);
}

static void listener_queue(struct listener *l, json_t *doc)
{
	if (json_array_size(l->queue) >= QUEUE_MAX) {
		json_array_clear(l->queue);
		json_array_append_new(l->queue, event_doc(NULL, "resync", "overflow"));
	}
	json_array_append(l->queue, doc);
	listener_wake(l);
}

void events_publish(struct events *e, const char *instance, const char *event, const char *reason)
{
	mc_auto_json json_t *doc = event_doc(instance, event, reason);

	pthread_mutex_lock(&e->lock);
	for (struct listener *l = e->listeners; l; l = l->next)
		listener_queue(l, doc);
	pthread_mutex_unlock(&e->lock);
}

static void listener_join(struct events *e, struct listener *l)
{
	pthread_mutex_lock(&e->lock);
	l->next = e->listeners;
	e->listeners = l;
	pthread_mutex_unlock(&e->lock);
}

static void listener_leave(struct events *e, struct listener *l)
{
	struct listener **at = &e->listeners;

	pthread_mutex_lock(&e->lock);
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	pthread_mutex_unlock(&e->lock);
}

/* What is queued, as a new array; NULL once the streams are closed. */
static json_t *listener_take(struct events *e, struct listener *l)
{
	json_t *taken = NULL;

	pthread_mutex_lock(&e->lock);
	if (!e->closed) {
		taken = l->queue;
		l->queue = json_array();
	}
	pthread_mutex_unlock(&e->lock);
	return taken;
}

static int send_all(struct mc_ipc_stream *stream, const json_t *docs)
{
	for (size_t i = 0; i < json_array_size(docs); i++)
		if (mc_ipc_stream_send(stream, json_array_get(docs, i)) < 0)
			return -1;
	return mc_ipc_stream_send(stream, NULL);
}

static void listener_wait(const struct listener *l)
{
	struct pollfd p = { .fd = l->wake_fd, .events = POLLIN };
	eventfd_t n;

	if (poll(&p, 1, PROBE_MS) > 0)
		(void)!eventfd_read(l->wake_fd, &n);
}

void events_serve(struct events *e, struct mc_ipc_stream *stream)
{
	struct listener l = { .queue = json_array(), .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	bool going = l.wake_fd >= 0;

	json_array_append_new(l.queue, event_doc(NULL, "resync", "listening"));
	listener_join(e, &l);
	while (going) {
		mc_auto_json json_t *docs = listener_take(e, &l);

		going = docs && send_all(stream, docs) == 0;
		if (going)
			listener_wait(&l);
	}
	listener_leave(e, &l);
	json_decref(l.queue);
	if (l.wake_fd >= 0)
		close(l.wake_fd);
}

void events_close(struct events *e)
{
	pthread_mutex_lock(&e->lock);
	e->closed = true;
	for (struct listener *l = e->listeners; l; l = l->next)
		listener_wake(l);
	pthread_mutex_unlock(&e->lock);
}

unsigned events_listeners(struct events *e)
{
	unsigned n = 0;

	pthread_mutex_lock(&e->lock);
	for (struct listener *l = e->listeners; l; l = l->next)
		n++;
	pthread_mutex_unlock(&e->lock);
	return n;
}
