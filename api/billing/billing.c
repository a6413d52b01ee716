#include "api/billing/billing.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/billing/audit.h"
#include "api/billing/calendar.h"
#include "api/billing/ledger.h"
#include "api/billing/meter_clock.h"
#include "api/billing/usage.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/db.h"
#include "common/fs.h"
#include "common/log.h"

#define AREA "billing"
#define BEAT_S 10      /* a host that goes down loses at most so much of each record */
#define FAST_BEAT_S 1  /* with a time scale, days pass quickly */

struct billing {
	struct store *store;
	int64_t scale;
	bool free_tier;
	pthread_mutex_t mutex;    /* what follows */
	struct prices *prices;
	json_t *unconfirmed;      /* {resource id: the count at which it was last known} */
	pthread_cond_t cond;
	pthread_t thread;
	bool running, stopping;
};

/* --- the clock ------------------------------------------------------------ */

/* The clock as the database has it: what a dropped transaction did to it is undone with it. */
static int read_clock(struct meter_clock *c, sqlite3 *db, mc_err **err)
{
	int r = meter_clock_load(c, db, err);

	return r == 0 ? mc_err_set(err, 0, "the meters' clock is not there") : r < 0 ? -1 : 0;
}

/* Labels follow a wall clock that was set: records under the old ones end here. */
static int follow_wall(struct meter_clock *c, sqlite3 *db, mc_err **err)
{
	struct meter_instant end = meter_clock_now(c), begin;

	if (!meter_clock_was_set(c))
		return 0;
	meter_clock_anchor(c, c->scale);
	begin = meter_clock_now(c);
	mc_log(MC_LOG_WARNING, AREA, "the wall clock was set: usage is filed under the new time from now on", NULL);
	if (usage_turn(db, INT64_MAX, &end, &begin, err) < 0)
		return -1;
	return meter_clock_save(c, db, err);
}

/* --- following commits ------------------------------------------------------- */

static int64_t last_known(struct billing *b, const struct resource *before)
{
	const json_t *known;
	int64_t count = USAGE_NOW;

	pthread_mutex_lock(&b->mutex);
	known = before ? json_object_get(b->unconfirmed, before->id) : NULL;
	if (known)
		count = json_integer_value(known);
	pthread_mutex_unlock(&b->mutex);
	return count;
}

void billing_confirm(struct billing *b, const char *id)
{
	if (!b)
		return;
	pthread_mutex_lock(&b->mutex);
	json_object_del(b->unconfirmed, id);
	pthread_mutex_unlock(&b->mutex);
}

static int on_write(void *ctx, sqlite3 *db, const struct store_write *writes, size_t n, mc_err **err)
{
	struct billing *b = ctx;
	struct meter_clock clock;
	struct meter_instant now;

	if (read_clock(&clock, db, err) < 0 || follow_wall(&clock, db, err) < 0)
		return mc_err_wrap(err, "usage");
	now = meter_clock_now(&clock);
	for (size_t i = 0; i < n; i++)
		if (usage_change(db, writes[i].before, writes[i].after, &now, last_known(b, writes[i].before), err) < 0)
			return mc_err_wrap(err, "usage");
	return 0;
}

/* --- the heartbeat ------------------------------------------------------------ */

struct beat {
	struct billing *billing;
	int64_t today;
};

static int beat(void *ctx, sqlite3 *db, mc_err **err)
{
	struct beat *b = ctx;
	struct meter_clock clock;
	struct meter_instant now;

	if (read_clock(&clock, db, err) < 0 || follow_wall(&clock, db, err) < 0)
		return -1;
	meter_clock_anchor(&clock, b->billing->scale);
	now = meter_clock_now(&clock);
	b->today = calendar_day(now.label);
	/* What began on an earlier day ends there, so that days that are over are complete. */
	if (usage_turn(db, b->today * CALENDAR_DAY, &now, &now, err) < 0)
		return -1;
	return meter_clock_save(&clock, db, err);
}

/* The list as it is now, referenced. */
static struct rater_config rating(struct billing *b)
{
	struct rater_config config = { .free_tier = b->free_tier };

	pthread_mutex_lock(&b->mutex);
	config.prices = prices_ref(b->prices);
	pthread_mutex_unlock(&b->mutex);
	return config;
}

struct advance {
	struct rater_config config;
	int64_t today;
	bool more;
};

static int advance(void *ctx, sqlite3 *db, mc_err **err)
{
	struct advance *a = ctx;
	int r = ledger_advance(db, &a->config, a->today, err);

	a->more = r > 0;
	return r < 0 ? -1 : 0;
}

int billing_beat(struct billing *b, mc_err **err)
{
	struct beat at = { .billing = b };
	struct advance a = { .more = true };
	int r = store_sql(b->store, beat, &at, err);

	a.config = rating(b);
	a.today = at.today;
	while (r == 0 && a.more)
		r = store_sql(b->store, advance, &a, err);
	prices_unref(a.config.prices);
	return r;
}

void billing_set_prices(struct billing *b, struct prices *prices)
{
	struct prices *old;

	pthread_mutex_lock(&b->mutex);
	old = b->prices;
	b->prices = prices;
	pthread_mutex_unlock(&b->mutex);
	prices_unref(old);
}

static int reopen(void *ctx, sqlite3 *db, mc_err **err)
{
	return ledger_reopen(db, calendar_month_start(*(const int *)ctx), 0, err);
}

int billing_rate_anew(struct billing *b, int month, mc_err **err)
{
	return store_sql(b->store, reopen, &month, err) < 0 ? -1 : billing_beat(b, err);
}

int billing_read(struct billing *b, struct bill *ret, mc_err **err)
{
	struct rater_config config = rating(b);
	sqlite3 *db = store_reader(b->store, err);
	int r = db ? bill_begin(ret, db, &config, err) : -1;

	prices_unref(config.prices);
	return r;
}

static void wait_for_beat(struct billing *b)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += b->scale > 1 ? FAST_BEAT_S : BEAT_S;
	while (!b->stopping && pthread_cond_timedwait(&b->cond, &b->mutex, &until) == 0)
		;
}

static void *run(void *ctx)
{
	struct billing *b = ctx;

	pthread_mutex_lock(&b->mutex);
	while (!b->stopping) {
		mc_auto_err mc_err *err = NULL;

		wait_for_beat(b);
		pthread_mutex_unlock(&b->mutex);
		/* The last one, too: what was open until the end is known to have been. */
		if (billing_beat(b, &err) < 0)
			mc_log(MC_LOG_ERROR, AREA, "a heartbeat failed", "reason", mc_err_msg(err), NULL);
		pthread_mutex_lock(&b->mutex);
	}
	pthread_mutex_unlock(&b->mutex);
	return NULL;
}

int billing_start(struct billing *b, mc_err **err)
{
	int r = pthread_create(&b->thread, NULL, run, b);

	if (r)
		return mc_err_set(err, r, "cannot start the heartbeat");
	b->running = true;
	return 0;
}

/* --- start and end ------------------------------------------------------------- */

/* What is open for instances may have ended while nobody looked. */
static int note_unconfirmed(sqlite3_stmt *stmt, void *ctx)
{
	json_t *unconfirmed = ctx;
	const struct meter *m = meter_find(mc_db_text(stmt, 1));

	if (m && strcmp(m->kind, "instance") == 0)
		json_object_set_new(unconfirmed, mc_db_text(stmt, 0), json_integer(sqlite3_column_int64(stmt, 2)));
	return 0;
}

static int same_boot(struct billing *b, struct meter_clock *c, sqlite3 *db, mc_err **err)
{
	if (mc_db_run(db, note_unconfirmed, b->unconfirmed, err, "SELECT resource, meter, ? FROM usage_open", "i", c->meter) < 0)
		return -1;
	if (follow_wall(c, db, err) < 0)
		return -1;
	meter_clock_anchor(c, b->scale);
	return meter_clock_save(c, db, err);
}

/* The host was down: what was open ended with the last heartbeat, and begins anew. */
static int other_boot(struct billing *b, struct meter_clock *c, sqlite3 *db, mc_err **err)
{
	struct meter_instant end = { c->meter, c->meter + c->offset }, begin;

	meter_clock_resume(c, b->scale);
	begin = meter_clock_now(c);
	mc_log(MC_LOG_INFO, AREA, "the host was restarted: usage ends at the last heartbeat and begins anew", NULL);
	if (usage_turn(db, INT64_MAX, &end, &begin, err) < 0)
		return -1;
	return meter_clock_save(c, db, err);
}

static int start_clock(struct billing *b, struct meter_clock *c, sqlite3 *db, mc_err **err)
{
	int r = meter_clock_load(c, db, err);

	if (r < 0)
		return -1;
	if (r > 0)
		return meter_clock_same_boot(c) ? same_boot(b, c, db, err) : other_boot(b, c, db, err);
	meter_clock_init(c, b->scale);
	return meter_clock_save(c, db, err);
}

static int begin(void *ctx, sqlite3 *db, mc_err **err)
{
	struct billing *b = ctx;
	struct meter_clock clock = { .scale = 0 };
	struct meter_instant now;
	struct store_tx *tx;
	int r;

	if (start_clock(b, &clock, db, err) < 0)
		return -1;
	now = meter_clock_now(&clock);
	tx = store_read(b->store);
	r = audit_open_records(tx, db, &now, err);
	store_end(tx);
	return r;
}

static void init(struct billing *b)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&b->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&b->cond, &attr);
	pthread_condattr_destroy(&attr);
	b->unconfirmed = json_object();
}

struct billing *billing_open(struct store *store, const struct billing_config *config, mc_err **err)
{
	struct billing *b = mc_alloc(sizeof(*b));

	init(b);
	b->store = store;
	b->scale = config->scale;
	b->free_tier = config->free_tier;
	b->prices = config->prices;
	if (store_sql(store, begin, b, err) < 0) {
		mc_err_wrap(err, "cannot bring the usage records up to date");
		billing_close(b);
		return NULL;
	}
	store_on_write(store, on_write, b);
	return b;
}

void billing_stop(struct billing *b)
{
	if (!b->running)
		return;
	pthread_mutex_lock(&b->mutex);
	b->stopping = true;
	pthread_cond_signal(&b->cond);
	pthread_mutex_unlock(&b->mutex);
	pthread_join(b->thread, NULL);
	b->running = false;
}

void billing_close(struct billing *b)
{
	if (!b)
		return;
	billing_stop(b);
	store_on_write(b->store, NULL, NULL);
	pthread_cond_destroy(&b->cond);
	pthread_mutex_destroy(&b->mutex);
	json_decref(b->unconfirmed);
	prices_unref(b->prices);
	free(b);
}
