#include "api/console_session.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/api.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/json.h"

#define SESSIONS_MAX 64
#define STACK (64 << 10)
#define QUEUE 8192

/* --- opening --------------------------------------------------------------------- */

static int find_instance(struct call *call)
{
	const struct resource *r = action_resource(call, KIND_INSTANCE, mc_json_str(call->in, "id", NULL));

	if (!r)
		return 1;
	if (r->state == INSTANCE_STOPPED || r->state == INSTANCE_TERMINATED)
		return action_fail(call, API_INCORRECT_INSTANCE_STATE, r->id, "talked to by its console");
	call->job = json_pack("{s:s, s:b}", "id", r->id, "force", strcmp(mc_json_str(call->in, "force", ""), "1") == 0);
	return 0;
}

static int open_console(struct call *call)
{
	const char *id = mc_json_str(call->job, "id", "");
	mc_autofree char *path = mc_strf("/v1/instances/%s/serial%s", id, mc_json_bool(call->job, "force", false) ? "?force=1" : "");
	int o = mc_ipc_upgrade(call->api->config.hypervisor, path, &call->fd, &call->err);

	switch (o) {
	case MC_IPC_OK: return 0;
	case MC_IPC_IN_USE: return action_fail(call, API_CONSOLE_IN_USE, id);
	case MC_IPC_NOT_FOUND:
	case MC_IPC_CONFLICT: return action_fail(call, API_INCORRECT_INSTANCE_STATE, id, "talked to by its console");
	case MC_IPC_UNAVAILABLE: return action_fail(call, API_UNAVAILABLE);
	default: return -1;
	}
}

const struct action page_console = {
	.service = "minicloud", .name = "console", .fn = find_instance, .flags = ACTION_BACKEND, .backend = open_console,
};

/* --- passing on ------------------------------------------------------------------ */

struct way {
	int from, to;
	size_t len;
	char bytes[QUEUE];
};

struct relay {
	struct way ways[2]; /* to the console, from it */
	void (*ended)(void *ctx);
	void *ctx;
};

static atomic_uint sessions;

/* False when this way has come to its end. */
static bool fill(struct way *w)
{
	ssize_t n = recv(w->from, w->bytes + w->len, QUEUE - w->len, MSG_DONTWAIT);

	if (n > 0)
		w->len += (size_t)n;
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool empty(struct way *w)
{
	ssize_t n = send(w->to, w->bytes, w->len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	memmove(w->bytes, w->bytes + n, w->len - (size_t)n);
	w->len -= (size_t)n;
	return true;
}

/* Wait until something can be read or written, and do so. False at the end. */
static bool turn(struct relay *r)
{
	struct pollfd fds[2];
	bool alive = true;

	for (int i = 0; i < 2; i++)
		fds[i] = (struct pollfd){ .fd = r->ways[i].from, .events = (short)((r->ways[i].len < QUEUE ? POLLIN : 0) |
										    (r->ways[!i].len ? POLLOUT : 0)) };
	if (poll(fds, 2, -1) < 0)
		return errno == EINTR;
	for (int i = 0; i < 2 && alive; i++) {
		struct way *w = &r->ways[i];

		if (w->len < QUEUE && fds[i].revents & (POLLIN | POLLHUP | POLLERR))
			alive = fill(w);
		else if (fds[i].revents & (POLLHUP | POLLERR))
			alive = false;
		if (w->len)
			alive = empty(w) && alive;
	}
	return alive;
}

static void *run(void *arg)
{
	struct relay *r = arg;

	while (turn(r)) {
	}
	close(r->ways[0].to);
	r->ended(r->ctx);
	sessions--;
	free(r);
	return NULL;
}

static int start_thread(struct relay *r)
{
	pthread_attr_t attr;
	pthread_t thread;
	int e;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK);
	e = pthread_create(&thread, &attr, run, r);
	pthread_attr_destroy(&attr);
	return e;
}

bool console_relay(int client_fd, int console_fd, const char *head, size_t n, void (*ended)(void *ctx), void *ctx)
{
	struct relay *r = mc_alloc(sizeof(*r));
	const int on = 1;

	r->ways[0] = (struct way){ .from = client_fd, .to = console_fd };
	r->ways[1] = (struct way){ .from = console_fd, .to = client_fd };
	r->ended = ended;
	r->ctx = ctx;
	r->ways[0].len = n < QUEUE ? n : QUEUE;
	memcpy(r->ways[0].bytes, head, r->ways[0].len);
	/* A client that vanishes without a word must not keep the port. */
	setsockopt(client_fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (sessions++ < SESSIONS_MAX && start_thread(r) == 0)
		return true;
	sessions--;
	free(r);
	return false;
}
