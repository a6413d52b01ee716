#include "common/fdserver.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fdpass.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/log.h"

#define PATIENCE_S 5 /* for a peer that connects and says nothing */

struct mc_fdserver {
	const struct mc_field *fields;
	mc_fd_handler *handler;
	void *ctx;
	int listen_fd, stop_fd;
	const uid_t *allowed;
	pthread_t thread;
};

static bool may_call(const struct mc_fdserver *s, int sock)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	for (const uid_t *u = s->allowed; *u != (uid_t)-1; u++)
		if (*u == peer.uid)
			return true;
	return false;
}

static int handle(struct mc_fdserver *s, int sock, int *ret_fd, mc_err **err)
{
	mc_auto_json json_t *request = NULL;
	mc_auto_fd int fd = -1;

	if (!may_call(s, sock)) {
		mc_err_set(err, 0, "this user may not call this daemon");
		return MC_IPC_DENIED;
	}
	if (mc_fdpass_recv(sock, &request, &fd, err) != 0 || mc_fields_check(s->fields, request, err) < 0)
		return MC_IPC_BAD_REQUEST;
	return s->handler(s->ctx, request, fd, ret_fd, err);
}

static json_t *answer_of(int outcome, const mc_err *err)
{
	if (outcome == MC_IPC_OK)
		return json_pack("{s:b}", "ok", 1);
	if (outcome < 0)
		outcome = MC_IPC_INTERNAL;
	return json_pack("{s:b, s:s, s:s}", "ok", 0, "outcome", mc_ipc_outcome_name((enum mc_ipc_outcome)outcome), "message",
			 mc_err_msg(err));
}

static void serve_one(struct mc_fdserver *s)
{
	mc_auto_fd int sock = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	struct timeval patience = { .tv_sec = PATIENCE_S };
	mc_auto_err mc_err *err = NULL, *lost = NULL;
	mc_auto_json json_t *answer = NULL;
	mc_auto_fd int fd = -1;
	int outcome;

	if (sock < 0)
		return;
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	outcome = handle(s, sock, &fd, &err);
	if (outcome < 0)
		mc_log(MC_LOG_ERROR, "fd", mc_err_msg(err), NULL);
	answer = answer_of(outcome, err);
	if (mc_fdpass_send(sock, answer, fd, &lost) < 0)
		mc_log(MC_LOG_WARNING, "fd", mc_err_msg(lost), NULL);
}

static void *serve(void *arg)
{
	struct mc_fdserver *s = arg;
	struct pollfd p[2] = { { .fd = s->listen_fd, .events = POLLIN }, { .fd = s->stop_fd, .events = POLLIN } };

	while (!p[1].revents)
		if (poll(p, 2, -1) > 0 && p[0].revents && !p[1].revents)
			serve_one(s);
	return NULL;
}

struct mc_fdserver *mc_fdserver_start(int listen_fd, const struct mc_field *fields, mc_fd_handler *handler, void *ctx,
				      const uid_t *allowed, mc_err **err)
{
	struct mc_fdserver *s = mc_alloc(sizeof(*s));
	int e;

	*s = (struct mc_fdserver){ .fields = fields, .handler = handler, .ctx = ctx, .listen_fd = listen_fd, .allowed = allowed };
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	e = s->stop_fd < 0 ? errno : pthread_create(&s->thread, NULL, serve, s);
	if (e == 0)
		return s;
	mc_err_set(err, e, "cannot serve descriptors");
	if (s->stop_fd >= 0)
		close(s->stop_fd);
	free(s);
	return NULL;
}

void mc_fdserver_stop(struct mc_fdserver *s)
{
	if (!s)
		return;
	eventfd_write(s->stop_fd, 1);
	pthread_join(s->thread, NULL);
	close(s->stop_fd);
	free(s);
}

int mc_fdserver_call(const char *socket_path, const json_t *doc, int fd, int *ret_fd, mc_err **err)
{
	mc_auto_json json_t *answer = NULL;
	mc_auto_fd int got = -1;

	if (mc_fdpass_call(socket_path, doc, fd, &answer, &got, err) < 0)
		return MC_IPC_UNAVAILABLE;
	if (!mc_json_bool(answer, "ok", false)) {
		mc_err_set(err, 0, "%s", mc_json_str(answer, "message", "refused"));
		return mc_ipc_outcome_parse(mc_json_str(answer, "outcome", ""));
	}
	if (ret_fd)
		*ret_fd = MC_STEAL_FD(got);
	return MC_IPC_OK;
}
