#include "hypervisor/connection.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/log.h"

#define KEEPALIVE_S 5 /* with three tries a hung libvirtd is an error after 20 s */
#define KEEPALIVE_TRIES 3
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000
#define TICK_MS 30000
#define CALLBACKS 3

struct connection {
	const char *uri;
	const struct connection_watcher *watcher;
	void *ctx;
	pthread_t loop_thread, connect_thread;
	bool loop_runs, connect_runs;
	int loop_timer, tick_timer;
	int wake_fd;  /* to the connecting thread: lost, or stop */
	int ready_fd; /* from it: connected for the first time */
	_Atomic bool stopping, lost;
	struct connection_counts counts;
	int callbacks[CALLBACKS]; /* libvirt's numbers of them, -1: none */
	pthread_mutex_t lock; /* of the two below */
	virConnectPtr conn;
	char *failure;
};

/* --- callbacks, in the event loop's thread --------------------------------- */

static void on_timer(int timer, void *opaque)
{
	(void)opaque;
	virEventUpdateTimeout(timer, -1);
}

static void on_tick(int timer, void *opaque)
{
	struct connection *c = opaque;

	(void)timer;
	c->watcher->tick(c->ctx);
}

static void on_close(virConnectPtr conn, int reason, void *opaque)
{
	struct connection *c = opaque;

	(void)conn, (void)reason;
	c->lost = true;
	(void)!eventfd_write(c->wake_fd, 1);
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr domain, int event, int detail, void *opaque)
{
	struct connection *c = opaque;

	(void)conn;
	c->watcher->lifecycle(c->ctx, domain, event, detail);
	return 0;
}

static void on_reboot(virConnectPtr conn, virDomainPtr domain, void *opaque)
{
	struct connection *c = opaque;

	(void)conn;
	c->watcher->rebooted(c->ctx, domain);
}

static void on_device_removed(virConnectPtr conn, virDomainPtr domain, const char *alias, void *opaque)
{
	struct connection *c = opaque;

	(void)conn;
	c->watcher->device_removed(c->ctx, domain, alias);
}

static void *run_loop(void *arg)
{
	struct connection *c = arg;

	while (!c->stopping)
		if (virEventRunDefaultImpl() < 0)
			mc_log(MC_LOG_DEBUG, "hypervisor", "event loop", "reason", virGetLastErrorMessage(), NULL);
	return NULL;
}

/* --- connecting ------------------------------------------------------------ */

static void set_current(struct connection *c, virConnectPtr conn, const char *failure)
{
	pthread_mutex_lock(&c->lock);
	c->conn = conn;
	free(c->failure);
	c->failure = mc_strdup(failure);
	pthread_mutex_unlock(&c->lock);
}

/* Close callback first: a loss between the steps is then seen. */
static int prepare(struct connection *c, virConnectPtr conn)
{
	static const struct { int event; virConnectDomainEventGenericCallback fn; } wanted[CALLBACKS] = {
		{ VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle) },
		{ VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(on_reboot) },
		{ VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(on_device_removed) },
	};

	if (virConnectRegisterCloseCallback(conn, on_close, c, NULL) < 0 ||
	    virConnectSetKeepAlive(conn, KEEPALIVE_S, KEEPALIVE_TRIES) < 0)
		return -1;
	for (size_t i = 0; i < CALLBACKS; i++) {
		c->callbacks[i] = virConnectDomainEventRegisterAny(conn, NULL, wanted[i].event, wanted[i].fn, c, NULL);
		if (c->callbacks[i] < 0)
			return -1;
	}
	return 0;
}

static void drop(struct connection *c, virConnectPtr conn)
{
	for (size_t i = 0; i < CALLBACKS; i++) {
		if (c->callbacks[i] >= 0)
			virConnectDomainEventDeregisterAny(conn, c->callbacks[i]);
		c->callbacks[i] = -1;
	}
	virConnectUnregisterCloseCallback(conn, on_close);
	virConnectClose(conn);
}

static int try_connect(struct connection *c)
{
	virConnectPtr conn;

	c->lost = false;
	conn = virConnectOpen(c->uri);
	if (conn && prepare(c, conn) == 0) {
		c->watcher->connecting(c->ctx, conn);
		set_current(c, conn, NULL);
		(void)!eventfd_write(c->ready_fd, 1);
		c->watcher->connected(c->ctx, conn);
		return 0;
	}
	set_current(c, NULL, virGetLastErrorMessage());
	if (conn)
		drop(c, conn);
	return -1;
}

static void disconnect(struct connection *c)
{
	virConnectPtr conn = c->conn;

	set_current(c, NULL, "the connection to libvirtd was lost");
	if (conn)
		drop(c, conn);
}

static void wait_for_wake(struct connection *c, int timeout_ms)
{
	struct pollfd p = { .fd = c->wake_fd, .events = POLLIN };
	eventfd_t n;

	if (poll(&p, 1, timeout_ms) > 0)
		(void)!eventfd_read(c->wake_fd, &n);
}

static void *run_connect(void *arg)
{
	struct connection *c = arg;
	int delay = RETRY_MIN_MS;

	while (!c->stopping) {
		if (try_connect(c) < 0) {
			wait_for_wake(c, delay);
			delay = delay * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : delay * 2;
			continue;
		}
		delay = RETRY_MIN_MS;
		while (!c->lost && !c->stopping)
			wait_for_wake(c, -1);
		disconnect(c);
		if (!c->stopping) {
			atomic_fetch_add(&c->counts.lost, 1);
			c->watcher->lost(c->ctx, "libvirtd closed the connection or does not answer");
		}
	}
	return NULL;
}

/* --- life ------------------------------------------------------------------ */

/* libvirt would write every error to stderr; ours go the way of *err. */
static void note_error(void *data, virErrorPtr error)
{
	struct connection *c = data;

	(void)error; /* whoever asked looks at it */
	atomic_fetch_add(&c->counts.errors, 1);
}

static int setup(struct connection *c, mc_err **err)
{
	virSetErrorFunc(c, note_error);
	if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0)
		return mc_err_set(err, 0, "libvirt: %s", virGetLastErrorMessage());
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake_fd < 0 || c->ready_fd < 0)
		return mc_err_set(err, errno, "eventfd");
	c->loop_timer = virEventAddTimeout(-1, on_timer, c, NULL);
	c->tick_timer = virEventAddTimeout(TICK_MS, on_tick, c, NULL);
	if (c->loop_timer < 0 || c->tick_timer < 0)
		return mc_err_set(err, 0, "libvirt's event loop takes no timers");
	c->loop_runs = pthread_create(&c->loop_thread, NULL, run_loop, c) == 0;
	c->connect_runs = c->loop_runs && pthread_create(&c->connect_thread, NULL, run_connect, c) == 0;
	return c->connect_runs ? 0 : mc_err_set(err, EAGAIN, "cannot start a thread");
}

struct connection *connection_start(const char *uri, const struct connection_watcher *watcher, void *ctx,
				    mc_err **err)
{
	struct connection *c = mc_alloc(sizeof(*c));

	*c = (struct connection){ .uri = uri, .watcher = watcher, .ctx = ctx, .wake_fd = -1, .ready_fd = -1,
				  .callbacks = { -1, -1, -1 }, .loop_timer = -1, .tick_timer = -1 };
	pthread_mutex_init(&c->lock, NULL);
	if (setup(c, err) < 0) {
		connection_stop(c);
		return NULL;
	}
	return c;
}

int connection_wait(struct connection *c, int timeout_ms, mc_err **err)
{
	struct pollfd p = { .fd = c->ready_fd, .events = POLLIN };
	int64_t deadline = mc_clock_boot() + timeout_ms * MC_MS;
	int64_t left = timeout_ms;
	int n;

	while ((n = poll(&p, 1, left > 0 ? (int)left : 0)) < 0 && errno == EINTR)
		left = (deadline - mc_clock_boot()) / MC_MS;
	if (n > 0)
		return 0;
	pthread_mutex_lock(&c->lock);
	mc_err_set(err, 0, "no libvirtd at %s: %s", c->uri, c->failure ? c->failure : "it does not answer");
	pthread_mutex_unlock(&c->lock);
	return -1;
}

/* Is there a libvirtd, as far as the standing connection knows? */
static bool is_connected(struct connection *c, mc_err **err)
{
	bool connected;

	pthread_mutex_lock(&c->lock);
	connected = c->conn && !c->lost;
	if (!connected)
		mc_err_set(err, 0, "libvirtd is not connected: %s", c->failure ? c->failure : "not yet");
	pthread_mutex_unlock(&c->lock);
	return connected;
}

virConnectPtr connection_get(struct connection *c, mc_err **err)
{
	virConnectPtr conn = is_connected(c, err) ? virConnectOpen(c->uri) : NULL;

	if (conn && virConnectSetKeepAlive(conn, KEEPALIVE_S, KEEPALIVE_TRIES) == 0) {
		atomic_fetch_add(&c->counts.opened, 1);
		return conn;
	}
	if (is_connected(c, err))
		mc_err_set(err, 0, "libvirtd: %s", virGetLastErrorMessage());
	if (conn)
		virConnectClose(conn);
	return NULL;
}

const struct connection_counts *connection_counts(const struct connection *c)
{
	return &c->counts;
}

bool connection_is_up(struct connection *c)
{
	return is_connected(c, NULL);
}

int connection_outcome(virConnectPtr conn, mc_err **err, const char *what)
{
	static const struct { int code, outcome; } rows[] = {
		{ VIR_ERR_NO_DOMAIN, MC_IPC_NOT_FOUND },
		{ VIR_ERR_OPERATION_INVALID, MC_IPC_CONFLICT },
		{ VIR_ERR_NO_MEMORY, MC_IPC_NO_CAPACITY },
		{ VIR_ERR_OPERATION_TIMEOUT, MC_IPC_UNAVAILABLE },
		{ VIR_ERR_RESOURCE_BUSY, MC_IPC_UNAVAILABLE },
		{ VIR_ERR_RPC, MC_IPC_UNAVAILABLE },
	};
	int code = virGetLastErrorCode();

	mc_err_set(err, 0, "%s: %s", what, virGetLastErrorMessage());
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		if (rows[i].code == code)
			return rows[i].outcome;
	return virConnectIsAlive(conn) == 1 ? -1 : MC_IPC_UNAVAILABLE;
}

/* A connecting thread that hangs in a hung libvirtd is not waited for for ever: the
 * process is about to end. */
static bool join_connect(struct connection *c)
{
	struct timespec until;
	int64_t deadline = mc_clock_wall() + 5 * MC_SECOND;

	until.tv_sec = deadline / MC_SECOND;
	until.tv_nsec = deadline % MC_SECOND;
	return pthread_timedjoin_np(c->connect_thread, NULL, &until) == 0;
}

bool connection_stop(struct connection *c)
{
	if (!c)
		return true;
	c->stopping = true;
	if (c->wake_fd >= 0)
		(void)!eventfd_write(c->wake_fd, 1);
	if (c->connect_runs && !join_connect(c))
		return false;
	if (c->loop_runs) {
		virEventUpdateTimeout(c->loop_timer, 0);
		pthread_join(c->loop_thread, NULL);
	}
	if (c->wake_fd >= 0)
		close(c->wake_fd);
	if (c->ready_fd >= 0)
		close(c->ready_fd);
	pthread_mutex_destroy(&c->lock);
	free(c->failure);
	free(c);
	return true;
}
