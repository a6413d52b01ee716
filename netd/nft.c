#include "netd/nft.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/json.h"
#include "netd/netns.h"
#include "netd/nftbatch.h"
#include "netd/nftread.h"
#include "netd/rulediff.h"

#define TRIES 5
#define ERROR_SHOWN 300 /* characters of nft's own words kept in our error */

static int open_here(void *arg)
{
	*(struct nft_ctx **)arg = nft_ctx_new(NFT_CTX_DEFAULT);
	return 0;
}

struct nft_ctx *nft_open(int ns_fd, mc_err **err)
{
	struct nft_ctx *nft = NULL;

	if (ns_fd < 0)
		open_here(&nft);
	else if (netns_call(ns_fd, open_here, &nft, err) < 0)
		return NULL;
	if (!nft) {
		mc_err_set(err, 0, "cannot open a libnftables context");
		return NULL;
	}
	nft_ctx_buffer_output(nft);
	nft_ctx_buffer_error(nft);
	return nft;
}

int nft_run(struct nft_ctx *nft, const char *text, mc_err **err)
{
	int r = 0;

	if (*text) {
		MC_CRASH_POINT();
		r = nft_run_cmd_from_buffer(nft, text);
		MC_CRASH_POINT();
	}
	if (r == 0)
		return 0;
	return mc_err_set(err, 0, "nft transaction refused: %.*s", ERROR_SHOWN,
			  nft_ctx_get_error_buffer(nft));
}

/* --- making it so --------------------------------------------------------------- */

void nft_cache_forget(struct nft_cache *c)
{
	ruleset_free(c->present);
	*c = (struct nft_cache){ .generation = 0 };
}

/* Counters that are carried over go on; where there are none to carry, they begin. */
static void set_epoch(struct ruleset *wanted, const struct ruleset *present)
{
	if (*present->epoch)
		snprintf(wanted->epoch, sizeof(wanted->epoch), "%s", present->epoch);
	else
		mc_random_hex((RULESET_DIGEST_LEN - 1) / 2, wanted->epoch);
}

static struct nft_cache forgotten(struct nft_cache *c, bool distrusted)
{
	nft_cache_forget(c);
	return (struct nft_cache){ .distrusted = distrusted };
}

/* Bring the cache to what the kernel has. Its generation is read first: a transaction in
 * between makes the cache old, not wrong. */
static int refresh(struct nl_sock *sk, const struct ruleset *wanted, struct nft_cache *c,
		   mc_err **err)
{
	uint32_t generation;

	if (nftread_generation(sk, &generation, err) < 0)
		return -1;
	if (c->present && c->generation == generation && !c->distrusted)
		return 0;
	*c = forgotten(c, c->distrusted);
	c->present = nftread_tables(sk, wanted->tables, wanted->home, err);
	c->generation = generation;
	return c->present ? 0 : -1;
}

static int run_text(int ns_fd, const struct rulediff *d, mc_err **err)
{
	auto_nft struct nft_ctx *nft = nft_open(ns_fd, err);
	mc_autofree char *text = rulediff_text(d);

	return nft ? nft_run(nft, text, err) : -1;
}

static bool differs(const struct rulediff *d)
{
	return d->structural || d->n_gone + d->n_fresh > 0;
}

/* 1 when it is done, 0 when somebody else's transaction came first, -1 and *err. */
static int run(int ns_fd, struct nl_sock *sk, const struct rulediff *d, uint32_t generation,
	       mc_err **err)
{
	uint32_t now;

	if (!differs(d))
		return 1;
	if (nftbatch_fits(d))
		return nftbatch_run(sk, d, generation, err);
	if (run_text(ns_fd, d, err) == 0)
		return 1;
	if (nftread_generation(sk, &now, NULL) < 0 || now == generation)
		return -1;
	mc_err_clear(err);
	return 0;
}

/* After one transaction of ours, and no other, the tables are as wanted. */
static void keep(struct nl_sock *sk, const struct rulediff *d, struct nft_cache *c,
		 struct ruleset **wanted)
{
	uint32_t generation, ours = c->generation;

	if (differs(d))
		ours++;
	if (nftread_generation(sk, &generation, NULL) < 0 || generation != ours)
		generation = 0;
	nft_cache_forget(c);
	if (generation)
		*c = (struct nft_cache){ generation, MC_STEAL(*wanted), false };
}

/* As run(). */
static int apply_once(int ns_fd, struct nl_sock *sk, struct ruleset **wanted, struct nft_cache *c,
		      bool *ret_shrank, mc_err **err)
{
	auto_rulediff struct rulediff d = { .n_gone = 0 };
	bool distrusted = c->distrusted;
	int r;

	if (refresh(sk, *wanted, c, err) < 0)
		return -1;
	if (distrusted)
		c->present->version[0] = '\0';
	set_epoch(*wanted, c->present);
	rulediff_make(c->present, *wanted, &d);
	r = run(ns_fd, sk, &d, c->generation, err);
	if (r > 0 && ret_shrank)
		*ret_shrank = d.shrinks;
	if (r > 0)
		keep(sk, &d, c, wanted);
	else
		*c = forgotten(c, distrusted);
	return r;
}

int nft_apply(int ns_fd, struct ruleset **wanted, struct nft_cache *cache, bool *ret_shrank,
	      mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_NETFILTER, ns_fd, err);
	struct nft_cache own = { .generation = 0 };
	int r = 0;

	if (!sk)
		return -1;
	ruleset_sort(*wanted);
	for (int i = 0; i < TRIES && r == 0; i++)
		r = apply_once(ns_fd, sk, wanted, cache ? cache : &own, ret_shrank, err);
	nft_cache_forget(&own);
	if (r == 0)
		return mc_err_set(err, EBUSY, "somebody else changes the nft rules all the time");
	return r < 0 ? -1 : 0;
}

/* --- other people's rules ----------------------------------------------------------- */

json_t *nft_list_ruleset(struct nft_ctx *nft, mc_err **err)
{
	json_t *doc = NULL;
	int r;

	nft_ctx_output_set_flags(nft, NFT_CTX_OUTPUT_JSON);
	r = nft_run_cmd_from_buffer(nft, "list ruleset");
	nft_ctx_output_set_flags(nft, 0);
	if (r == 0)
		doc = json_loads(nft_ctx_get_output_buffer(nft), 0, NULL);
	if (!doc)
		mc_err_set(err, 0, "cannot list the host's nft rules: %.*s", ERROR_SHOWN, nft_ctx_get_error_buffer(nft));
	return doc;
}
