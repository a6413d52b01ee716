/* Netlink sockets (libnl) with the house rules: every request is acknowledged,
 * a kernel errno is never lost, interrupted dumps are repeated. */
#ifndef NETD_NETLINK_H
#define NETD_NETLINK_H

#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "common/error.h"

/* A socket of this protocol (NETLINK_ROUTE, NETLINK_NETFILTER), bound for good to
 * the namespace named by ns_fd (-1: ours). NULL and *err on failure. */
struct nl_sock *netlink_open(int protocol, int ns_fd, mc_err **err);

/* The same, to be kept for as long as its VPC is there (netns_lift()). */
struct nl_sock *netlink_open_kept(int protocol, int ns_fd, mc_err **err);

/* A request of this type; NLM_F_REQUEST|NLM_F_ACK are added. Aborts on no memory. */
struct nl_msg *netlink_msg(int type, int flags);

/* nla_put() and nlmsg_append() that abort on no memory: a message cut short must never be sent. */
void netlink_put(struct nl_msg *msg, int attr, const void *data, size_t len);
void netlink_put_u8(struct nl_msg *msg, int attr, uint8_t value);
void netlink_put_u32(struct nl_msg *msg, int attr, uint32_t value);
void netlink_put_str(struct nl_msg *msg, int attr, const char *text);
void netlink_append(struct nl_msg *msg, const void *header, size_t len);
struct nlattr *netlink_nest(struct nl_msg *msg, int attr);

/* Called for each message of an answer, after the whole answer came in. */
typedef void netlink_fn(void *ctx, const struct nlmsghdr *h);

/* For those who collect: rows with room for one more, the new row n zeroed. Aborts on no memory. */
void *netlink_grow(void *rows, size_t n, size_t size);

/* Send msg, which is freed, and wait for the end of the answer. 0 or -errno as the
 * kernel gave it. fn may be NULL. */
int netlink_call(struct nl_sock *sk, struct nl_msg *msg, netlink_fn *fn, void *ctx);

static inline void netlink_cleanup(struct nl_sock **sk)
{
	nl_socket_free(*sk);
}
#define auto_netlink __attribute__((cleanup(netlink_cleanup)))

#endif
