/* mc_ipc_upgrade: HTTP by hand, since the connection outlives it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/http_head.h"
#include "common/ipc.h"
#include "common/log.h"

#define PATIENCE_S 30
#define MAX_REFUSAL 65536

static int connect_to(const char *path, mc_err **err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	mc_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(addr.sun_path))
		return mc_err_set(err, fd < 0 ? errno : ENAMETOOLONG, "socket %s", path);
	memcpy(addr.sun_path, path, strlen(path));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return mc_err_set(err, errno, "connect to %s", path);
	return MC_STEAL_FD(fd);
}

static int ask(int fd, const char *path, mc_err **err)
{
	mc_autofree char *text = mc_strf("GET %s HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: minicloud\r\n"
					 "X-Request-Id: %s\r\n\r\n", path, mc_log_request_id());

	if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
		return mc_err_set(err, errno, "send");
	return 0;
}

static int read_head(int fd, struct mc_http_head *head, mc_err **err)
{
	char byte;
	int whole = 0;

	while (whole == 0) {
		if (recv(fd, &byte, 1, 0) != 1)
			return mc_err_set(err, errno, "the peer ended before its answer did");
		whole = mc_http_head_add(head, byte);
	}
	return whole == 1 ? 0 : mc_err_set(err, 0, "the answer's head is too long");
}

static int read_refusal(int fd, const struct mc_http_head *head, mc_err **err)
{
	mc_autofree char *text = mc_alloc(MAX_REFUSAL);
	long length = mc_http_head_length(head), len = 0;
	mc_auto_json json_t *doc = NULL;
	json_error_t e;
	ssize_t n = 1;

	for (; len < length && length <= MAX_REFUSAL && n > 0; len += n > 0 ? n : 0)
		n = recv(fd, text + len, (size_t)(length - len), 0);
	doc = json_loadb(text, (size_t)len, 0, &e);
	if (!json_is_object(doc))
		return mc_err_set(err, 0, "the refusal is no JSON document");
	mc_err_set(err, 0, "%s", mc_json_str(doc, "message", "no message"));
	return (int)mc_ipc_outcome_parse(mc_json_str(doc, "outcome", NULL));
}

int mc_ipc_upgrade(const char *socket_path, const char *path, int *ret_fd, mc_err **err)
{
	static const struct timeval none;
	mc_auto_fd int fd = connect_to(socket_path, err);
	struct mc_http_head head = { .len = 0 };

	if (fd < 0 || ask(fd, path, err) < 0 || read_head(fd, &head, err) < 0) {
		mc_err_wrap(err, "GET %s at %s", path, socket_path);
		return MC_IPC_UNAVAILABLE;
	}
	if (mc_http_head_status(&head) != 101)
		return read_refusal(fd, &head, err);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none));
	*ret_fd = MC_STEAL_FD(fd);
	return MC_IPC_OK;
}
