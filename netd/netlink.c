#include "netd/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/crash.h"
#include "netd/netns.h"

#define DUMP_TRIES 8

struct open_args {
	int protocol;
	struct nl_sock *sk;
	int error;
};

static int open_here(void *arg)
{
	struct open_args *a = arg;

	a->sk = nl_socket_alloc();
	if (!a->sk)
		abort();
	a->error = nl_connect(a->sk, a->protocol);
	return 0;
}

/* As nl_connect(), with a descriptor of our choice. */
static int open_kept_here(void *arg)
{
	const struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	struct open_args *a = arg;
	int fd = netns_lift(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, a->protocol));

	a->sk = nl_socket_alloc();
	if (!a->sk)
		abort();
	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		a->error = -nl_syserr2nlerr(errno);
	else
		a->error = nl_socket_set_fd(a->sk, a->protocol, fd);
	if (a->error < 0 && fd >= 0)
		close(fd);
	return a->error < 0 ? 0 : nl_socket_set_buffer_size(a->sk, 0, 0);
}

/* The kernel filters what is asked of rtnetlink by it: routes of a link, and not all (since Linux 4.20). */
static void ask_strictly(const struct open_args *a)
{
	int one = 1;

	if (a->protocol == NETLINK_ROUTE)
		setsockopt(nl_socket_get_fd(a->sk), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
}

static struct nl_sock *open_with(int (*open_it)(void *), int protocol, int ns_fd, mc_err **err)
{
	struct open_args a = { .protocol = protocol };

	if (ns_fd < 0)
		open_it(&a);
	else if (netns_call(ns_fd, open_it, &a, err) < 0)
		return NULL;
	if (a.error < 0) {
		nl_socket_free(a.sk);
		mc_err_set(err, 0, "cannot open a netlink socket: %s", nl_geterror(a.error));
		return NULL;
	}
	ask_strictly(&a);
	return a.sk;
}

struct nl_sock *netlink_open(int protocol, int ns_fd, mc_err **err)
{
	return open_with(open_here, protocol, ns_fd, err);
}

struct nl_sock *netlink_open_kept(int protocol, int ns_fd, mc_err **err)
{
	return open_with(open_kept_here, protocol, ns_fd, err);
}

struct nl_msg *netlink_msg(int type, int flags)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_ACK | flags);

	if (!msg)
		abort();
	return msg;
}

void netlink_put(struct nl_msg *msg, int attr, const void *data, size_t len)
{
	if (nla_put(msg, attr, (int)len, data) < 0)
		abort();
}

void netlink_put_u8(struct nl_msg *msg, int attr, uint8_t value)
{
	netlink_put(msg, attr, &value, sizeof(value));
}

void netlink_put_u32(struct nl_msg *msg, int attr, uint32_t value)
{
	netlink_put(msg, attr, &value, sizeof(value));
}

void netlink_put_str(struct nl_msg *msg, int attr, const char *text)
{
	netlink_put(msg, attr, text, strlen(text) + 1);
}

void netlink_append(struct nl_msg *msg, const void *header, size_t len)
{
	if (nlmsg_append(msg, (void *)header, len, NLMSG_ALIGNTO) < 0)
		abort();
}

struct nlattr *netlink_nest(struct nl_msg *msg, int attr)
{
	struct nlattr *nest = nla_nest_start(msg, attr | NLA_F_NESTED);

	if (!nest)
		abort();
	return nest;
}

void *netlink_grow(void *rows, size_t n, size_t size)
{
	char *grown = reallocarray(rows, n + 1, size);

	if (!grown)
		abort();
	memset(grown + n * size, 0, size);
	return grown;
}

/* One answer under way. Messages are kept until it is whole, so that an
 * interrupted dump leaves no half of it with the caller. */
struct answer {
	bool done, interrupted;
	int error;
	char *data;
	size_t len;
};

static int on_valid(struct nl_msg *msg, void *arg)
{
	struct answer *a = arg;
	const struct nlmsghdr *h = nlmsg_hdr(msg);
	size_t n = NLMSG_ALIGN(h->nlmsg_len);
	char *grown = realloc(a->data, a->len + n);

	if (!grown)
		abort();
	memset(grown + a->len, 0, n);
	memcpy(grown + a->len, h, h->nlmsg_len);
	a->data = grown;
	a->len += n;
	return NL_OK;
}

static int on_end(struct nl_msg *msg, void *arg)
{
	(void)msg;
	((struct answer *)arg)->done = true;
	return NL_STOP;
}

static int on_interrupted(struct nl_msg *msg, void *arg)
{
	(void)msg;
	((struct answer *)arg)->interrupted = true;
	return NL_OK;
}

static int on_error(struct sockaddr_nl *who, struct nlmsgerr *e, void *arg)
{
	struct answer *a = arg;

	(void)who;
	a->error = e->error;
	a->done = true;
	return NL_STOP;
}

/* With NL_SKIP from here libnl would silently lose errors. */
static int any_sequence(struct nl_msg *msg, void *arg)
{
	(void)msg;
	(void)arg;
	return NL_OK;
}

static struct nl_cb *callbacks(struct answer *a)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_CUSTOM);

	if (!cb)
		abort();
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_valid, a);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_end, a);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_end, a);
	nl_cb_set(cb, NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_interrupted, a);
	nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, any_sequence, NULL);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, a);
	return cb;
}

static void exchange(struct nl_sock *sk, struct nl_msg *msg, struct answer *a)
{
	struct nl_cb *cb = callbacks(a);

	nlmsg_hdr(msg)->nlmsg_seq = 0;
	if (nl_send_auto(sk, msg) < 0) {
		a->error = -EIO;
		a->done = true;
	}
	while (!a->done)
		if (nl_recvmsgs(sk, cb) < 0 && !a->done) {
			a->error = -EIO;
			a->done = true;
		}
	nl_cb_put(cb);
}

int netlink_call(struct nl_sock *sk, struct nl_msg *msg, netlink_fn *fn, void *ctx)
{
	struct answer a = { .interrupted = true };

	if (!(nlmsg_hdr(msg)->nlmsg_flags & NLM_F_DUMP))
		MC_CRASH_POINT();
	for (int i = 0; i < DUMP_TRIES && a.interrupted; i++) {
		free(a.data);
		a = (struct answer){ .done = false };
		exchange(sk, msg, &a);
	}
	nlmsg_free(msg);
	if (a.error == 0 && a.interrupted)
		a.error = -EAGAIN;
	for (size_t at = 0; a.error == 0 && fn && at < a.len;) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)(a.data + at);

		fn(ctx, h);
		at += NLMSG_ALIGN(h->nlmsg_len);
	}
	free(a.data);
	return a.error;
}
