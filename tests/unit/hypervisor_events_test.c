/* The event stream through a real socket, and the locks by instance. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <libvirt/libvirt.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "hypervisor/events.h"
#include "hypervisor/watch.h"

#define ID "i-0123456789abcdef0"

struct fixture {
	struct events *events;
	struct mc_ipc_server *server;
	char *socket;
	int fd;
};

static void stream(void *ctx, const struct mc_ipc_request *req, struct mc_ipc_stream *s)
{
	(void)req;
	events_serve(ctx, s);
}

static const struct mc_ipc_route routes[] = {
	{ "GET", "/v1/events", .stream = stream },
	{ 0 },
};

static int setup(void **state)
{
	struct fixture *f = mc_alloc(sizeof(*f));

	*state = f;
	f->events = events_new();
	f->socket = mc_strf("/tmp/hypervisor_events_test.%d", (int)getpid());
	f->fd = mc_ipc_listen(f->socket, 0600, (gid_t)-1, NULL);
	f->server = mc_ipc_server_start(f->fd, routes, NULL, 2, f->events, NULL);
	return f->server ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	events_close(f->events);
	mc_ipc_server_stop(f->server);
	events_free(f->events);
	close(f->fd);
	unlink(f->socket);
	free(f->socket);
	free(f);
	return 0;
}

/* A reader that ends after `until` and has its lines then. */
struct reader {
	struct fixture *f;
	const char *until; /* reason of the last event wanted; NULL: until the stream's end */
	json_t *got;
	sem_t first;
	pthread_t thread;
	int result;
};

static int on_line(void *ctx, const json_t *doc)
{
	struct reader *r = ctx;

	json_array_append_new(r->got, json_deep_copy(doc));
	if (json_array_size(r->got) == 1)
		sem_post(&r->first);
	return r->until && strcmp(mc_json_str(doc, "reason", ""), r->until) == 0;
}

static void *read_all(void *arg)
{
	struct reader *r = arg;

	r->result = mc_ipc_follow(r->f->socket, "/v1/events", on_line, r, NULL);
	return NULL;
}

static void reader_start(struct reader *r, struct fixture *f, const char *until)
{
	*r = (struct reader){ .f = f, .until = until, .got = json_array() };
	sem_init(&r->first, 0, 0);
	assert_int_equal(pthread_create(&r->thread, NULL, read_all, r), 0);
	while (sem_wait(&r->first) < 0)
		assert_int_equal(errno, EINTR);
}

static void reader_end(struct reader *r)
{
	pthread_join(r->thread, NULL);
	sem_destroy(&r->first);
}

static const char *member(const struct reader *r, size_t i, const char *key)
{
	return mc_json_str(json_array_get(r->got, i), key, "-");
}

static void test_fan_out(void **state)
{
	struct reader a, b;

	reader_start(&a, *state, "last");
	reader_start(&b, *state, "last");
	events_publish(((struct fixture *)*state)->events, ID, "running", "resumed");
	events_publish(((struct fixture *)*state)->events, NULL, "resync", "last");
	reader_end(&a);
	reader_end(&b);
	assert_true(json_equal(a.got, b.got));
	assert_int_equal(json_array_size(a.got), 3);
	assert_string_equal(member(&a, 0, "event"), "resync");
	assert_string_equal(member(&a, 0, "reason"), "listening");
	assert_string_equal(member(&a, 1, "instance"), ID);
	assert_string_equal(member(&a, 1, "event"), "running");
	assert_string_equal(member(&a, 2, "instance"), "-");
	json_decref(a.got);
	json_decref(b.got);
}

/* More than a queue holds at once: whatever is lost, a resync says so, and the end arrives. */
static void test_overflow(void **state)
{
	struct fixture *f = *state;
	struct reader r;
	bool told = false;

	reader_start(&r, f, "last");
	for (int i = 0; i < 200000; i++)
		events_publish(f->events, ID, "running", "resumed");
	events_publish(f->events, ID, "stopped", "last");
	reader_end(&r);
	for (size_t i = 0; i < json_array_size(r.got); i++)
		told = told || strcmp(member(&r, i, "reason"), "overflow") == 0;
	assert_true(told || json_array_size(r.got) == 200002);
	json_decref(r.got);
}

static void test_listener_leaves(void **state)
{
	struct fixture *f = *state;
	struct reader r;
	int64_t deadline = mc_clock_boot() + 120 * MC_SECOND;

	reader_start(&r, f, "listening");
	reader_end(&r);
	json_decref(r.got);
	while (events_listeners(f->events) > 0 && mc_clock_boot() < deadline)
		poll(NULL, 0, 20);
	assert_int_equal(events_listeners(f->events), 0);
}

/* libvirt calls it a shutdown in both cases; who ordered it makes the difference. */
static void test_who_ended(void **state)
{
	struct fixture *f = *state;
	char dir[] = "/tmp/hypervisor-watch-XXXXXX";
	struct watch *w = watch_new(f->events, mkdtemp(dir), NULL);
	struct reader r;

	reader_start(&r, f, "host-shutdown");
	watch_lifecycle(w, ID, VIR_DOMAIN_EVENT_SHUTDOWN, VIR_DOMAIN_EVENT_SHUTDOWN_GUEST);
	watch_lifecycle(w, ID, VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN);
	assert_false(watch_host_ended(w, ID));
	watch_lifecycle(w, ID, VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_BOOTED);
	watch_lifecycle(w, ID, VIR_DOMAIN_EVENT_SHUTDOWN, VIR_DOMAIN_EVENT_SHUTDOWN_HOST);
	watch_lifecycle(w, ID, VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN);
	assert_true(watch_host_ended(w, ID));
	reader_end(&r);
	assert_string_equal(member(&r, 1, "reason"), "guest-shutdown");
	assert_string_equal(member(&r, 2, "reason"), "host-shutdown");
	watch_lifecycle(w, ID, VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_BOOTED);
	assert_false(watch_host_ended(w, ID));
	json_decref(r.got);
	watch_forget(w, ID);
	watch_free(w);
	assert_int_equal(rmdir(dir), 0);
}

static void noted_is(const struct watch *w, enum state wanted, const char *wanted_reason)
{
	enum state state;
	const char *reason;

	assert_true(watch_noted(w, ID, &state, &reason));
	assert_int_equal(state, wanted);
	assert_string_equal(reason, wanted_reason);
}

/* Notes outlive the daemon. */
static void test_notes(void **state)
{
	struct fixture *f = *state;
	char dir[] = "/tmp/hypervisor-watch-XXXXXX";
	struct watch *w = watch_new(f->events, mkdtemp(dir), NULL);
	enum state ignored;
	const char *reason;

	assert_false(watch_noted(w, ID, &ignored, &reason));
	watch_note_running(w, ID);
	noted_is(w, STATE_RUNNING, "resumed");
	watch_lifecycle(w, ID, VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FAILED);
	watch_free(w);
	w = watch_new(f->events, dir, NULL);
	noted_is(w, STATE_CRASHED, "crashed");
	watch_lifecycle(w, ID, VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_BOOTED);
	assert_false(watch_noted(w, ID, &ignored, &reason));
	watch_free(w);
	assert_int_equal(rmdir(dir), 0);
}

/* The last one: an open stream ends when the events are closed. */
static void test_close(void **state)
{
	struct fixture *f = *state;
	struct reader r;

	reader_start(&r, f, NULL);
	events_close(f->events);
	reader_end(&r);
	assert_int_equal(r.result, -1);
	assert_int_equal(json_array_size(r.got), 1);
	json_decref(r.got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fan_out),   cmocka_unit_test(test_overflow), cmocka_unit_test(test_listener_leaves),
		cmocka_unit_test(test_who_ended), cmocka_unit_test(test_notes),     cmocka_unit_test(test_close),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
