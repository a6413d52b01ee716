#include "netd/uplink.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "netd/link.h"
#include "netd/route.h"
#include "netd/sysctl.h"

/* --- the uplink's networks --------------------------------------------------------------- */

struct search {
	const struct host *host;
	int uplink;
	bool found;
};

static void see_route(void *ctx, const struct nlmsghdr *h)
{
	struct search *s = ctx;
	const struct rtmsg *rt = nlmsg_data(h);
	struct nlattr *tb[RTA_MAX + 1];
	struct cidr net = { .len = rt->rtm_dst_len };

	if (h->nlmsg_type != RTM_NEWROUTE || rt->rtm_type != RTN_UNICAST ||
	    rt->rtm_scope != RT_SCOPE_LINK || rt->rtm_protocol == ROUTE_PROTOCOL ||
	    nlmsg_parse((struct nlmsghdr *)h, sizeof(*rt), tb, RTA_MAX, NULL) < 0 || !tb[RTA_DST] ||
	    !tb[RTA_OIF] || (int)nla_get_u32(tb[RTA_OIF]) != s->uplink)
		return;
	net.addr = be32toh(nla_get_u32(tb[RTA_DST]));
	/* Not the whole of it: the network must go on to be reached. */
	if (net.len < s->host->pool.len && cidr_contains(&net, &s->host->pool))
		s->found = true;
}

/* Its index, 0 where there is none. */
static int find_uplink(struct nl_sock *sk, const struct host *host)
{
	struct link_info link;

	return *host->uplink && link_find(sk, host->uplink, &link, NULL) > 0 ? link.index : 0;
}

bool uplink_holds_pool(struct nl_sock *sk, const struct host *host)
{
	struct search s = { .host = host, .uplink = find_uplink(sk, host) };
	struct rtmsg rt = { .rtm_family = AF_INET };
	struct nl_msg *msg;

	if (!s.uplink)
		return false;
	msg = netlink_msg(RTM_GETROUTE, NLM_F_DUMP);
	netlink_append(msg, &rt, sizeof(rt));
	return netlink_call(sk, msg, see_route, &s) == 0 && s.found;
}

bool uplink_masquerades(struct nl_sock *sk, const struct host *host)
{
	return *host->uplink && !host->pool_routed && !uplink_holds_pool(sk, host);
}

/* --- proxy ARP ------------------------------------------------------------------------------- */

static const struct sysctl sysctls[] = {
	{ "ipv4/conf/%s/forwarding", "1", false },
	{ "ipv4/neigh/%s/proxy_delay", "0", false },
};

static bool is_used(const struct route *routes, size_t n, uint32_t addr)
{
	for (size_t i = 0; i < n; i++)
		if (routes[i].dst.len == 32 && routes[i].dst.addr == addr && routes[i].oif)
			return true;
	return false;
}

static bool is_answered(const struct neigh *proxies, size_t n, uint32_t addr, int uplink)
{
	for (size_t i = 0; i < n; i++)
		if (proxies[i].addr == addr && proxies[i].index == uplink)
			return true;
	return false;
}

/* answers false: for none. */
static int sync_proxies(struct nl_sock *sk, const struct host *host, int uplink, bool answers,
			mc_err **err)
{
	mc_autofree struct route *routes = NULL;
	mc_autofree struct neigh *proxies = NULL;
	size_t n_routes = 0, n_proxies;

	if ((answers && route_list(sk, &routes, &n_routes, err) < 0) ||
	    neigh_list_proxies(sk, &proxies, &n_proxies, err) < 0)
		return -1;
	for (size_t i = 0; i < n_proxies; i++) {
		const struct neigh *p = &proxies[i];
		bool good = answers && p->index == uplink && is_used(routes, n_routes, p->addr);

		if (cidr_has(&host->pool, p->addr) && !good && neigh_delete_proxy(sk, p, err) < 0)
			return -1;
	}
	for (size_t i = 0; answers && i < n_routes; i++) {
		struct neigh p = { .index = uplink, .addr = routes[i].dst.addr };

		if (is_used(&routes[i], 1, p.addr) && cidr_has(&host->pool, p.addr) &&
		    !is_answered(proxies, n_proxies, p.addr, uplink) &&
		    neigh_add_proxy(sk, &p, err) < 0)
			return -1;
	}
	return 0;
}

int uplink_sync(const struct host *host, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, -1, err);
	int uplink = sk ? find_uplink(sk, host) : 0;
	bool answers = uplink && uplink_holds_pool(sk, host);

	if (!sk || (answers && sysctl_write(-1, sysctls, MC_ARRAY_SIZE(sysctls), host->uplink,
					    err) < 0))
		return -1;
	return sync_proxies(sk, host, uplink, answers, err);
}
