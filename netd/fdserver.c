#include "netd/fdserver.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fdpass.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/ipc.h"
#include "common/log.h"
#include "netd/vpc.h"

#define PATIENCE_S 5 /* for a peer that connects and says nothing */

struct fdserver {
	struct netd *netd;
	int listen_fd, stop_fd;
	const uid_t *allowed;
	pthread_t thread;
};

static bool check_op(const char *text)
{
	return strcmp(text, "metadata") == 0 || strcmp(text, "endpoint") == 0;
}

static bool check_vpc(const char *text)
{
	return mc_id_valid("vpc", text);
}

static bool check_endpoint(const char *text)
{
	return mc_id_valid("vpce", text);
}

static bool check_eni(const char *text)
{
	return mc_id_valid("eni", text);
}

static const struct mc_field request_fields[] = {
	{ "op", MC_FIELD_STRING, true, 0, 0, check_op, NULL },
	{ "vpc", MC_FIELD_STRING, true, 0, 0, check_vpc, NULL },
	{ "endpoint", MC_FIELD_STRING, false, 0, 0, check_endpoint, NULL },
	{ "eni", MC_FIELD_STRING, false, 0, 0, check_eni, NULL },
	{ "port", MC_FIELD_INTEGER, false, 1, 65535, NULL, NULL },
	{ .name = NULL },
};

static bool may_call(const struct fdserver *s, int sock)
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

static int open_endpoint(struct fdserver *s, const json_t *request, int *ret_fd, mc_err **err)
{
	const char *endpoint = mc_json_str(request, "endpoint", NULL);
	int port = (int)mc_json_int(request, "port", 0);

	if (!endpoint || (port != 80 && port != 443)) {
		mc_err_set(err, 0, "an endpoint's socket is of an endpoint and on port 80 or 443");
		return MC_IPC_BAD_REQUEST;
	}
	return vpc_endpoint_socket(s->netd, mc_json_str(request, "vpc", ""), endpoint,
				   mc_json_str(request, "eni", NULL), port, ret_fd, err);
}

static int handle(struct fdserver *s, int sock, int *ret_fd, mc_err **err)
{
	mc_auto_json json_t *request = NULL;
	mc_auto_fd int unasked = -1;

	if (!may_call(s, sock)) {
		mc_err_set(err, 0, "this user may not call netd");
		return MC_IPC_DENIED;
	}
	if (mc_fdpass_recv(sock, &request, &unasked, err) != 0 ||
	    mc_fields_check(request_fields, request, err) < 0)
		return MC_IPC_BAD_REQUEST;
	if (strcmp(mc_json_str(request, "op", ""), "endpoint") == 0)
		return open_endpoint(s, request, ret_fd, err);
	return vpc_metadata_socket(s->netd, mc_json_str(request, "vpc", ""), ret_fd, err);
}

static json_t *answer_of(int outcome, const mc_err *err)
{
	if (outcome == MC_IPC_OK)
		return json_pack("{s:b}", "ok", 1);
	if (outcome < 0)
		outcome = MC_IPC_INTERNAL;
	return json_pack("{s:b, s:s, s:s}", "ok", 0, "outcome",
			 mc_ipc_outcome_name((enum mc_ipc_outcome)outcome), "message",
			 mc_err_msg(err));
}

static void serve_one(struct fdserver *s)
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
	struct fdserver *s = arg;
	struct pollfd p[2] = { { .fd = s->listen_fd, .events = POLLIN },
			       { .fd = s->stop_fd, .events = POLLIN } };

	while (!p[1].revents)
		if (poll(p, 2, -1) > 0 && p[0].revents && !p[1].revents)
			serve_one(s);
	return NULL;
}

struct fdserver *fdserver_start(struct netd *netd, int listen_fd, const uid_t *allowed,
				mc_err **err)
{
	struct fdserver *s = mc_alloc(sizeof(*s));
	int e;

	*s = (struct fdserver){ .netd = netd, .listen_fd = listen_fd, .allowed = allowed };
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

void fdserver_stop(struct fdserver *s)
{
	if (!s)
		return;
	eventfd_write(s->stop_fd, 1);
	pthread_join(s->thread, NULL);
	close(s->stop_fd);
	free(s);
}
