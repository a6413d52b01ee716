#include "netd/doctor.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/finding.h"
#include "common/fs.h"
#include "common/json.h"
#include "netd/doctor_kernel.h"
#include "netd/foreign.h"
#include "netd/link.h"
#include "netd/netns.h"
#include "netd/nft.h"
#include "netd/route.h"
#include "netd/state.h"
#include "netd/sysctl.h"

#define BRIDGE_PORTS_MAX 1023 /* BR_MAX_PORTS of linux/net/bridge/br_private.h, port 0 apart */
#define NEAR(n, max) ((n) > (max) / 10 * 9)

typedef char transit_name[MC_IFNAME_LEN];

/* --- forwarding -------------------------------------------------------------------------- */

static bool find_forwarding(const struct host *host, json_t *findings, transit_name *names, size_t n)
{
	bool all = true;

	for (size_t i = 0; i < n + (*host->uplink != '\0'); i++) {
		const char *name = i < n ? names[i] : host->uplink;
		mc_autofree char *remedy = mc_strf("sysctl -w net.ipv4.conf.%s.forwarding=1, and keep other tools from clearing it", name);

		if (sysctl_peek("ipv4/conf/%s/forwarding", name) != '0')
			continue;
		all = false;
		mc_finding_add(findings, "forwarding", MC_FINDING_ERROR, remedy,
			       "forwarding is off on %s: its guests cannot reach others by public address, nor the uplink", name);
	}
	if (all)
		mc_finding_add(findings, "forwarding", MC_FINDING_OK, NULL,
			       n ? "forwarding is on for the internet gateways" : "no internet gateway is up, so nothing is forwarded");
	return all;
}

/* --- other firewalls ------------------------------------------------------------------------ */

/* Who makes tables of that name, and how it is told to let ours pass. */
static const struct {
	const char *table, *chain, *owner, *remedy;
} firewalls[] = {
	{ "firewalld", NULL, "firewalld",
	  "firewall-cmd --permanent --zone=trusted --add-interface=mi+ && firewall-cmd --reload" },
	{ "filter", "FORWARD", "Docker or another user of iptables",
	  "with Docker: iptables -I DOCKER-USER -i mi+ -j ACCEPT; iptables -I DOCKER-USER -o mi+ -j ACCEPT (else: "
	  "iptables -I FORWARD -i mi+ -j ACCEPT; iptables -I FORWARD -o mi+ -j ACCEPT)" },
};

static void add_firewall(json_t *findings, const json_t *chain)
{
	const char *family = mc_json_str(chain, "family", ""), *table = mc_json_str(chain, "table", "");
	const char *name = mc_json_str(chain, "chain", ""), *owner = "another firewall", *remedy;
	mc_autofree char *general = mc_strf("nft insert rule %s %s %s iifname 'mi*' accept; nft insert rule %s %s %s oifname 'mi*' accept",
					    family, table, name, family, table, name);

	remedy = general;
	for (size_t i = 0; i < MC_ARRAY_SIZE(firewalls); i++)
		if (strcmp(firewalls[i].table, table) == 0 && (!firewalls[i].chain || strcmp(firewalls[i].chain, name) == 0)) {
			owner = firewalls[i].owner;
			remedy = firewalls[i].remedy;
		}
	mc_finding_add(findings, "foreign-firewall", MC_FINDING_ERROR, remedy,
		       "the nft chain %s %s %s (%s) drops what is forwarded: guests cannot reach those of other VPCs by public "
		       "address, nor the uplink", family, table, name, owner);
}

static void find_legacy_iptables(json_t *findings)
{
	mc_autofree char *names = mc_fs_read("/proc/net/ip_tables_names", 4096, NULL, NULL);

	if (names && strstr(names, "filter"))
		mc_finding_add(findings, "legacy-iptables", MC_FINDING_WARNING,
			       "iptables-legacy -S FORWARD shows it; let it accept -i mi+ and -o mi+, or change to iptables-nft",
			       "a legacy iptables filter table is loaded, which nft does not show: its FORWARD chain may drop "
			       "what guests send");
}

static void find_firewalls(json_t *findings)
{
	mc_auto_err mc_err *err = NULL;
	auto_nft struct nft_ctx *nft = nft_open(-1, &err);
	mc_auto_json json_t *ruleset = nft ? nft_list_ruleset(nft, &err) : NULL;
	mc_auto_json json_t *drops = ruleset ? foreign_forward_drops(ruleset) : NULL;

	for (size_t i = 0; i < json_array_size(drops); i++)
		add_firewall(findings, json_array_get(drops, i));
	if (!drops)
		mc_finding_add(findings, "foreign-firewall", MC_FINDING_WARNING, NULL, "%s", mc_err_msg(err));
	else if (json_array_size(drops) == 0)
		mc_finding_add(findings, "foreign-firewall", MC_FINDING_OK, NULL, "no other firewall's nft rules drop what guests send");
	find_legacy_iptables(findings);
}

/* --- our rules, broken by others ------------------------------------------------------------- */

static void find_repairs(const struct repairs *r, json_t *findings)
{
	char when[MC_ISO8601_LEN];

	if (r->n == 0) {
		mc_finding_add(findings, "nft-rules", MC_FINDING_OK, NULL, "nobody has touched our nft rules");
		return;
	}
	mc_clock_iso8601(r->last, when);
	mc_finding_add(findings, "nft-rules", MC_FINDING_WARNING,
		       "keep whatever does it from flushing tables that are not its own: \"flush ruleset\" in /etc/nftables.conf, a "
		       "firewall's restart, iptables-restore",
		       "our nft rules %s%s were changed or flushed by %s and put back, %u times since netd's start, last at %s",
		       *r->where ? "of " : "of the host", r->where, *r->who ? r->who : "somebody", r->n, when);
}

/* --- the pool ------------------------------------------------------------------------------------ */

struct clash {
	const struct host *host;
	json_t *findings;
	bool any;
};

static void add_clash(struct clash *c, const struct cidr *dst, unsigned char type, int oif)
{
	char name[IF_NAMESIZE] = "?", text[CIDR_TEXT_LEN], pool[CIDR_TEXT_LEN];

	cidr_format(dst, text);
	cidr_format(&c->host->pool, pool);
	if (oif)
		if_indextoname((unsigned)oif, name);
	/* The uplink's network with the pool in it is how proxy ARP is wanted (uplink.h). */
	if (type != RTN_LOCAL && strcmp(name, c->host->uplink) == 0 && dst->len < c->host->pool.len)
		return;
	c->any = true;
	if (type == RTN_LOCAL)
		mc_finding_add(c->findings, "pool-clash", MC_FINDING_ERROR,
			       "choose another public_pool in minicloud.conf, for [netd] and [api] alike",
			       "the address %.*s of the host's interface %s lies in the public pool %s", (int)strcspn(text, "/"), text,
			       name, pool);
	else
		mc_finding_add(c->findings, "pool-clash", MC_FINDING_WARNING,
			       "choose a public_pool in minicloud.conf ([netd] and [api]) that nothing else uses, or remove the route",
			       "the host has a route to %s by %s, which overlaps the public pool %s: one of them hides the other",
			       text, name, pool);
}

static void on_route(void *ctx, const struct nlmsghdr *h)
{
	struct clash *c = ctx;
	const struct rtmsg *r = nlmsg_data(h);
	struct cidr dst = { .len = r->rtm_dst_len };
	const struct nlattr *attr = nlmsg_find_attr((struct nlmsghdr *)h, sizeof(*r), RTA_DST);
	const struct nlattr *oif = nlmsg_find_attr((struct nlmsghdr *)h, sizeof(*r), RTA_OIF);

	if (h->nlmsg_type != RTM_NEWROUTE || r->rtm_protocol == ROUTE_PROTOCOL || !attr || r->rtm_dst_len == 0 ||
	    (r->rtm_type != RTN_LOCAL && r->rtm_type != RTN_UNICAST))
		return;
	dst.addr = ntohl(nla_get_u32(attr));
	if (cidr_overlaps(&dst, &c->host->pool))
		add_clash(c, &dst, r->rtm_type, oif ? (int)nla_get_u32(oif) : 0);
}

static void find_clashes(const struct host *host, struct nl_sock *sk, json_t *findings)
{
	struct clash c = { .host = host, .findings = findings };
	struct rtmsg all = { .rtm_family = AF_INET };
	struct nl_msg *msg = netlink_msg(RTM_GETROUTE, NLM_F_DUMP);

	netlink_append(msg, &all, sizeof(all));
	netlink_call(sk, msg, on_route, &c);
	if (!c.any)
		mc_finding_add(findings, "pool-clash", MC_FINDING_OK, NULL, "no address or route of the host lies in the public pool");
}

/* --- limits ---------------------------------------------------------------------------------------- */

static void count_ports(const char *vpc_id, struct nl_sock *sk, json_t *findings)
{
	mc_autofree struct link_info *links = NULL;
	size_t n = 0;

	if (link_list(sk, &links, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		size_t ports = 0;

		for (size_t k = 0; k < n; k++)
			ports += links[k].master == links[i].index;
		if (NEAR(ports, BRIDGE_PORTS_MAX))
			mc_finding_add(findings, "bridge-ports", MC_FINDING_WARNING, "launch into another subnet",
				       "a subnet of %s (bridge %s) has %zu of the %d instances that the kernel lets it have", vpc_id,
				       links[i].name, ports, BRIDGE_PORTS_MAX);
	}
}

static void find_full_bridges(const struct netd *netd, json_t *findings)
{
	mc_auto_json json_t *ids = state_list(netd);
	size_t before = json_array_size(findings);

	for (size_t i = 0; i < json_array_size(ids); i++) {
		const char *id = mc_json_at(ids, i);
		mc_autofree char *path = state_netns(netd, id);
		mc_auto_fd int ns = netns_pinned(path) ? netns_open(path, NULL) : -1;
		auto_netlink struct nl_sock *sk = ns < 0 ? NULL : netlink_open(NETLINK_ROUTE, ns, NULL);

		if (sk)
			count_ports(id, sk, findings);
	}
	if (json_array_size(findings) == before)
		mc_finding_add(findings, "bridge-ports", MC_FINDING_OK, NULL, "no subnet is near its %d instances", BRIDGE_PORTS_MAX);
}

static long read_number(const char *path)
{
	mc_autofree char *text = mc_fs_read(path, 64, NULL, NULL);

	return text ? strtol(text, NULL, 10) : -1;
}

static void find_full_conntrack(json_t *findings)
{
	long n = read_number("/proc/sys/net/netfilter/nf_conntrack_count");
	long max = read_number("/proc/sys/net/netfilter/nf_conntrack_max");

	if (n >= 0 && max > 0 && NEAR(n, max))
		mc_finding_add(findings, "conntrack", MC_FINDING_WARNING, "sysctl -w net.netfilter.nf_conntrack_max=262144, or more",
			       "%ld of %ld connections are tracked: new ones will soon be dropped", n, max);
}

/* How many descriptors of a process of ours are inotify instances. */
static long count_inotify_of(const char *pid)
{
	mc_autofree char *dir = mc_strf("/proc/%s/fd", pid);
	DIR *d = opendir(dir);
	struct dirent *e;
	char target[64];
	long n = 0;

	while (d && (e = readdir(d))) {
		ssize_t len = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);

		target[len > 0 ? len : 0] = '\0';
		n += strcmp(target, "anon_inode:inotify") == 0;
	}
	if (d)
		closedir(d);
	return n;
}

/* The kernel counts them by user; other users' processes do not show theirs. */
static void find_inotify_limit(json_t *findings)
{
	long max = read_number("/proc/sys/fs/inotify/max_user_instances"), n = 0;
	DIR *proc = opendir("/proc");
	struct dirent *e;

	while (proc && (e = readdir(proc)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			n += count_inotify_of(e->d_name);
	if (proc)
		closedir(proc);
	if (max >= 0 && (n >= max || (max > 10 && NEAR(n, max))))
		mc_finding_add(findings, "inotify", MC_FINDING_WARNING, "sysctl -w fs.inotify.max_user_instances=1024",
			       "netd's user has %ld of its %ld inotify instances", n, max);
	else if (max >= 0)
		mc_finding_add(findings, "inotify", MC_FINDING_OK, NULL, "netd's user has %ld of its %ld inotify instances", n, max);
}

/* netd keeps five descriptors for each VPC that is up. */
static void find_descriptor_limit(json_t *findings)
{
	DIR *d = opendir("/proc/self/fd");
	struct rlimit limit;
	long n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && NEAR(n, (long)limit.rlim_cur))
		mc_finding_add(findings, "descriptors", MC_FINDING_WARNING, "raise LimitNOFILE of minicloud-netd.service",
			       "netd has %ld of its %ld file descriptors open", n, (long)limit.rlim_cur);
}

/* --- the report -------------------------------------------------------------------------------------- */

static void find_uplink(const struct host *host, struct nl_sock *sk, json_t *findings)
{
	struct link_info link;
	int there;

	if (!*host->uplink)
		return;
	there = link_find(sk, host->uplink, &link, NULL);
	if (there > 0 && link.up)
		return;
	mc_finding_add(findings, "uplink", MC_FINDING_ERROR, "set uplink in minicloud.conf to the interface of the LAN, or leave it empty",
		       there > 0 ? "the uplink %s is down: guests reach nothing outside the host"
				 : "the uplink %s does not exist: guests reach nothing outside the host", host->uplink);
}

json_t *doctor_report(struct netd *netd, mc_err **err)
{
	auto_netd_lock(netd);
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, -1, err);
	mc_auto_json json_t *findings = json_array();
	mc_autofree transit_name *names = NULL;
	char pool[CIDR_TEXT_LEN];
	bool forwarding;
	size_t n;

	if (!sk || host_list_transits(sk, &names, &n, err) < 0)
		return NULL;
	cidr_format(&netd->host.pool, pool);
	doctor_kernel(findings);
	forwarding = find_forwarding(&netd->host, findings, names, n);
	find_firewalls(findings);
	find_repairs(&netd->repairs, findings);
	find_clashes(&netd->host, sk, findings);
	find_uplink(&netd->host, sk, findings);
	find_full_bridges(netd, findings);
	find_full_conntrack(findings);
	find_inotify_limit(findings);
	find_descriptor_limit(findings);
	return json_pack("{s:b, s:s, s:O}", "forwarding", forwarding, "public_pool", pool, "findings", findings);
}
