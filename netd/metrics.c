#include "netd/metrics.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/json.h"
#include "common/metrics.h"
#include "netd/netlink.h"
#include "netd/nftread.h"
#include "netd/state.h"
#include "netd/vpc_parts.h"

#define DROPPED "minicloud_netd_dropped_packets_total"

enum row { NETWORKS, INTERFACES, PLUGGED, RULES, APPLIED, FAILED, REMOVED, REPAIRS, ROW_MAX };

static const struct mc_metric metrics[ROW_MAX] = {
	[NETWORKS] = { "minicloud_netd_networks", "gauge", "VPCs that have a network here, which is those with interfaces.", NULL },
	[INTERFACES] = { "minicloud_netd_interfaces", "gauge", "Instances' interfaces that are wanted.", NULL },
	[PLUGGED] = { "minicloud_netd_interfaces_plugged", "gauge", "Those whose device is there.", NULL },
	[RULES] = { "minicloud_netd_rules", "gauge", "Security group rules in force.", NULL },
	[APPLIED] = { "minicloud_netd_reconciles_total", "counter", "VPCs made to be as wanted.", "outcome=\"ok\"" },
	[FAILED] = { "minicloud_netd_reconciles_total", "counter", "", "outcome=\"failed\"" },
	[REMOVED] = { "minicloud_netd_removals_total", "counter", "VPCs whose network was removed.", NULL },
	[REPAIRS] = { "minicloud_netd_repairs_total", "counter", "Changes by others that were put right.", NULL },
};

static const struct {
	const char *table, *counter, *reason;
} drops[] = {
	{ "bridge guard", "spoofed", "spoofed" },
	{ "ip vpc", "refused_in", "refused in" },
	{ "ip vpc", "refused_out", "refused out" },
};

/* A VPC whose tables are just being made anew has no such counter: it is left out this time. */
static void write_drops(FILE *out, const struct netd *netd, const char *vpc_id)
{
	mc_auto_err mc_err *err = NULL;
	mc_auto_fd int ns = vpc_open_namespace(netd, vpc_id, &err);
	auto_netlink struct nl_sock *sk = ns < 0 ? NULL : netlink_open(NETLINK_NETFILTER, ns, &err);
	uint64_t bytes, packets;

	for (size_t i = 0; sk && i < MC_ARRAY_SIZE(drops); i++) {
		if (nftread_counter(sk, drops[i].table, drops[i].counter, &bytes, &packets, &err) < 0)
			return;
		fprintf(out, DROPPED "{vpc=\"%s\",reason=\"%s\"} %" PRIu64 "\n", vpc_id, drops[i].reason, packets);
	}
}

static double count_rules(const struct wanted *w)
{
	size_t n = 0;

	for (size_t i = 0; w && i < w->n_groups; i++)
		for (int d = 0; d < WANTED_DIRECTION_MAX; d++)
			n += w->groups[i].n_rules[d];
	return (double)n;
}

static void add_vpc(struct netd *netd, const char *vpc_id, double *values, FILE *dropped)
{
	auto_netd_lock(netd);
	auto_wanted struct wanted *w = state_load(netd, vpc_id, NULL);
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *seen = NULL;
	json_t *eni;
	size_t i;

	if (!vpc_is_active(netd, vpc_id) || vpc_describe(netd, vpc_id, w, &seen, &err) != 0)
		return;
	values[NETWORKS]++;
	values[RULES] += count_rules(w);
	json_array_foreach(mc_json_arr(seen, "enis"), i, eni) {
		values[INTERFACES]++;
		values[PLUGGED] += mc_json_bool(eni, "plugged", false);
	}
	write_drops(dropped, netd, vpc_id);
}

char *netd_metrics(void *ctx)
{
	struct netd *netd = ctx;
	mc_auto_json json_t *ids = state_list(netd);
	double values[ROW_MAX] = { [APPLIED] = (double)netd->tally->applied, [FAILED] = (double)netd->tally->failed,
				   [REMOVED] = (double)netd->tally->removed, [REPAIRS] = netd->repairs.n };
	mc_autofree char *dropped = NULL;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&dropped, &len);

	for (size_t i = 0; i < json_array_size(ids); i++)
		add_vpc(netd, mc_json_at(ids, i), values, out);
	fclose(out);
	out = open_memstream(&text, &len);
	mc_metrics_write(out, metrics, values, ROW_MAX);
	mc_durations_write(out, "minicloud_netd_reconcile_seconds", "How long that took, a VPC at a time.", &netd->tally->apply);
	mc_durations_write(out, "minicloud_netd_nft_seconds", "How long a VPC's nft tables took of it.", &netd->tally->nft);
	mc_metrics_head(out, DROPPED, "counter",
			"Packets from addresses that are not the sender's, and those that security groups and ACLs refuse.");
	fputs(dropped, out);
	fclose(out);
	return text;
}
