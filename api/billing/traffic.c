#include "api/billing/traffic.h"

#include <string.h>

#include "api/billing/meter_clock.h"
#include "api/billing/usage.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

/* Whose bytes they are: instance, requester or the interface itself; NULL where the store has none of them. */
static const struct resource *owner(struct store_tx *tx, const struct counters_total *t)
{
	const struct resource *eni = store_get(tx, t->eni);
	const struct resource *r = *t->instance ? store_get(tx, t->instance) : NULL;
	const char *requester = eni ? mc_json_str(eni->spec, "requester", NULL) : NULL;

	if (!r && requester)
		r = store_get(tx, requester);
	return r ? r : eni;
}

/* Which meter runs on it, and how much of the growth it counts: NAT gateways process what goes either way
 * (VPC pricing), what anything else sends to the internet is transfer out. */
static const struct meter *meter_of(const struct counters_growth *g, int64_t *ret_amount)
{
	const char *id = g->total->eni;

	*ret_amount = g->bytes[COUNTER_INTERNET_OUT];
	if (strncmp(id, "nat-", 4) == 0) {
		*ret_amount += g->bytes[COUNTER_INTERNET_IN];
		return meter_find("nat-gateway-bytes");
	}
	return meter_find(strncmp(id, "fl-", 3) == 0 ? "flow-log-bytes" : "data-out");
}

static int count(sqlite3 *db, const struct resource *r, const struct counters_growth *g, int64_t label, mc_err **err)
{
	const struct counters_total *t = g->total;
	mc_autofree char *tags = r ? meter_tags(r) : mc_strdup("{}");
	int64_t amount;
	const struct usage_counted c = {
		.account = t->account, .region = t->region, .az = r && r->az ? r->az : "",
		.resource = r ? r->id : *t->instance ? t->instance : t->eni, .type = "", .tags = tags, .meter = meter_of(g, &amount),
	};

	return usage_count(db, &c, amount, label, err);
}

int traffic_count(void *ctx, sqlite3 *db, const struct counters_growth *growth, mc_err **err)
{
	struct store_tx *tx;
	struct meter_clock clock;
	int r;

	if (meter_clock_load(&clock, db, err) <= 0)
		return mc_err_wrap(err, "the meters' clock");
	tx = store_read(ctx);
	r = count(db, owner(tx, growth->total), growth, meter_clock_now(&clock).label, err);
	store_end(tx);
	return r;
}
