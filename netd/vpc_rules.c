/* Single rules of a VPC's groups, changed without the rest of it (docs/ipc.md). */
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "netd/conntrack.h"
#include "netd/flowlog.h"
#include "netd/nft.h"
#include "netd/rulechange.h"
#include "netd/state.h"
#include "netd/vpc.h"
#include "netd/vpc_parts.h"
#include "netd/vpcrules.h"
#include "netd/wanted_change.h"

/* The elements alone: 1. 0: it takes more than that. -1 and *err. */
static int change_elements(int ns_fd, struct nft_cache *cache, const struct wanted_change *change, bool *ret_shrank,
			   mc_err **err)
{
	auto_rulechange struct rulechange c = { .touched = NULL };
	int r;

	if (!cache->present || !rulechange_make(cache->present, change, &c))
		return 0;
	r = nft_apply_elements(ns_fd, &c.diff, cache, err);
	if (r <= 0)
		return r;
	if (cache->present)
		rulechange_note(&c, cache->present);
	*ret_shrank = c.diff.shrinks;
	return 1;
}

static int change_all(const struct netd *netd, int ns_fd, struct nft_cache *cache, const struct wanted *w,
		      bool *ret_shrank, mc_err **err)
{
	auto_ruleset struct ruleset *rules = vpcrules_build(w, flowlog_sides(netd->flows, w->id));

	return nft_apply(ns_fd, &rules, cache, ret_shrank, err);
}

static int change_kernel(const struct netd *netd, struct rulecache_row *row, const struct wanted_change *change,
			 mc_err **err)
{
	mc_auto_fd int ns = vpc_open_namespace(netd, row->id, err);
	struct nl_sock *sk;
	bool shrank = false;
	int r = ns < 0 ? -1 : change_elements(ns, &row->cache, change, &shrank, err);

	if (r == 0)
		r = change_all(netd, ns, &row->cache, row->wanted, &shrank, err);
	if (r < 0 || !shrank)
		return r < 0 ? -1 : 0;
	sk = nft_cache_socket(&row->cache, ns, err);
	return sk ? conntrack_sweep_change(sk, change, err) : -1;
}

static int ask_for_whole(mc_err **err, const char *vpc_id, const char *why)
{
	mc_err_set(err, 0, "%s: %s: put the whole document", vpc_id, why);
	return MC_IPC_CONFLICT;
}

/* The change stands behind the document before anything is done: who is killed in between does it at the
 * next start. */
static int apply(const struct netd *netd, struct rulecache_row *row, const struct wanted_change *change,
		 const json_t *doc, mc_err **err)
{
	bool unfinished;
	off_t size;
	int r;

	if (state_begin(netd, row->id, &unfinished, err) < 0)
		return -1;
	if (unfinished)
		return ask_for_whole(err, row->id, "the last change did not come to its end");
	r = state_append(netd, row->id, doc, &size, err);
	if (r == 0)
		return state_finish(netd, row->id, NULL, err) < 0 ? -1 : ask_for_whole(err, row->id, "many changes");
	if (r < 0)
		return -1;
	if (change_kernel(netd, row, change, err) < 0) {
		state_retract(netd, row->id, size, NULL);
		return -1;
	}
	return state_finish(netd, row->id, NULL, err) < 0 ? -1 : MC_IPC_OK;
}

/* Until a whole document came and went well, nothing is known to follow from. */
static int change_row(const struct netd *netd, struct rulecache_row *row, const json_t *doc, mc_err **err)
{
	struct wanted_change *change = wanted_change_new(row->wanted, doc, err);
	int r;

	if (!change)
		return MC_IPC_CONFLICT;
	r = apply(netd, row, change, doc, err);
	if (r == MC_IPC_OK) {
		wanted_change_keep(change);
		return r;
	}
	wanted_change_undo(change);
	if (r < 0)
		rulecache_keep(netd->rules, row->id, NULL);
	return r;
}

int vpc_change_rules(struct netd *netd, const char *vpc_id, const json_t *doc, json_t **ret, mc_err **err)
{
	auto_netd_lock(netd);
	struct rulecache_row *row = rulecache_find(netd->rules, vpc_id);
	int64_t generation = mc_json_int(doc, "generation", 0);
	int r = MC_IPC_OK;

	if (!row || !row->wanted || !vpc_is_active(netd, vpc_id))
		return ask_for_whole(err, vpc_id, "no document is in force");
	/* The same once more: it is in force. */
	if (row->wanted->generation != generation)
		r = change_row(netd, row, doc, err);
	if (r != MC_IPC_OK)
		return r;
	mc_logf(MC_LOG_INFO, "vpc", "changed rules vpc=%s generation=%lld", vpc_id, (long long)generation);
	*ret = json_pack("{s:s, s:I}", "id", vpc_id, "generation", (json_int_t)generation);
	return MC_IPC_OK;
}
