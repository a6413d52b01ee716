#include "netd/natgw.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "netd/addr.h"
#include "netd/conntrack.h"
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

/* The addresses that take new connections, among which the first one always is. */
static size_t fresh_addrs(const struct wanted_eni *e, uint32_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n_addrs; i++)
		if (!e->addrs[i].draining)
			out[n++] = e->addrs[i].ip;
	return n;
}

/* One address is written as it is, of several a hash chooses by what the connection is known by. */
static char *choice(const uint32_t *addrs, size_t n, const char *by)
{
	char *text, ip[ADDR_TEXT_LEN];
	size_t len;
	FILE *out;

	addr_format(addrs[0], ip);
	if (n == 1)
		return mc_strdup(ip);
	out = open_memstream(&text, &len);
	if (!out)
		abort();
	fprintf(out, "jhash %s mod %zu map {", by, n);
	for (size_t i = 0; i < n; i++) {
		addr_format(addrs[i], ip);
		fprintf(out, "%s %zu : %s", i ? "," : "", i, ip);
	}
	fputs(" }", out);
	if (fclose(out) != 0)
		abort();
	return text;
}

struct ruleset *natgw_rules(const struct wanted_eni *e)
{
	struct ruleset *rules = ruleset_new(tables, HOME, skeleton_nat);
	mc_autofree uint32_t *addrs = mc_alloc(e->n_addrs * sizeof(*addrs));
	size_t n = fresh_addrs(e, addrs);
	mc_autofree char *ported = choice(addrs, n, "ip saddr . ip daddr . th sport . th dport");
	mc_autofree char *other = choice(addrs, n, "ip saddr . ip daddr");
	mc_autofree char *text = mc_strf("meta l4proto { tcp, udp } snat to %s:1024-65535\nsnat to %s\n", ported, other);

	ruleset_add_chain(rules, "path_snat", "", text);
	return rules;
}

static int apply_rules(int ns_fd, const struct wanted_eni *eni, bool distrusted, mc_err **err)
{
	auto_ruleset struct ruleset *rules = natgw_rules(eni);
	struct nft_cache cache = { .distrusted = distrusted };
	int r = nft_apply(ns_fd, &rules, &cache, NULL, err);

	nft_cache_close(&cache);
	return r;
}

int natgw_apply(int ns_fd, const struct wanted_eni *eni, mc_err **err)
{
	if (sysctl_write(ns_fd, sysctls, MC_ARRAY_SIZE(sysctls), NULL, err) < 0)
		return -1;
	return apply_rules(ns_fd, eni, false, err);
}

bool natgw_stands(int ns_fd)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_NETFILTER, ns_fd, NULL);

	return sk && nftread_has_tables(sk, tables);
}

int natgw_restore(int ns_fd, const struct wanted_eni *eni, mc_err **err)
{
	return apply_rules(ns_fd, eni, true, err);
}

int natgw_draining(int ns_fd, const struct wanted_eni *eni, json_t *rows, mc_err **err)
{
	for (size_t i = 0; i < eni->n_addrs; i++) {
		char ip[ADDR_TEXT_LEN];
		size_t n;

		if (!eni->addrs[i].draining)
			continue;
		if (conntrack_count_to(ns_fd, eni->addrs[i].ip, &n, err) < 0)
			return -1;
		addr_format(eni->addrs[i].ip, ip);
		json_array_append_new(rows, json_pack("{s:s, s:I}", "ip", ip, "connections", (json_int_t)n));
	}
	return 0;
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
