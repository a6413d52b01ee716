#include "api/billing/rate.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "api/billing/calendar.h"
#include "common/cleanup.h"
#include "common/db.h"
#include "common/fs.h"
#include "common/json.h"

#define KEY_MAX 192

struct pool { /* what an account took of a free amount or of tiers in the month */
	char key[KEY_MAX]; /* account, a tab, and the pool's name */
	money_wide used;
	UT_hash_handle hh;
};

struct rater {
	struct rater_config config;
	struct pool *pools;
	int month;
	int64_t day, group; /* the one under way */
	money_wide sum;     /* its numerators so far */
	int64_t rounded;    /* and what it has cost */
};

static int read_account(sqlite3_stmt *stmt, void *ctx)
{
	return json_object_set_new(ctx, mc_db_text(stmt, 0), json_integer(calendar_day(sqlite3_column_int64(stmt, 1))));
}

json_t *rater_accounts(sqlite3 *db, mc_err **err)
{
	json_t *accounts = json_object();

	if (mc_db_run(db, read_account, accounts, err, "SELECT account, MIN(created) FROM access_key GROUP BY account", "") == 0)
		return accounts;
	json_decref(accounts);
	return NULL;
}

struct rater *rater_new(const struct rater_config *config)
{
	struct rater *r = mc_alloc(sizeof(*r));

	r->config = *config;
	r->config.prices = prices_ref(config->prices);
	r->group = -1;
	return r;
}

static void drop_pools(struct rater *r)
{
	struct pool *p, *tmp;

	HASH_ITER(hh, r->pools, p, tmp) {
		HASH_DEL(r->pools, p);
		free(p);
	}
}

void rater_free(struct rater *r)
{
	if (!r)
		return;
	drop_pools(r);
	prices_unref(r->config.prices);
	free(r);
}

/* --- pools --------------------------------------------------------------------- */

static struct pool *pool_of(struct rater *r, const char *account, const char *name)
{
	char key[KEY_MAX];
	struct pool *p;

	snprintf(key, sizeof(key), "%s\t%s", account, name);
	HASH_FIND_STR(r->pools, key, p);
	if (p)
		return p;
	p = mc_alloc(sizeof(*p));
	memcpy(p->key, key, sizeof(key));
	HASH_ADD_STR(r->pools, key, p);
	return p;
}

static int read_pool(sqlite3_stmt *stmt, void *ctx)
{
	struct pool *p = pool_of(ctx, mc_db_text(stmt, 0), mc_db_text(stmt, 1));

	return money_wide_parse(mc_db_text(stmt, 2), &p->used);
}

int rater_load(struct rater *r, sqlite3 *db, int month, mc_err **err)
{
	drop_pools(r);
	r->month = month;
	r->group = -1;
	return mc_db_run(db, read_pool, r, err, "SELECT account, pool, used FROM usage_pool WHERE month = ?", "i", (int64_t)month);
}

int rater_save(const struct rater *r, sqlite3 *db, mc_err **err)
{
	for (const struct pool *p = r->pools; p; p = p->hh.next) {
		mc_autofree char *account = strndup(p->key, strcspn(p->key, "\t"));
		char used[MONEY_TEXT];

		money_wide_text(p->used, used);
		if (mc_db_run(db, NULL, NULL, err, "INSERT OR REPLACE INTO usage_pool (month, account, pool, used) VALUES (?,?,?,?)",
			      "isss", (int64_t)r->month, account, p->key + strlen(account) + 1, used) < 0)
			return -1;
	}
	return 0;
}

/* --- rating ---------------------------------------------------------------------- */

struct rating {
	struct rater *r;
	const struct rate_usage *u;
	money_wide denominator;
	money_wide rest;      /* of the amount */
	money_wide numerator; /* cost so far, times the denominator */
	bool fits;
	rate_part_fn *part;
	void *ctx;
};

static void tell(const struct rating *g, const char *free_name, int64_t quantity, money_wide amount, int64_t nano,
		 int64_t up_to)
{
	const struct rate_part p = {
		.free = free_name, .quantity = quantity, .amount = amount, .denominator = g->denominator, .nano = nano, .up_to = up_to,
	};

	if (g->part && amount > 0)
		g->part(g->ctx, &p);
}

static int64_t whole_quantity(const struct rating *g)
{
	return meter_unit_info(g->u->meter->unit)->timed ? g->u->quantity : 1;
}

static bool granted(const struct rating *g, const struct price_free *f)
{
	const json_t *since = json_object_get(g->r->config.accounts, g->u->account);
	int64_t made = since ? json_integer_value(since) : g->u->day;

	if (strcmp(g->u->meter->option, "on-demand") != 0 || !price_free_covers(f, g->u->meter->price, g->u->type))
		return false;
	return f->months == 0 || (g->r->config.free_tier && calendar_month(g->u->day) < calendar_month(made) + f->months);
}

static void take_free(struct rating *g)
{
	size_t n;
	const struct price_free *list = prices_free(g->r->config.prices, &n);

	for (size_t i = 0; i < n && g->rest > 0; i++) {
		mc_autofree char *name = NULL;
		money_wide left, taken;
		struct pool *pool;

		if (!granted(g, &list[i]))
			continue;
		name = mc_strf("free:%s", list[i].name);
		pool = pool_of(g->r, g->u->account, name);
		left = list[i].amount * g->denominator - pool->used;
		taken = left <= 0 ? 0 : left < g->rest ? left : g->rest;
		pool->used += taken;
		g->rest -= taken;
		tell(g, list[i].name, whole_quantity(g), taken, 0, INT64_MAX);
	}
}

static void charge(struct rating *g, const struct price_tier *t, int64_t quantity, money_wide amount)
{
	g->fits &= money_add_product(&g->numerator, amount, t->nano);
	tell(g, NULL, quantity, amount, t->nano, t->up_to);
}

/* Tiers of the month's sum of this account, region, meter and type. */
static void take_tiers(struct rating *g, const struct price *price)
{
	mc_autofree char *name = mc_strf("%s:%s:%s:%s", price->meter, g->u->region, price->type, price->option);
	struct pool *pool = pool_of(g->r, g->u->account, name);

	for (size_t i = 0; i < price->n && g->rest > 0; i++) {
		const struct price_tier *t = &price->tiers[i];
		money_wide room = t->up_to == INT64_MAX ? g->rest : t->up_to * g->denominator - pool->used;
		money_wide taken = room <= 0 ? 0 : room < g->rest ? room : g->rest;

		charge(g, t, whole_quantity(g), taken);
		pool->used += taken;
		g->rest -= taken;
	}
}

/* Tiers of the resource's own quantity: each takes its share of the whole time. */
static void take_brackets(struct rating *g, const struct price *price)
{
	int64_t below = 0;
	money_wide ns = g->rest / g->u->quantity;

	for (size_t i = 0; i < price->n && below < g->u->quantity; i++) {
		const struct price_tier *t = &price->tiers[i];
		int64_t top = t->up_to < g->u->quantity ? t->up_to : g->u->quantity;

		charge(g, t, top - below, ns * (top - below));
		below = top;
	}
}

static void enter_group(struct rater *r, const struct rate_usage *u)
{
	int month = calendar_month(u->day);

	if (month != r->month)
		drop_pools(r);
	r->month = month;
	if (u->day == r->day && u->group == r->group)
		return;
	r->day = u->day;
	r->group = u->group;
	r->sum = 0;
	r->rounded = 0;
}

static int overflow(const struct rate_usage *u, mc_err **err)
{
	return mc_err_set(err, 0, "%s in %s: the amount is too large to be billed", u->meter->name, u->region);
}

int rater_rate(struct rater *r, const struct rate_usage *u, rate_part_fn *part, void *ctx, int64_t *ret_cost,
	       bool *ret_priced, mc_err **err)
{
	const struct price *price = prices_find(r->config.prices, u->meter->price, u->region, u->type, u->meter->option, u->day);
	struct rating g = { .r = r, .u = u, .fits = true, .part = part, .ctx = ctx };
	int64_t total;

	enter_group(r, u);
	g.denominator = meter_denominator(u->meter, r->month);
	g.fits = money_add_product(&g.rest, u->amount, meter_unit_info(u->meter->unit)->timed ? u->quantity : 1);
	if (!g.fits)
		return overflow(u, err);
	*ret_priced = price != NULL;
	if (price) {
		if (price->by_quantity)
			take_brackets(&g, price);
		else
			take_free(&g);
		if (!price->by_quantity && price->n == 1)
			charge(&g, price->tiers, whole_quantity(&g), g.rest);
		else if (!price->by_quantity)
			take_tiers(&g, price);
	}
	if (!g.fits || !money_add_product(&r->sum, g.numerator, 1))
		return overflow(u, err);
	total = money_round(r->sum, g.denominator);
	*ret_cost = total - r->rounded;
	r->rounded = total;
	return 0;
}
