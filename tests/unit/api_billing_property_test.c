/* Billing by random histories: whatever happens to resources, clocks, daemon and host, the usage
 * records equal what a second, simpler bookkeeping makes of the same events, to the nanosecond.
 *
 * The second bookkeeping knows nothing of lines, anchors or SQL: it keeps the stretches of true time
 * in which each meter of each resource was on, cuts them into days at the end, and adds up.
 * MINICLOUD_HISTORIES=N makes so many, from number MINICLOUD_SEED on; each is the same whenever it is made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "api/billing/billing.h"
#include "api/billing/calendar.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/db.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define RESOURCES 9
#define STEPS 250
#define METERS 3 /* at most, of one resource */
#define NS_MINUTE (60 * MC_SECOND)

/* A list in which everything happens: tiers of the month and of the quantity, free amounts that two
 * types share, a price that changes, one that is not there (m5.large from day 20179 on). */
#define PRICES \
	"{\"currency\": \"USD\", \"regions\": [{\"region\": \"us-east-1\", \"location\": \"here\", \"prefix\": \"\"}]," \
	" \"free\": [{\"name\": \"hours\", \"meters\": [\"instance\"], \"types\": [\"t3.micro\", \"m5.large\"], \"amount\": 30}]," \
	" \"prices\": [" \
	"{\"meter\": \"instance\", \"region\": \"us-east-1\", \"option\": \"on-demand\", \"from\": \"2000-01-01\"," \
	" \"list\": [{\"type\": \"t3.micro\", \"price\": \"0.0104\"}]}," \
	"{\"meter\": \"instance\", \"region\": \"us-east-1\", \"option\": \"on-demand\", \"from\": \"2000-01-01\"," \
	" \"until\": \"2025-04-01\", \"list\": [{\"type\": \"m5.large\", \"price\": \"0.096000007\"}]}," \
	"{\"meter\": \"public-ipv4\", \"region\": \"us-east-1\", \"option\": \"on-demand\", \"from\": \"2000-01-01\"," \
	" \"list\": [{\"price\": \"0.005\"}]}," \
	"{\"meter\": \"public-ipv4\", \"region\": \"us-east-1\", \"option\": \"on-demand\", \"from\": \"2025-03-30\"," \
	" \"list\": [{\"price\": \"0.007\"}]}," \
	"{\"meter\": \"volume\", \"region\": \"us-east-1\", \"option\": \"on-demand\", \"from\": \"2000-01-01\", \"list\": [" \
	" {\"type\": \"gp2\", \"price\": \"0.1\"}, {\"type\": \"gp3\", \"tiers\": [{\"up_to\": 2, \"price\": \"0.08\"}," \
	" {\"up_to\": 9, \"price\": \"0.03\"}, {\"price\": \"0.011\"}]}]}," \
	"{\"meter\": \"volume-iops\", \"region\": \"us-east-1\", \"option\": \"on-demand\", \"from\": \"2000-01-01\"," \
	" \"scope\": \"quantity\", \"list\": [{\"type\": \"gp3\", \"tiers\": [{\"up_to\": 1000, \"price\": \"0\"}," \
	" {\"up_to\": 2500, \"price\": \"0.005\"}, {\"price\": \"0.003\"}]}]}" \
	"]}"
#define BEGIN (1743112800 * MC_SECOND) /* 2025-03-27T22:00:00Z */
#define PRICE_CHANGES 20177 /* 2025-03-30 */
#define M5_ENDS 20179       /* 2025-04-01 */

/* --- chance ---------------------------------------------------------------- */

static uint64_t chance;

static uint64_t draw(uint64_t below)
{
	chance = chance * 6364136223846793005u + 1442695040888963407u;
	return (chance >> 33) % below;
}

/* --- the second bookkeeping ------------------------------------------------- */

struct stretch { /* of one record: true time from, to; filed under time + offset */
	int64_t from, to, offset;
	struct stretch *earlier;
};

struct account_of { /* one meter of one resource */
	char what[160];           /* "" off, else what is used */
	int64_t since;            /* the present record began */
	int64_t run;              /* of the run, in earlier records */
	struct stretch *stretches; /* of the present record, newest first */
};

struct thing {
	char id[MC_ID_LEN];
	enum kind kind;
	struct account_of meters[METERS];
	bool unconfirmed;
};

struct world {
	char dir[40], *path;
	struct store *store;
	struct billing *billing;
	struct thing things[RESOURCES];
	size_t n;
	int64_t now;      /* true time in which the host was up */
	int64_t offset;   /* in force: what labels are ahead of it */
	int64_t set;      /* wall minus boot clock when that was taken */
	int64_t beat;     /* the last */
	int64_t known;    /* the last beat before the daemon's last start */
	json_t *expected; /* {"day|what": ns} */
};

static void expect(struct world *w, int64_t day, const char *what, int64_t ns)
{
	mc_autofree char *key = mc_strf("%lld|%s", (long long)day, what);

	if (ns)
		json_object_set_new(w->expected, key, json_integer(json_integer_value(json_object_get(w->expected, key)) + ns));
}

/* Until now it was as it was. */
static void pass(struct world *w, int64_t ns)
{
	for (size_t i = 0; i < w->n; i++)
		for (int m = 0; m < METERS; m++) {
			struct account_of *a = &w->things[i].meters[m];
			struct stretch *s;

			if (!*a->what || !ns)
				continue;
			s = mc_alloc(sizeof(*s));
			*s = (struct stretch){ w->now, w->now + ns, w->offset, a->stretches };
			a->stretches = s;
		}
	w->now += ns;
}

/* What was used until `end` is final. */
static int64_t take(struct world *w, struct account_of *a, int64_t end)
{
	int64_t total = 0;

	while (a->stretches) {
		struct stretch *s = a->stretches;
		int64_t to = s->to < end ? s->to : end;

		for (int64_t t = s->from; t < to;) {
			int64_t day = calendar_day(t + s->offset), next = (day + 1) * CALENDAR_DAY - s->offset;
			int64_t until = next < to ? next : to;

			expect(w, day, a->what, until - t);
			total += until - t;
			t = until;
		}
		a->stretches = s->earlier;
		free(s);
	}
	return total;
}

/* The record ends (known to be so until `end`) and another of the same run begins. */
static void renew(struct world *w, struct account_of *a, int64_t end)
{
	a->run += take(w, a, end);
	a->since = w->now;
}

static void finish(struct world *w, struct thing *t, struct account_of *a)
{
	bool lost = t->unconfirmed && t->kind == KIND_INSTANCE && w->known >= a->since;
	int64_t end = lost ? w->known : w->now, up;

	a->run += take(w, a, end);
	up = t->kind == KIND_SNAPSHOT ? a->run : a->run < NS_MINUTE ? NS_MINUTE : (a->run + MC_SECOND - 1) / MC_SECOND * MC_SECOND;
	expect(w, calendar_day(end + w->offset), a->what, up - a->run);
	a->what[0] = '\0';
	a->run = 0;
}

static void follow(struct world *w, struct thing *t, struct account_of *a, const char *what)
{
	if (strcmp(a->what, what) == 0)
		return;
	if (*a->what && !*what) {
		finish(w, t, a);
		return;
	}
	if (*a->what)
		renew(w, a, w->now);
	a->since = w->now;
	snprintf(a->what, sizeof(a->what), "%.159s", what);
}

static void describe(const struct resource *r, const char *meter, const char *type, int64_t quantity, char out[160])
{
	mc_autofree char *tags = json_dumps(r->tags, JSON_COMPACT | JSON_SORT_KEYS);

	snprintf(out, 160, "%s|%s|%s|%lld|%s", r->id, meter, type, (long long)quantity, tags);
}

/* The rules once more, in plain words. */
static void observe(struct world *w, struct thing *t, const struct resource *r)
{
	char what[METERS][160] = { "", "", "" };
	const char *type = r ? mc_json_str(r->doc, "VolumeType", "") : "";
	bool spot = r && mc_json_bool(r->spec, "spot", false);

	if (r && r->kind == KIND_INSTANCE && (r->state == INSTANCE_RUNNING ||
	    (r->state == INSTANCE_STOPPING && mc_json_bool(r->spec, "hibernating", false))))
		describe(r, spot ? "instance-spot" : "instance", mc_json_str(r->doc, "InstanceType", ""), 1, what[spot]);
	if (r && r->kind == KIND_NETWORK_INTERFACE && mc_json_str(r->spec, "public_ip", NULL))
		describe(r, "public-ipv4", "", 1, what[0]);
	if (r && r->kind == KIND_SNAPSHOT && mc_json_int(r->spec, "stored_bytes", 0) &&
	    (r->state == SNAPSHOT_COMPLETED || r->state == SNAPSHOT_RECOVERABLE || r->state == SNAPSHOT_DELETING))
		describe(r, "snapshot", "", mc_json_int(r->spec, "stored_bytes", 0), what[0]);
	if (r && r->kind == KIND_VOLUME && (r->state == VOLUME_AVAILABLE || r->state == VOLUME_IN_USE)) {
		describe(r, "volume", type, mc_json_int(r->doc, "Size", 0), what[0]);
		if (strcmp(type, "gp3") == 0)
			describe(r, "volume-iops", type, mc_json_int(r->doc, "Iops", 0), what[1]);
		if (strcmp(type, "gp3") == 0 && mc_json_int(r->doc, "Throughput", 0))
			describe(r, "volume-throughput", type, mc_json_int(r->doc, "Throughput", 0), what[2]);
	}
	for (int m = 0; m < METERS; m++)
		follow(w, t, &t->meters[m], what[m]);
}

static void renew_all(struct world *w, int64_t end, int64_t before_label)
{
	for (size_t i = 0; i < w->n; i++)
		for (int m = 0; m < METERS; m++) {
			struct account_of *a = &w->things[i].meters[m];

			if (*a->what && a->since + w->offset < before_label)
				renew(w, a, end);
		}
}

/* A wall clock that was set by a second or more is noticed whenever anything is written. */
static void notice(struct world *w)
{
	int64_t set = mc_clock_wall() - mc_clock_boot(), by = set - w->set;

	if (by > -MC_SECOND && by < MC_SECOND)
		return;
	renew_all(w, w->now, INT64_MAX);
	w->offset += by;
	w->set = set;
	w->beat = w->now;
}

/* --- the world ---------------------------------------------------------------- */

static void start(struct world *w)
{
	mc_auto_json json_t *list = json_loads(PRICES, 0, NULL);
	mc_err *err = NULL;
	struct billing_config config = { .scale = 1, .prices = prices_parse(list, &err), .free_tier = true };

	if (!config.prices)
		fail_msg("%s", mc_err_msg(err));
	w->store = store_open(w->path, &err);
	w->billing = w->store ? billing_open(w->store, &config, &err) : NULL;
	if (!w->billing)
		fail_msg("%s", mc_err_msg(err));
}

/* Whatever is in memory is gone, what is on disk stays. */
static void crash(struct world *w)
{
	billing_close(w->billing);
	store_close(w->store);
}

static void move_clocks(struct world *w, int64_t ns)
{
	mc_clock_step(ns, ns);
	pass(w, ns);
}

static int64_t some_time(void)
{
	static const int64_t lengths[] = { 1, MC_SECOND, NS_MINUTE, CALENDAR_HOUR, CALENDAR_DAY };

	return (int64_t)draw(1000003) * (lengths[draw(5)] / 1000) / 1000 + (int64_t)draw(2);
}

static void act_pass_time(struct world *w)
{
	move_clocks(w, some_time());
}

static void act_to_midnight(struct world *w)
{
	int64_t day = calendar_day(w->now + w->offset);

	move_clocks(w, (day + 1) * CALENDAR_DAY - (w->now + w->offset));
}

static void act_set_wall(struct world *w)
{
	int64_t by = some_time() * (draw(2) ? 1 : -1);

	if (draw(4) == 0)
		by += (int64_t)draw(60) * CALENDAR_DAY - 30 * CALENDAR_DAY;
	mc_clock_step(by, 0);
	(void)w;
}

static void act_beat(struct world *w)
{
	assert_int_equal(billing_beat(w->billing, NULL), 0);
	notice(w);
	renew_all(w, w->now, calendar_day(w->now + w->offset) * CALENDAR_DAY);
	w->beat = w->now;
}

static void act_restart(struct world *w)
{
	crash(w);
	if (draw(2))
		move_clocks(w, some_time());
	w->known = w->beat;
	start(w);
	notice(w);
	w->beat = w->now;
	for (size_t i = 0; i < w->n; i++)
		w->things[i].unconfirmed = *w->things[i].meters[0].what || *w->things[i].meters[1].what;
}

/* Nothing is used while the host is down, nor after the last heartbeat. */
static void act_reboot(struct world *w)
{
	int64_t down = some_time(), set;

	crash(w);
	renew_all(w, w->beat, INT64_MAX);
	mc_clock_reboot();
	mc_clock_step(down, 5 * MC_SECOND);
	set = mc_clock_wall() - mc_clock_boot();
	w->set = set;
	w->offset = mc_clock_wall() - w->now;
	for (size_t i = 0; i < w->n; i++)
		w->things[i].unconfirmed = false;
	start(w);
	w->beat = w->now;
}

static void act_confirm(struct world *w)
{
	struct thing *t;

	if (w->n == 0)
		return;
	t = &w->things[draw(w->n)];
	billing_confirm(w->billing, t->id);
	t->unconfirmed = false;
}

/* --- changes of resources ------------------------------------------------------ */

static void make(struct world *w, struct store_tx *tx)
{
	static const enum kind kinds[] = { KIND_INSTANCE, KIND_INSTANCE, KIND_VOLUME, KIND_NETWORK_INTERFACE, KIND_SNAPSHOT };
	struct resource *r = store_insert(tx, kinds[draw(5)], "123456789012", "us-east-1");
	struct thing *t = &w->things[w->n];

	memset(t, 0, sizeof(*t));
	memcpy(t->id, r->id, sizeof(t->id));
	t->kind = r->kind;
	if (r->kind == KIND_INSTANCE) {
		json_object_set_new(r->doc, "InstanceType", json_string("t3.micro"));
		state_init(r, INSTANCE_PENDING);
	}
	if (r->kind == KIND_VOLUME) {
		json_object_update_new(r->doc, json_pack("{s:i, s:s, s:i}", "Size", 8, "VolumeType", draw(2) ? "gp3" : "gp2", "Iops", 3000));
		state_init(r, VOLUME_CREATING);
	}
	if (r->kind == KIND_SNAPSHOT)
		state_init(r, SNAPSHOT_PENDING);
}

static void change_state(struct resource *r)
{
	const struct state_machine *m = kind_info(r->kind)->machine;
	int to = m ? (int)draw((uint64_t)m->n) : 0;

	if (m && m->legal[r->state] & 1u << to)
		r->state = to;
}

static void change_attribute(struct resource *r)
{
	if (r->kind == KIND_NETWORK_INTERFACE) {
		if (draw(2))
			json_object_set_new(r->spec, "public_ip", json_string("203.0.113.7"));
		else
			json_object_del(r->spec, "public_ip");
	} else if (r->kind == KIND_SNAPSHOT) { /* it inherits from one that is deleted */
		json_object_set_new(r->spec, "stored_bytes", json_integer((json_int_t)draw(1 << 20) * (1 << 16)));
	} else if (r->kind == KIND_VOLUME) {
		json_object_set_new(r->doc, draw(2) ? "Size" : "Throughput", json_integer((json_int_t)draw(500)+ 1));
	} else if (draw(2)) {
		json_object_set_new(r->doc, "InstanceType", json_string(draw(2) ? "t3.micro" : "m5.large"));
	} else {
		json_object_set_new(r->spec, draw(2) ? "hibernating" : "spot", json_boolean(draw(2)));
	}
}

static void change_tags(struct resource *r)
{
	if (draw(3) == 0)
		json_object_clear(r->tags);
	else
		json_object_set_new(r->tags, draw(2) ? "team" : "env", json_string(draw(2) ? "a" : "b"));
}

/* What a snapshot that is deleted leaves is borne by several others, in the same transaction. */
static void leave_to_others(struct world *w, struct store_tx *tx, const char *id)
{
	for (size_t i = 0; i < w->n; i++) {
		struct resource *heir = w->things[i].kind == KIND_SNAPSHOT && strcmp(w->things[i].id, id) != 0 && draw(2)
						? store_edit(tx, w->things[i].id) : NULL;
		json_int_t bytes = heir ? json_integer_value(json_object_get(heir->spec, "stored_bytes")) : 0;

		if (heir)
			json_object_set_new(heir->spec, "stored_bytes", json_integer(bytes + (json_int_t)(1 + draw(1 << 10)) * (1 << 16)));
	}
}

/* True where there was something to change. */
static bool change_one(struct world *w, struct store_tx *tx, const char *id)
{
	struct resource *r = store_edit(tx, id);

	if (!r)
		return false;
	switch (draw(12)) {
	case 0: change_tags(r); break;
	case 1: case 2: case 3: change_attribute(r); break;
	case 4:
		if (r->kind == KIND_SNAPSHOT)
			leave_to_others(w, tx, id);
		store_delete(tx, id);
		break;
	default: change_state(r); break;
	}
	return true;
}

static void look_at_all(struct world *w)
{
	struct store_tx *tx = store_read(w->store);
	size_t kept = 0;

	for (size_t i = 0; i < w->n; i++)
		observe(w, &w->things[i], store_get(tx, w->things[i].id));
	for (size_t i = 0; i < w->n; i++)
		if (store_get(tx, w->things[i].id))
			w->things[kept++] = w->things[i];
	w->n = kept;
	store_end(tx);
}

static int run_sql(void *ctx, sqlite3 *db, mc_err **err)
{
	return mc_db_exec(db, ctx, err);
}

static void sql(struct world *w, const char *text)
{
	assert_int_equal(store_sql(w->store, run_sql, (void *)text, NULL), 0);
}

/* A transaction of a few changes, of which some are dropped and some refused by the disk. */
static void act_change(struct world *w)
{
	struct store_tx *tx = store_write(w->store);
	bool made = w->n < RESOURCES && (w->n == 0 || draw(6) == 0), wrote = made, fails = draw(10) == 0;
	int r;

	if (made)
		make(w, tx);
	for (uint64_t n = draw(4); n > 0 && w->n > 0; n--)
		wrote |= change_one(w, tx, w->things[draw(w->n)].id);
	if (draw(10) == 0) {
		store_end(tx);
		return;
	}
	if (fails) { /* the writer's lock is ours, the file is not */
		sqlite3 *db = NULL;

		assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
		assert_int_equal(mc_db_exec(db, "CREATE TRIGGER full BEFORE INSERT ON usage_day BEGIN SELECT RAISE(ABORT, 'disk full'); END", NULL), 0);
		sqlite3_close(db);
	}
	r = store_commit(tx, NULL);
	if (fails)
		sql(w, "DROP TRIGGER full");
	assert_true(r == 0 || fails);
	if (r < 0)
		return;
	w->n += made;
	if (wrote)
		notice(w);
	look_at_all(w);
}

/* --- the comparison --------------------------------------------------------------- */

static int add_day(sqlite3_stmt *stmt, void *ctx)
{
	mc_autofree char *key = mc_strf("%lld|%s|%s|%s|%lld|%s", (long long)sqlite3_column_int64(stmt, 0), mc_db_text(stmt, 1),
					mc_db_text(stmt, 2), mc_db_text(stmt, 3), (long long)sqlite3_column_int64(stmt, 4),
					mc_db_text(stmt, 5));

	json_object_set_new(ctx, key, json_integer(sqlite3_column_int64(stmt, 6)));
	return 0;
}

static json_t *usage_by(struct world *w, const char *query)
{
	json_t *found = json_object();
	sqlite3 *db = store_reader(w->store, NULL);

	assert_non_null(db);
	assert_int_equal(mc_db_run(db, add_day, found, NULL, query, ""), 0);
	sqlite3_close(db);
	return found;
}

static void compare(struct world *w, const json_t *found, const char *what, unsigned seed, int step)
{
	mc_autofree char *a = NULL, *b = NULL;

	if (json_equal(found, w->expected))
		return;
	a = json_dumps(found, JSON_INDENT(1) | JSON_SORT_KEYS);
	b = json_dumps(w->expected, JSON_INDENT(1) | JSON_SORT_KEYS);
	fail_msg("history %u, step %d: %s\nrecorded %s\nexpected %s", seed, step, what, a, b);
}

#define COLUMNS "l.resource, l.meter, l.type, l.quantity, l.tags, "

static void check_money(struct world *w, unsigned seed, int step);

static void check(struct world *w, unsigned seed, int step)
{
	mc_auto_json json_t *days = usage_by(w, "SELECT d.day, " COLUMNS "SUM(d.amount) FROM usage_day d JOIN usage_line l"
						" ON l.id = d.line GROUP BY 1,2,3,4,5,6");
	mc_auto_json json_t *records = usage_by(w, "SELECT (r.label - ((r.label % 86400000000000) + 86400000000000) % 86400000000000)"
						   " / 86400000000000, " COLUMNS "SUM(r.ns + r.extra) FROM usage_record r"
						   " JOIN usage_line l ON l.id = r.line GROUP BY 1,2,3,4,5,6");

	compare(w, days, "days", seed, step);
	compare(w, records, "records", seed, step);
	check_money(w, seed, step);
}

/* --- the money ----------------------------------------------------------------------- */

struct used { /* an entry of the expected usage */
	int64_t day, line, group, quantity, amount;
	char meter[32], type[32], resource[MC_ID_LEN];
};

/* What x units (in parts of `unit`) of a month cost, when the first ones are cheapest to say. */
static money_wide price_up_to(const char *meter, const char *type, money_wide x, money_wide unit)
{
	money_wide two = 2 * unit, nine = 9 * unit;

	if (strcmp(meter, "volume") == 0 && strcmp(type, "gp2") == 0)
		return x * 100000000;
	if (x <= two)
		return x * 80000000;
	if (x <= nine)
		return two * 80000000 + (x - two) * 30000000;
	return two * 80000000 + 7 * unit * 30000000 + (x - nine) * 11000000;
}

static int64_t iops_price(int64_t q)
{
	int64_t low = q < 1000 ? 0 : (q < 2500 ? q : 2500) - 1000, high = q > 2500 ? q - 2500 : 0;

	return low * 5000000 + high * 3000000;
}

struct month_so_far {
	int month;
	money_wide free_used, gp3_used;
};

/* The numerator of what one entry costs; its denominator is *ret_unit. */
static money_wide money_of(const struct used *u, struct month_so_far *m, money_wide *ret_unit)
{
	int days = calendar_month_days(calendar_month(u->day));
	money_wide amount = (money_wide)u->amount * u->quantity, before, paid;

	*ret_unit = strncmp(u->meter, "volume", 6) == 0 ? days * CALENDAR_DAY : CALENDAR_HOUR;
	if (strcmp(u->meter, "public-ipv4") == 0)
		return amount * (u->day < PRICE_CHANGES ? 5000000 : 7000000);
	if (strcmp(u->meter, "volume-iops") == 0)
		return (money_wide)u->amount * iops_price(u->quantity);
	if (strcmp(u->meter, "volume") == 0 && strcmp(u->type, "gp3") == 0) {
		before = m->gp3_used;
		m->gp3_used += amount;
		return price_up_to(u->meter, u->type, m->gp3_used, *ret_unit) - price_up_to(u->meter, u->type, before, *ret_unit);
	}
	if (strcmp(u->meter, "volume") == 0)
		return price_up_to(u->meter, u->type, amount, *ret_unit);
	if (strcmp(u->meter, "instance") != 0 || (strcmp(u->type, "m5.large") == 0 && u->day >= M5_ENDS))
		return 0;
	before = 30 * *ret_unit - m->free_used;
	paid = amount > before ? amount - before : 0;
	m->free_used += amount - paid;
	return paid * (strcmp(u->type, "m5.large") == 0 ? 96000007 : 10400000);
}

static int by_order(const void *a, const void *b)
{
	const struct used *x = a, *y = b;

	if (x->day != y->day)
		return x->day < y->day ? -1 : 1;
	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return (x->line > y->line) - (x->line < y->line);
}

/* {"day|resource|meter": nano}, each rounded once, half up. */
static json_t *all_money(struct used *list, size_t n)
{
	json_t *money = json_object();
	struct month_so_far m = { 0 };

	qsort(list, n, sizeof(*list), by_order);
	for (size_t i = 0; i < n;) {
		mc_autofree char *key = mc_strf("%lld|%s|%s", (long long)list[i].day, list[i].resource, list[i].meter);
		size_t first = i;
		money_wide sum = 0, unit = 1;

		if (calendar_month(list[i].day) != m.month)
			m = (struct month_so_far){ .month = calendar_month(list[i].day) };
		for (; i < n && list[i].day == list[first].day && list[i].group == list[first].group; i++)
			sum += money_of(&list[i], &m, &unit);
		if (2 * sum >= unit)
			json_object_set_new(money, key, json_integer((json_int_t)((2 * sum + unit) / (2 * unit))));
	}
	return money;
}

/* Lines have the order in which they came up; that alone is asked of the database. */
static int note_line(sqlite3_stmt *stmt, void *ctx)
{
	mc_autofree char *what = mc_strf("%s|%s|%s|%lld|%s", mc_db_text(stmt, 2), mc_db_text(stmt, 3), mc_db_text(stmt, 4),
					 (long long)sqlite3_column_int64(stmt, 5), mc_db_text(stmt, 6));

	return json_object_set_new(ctx, what, json_pack("[I, I]", (json_int_t)sqlite3_column_int64(stmt, 0),
							(json_int_t)sqlite3_column_int64(stmt, 1)));
}

static bool split(const char *key, const json_t *lines, int64_t amount, struct used *ret)
{
	const char *what = strchr(key, '|') + 1;
	const json_t *line = json_object_get(lines, what);

	memset(ret, 0, sizeof(*ret));
	assert_int_equal(sscanf(what, "%39[^|]|%31[^|]|", ret->resource, ret->meter), 2);
	what = strchr(strchr(what, '|') + 1, '|') + 1;
	snprintf(ret->type, sizeof(ret->type), "%.*s", (int)strcspn(what, "|"), what);
	ret->quantity = strtoll(strchr(what, '|') + 1, NULL, 10);
	ret->day = strtoll(key, NULL, 10);
	ret->amount = amount;
	assert_non_null(line);
	ret->line = json_integer_value(json_array_get(line, 0));
	ret->group = json_integer_value(json_array_get(line, 1));
	return true;
}

/* Every record as if it ended now, on a copy of the books. */
static json_t *expect_now(struct world *w)
{
	struct world copy = *w;

	copy.expected = json_copy(w->expected);
	for (size_t i = 0; i < w->n; i++)
		for (int m = 0; m < METERS; m++) {
			struct account_of *a = &w->things[i].meters[m], *c = &copy.things[i].meters[m];

			c->stretches = NULL;
			for (const struct stretch *s = a->stretches; s; s = s->earlier) {
				struct stretch *one = mc_alloc(sizeof(*one));

				*one = *s;
				one->earlier = c->stretches;
				c->stretches = one;
			}
			copy.things[i].unconfirmed = false;
			if (*a->what)
				finish(&copy, &copy.things[i], c);
		}
	return copy.expected;
}

static int add_cost(void *ctx, const struct bill_item *item)
{
	mc_autofree char *key = mc_strf("%lld|%s|%s", (long long)item->day, item->resource, item->meter->name);
	json_int_t before = json_integer_value(json_object_get(ctx, key));

	return item->cost ? json_object_set_new(ctx, key, json_integer(before + item->cost)) : 0;
}

static int64_t total(const json_t *money)
{
	int64_t sum = 0;
	const char *key;
	json_t *nano;

	json_object_foreach((json_t *)money, key, nano)
		sum += json_integer_value(nano);
	return sum;
}

static void no_part(void *ctx, const struct rate_part *part)
{
	(void)ctx, (void)part;
}

static void check_money(struct world *w, unsigned seed, int step)
{
	const struct bill_query days = { .from = -100000, .to = 100000 }, months = { .from = -100000, .to = 100000, .months = true };
	mc_auto_json json_t *usage = expect_now(w), *lines = json_object(), *found = json_object(), *by_month = json_object(), *again = json_object();
	mc_auto_json json_t *wanted = NULL;
	struct used *list = mc_alloc((json_object_size(usage) + 1) * sizeof(*list));
	size_t n = 0;
	const char *key;
	json_t *amount;
	struct bill b;

	assert_int_equal(billing_read(w->billing, &b, NULL), 0);
	assert_int_equal(mc_db_run(b.db, note_line, lines, NULL, "SELECT id, grp, resource, meter, type, quantity, tags FROM usage_line", ""), 0);
	json_object_foreach(usage, key, amount)
		split(key, lines, json_integer_value(amount), &list[n++]);
	wanted = all_money(list, n);
	free(list);
	assert_int_equal(bill_each(&b, &days, add_cost, found, NULL), 0);
	assert_int_equal(bill_each(&b, &months, add_cost, by_month, NULL), 0);
	assert_int_equal(bill_explain(&b, &(struct bill_query){ .from = -20000, .to = 100000 }, add_cost, no_part, again, NULL), 0);
	bill_end(&b);
	if (!json_equal(found, wanted)) {
		mc_autofree char *x = json_dumps(found, JSON_INDENT(1) | JSON_SORT_KEYS), *y = json_dumps(wanted, JSON_INDENT(1) | JSON_SORT_KEYS);

		fail_msg("history %u, step %d: money %s\nexpected %s", seed, step, x, y);
	}
	assert_true(json_equal(again, wanted));
	assert_int_equal(total(by_month), total(wanted));
}

/* --- histories --------------------------------------------------------------------- */

static void world_begin(struct world *w)
{
	memset(w, 0, sizeof(*w));
	snprintf(w->dir, sizeof(w->dir), "%.20s/mc-bill-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(w->dir));
	w->path = mc_strf("%s/db", w->dir);
	w->expected = json_object();
	start(w);
	w->offset = mc_clock_wall();
	w->set = mc_clock_wall() - mc_clock_boot();
}

static void world_end(struct world *w)
{
	static const char *const ends[] = { "", "-wal", "-shm" };

	crash(w);
	for (size_t i = 0; i < w->n; i++)
		for (int m = 0; m < METERS; m++)
			take(w, &w->things[i].meters[m], INT64_MIN);
	for (size_t i = 0; i < MC_ARRAY_SIZE(ends); i++) {
		mc_autofree char *file = mc_strf("%s%s", w->path, ends[i]);

		unlink(file);
	}
	rmdir(w->dir);
	free(w->path);
	json_decref(w->expected);
}

static void history(unsigned seed)
{
	static void (*const acts[])(struct world *) = {
		act_change, act_change, act_change, act_change, act_change, act_change, act_pass_time, act_pass_time,
		act_pass_time, act_beat, act_beat, act_set_wall, act_to_midnight, act_restart, act_reboot, act_confirm,
	};
	struct world w;

	chance = seed;
	draw(2);
	mc_clock_step(BEGIN - mc_clock_wall(), 0);
	world_begin(&w);
	for (int step = 0; step < STEPS; step++) {
		acts[draw(MC_ARRAY_SIZE(acts))](&w);
		if (step % 25 == 0 || step == STEPS - 1)
			check(&w, seed, step);
	}
	world_end(&w);
}

static long setting(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text ? strtol(text, NULL, 10) : otherwise;
}

static void test_random_histories(void **state)
{
	long first = setting("MINICLOUD_SEED", 0), many = setting("MINICLOUD_HISTORIES", 12);

	(void)state;
	for (long seed = first; seed < first + many; seed++)
		history((unsigned)seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_histories),
	};

	mc_log_set_level(MC_LOG_ERROR);
	mc_clock_freeze();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
