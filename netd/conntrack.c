#include "netd/conntrack.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netd/flow.h"
#include "netd/netlink.h"

#define MAX_TUPLE 128 /* bytes of a CTA_TUPLE_ORIG attribute's payload; IPv4 needs 52 */

struct doomed {
	unsigned char tuple[MAX_TUPLE];
	size_t len;
	uint32_t id;
};

/* What is chosen by one look at all connections. */
struct sweep {
	const struct wanted *before, *wanted; /* those that do not go on; wanted NULL: */
	const struct wanted_change *change;   /* of these those alone that its rules let pass; NULL: all */
	uint32_t to;                          /* those whose answers come to this address */
	bool count;                           /* without keeping them */
	struct doomed *rows;
	size_t n;
};

static struct nl_msg *ct_msg(int command, int flags)
{
	struct nfgenmsg nfg = { .nfgen_family = AF_INET, .version = NFNETLINK_V0 };
	struct nl_msg *msg = netlink_msg(NFNL_SUBSYS_CTNETLINK << 8 | command, flags);

	netlink_append(msg, &nfg, sizeof(nfg));
	return msg;
}

struct tuple {
	uint32_t src, dst;
	int protocol;
	uint16_t sport, dport;
	uint8_t icmp_type, icmp_code;
};

static uint16_t attr_port(struct nlattr *a)
{
	return a && nla_len(a) == 2 ? be16toh(nla_get_u16(a)) : 0;
}

static int read_tuple(struct nlattr *attr, struct tuple *out)
{
	struct nlattr *tb[CTA_TUPLE_MAX + 1], *ip[CTA_IP_MAX + 1], *proto[CTA_PROTO_MAX + 1];

	if (!attr || nla_parse_nested(tb, CTA_TUPLE_MAX, attr, NULL) < 0 || !tb[CTA_TUPLE_IP] ||
	    !tb[CTA_TUPLE_PROTO] || nla_parse_nested(ip, CTA_IP_MAX, tb[CTA_TUPLE_IP], NULL) < 0 ||
	    nla_parse_nested(proto, CTA_PROTO_MAX, tb[CTA_TUPLE_PROTO], NULL) < 0 ||
	    !ip[CTA_IP_V4_SRC] || !ip[CTA_IP_V4_DST] || !proto[CTA_PROTO_NUM])
		return -1;
	out->src = be32toh(nla_get_u32(ip[CTA_IP_V4_SRC]));
	out->dst = be32toh(nla_get_u32(ip[CTA_IP_V4_DST]));
	out->protocol = nla_get_u8(proto[CTA_PROTO_NUM]);
	out->sport = attr_port(proto[CTA_PROTO_SRC_PORT]);
	out->dport = attr_port(proto[CTA_PROTO_DST_PORT]);
	out->icmp_type = proto[CTA_PROTO_ICMP_TYPE] ? nla_get_u8(proto[CTA_PROTO_ICMP_TYPE]) : 0;
	out->icmp_code = proto[CTA_PROTO_ICMP_CODE] ? nla_get_u8(proto[CTA_PROTO_ICMP_CODE]) : 0;
	return 0;
}

static void doom(struct sweep *s, struct nlattr *tuple, uint32_t id)
{
	struct doomed *d;

	s->rows = netlink_grow(s->rows, s->n, sizeof(*d));
	d = &s->rows[s->n++];
	d->len = (size_t)nla_len(tuple);
	d->id = id;
	memcpy(d->tuple, nla_data(tuple), d->len);
}

static void take_count(void *ctx, const struct nlmsghdr *h)
{
	struct nlattr *tb[CTA_STATS_GLOBAL_MAX + 1];

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(struct nfgenmsg), tb, CTA_STATS_GLOBAL_MAX, NULL) == 0 &&
	    tb[CTA_STATS_GLOBAL_ENTRIES])
		*(uint32_t *)ctx = be32toh(nla_get_u32(tb[CTA_STATS_GLOBAL_ENTRIES]));
}

/* The kernel looks for a namespace's connections in the table of all of them, which takes milliseconds. */
static bool tracks_any(struct nl_sock *sk)
{
	uint32_t n = 1;

	netlink_call(sk, ct_msg(IPCTNL_MSG_CT_GET_STATS, 0), take_count, &n);
	return n > 0;
}

static bool may_cut(const struct wanted_change *c)
{
	for (size_t i = 0; i < c->n_rules; i++)
		if (!c->rules[i].added && flow_may_end_with(&c->rules[i].rule))
			return true;
	return false;
}

/* Did a rule that went let it pass? */
static bool is_concerned(const struct wanted_change *c, const struct flow *f)
{
	for (size_t i = 0; i < c->n_rules; i++)
		if (!c->rules[i].added && flow_matches(&c->before, c->rules[i].direction, &c->rules[i].rule, f))
			return true;
	return false;
}

static bool chosen(const struct sweep *s, const struct tuple *orig, const struct tuple *reply)
{
	struct flow f = { .src = orig->src, .dst = orig->dst, .reply_src = reply->src,
			  .reply_dst = reply->dst, .protocol = orig->protocol,
			  .dport = reply->sport, .icmp_type = orig->icmp_type,
			  .icmp_code = orig->icmp_code };

	if (!s->wanted)
		return reply->dst == s->to;
	return (!s->change || is_concerned(s->change, &f)) && !flow_goes_on(s->before, s->wanted, &f);
}

/* TCP that has been closed on both sides is remembered for a while. */
static bool is_over(struct nlattr *info)
{
	struct nlattr *tb[CTA_PROTOINFO_MAX + 1], *tcp[CTA_PROTOINFO_TCP_MAX + 1];

	return info && nla_parse_nested(tb, CTA_PROTOINFO_MAX, info, NULL) == 0 && tb[CTA_PROTOINFO_TCP] &&
	       nla_parse_nested(tcp, CTA_PROTOINFO_TCP_MAX, tb[CTA_PROTOINFO_TCP], NULL) == 0 &&
	       tcp[CTA_PROTOINFO_TCP_STATE] && nla_get_u8(tcp[CTA_PROTOINFO_TCP_STATE]) >= TCP_CONNTRACK_TIME_WAIT;
}

static void judge(void *ctx, const struct nlmsghdr *h)
{
	struct sweep *s = ctx;
	struct nlattr *tb[CTA_MAX + 1];
	struct tuple orig, reply;

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(struct nfgenmsg), tb, CTA_MAX, NULL) < 0 ||
	    read_tuple(tb[CTA_TUPLE_ORIG], &orig) < 0 ||
	    read_tuple(tb[CTA_TUPLE_REPLY], &reply) < 0 ||
	    nla_len(tb[CTA_TUPLE_ORIG]) > MAX_TUPLE || !chosen(s, &orig, &reply))
		return;
	if (s->count)
		s->n += !is_over(tb[CTA_PROTOINFO]);
	else
		doom(s, tb[CTA_TUPLE_ORIG], tb[CTA_ID] ? nla_get_u32(tb[CTA_ID]) : 0);
}

static int forget(struct nl_sock *sk, const struct doomed *d, mc_err **err)
{
	struct nl_msg *msg = ct_msg(IPCTNL_MSG_CT_DELETE, 0);
	int r;

	netlink_put(msg, CTA_TUPLE_ORIG | NLA_F_NESTED, d->tuple, d->len);
	/* With the id a new connection of the same tuple is spared. */
	if (d->id)
		netlink_put_u32(msg, CTA_ID, d->id);
	r = netlink_call(sk, msg, NULL, NULL);
	if (r < 0 && r != -ENOENT)
		return mc_err_set(err, -r, "cannot delete a tracked connection");
	return 0;
}

static int sweep_by(struct nl_sock *sk, struct sweep *s, mc_err **err)
{
	int r = netlink_call(sk, ct_msg(IPCTNL_MSG_CT_GET, NLM_F_DUMP), judge, s);
	if (r < 0)
		mc_err_set(err, -r, "cannot list the tracked connections");
	for (size_t i = 0; r == 0 && !s->count && i < s->n; i++)
		r = forget(sk, &s->rows[i], err);
	free(s->rows);
	return r < 0 ? -1 : 0;
}

static int sweep(int ns_fd, struct sweep *s, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_NETFILTER, ns_fd, err);

	if (!sk)
		return -1;
	/* The kernel goes through the connections of all namespaces. */
	return tracks_any(sk) ? sweep_by(sk, s, err) : 0;
}

int conntrack_sweep(int ns_fd, const struct wanted *before, const struct wanted *wanted,
		    size_t *ret_n, mc_err **err)
{
	struct sweep s = { .before = before, .wanted = wanted };

	if (sweep(ns_fd, &s, err) < 0)
		return -1;
	if (ret_n)
		*ret_n = s.n;
	return 0;
}

int conntrack_sweep_change(struct nl_sock *sk, const struct wanted_change *change, mc_err **err)
{
	struct sweep s = { .before = &change->before, .wanted = change->wanted, .change = change };

	return may_cut(change) && tracks_any(sk) ? sweep_by(sk, &s, err) : 0;
}

int conntrack_forget_to(int ns_fd, uint32_t addr, mc_err **err)
{
	struct sweep s = { .to = addr };

	return sweep(ns_fd, &s, err);
}

int conntrack_count_to(int ns_fd, uint32_t addr, size_t *ret_n, mc_err **err)
{
	struct sweep s = { .to = addr, .count = true };

	if (sweep(ns_fd, &s, err) < 0)
		return -1;
	*ret_n = s.n;
	return 0;
}
