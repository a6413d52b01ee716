#include <stddef.h>

#include "netd/nameservers.h"
#include "netd/netd.h"

#define OPTION(name_, type_, member, def_, help_)                                                  \
	{ .section = "netd", .name = name_, .type = type_,                                         \
	  .offset = offsetof(struct netd_config, member), .def = def_, .help = help_ }

static const struct mc_option options[] = {
	OPTION("socket", MC_OPT_PATH, socket, "%R/netd.sock", "socket of the IPC"),
	OPTION("fd_socket", MC_OPT_PATH, fd_socket, "%R/netd-fd.sock",
	       "socket that hands out descriptors"),
	OPTION("allow", MC_OPT_STRING, allow, "minicloud-api", "users that may call, by commas"),
	OPTION("log_level", MC_OPT_LEVEL, log_level, "info", "error, warning, info or debug"),
	OPTION("public_pool", MC_OPT_STRING, public_pool, "203.0.113.0/24",
	       "network of all public addresses"),
	OPTION("uplink", MC_OPT_STRING, uplink, "",
	       "interface that guests may leave the host by; none: nothing leaves"),
	OPTION("pool_routed", MC_OPT_BOOL, pool_routed, "no",
	       "the uplink's network sends the pool to this host: guests leave in their own name"),
	OPTION("netns_dir", MC_OPT_PATH, netns_dir, "%R/netns", "where namespaces are pinned"),
	OPTION("state_dir", MC_OPT_PATH, state_dir, "%R/netd", "what outlives a restart of netd"),
	OPTION("flow_log_dir", MC_OPT_PATH, flow_log_dir, "%H/flow-logs", "where flow logs are written"),
	OPTION("dns_servers", MC_OPT_STRING, dns_servers, NAMESERVERS_HOST,
	       "whom VPCs' resolvers ask: host (its resolv.conf), none, or ADDRESS[#PORT] by commas"),
	OPTION("dnsmasq", MC_OPT_STRING, dnsmasq, "dnsmasq", "the dnsmasq program"),
	OPTION("teardown", MC_OPT_BOOL, teardown, "no",
	       "remove every VPC's network and exit; no netd may run"),
	OPTION("findings", MC_OPT_BOOL, findings, "no", "print what is wrong with this host, as JSON, and exit"),
	{ .name = NULL },
};

static int check(const void *target, mc_err **err)
{
	const struct netd_config *c = target;
	struct cidr pool;

	if (!cidr_parse(c->public_pool, &pool) || pool.len < 8 || pool.len > 30)
		return mc_err_set(err, 0, "public_pool: %s is no network between /8 and /30", c->public_pool);
	if (*c->uplink && !mc_check_ifname(c->uplink))
		return mc_err_set(err, 0, "uplink: %s is no interface name", c->uplink);
	return nameservers_check(c->dns_servers, err) < 0 ? mc_err_wrap(err, "dns_servers") : 0;
}

const struct mc_program netd_program = {
	.name = "minicloud-netd",
	.summary = "VPC networks: namespaces, bridges, nftables, DHCP and DNS",
	.options = options,
	.check = check,
};
