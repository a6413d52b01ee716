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
	*c = (struct nft_cache){ .sk = c->sk };
}

static void drop_socket(struct nft_cache *c)
{
	nl_socket_free(c->sk);
	c->sk = NULL;
}

void nft_cache_close(struct nft_cache *c)
{
	nft_cache_forget(c);
	drop_socket(c);
}

struct nl_sock *nft_cache_socket(struct nft_cache *c, int ns_fd, mc_err **err)
{
	if (!c->sk)
		c->sk = netlink_open_kept(NETLINK_NETFILTER, ns_fd, err);
	return c->sk;
}

/* Counters that are carried over go on; where there are none to carry, they begin. */
static void set_epoch(struct ruleset *wanted, const struct ruleset *present)
{
	if (*present->epoch)
		snprintf(wanted->epoch, sizeof(wanted->epoch), "%s", present->epoch);
	else
		mc_random_hex((RULESET_DIGEST_LEN - 1) / 2, wanted->epoch);
}

static void forget_all_but(struct nft_cache *c, bool distrusted)
{
	nft_cache_forget(c);
	c->distrusted = distrusted;
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
	forget_all_but(c, c->distrusted);
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
	if (generation) {
		c->generation = generation;
		c->present = MC_STEAL(*wanted);
	}
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
		forget_all_but(c, distrusted);
	return r;
}

int nft_apply(int ns_fd, struct ruleset **wanted, struct nft_cache *cache, bool *ret_shrank,
	      mc_err **err)
{
	struct nft_cache own = { .generation = 0 }, *c = cache ? cache : &own;
	struct nl_sock *sk = nft_cache_socket(c, ns_fd, err);
	int r = 0;

	if (!sk)
		return -1;
	ruleset_sort(*wanted);
	for (int i = 0; i < TRIES && r == 0; i++)
		r = apply_once(ns_fd, sk, wanted, c, ret_shrank, err);
	nft_cache_close(&own);
	if (r <= 0)
		drop_socket(c);
	if (r == 0)
		return mc_err_set(err, EBUSY, "somebody else changes the nft rules all the time");
	return r < 0 ? -1 : 0;
}

/* A transaction of ours, and no other, is one generation further. */
static void keep_changed(struct nl_sock *sk, struct nft_cache *c)
{
	uint32_t generation;

	if (nftread_generation(sk, &generation, NULL) < 0 || generation != c->generation + 1)
		nft_cache_forget(c);
	else
		c->generation = generation;
}

int nft_apply_elements(int ns_fd, const struct rulediff *d, struct nft_cache *c, mc_err **err)
{
	struct nl_sock *sk = NULL;
	uint32_t generation;
	int r = 1;

	if (!c->present || c->distrusted || !nftbatch_fits(d))
		return 0;
	sk = nft_cache_socket(c, ns_fd, err);
	if (!sk || nftread_generation(sk, &generation, err) < 0)
		r = -1;
	else if (generation != c->generation)
		r = 0;
	else if (differs(d))
		r = nftbatch_run(sk, d, generation, err);
	if (r > 0 && differs(d))
		keep_changed(sk, c);
	else if (r <= 0)
		nft_cache_close(c);
	return r;
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
