#include "netd/route.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

/* --- routes ---------------------------------------------------------------- */

static struct nl_msg *route_msg(int type, int flags, const struct route *route)
{
	struct rtmsg rt = { .rtm_family = AF_INET, .rtm_dst_len = (unsigned char)route->dst.len,
			    .rtm_protocol = ROUTE_PROTOCOL, .rtm_type = route->type,
			    .rtm_scope = RT_SCOPE_UNIVERSE };
	uint32_t dst = htobe32(route->dst.addr), gateway = htobe32(route->gateway);
	struct nl_msg *msg = netlink_msg(type, flags);

	if (route->type == RTN_UNICAST && route->gateway)
		rt.rtm_flags = RTNH_F_ONLINK;
	else if (route->type == RTN_UNICAST)
		rt.rtm_scope = RT_SCOPE_LINK;
	netlink_append(msg, &rt, sizeof(rt));
	netlink_put_u32(msg, RTA_TABLE, route->table);
	if (route->dst.len > 0)
		netlink_put(msg, RTA_DST, &dst, sizeof(dst));
	if (route->oif)
		netlink_put_u32(msg, RTA_OIF, (uint32_t)route->oif);
	if (route->gateway)
		netlink_put(msg, RTA_GATEWAY, &gateway, sizeof(gateway));
	return msg;
}

static int route_failed(const struct route *route, const char *what, int r, mc_err **err)
{
	char dst[CIDR_TEXT_LEN];

	cidr_format(&route->dst, dst);
	return mc_err_set(err, -r, "cannot %s the route to %s", what, dst);
}

int route_add(struct nl_sock *sk, const struct route *route, mc_err **err)
{
	int r = netlink_call(sk, route_msg(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route),
			     NULL, NULL);

	return r < 0 ? route_failed(route, "add", r, err) : 0;
}

int route_delete(struct nl_sock *sk, const struct route *route, mc_err **err)
{
	int r = netlink_call(sk, route_msg(RTM_DELROUTE, 0, route), NULL, NULL);

	return r < 0 && r != -ESRCH ? route_failed(route, "delete", r, err) : 0;
}

struct route_array {
	struct route *rows;
	size_t n;
};

static uint32_t attr_addr(struct nlattr *a)
{
	return a && nla_len(a) == 4 ? be32toh(nla_get_u32(a)) : 0;
}

static void collect_route(void *ctx, const struct nlmsghdr *h)
{
	struct route_array *a = ctx;
	const struct rtmsg *rt = nlmsg_data(h);
	struct nlattr *tb[RTA_MAX + 1];
	struct route *row;

	if (h->nlmsg_type != RTM_NEWROUTE || rt->rtm_protocol != ROUTE_PROTOCOL ||
	    nlmsg_parse((struct nlmsghdr *)h, sizeof(*rt), tb, RTA_MAX, NULL) < 0)
		return;
	a->rows = netlink_grow(a->rows, a->n, sizeof(*row));
	row = &a->rows[a->n++];
	*row = (struct route){ .type = rt->rtm_type, .table = rt->rtm_table };
	row->dst = (struct cidr){ attr_addr(tb[RTA_DST]), rt->rtm_dst_len };
	row->gateway = attr_addr(tb[RTA_GATEWAY]);
	if (tb[RTA_TABLE])
		row->table = nla_get_u32(tb[RTA_TABLE]);
	/* The kernel reports lo for routes that end here. */
	if (tb[RTA_OIF] && rt->rtm_type == RTN_UNICAST)
		row->oif = (int)nla_get_u32(tb[RTA_OIF]);
}

/* msg is freed. */
static int list_routes(struct nl_sock *sk, struct nl_msg *msg, struct route **ret, size_t *ret_n, mc_err **err)
{
	struct route_array a = { .n = 0 };
	int r = netlink_call(sk, msg, collect_route, &a);

	if (r < 0) {
		free(a.rows);
		return mc_err_set(err, -r, "cannot list the routes");
	}
	*ret = a.rows;
	*ret_n = a.n;
	return 0;
}

int route_list(struct nl_sock *sk, struct route **ret, size_t *ret_n, mc_err **err)
{
	const struct rtmsg rt = { .rtm_family = AF_INET };
	struct nl_msg *msg = netlink_msg(RTM_GETROUTE, NLM_F_DUMP);

	netlink_append(msg, &rt, sizeof(rt));
	return list_routes(sk, msg, ret, ret_n, err);
}

int route_list_by(struct nl_sock *sk, int oif, struct route **ret, size_t *ret_n, mc_err **err)
{
	const struct rtmsg rt = { .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN };
	struct nl_msg *msg = netlink_msg(RTM_GETROUTE, NLM_F_DUMP);

	netlink_append(msg, &rt, sizeof(rt));
	netlink_put_u32(msg, RTA_OIF, (uint32_t)oif);
	return list_routes(sk, msg, ret, ret_n, err);
}

/* What the kernel answers where there is none, or one that leads nowhere. */
static bool means_none(int error)
{
	return error == -ENETUNREACH || error == -EHOSTUNREACH || error == -EINVAL || error == -EACCES || error == -ESRCH;
}

int route_find(struct nl_sock *sk, uint32_t addr, struct route *ret_route, mc_err **err)
{
	const struct rtmsg rt = { .rtm_family = AF_INET, .rtm_dst_len = 32,
				  .rtm_flags = RTM_F_FIB_MATCH | RTM_F_LOOKUP_TABLE };
	struct nl_msg *msg = netlink_msg(RTM_GETROUTE, 0);
	struct route_array a = { .n = 0 };
	uint32_t dst = htobe32(addr);
	int r;

	netlink_append(msg, &rt, sizeof(rt));
	netlink_put(msg, RTA_DST, &dst, sizeof(dst));
	r = netlink_call(sk, msg, collect_route, &a);
	if (r == 0 && a.n > 0)
		*ret_route = a.rows[0];
	free(a.rows);
	if (r < 0 && !means_none(r))
		return mc_err_set(err, -r, "cannot look up a route");
	return r == 0 && a.n > 0;
}

static bool same_place(const struct route *a, const struct route *b)
{
	return a->table == b->table && a->dst.addr == b->dst.addr && a->dst.len == b->dst.len;
}

static bool same_route(const struct route *a, const struct route *b)
{
	return same_place(a, b) && a->type == b->type && a->oif == b->oif &&
	       a->gateway == b->gateway;
}

static bool route_among(const struct route *rows, size_t n, const struct route *route,
			bool (*same)(const struct route *, const struct route *))
{
	for (size_t i = 0; i < n; i++)
		if (same(&rows[i], route))
			return true;
	return false;
}

int route_sync(struct nl_sock *sk, const struct route *want, size_t n, mc_err **err)
{
	mc_autofree struct route *have = NULL;
	size_t n_have;

	if (route_list(sk, &have, &n_have, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (!route_among(have, n_have, &want[i], same_route) &&
		    route_add(sk, &want[i], err) < 0)
			return -1;
	for (size_t i = 0; i < n_have; i++)
		if (!route_among(want, n, &have[i], same_place) &&
		    route_delete(sk, &have[i], err) < 0)
			return -1;
	return 0;
}

/* --- rules ----------------------------------------------------------------- */

static struct nl_msg *rule_msg(int type, int flags, const struct rule *rule)
{
	struct fib_rule_hdr fr = { .family = AF_INET, .dst_len = (unsigned char)rule->dst.len,
				   .src_len = (unsigned char)rule->src.len, .action = rule->action };
	uint32_t dst = htobe32(rule->dst.addr), src = htobe32(rule->src.addr);
	struct nl_msg *msg = netlink_msg(type, flags);

	netlink_append(msg, &fr, sizeof(fr));
	netlink_put_u32(msg, FRA_PRIORITY, rule->pref);
	netlink_put_u8(msg, FRA_PROTOCOL, ROUTE_PROTOCOL);
	if (rule->iif[0])
		netlink_put_str(msg, FRA_IIFNAME, rule->iif);
	if (rule->dst.len > 0)
		netlink_put(msg, FRA_DST, &dst, sizeof(dst));
	if (rule->src.len > 0)
		netlink_put(msg, FRA_SRC, &src, sizeof(src));
	if (rule->action == FR_ACT_TO_TBL)
		netlink_put_u32(msg, FRA_TABLE, rule->table);
	return msg;
}

int rule_add(struct nl_sock *sk, const struct rule *rule, mc_err **err)
{
	int r = netlink_call(sk, rule_msg(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule), NULL, NULL);

	if (r < 0 && r != -EEXIST)
		return mc_err_set(err, -r, "cannot add the routing rule %u", rule->pref);
	return 0;
}

int rule_delete(struct nl_sock *sk, const struct rule *rule, mc_err **err)
{
	int r = netlink_call(sk, rule_msg(RTM_DELRULE, 0, rule), NULL, NULL);

	if (r < 0 && r != -ENOENT)
		return mc_err_set(err, -r, "cannot delete the routing rule %u", rule->pref);
	return 0;
}

struct rule_array {
	struct rule *rows;
	size_t n;
};

static void collect_rule(void *ctx, const struct nlmsghdr *h)
{
	struct rule_array *a = ctx;
	const struct fib_rule_hdr *fr = nlmsg_data(h);
	struct nlattr *tb[FRA_MAX + 1];
	struct rule *row;

	if (h->nlmsg_type != RTM_NEWRULE ||
	    nlmsg_parse((struct nlmsghdr *)h, sizeof(*fr), tb, FRA_MAX, NULL) < 0 ||
	    !tb[FRA_PROTOCOL] || nla_get_u8(tb[FRA_PROTOCOL]) != ROUTE_PROTOCOL)
		return;
	a->rows = netlink_grow(a->rows, a->n, sizeof(*row));
	row = &a->rows[a->n++];
	row->action = fr->action;
	row->src = (struct cidr){ attr_addr(tb[FRA_SRC]), fr->src_len };
	row->dst = (struct cidr){ attr_addr(tb[FRA_DST]), fr->dst_len };
	if (tb[FRA_PRIORITY])
		row->pref = nla_get_u32(tb[FRA_PRIORITY]);
	if (tb[FRA_IIFNAME])
		nla_strlcpy(row->iif, tb[FRA_IIFNAME], sizeof(row->iif));
	if (tb[FRA_TABLE] && fr->action == FR_ACT_TO_TBL)
		row->table = nla_get_u32(tb[FRA_TABLE]);
}

int rule_list(struct nl_sock *sk, struct rule **ret, size_t *ret_n, mc_err **err)
{
	struct rule_array a = { .n = 0 };
	struct fib_rule_hdr fr = { .family = AF_INET };
	struct nl_msg *msg = netlink_msg(RTM_GETRULE, NLM_F_DUMP);
	int r;

	netlink_append(msg, &fr, sizeof(fr));
	r = netlink_call(sk, msg, collect_rule, &a);
	if (r < 0) {
		free(a.rows);
		return mc_err_set(err, -r, "cannot list the routing rules");
	}
	*ret = a.rows;
	*ret_n = a.n;
	return 0;
}

static bool rule_among(const struct rule *rows, size_t n, const struct rule *r)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].pref == r->pref && rows[i].action == r->action &&
		    rows[i].table == r->table && strcmp(rows[i].iif, r->iif) == 0 &&
		    cidr_same(&rows[i].src, &r->src) && cidr_same(&rows[i].dst, &r->dst))
			return true;
	return false;
}

int rule_sync(struct nl_sock *sk, const struct rule *want, size_t n, mc_err **err)
{
	mc_autofree struct rule *have = NULL;
	size_t n_have;

	if (rule_list(sk, &have, &n_have, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (!rule_among(have, n_have, &want[i]) && rule_add(sk, &want[i], err) < 0)
			return -1;
	for (size_t i = 0; i < n_have; i++)
		if (!rule_among(want, n, &have[i]) && rule_delete(sk, &have[i], err) < 0)
			return -1;
	return 0;
}
