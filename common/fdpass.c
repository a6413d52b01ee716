#include "common/crash.h"
#include "common/fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/cleanup.h"
#include "common/fs.h"

#define MAX_LINE 4096

union control {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

int mc_fdpass_send(int sock, const json_t *doc, int fd, mc_err **err)
{
	mc_autofree char *text = json_dumps(doc, JSON_COMPACT);
	mc_autofree char *line = mc_strf("%s\n", text ? text : "{}");
	struct iovec iov = { .iov_base = line, .iov_len = strlen(line) };
	union control control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	memset(&control, 0, sizeof(control));
	if (fd >= 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	/* A line is far below a socket buffer: it goes whole or not at all. */
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) != (ssize_t)iov.iov_len)
		return mc_err_set(err, errno, "cannot send a descriptor line");
	return 0;
}

/* The last descriptor of the message, -1 where it has none. There is room for two
 * (CMSG_SPACE rounds up), so that a peer can send one too many: that is closed. */
static int take_fd(struct msghdr *msg)
{
	mc_auto_fd int fd = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= c->cmsg_len; at += sizeof(int)) {
			if (fd >= 0)
				close(fd);
			memcpy(&fd, CMSG_DATA(c) + at, sizeof(int));
		}
	}
	return MC_STEAL_FD(fd);
}

int mc_fdpass_recv(int sock, json_t **ret_doc, int *ret_fd, mc_err **err)
{
	char buf[MAX_LINE + 1];
	size_t len = 0;
	mc_auto_fd int got = -1;
	json_error_t e;
	json_t *doc;

	while (len == 0 || buf[len - 1] != '\n') {
		union control control;
		struct iovec iov = { .iov_base = buf + len, .iov_len = MAX_LINE - len };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
				      .msg_controllen = sizeof(control.buf) };
		ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
		int fd;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return mc_err_set(err, errno, "cannot receive a descriptor line");
		if (n == 0)
			return len == 0 && got < 0 ? 1 : mc_err_set(err, EPROTO, "line cut short");
		fd = take_fd(&msg);
		if (fd >= 0 && got >= 0)
			close(got);
		if (fd >= 0)
			got = fd;
		len += (size_t)n;
		if (len == MAX_LINE && buf[len - 1] != '\n')
			return mc_err_set(err, EMSGSIZE, "descriptor line too long");
	}
	doc = json_loadb(buf, len, JSON_REJECT_DUPLICATES, &e);
	if (!doc)
		return mc_err_set(err, EPROTO, "descriptor line is no JSON: %s", e.text);
	*ret_doc = doc;
	*ret_fd = MC_STEAL_FD(got);
	return 0;
}

int mc_fdpass_call(const char *socket_path, const json_t *doc, int fd, json_t **ret_doc, int *ret_fd,
		   mc_err **err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	mc_auto_fd int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval limit = { .tv_sec = 30 };
	int r;

	if (sock < 0 || strlen(socket_path) >= sizeof(addr.sun_path))
		return mc_err_set(err, sock < 0 ? errno : ENAMETOOLONG, "socket %s", socket_path);
	memcpy(addr.sun_path, socket_path, strlen(socket_path));
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return mc_err_set(err, errno, "cannot connect to %s", socket_path);
	MC_CRASH_POINT();
	if (mc_fdpass_send(sock, doc, fd, err) < 0)
		return -1;
	r = mc_fdpass_recv(sock, ret_doc, ret_fd, err);
	MC_CRASH_POINT();
	return r == 1 ? mc_err_set(err, ECONNRESET, "%s closed the connection", socket_path) : r;
}
