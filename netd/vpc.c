#include "netd/vpc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/log.h"
#include "netd/appliance.h"
#include "netd/conntrack.h"
#include "netd/dnsmasq.h"
#include "netd/flowlog.h"
#include "netd/netns.h"
#include "netd/nft.h"
#include "netd/nftread.h"
#include "netd/peering.h"
#include "netd/port.h"
#include "netd/relay.h"
#include "netd/state.h"
#include "netd/uplink.h"
#include "netd/vpcdns.h"
#include "netd/vpc_parts.h"
#include "netd/vpcnet.h"
#include "netd/vpcroute.h"
#include "netd/vpcrules.h"
#include "netd/watch.h"


/* --- removing ------------------------------------------------------------------------------ */

/* The first failure's place, then nowhere. */
static mc_err **first_only(mc_err **first)
{
	return *first ? NULL : first;
}

/* What is in the namespace and would outlive it, for whoever else holds it open. */
static int empty_namespace(const struct netd *netd, const char *vpc_id, const char *path,
			   mc_err **first)
{
	mc_auto_fd int ns = netns_open(path, first_only(first));
	int r = ns < 0 || port_unplug(NULL, ns, first_only(first)) < 0 ? -1 : 0;

	if (ns >= 0 && peering_sync(netd, NULL, ns, first_only(first)) < 0)
		r = -1;
	return appliance_drop(netd, vpc_id, NULL, ns, first_only(first)) < 0 ? -1 : r;
}

/* Everything but the document goes; each step is tried whatever became of the others. */
static int tear_down(const struct netd *netd, const char *vpc_id, mc_err **err)
{
	mc_autofree char *dir = state_dir(netd, vpc_id);
	mc_autofree char *path = state_netns(netd, vpc_id);
	mc_auto_err mc_err *first = NULL;
	int r = host_remove_transit(&netd->host, vpc_id, &first);

	if (uplink_sync(&netd->host, first_only(&first)) < 0)
		r = -1;
	relay_close(netd->relay, vpc_id);
	flowlog_forget(netd->flows, vpc_id);
	if (netns_pinned(path) && empty_namespace(netd, vpc_id, path, &first) < 0)
		r = -1;
	if (appliance_drop(netd, vpc_id, NULL, -1, first_only(&first)) < 0)
		r = -1;
	rulecache_forget(netd->rules, vpc_id);
	if (dnsmasq_stop(dir, first_only(&first)) < 0)
		r = -1;
	if (netns_remove(path, first_only(&first)) < 0)
		r = -1;
	if (r < 0)
		*err = MC_STEAL(first);
	return r;
}

/* Peers learn what became of this VPC. What they cannot do now their own next run does. */
static void tell_peers(const struct netd *netd, const struct wanted *before,
		       const struct wanted *wanted)
{
	mc_auto_err mc_err *err = NULL;

	if (peering_tell(netd, before, wanted, &err) < 0)
		mc_log(MC_LOG_WARNING, "vpc", mc_err_msg(err), NULL);
}

/* What flow logs saw so far is written while it is known whose it was. That this fails keeps
 * nobody from changing the VPC. */
static void write_flows(const struct netd *netd, const struct wanted *before,
			const struct wanted *wanted)
{
	mc_auto_err mc_err *err = NULL;
	mc_auto_fd int ns = -1;

	if (!before || !vpc_is_active(netd, before->id) ||
	    (wanted && !flowlog_pending(before, wanted)))
		return;
	ns = vpc_open_namespace(netd, before->id, &err);
	if (ns < 0 || flowlog_flush(netd, before, ns, NULL, &err) < 0)
		mc_log(MC_LOG_WARNING, "vpc", mc_err_msg(err), "vpc", before->id, NULL);
}

int vpc_delete(struct netd *netd, const char *vpc_id, mc_err **err)
{
	auto_netd_lock(netd);
	auto_wanted struct wanted *before = state_load(netd, vpc_id, NULL);
	int r;

	write_flows(netd, before, NULL);
	r = tear_down(netd, vpc_id, err);
	watch_tell(netd, vpc_id);
	tell_peers(netd, before, NULL);
	if (state_remove(netd, vpc_id, r < 0 ? NULL : err) < 0)
		r = -1;
	if (r < 0)
		return mc_err_wrap(err, "removing %s", vpc_id);
	atomic_fetch_add(&netd->tally->removed, 1);
	mc_log(MC_LOG_INFO, "vpc", "removed", "vpc", vpc_id, NULL);
	return MC_IPC_OK;
}

int vpc_delete_all(struct netd *netd, mc_err **err)
{
	mc_auto_json json_t *ids = state_list(netd);
	int r = 0;

	for (size_t i = 0; i < json_array_size(ids); i++)
		if (vpc_delete(netd, mc_json_at(ids, i), r < 0 ? NULL : err) != MC_IPC_OK)
			r = -1;
	return r;
}

/* --- making ---------------------------------------------------------------------------------- */

/* Bits of a run of apply(). */
struct run {
	const struct netd *netd;
	const struct wanted *before; /* as last applied; NULL: unknown */
	const struct wanted *wanted;
	int ns_fd;
	bool unfinished; /* the last run did not end well: trust nothing it skipped telling */
	bool fresh;      /* the namespace was made in this run, the first of this VPC */
};

/* Has this process made the network, with nothing failing since? */
static bool is_in_force(const struct run *run)
{
	const struct rulecache_row *row = rulecache_find(run->netd->rules, run->wanted->id);

	return row && row->wanted && !run->unfinished;
}

static int apply_rules(const struct run *run, mc_err **err)
{
	auto_ruleset struct ruleset *rules = vpcrules_build(
		run->wanted, flowlog_sides(run->netd->flows, run->wanted->id));
	struct nft_cache *cache = rulecache_of(run->netd->rules, run->wanted->id);
	int64_t began = mc_clock_boot();
	bool shrank;

	if (nft_apply(run->ns_fd, &rules, cache, &shrank, err) < 0)
		return -1;
	mc_durations_note(&run->netd->tally->nft, mc_clock_boot() - began);
	if (!shrank && !run->unfinished)
		return 0;
	return conntrack_sweep(run->ns_fd, run->before, run->wanted, NULL, err);
}

static int apply_gateway(const struct run *run, mc_err **err)
{
	if (!run->wanted->igw)
		return host_remove_transit(&run->netd->host, run->wanted->id, err);
	return host_ensure_transit(&run->netd->host, run->wanted->id, run->ns_fd, err);
}

/* Order: what goes is cut off first, rules stand before devices, taps come last. */
static int apply_inside(const struct run *run, mc_err **err)
{
	const struct wanted *w = run->wanted;
	int ns = run->ns_fd;
	struct vpcdns dns = { .netd = run->netd, .wanted = w, .ns_fd = ns, .tell = run->unfinished };
	struct port_ready ready = { .call = vpcdns_ensure, .arg = &dns };

	if (host_sync_public(w, false, err) < 0 || port_unplug(w, ns, err) < 0 ||
	    (!run->fresh && appliance_drop(run->netd, w->id, w, ns, err) < 0) || apply_rules(run, err) < 0 ||
	    vpcnet_links(w, ns, is_in_force(run), err) < 0 || apply_gateway(run, err) < 0 ||
	    peering_sync(run->netd, w, ns, err) < 0 || appliance_sync(run->netd, w, ns, err) < 0 ||
	    vpcroute_sync(w, ns, err) < 0 || vpcdns_keep(&dns, err) < 0 ||
	    host_sync_public(w, true, err) < 0 || uplink_sync(&run->netd->host, err) < 0)
		return -1;
	return port_plug_all(w, ns, &ready, err);
}

static int apply_active(struct run *run, mc_err **err)
{
	mc_autofree char *path = state_netns(run->netd, run->wanted->id);
	mc_auto_fd int ns = -1;

	if (!netns_pinned(path)) {
		run->fresh = !run->before && !run->unfinished;
		rulecache_forget(run->netd->rules, run->wanted->id);
		relay_close(run->netd->relay, run->wanted->id);
		if (netns_create(path, err) < 0)
			return -1;
	}
	ns = netns_open(path, err);
	/* Once for each namespace and start of ours: the kernel looks their names up among those of all namespaces. */
	if (ns < 0 || (!is_in_force(run) && vpcnet_sysctls(ns, err) < 0))
		return -1;
	run->ns_fd = ns;
	return apply_inside(run, err);
}

static int apply_unmeasured(const struct netd *netd, const struct wanted *before, const struct wanted *w,
			    const json_t *doc, mc_err **err)
{
	struct run run = { .netd = netd, .before = before, .wanted = w, .ns_fd = -1 };
	int r;

	if (state_begin(netd, w->id, &run.unfinished, err) < 0)
		return -1;
	r = w->n_enis > 0 ? apply_active(&run, err) : tear_down(netd, w->id, err);
	tell_peers(netd, before, w);
	if (r < 0)
		return mc_err_wrap(err, "%s", w->id);
	if (state_finish(netd, w->id, doc, err) < 0)
		return -1;
	if (w->n_enis > 0)
		flowlog_applied(netd, w);
	return 0;
}

static int apply(const struct netd *netd, const struct wanted *before, const struct wanted *w,
		 const json_t *doc, mc_err **err)
{
	int64_t began = mc_clock_boot();
	int r = apply_unmeasured(netd, before, w, doc, err);

	mc_durations_note(&netd->tally->apply, mc_clock_boot() - began);
	atomic_fetch_add(r < 0 ? &netd->tally->failed : &netd->tally->applied, 1);
	return r;
}

/* The document stays known where it is in force; else nothing is known to be. */
static void remember(const struct netd *netd, struct wanted **w, bool in_force)
{
	char id[MC_ID_LEN];

	memcpy(id, (*w)->id, sizeof(id));
	rulecache_keep(netd->rules, id, in_force && (*w)->n_enis > 0 ? MC_STEAL(*w) : NULL);
}

static int check_generation(const struct wanted *last, const struct wanted *w, mc_err **err)
{
	if (!last || w->generation == 0 || w->generation >= last->generation)
		return MC_IPC_OK;
	mc_err_set(err, 0, "generation %lld is older than %lld, which is applied",
		   (long long)w->generation, (long long)last->generation);
	return MC_IPC_CONFLICT;
}

static int check_public(const struct wanted *w, mc_err **err)
{
	char text[ADDR_TEXT_LEN];
	uint32_t addr;

	if (host_conflict(w, &addr, err) < 0)
		return -1;
	if (!addr)
		return MC_IPC_OK;
	addr_format(addr, text);
	mc_err_set(err, 0, "%s is in use in another VPC", text);
	return MC_IPC_CONFLICT;
}

int vpc_put(struct netd *netd, const char *vpc_id, const json_t *doc, json_t **ret, mc_err **err)
{
	auto_wanted struct wanted *w = wanted_parse(vpc_id, doc, &netd->host.pool, err);
	auto_wanted struct wanted *before = NULL;
	auto_netd_lock(netd);
	int r;

	if (!w)
		return MC_IPC_BAD_REQUEST;
	before = state_load(netd, vpc_id, NULL);
	r = check_generation(before, w, err);
	if (r == MC_IPC_OK)
		r = check_public(w, err);
	if (r != MC_IPC_OK)
		return r;
	write_flows(netd, before, w);
	r = apply(netd, before, w, doc, err);
	watch_tell(netd, vpc_id);
	if (r < 0) {
		remember(netd, &w, false);
		return -1;
	}
	mc_logf(MC_LOG_INFO, "vpc", "applied vpc=%s generation=%lld enis=%zu", vpc_id,
		(long long)w->generation, w->n_enis);
	r = vpc_describe(netd, vpc_id, w, ret, err);
	remember(netd, &w, true);
	return r;
}

static int end_flows(const struct netd *netd, const char *vpc_id, mc_err **err)
{
	mc_auto_fd int ns = vpc_open_namespace(netd, vpc_id, err);

	return ns < 0 ? -1 : flowlog_recover(netd, vpc_id, ns, err);
}

void vpc_restore(struct netd *netd, const char *vpc_id)
{
	auto_netd_lock(netd);
	mc_auto_err mc_err *err = NULL;
	auto_wanted struct wanted *w = state_load(netd, vpc_id, &err);
	bool applied;

	/* Without its namespace there is nothing to keep alive; the next PUT makes it. */
	applied = w && vpc_is_active(netd, vpc_id) && end_flows(netd, vpc_id, &err) == 0 &&
		  apply(netd, w, w, NULL, &err) == 0;
	if (applied)
		mc_log(MC_LOG_INFO, "vpc", "put in line", "vpc", vpc_id, NULL);
	if (w)
		remember(netd, &w, applied);
	if (err)
		mc_log(MC_LOG_ERROR, "vpc", mc_err_msg(err), "vpc", vpc_id, NULL);
}

void vpc_restore_all(struct netd *netd)
{
	mc_auto_json json_t *ids = state_list(netd);

	for (size_t i = 0; i < json_array_size(ids); i++)
		vpc_restore(netd, mc_json_at(ids, i));
}

bool vpc_tables_stand(struct netd *netd, const char *vpc_id)
{
	auto_netd_lock(netd);
	mc_auto_fd int ns = -1;
	auto_netlink struct nl_sock *sk = NULL;

	if (!*vpc_id)
		return host_tables_stand();
	if (!vpc_is_active(netd, vpc_id))
		return true;
	ns = vpc_open_namespace(netd, vpc_id, NULL);
	sk = ns < 0 ? NULL : netlink_open(NETLINK_NETFILTER, ns, NULL);
	return sk && nftread_has_tables(sk, vpcrules_tables);
}
