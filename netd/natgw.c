#include "netd/natgw.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "netd/addr.h"
#include "netd/nft.h"
#include "netd/nftread.h"
#include "netd/skeleton.h"
#include "netd/sysctl.h"

#define HOME "ip nat"

static const char *const tables[] = { HOME, NULL };

/* AWS: an idle connection is forgotten after 350 seconds; what follows is answered by RST. */
static const struct sysctl sysctls[] = {
	{ "ipv4/ip_forward", "1", false },
	{ "ipv4/conf/all/send_redirects", "0", false },
	{ "ipv4/conf/default/send_redirects", "0", false },
	{ "ipv4/conf/eth0/send_redirects", "0", true },
	{ "netfilter/nf_conntrack_tcp_loose", "0", false },
	{ "netfilter/nf_conntrack_tcp_timeout_established", "350", false },
	{ "netfilter/nf_conntrack_udp_timeout", "350", false },
	{ "netfilter/nf_conntrack_udp_timeout_stream", "350", false },
};

char *natgw_rules(uint32_t addr)
{
	char ip[ADDR_TEXT_LEN];

	addr_format(addr, ip);
	return mc_strf(skeleton_nat, ip);
}

static int apply_rules(int ns_fd, uint32_t addr, bool distrusted, mc_err **err)
{
	mc_autofree char *skeleton = natgw_rules(addr);
	auto_ruleset struct ruleset *rules = ruleset_new(tables, HOME, skeleton);
	struct nft_cache cache = { .distrusted = distrusted };
	int r = nft_apply(ns_fd, &rules, &cache, NULL, err);

	nft_cache_forget(&cache);
	return r;
}

int natgw_apply(int ns_fd, uint32_t addr, mc_err **err)
{
	if (sysctl_write(ns_fd, sysctls, MC_ARRAY_SIZE(sysctls), NULL, err) < 0)
		return -1;
	return apply_rules(ns_fd, addr, false, err);
}

bool natgw_stands(int ns_fd)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_NETFILTER, ns_fd, NULL);

	return sk && nftread_has_tables(sk, tables);
}

int natgw_restore(int ns_fd, uint32_t addr, mc_err **err)
{
	return apply_rules(ns_fd, addr, true, err);
}

int natgw_count(int ns_fd, json_t *row, mc_err **err)
{
	static const struct {
		const char *counter, *bytes, *packets;
	} meters[] = {
		{ "from_far", "in_bytes", "in_packets" },
		{ "to_far", "out_bytes", "out_packets" },
	};
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_NETFILTER, ns_fd, err);
	uint64_t bytes, packets;

	for (size_t i = 0; sk && i < MC_ARRAY_SIZE(meters); i++) {
		if (nftread_counter(sk, HOME, meters[i].counter, &bytes, &packets, err) < 0)
			return -1;
		json_object_set_new(row, meters[i].bytes, json_integer((json_int_t)bytes));
		json_object_set_new(row, meters[i].packets, json_integer((json_int_t)packets));
	}
	return sk ? 0 : -1;
}
