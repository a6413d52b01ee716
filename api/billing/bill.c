#include "api/billing/bill.h"

#include <stdlib.h>
#include <string.h>

#include "api/billing/calendar.h"
#include "api/billing/ledger.h"
#include "common/cleanup.h"
#include "common/db.h"
#include "common/fs.h"

#define LINE_COLUMNS "l.id, l.grp, l.account, l.region, l.az, l.resource, l.type, l.tags, l.meter, l.quantity"
#define LINE_COUNT 10

int bill_begin(struct bill *b, sqlite3 *db, const struct rater_config *rating, mc_err **err)
{
	*b = (struct bill){ .db = db, .rating = *rating };
	prices_ref(rating->prices);
	if (mc_db_exec(db, "BEGIN", err) == 0)
		b->accounts = rater_accounts(db, err);
	if (!b->accounts || meter_clock_load(&b->clock, db, err) <= 0) {
		bill_end(b);
		return mc_err_wrap(err, "bill");
	}
	b->rating.accounts = b->accounts;
	b->now = meter_clock_now(&b->clock);
	return 0;
}

void bill_end(struct bill *b)
{
	sqlite3_exec(b->db, "COMMIT", NULL, NULL, NULL);
	mc_db_close(b->db);
	json_decref(b->accounts);
	prices_unref(b->rating.prices);
}

/* The line's columns, from the first on. */
static void read_line(sqlite3_stmt *stmt, struct bill_item *item)
{
	item->line = sqlite3_column_int64(stmt, 0);
	item->group = sqlite3_column_int64(stmt, 1);
	item->account = mc_db_text(stmt, 2);
	item->region = mc_db_text(stmt, 3);
	item->az = mc_db_text(stmt, 4);
	item->resource = mc_db_text(stmt, 5);
	item->type = mc_db_text(stmt, 6);
	item->tags = mc_db_text(stmt, 7);
	item->meter = meter_find(mc_db_text(stmt, 8));
	item->quantity = sqlite3_column_int64(stmt, 9);
}

/* --- what is open ---------------------------------------------------------------- */

struct live {
	struct bill_item *items; /* texts owned; by day, group and line */
	size_t n, cap, at;       /* at: the next to be rated */
	const char *account;
	struct meter_instant now;
};

static void live_deinit(struct live *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free((char *)l->items[i].account);
		free((char *)l->items[i].region);
		free((char *)l->items[i].az);
		free((char *)l->items[i].resource);
		free((char *)l->items[i].type);
		free((char *)l->items[i].tags);
	}
	free(l->items);
}
#define auto_live __attribute__((cleanup(live_deinit)))

static void live_add(struct live *l, const struct bill_item *item, int64_t day, int64_t amount)
{
	struct bill_item *to;

	if (amount <= 0)
		return;
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 256;
		l->items = realloc(l->items, l->cap * sizeof(*l->items));
		if (!l->items)
			abort();
	}
	to = &l->items[l->n++];
	*to = *item;
	to->day = day;
	to->amount = amount;
	to->account = mc_strdup(item->account);
	to->region = mc_strdup(item->region);
	to->az = mc_strdup(item->az);
	to->resource = mc_strdup(item->resource);
	to->type = mc_strdup(item->type);
	to->tags = mc_strdup(item->tags);
}

static bool wanted(const char *account, const struct bill_item *item)
{
	return item->meter && (!account || strcmp(account, item->account) == 0);
}

/* What is open, as if it ended now, cut at midnights. */
static int read_open(sqlite3_stmt *stmt, void *ctx)
{
	struct live *l = ctx;
	struct bill_item item = { .priced = true };
	int64_t started = sqlite3_column_int64(stmt, LINE_COUNT), label = sqlite3_column_int64(stmt, LINE_COUNT + 1);
	int64_t run = sqlite3_column_int64(stmt, LINE_COUNT + 2), ns = l->now.meter > started ? l->now.meter - started : 0;
	int64_t end = label + ns;

	read_line(stmt, &item);
	if (!wanted(l->account, &item))
		return 0;
	while (calendar_day(label) < calendar_day(end)) {
		int64_t midnight = (calendar_day(label) + 1) * CALENDAR_DAY;

		live_add(l, &item, calendar_day(label), midnight - label);
		label = midnight;
	}
	item.open = true;
	live_add(l, &item, calendar_day(end), end - label + meter_extra(item.meter, run + ns));
	return 0;
}

static int compare_items(const void *a, const void *b)
{
	const struct bill_item *x = a, *y = b;
	int d = (x->day > y->day) - (x->day < y->day);

	if (d == 0)
		d = (x->group > y->group) - (x->group < y->group);
	return d ? d : (x->line > y->line) - (x->line < y->line);
}

static int read_all_open(struct bill *b, const char *account, struct live *l, mc_err **err)
{
	l->account = account;
	l->now = b->now;
	if (mc_db_run(b->db, read_open, l, err,
		      "SELECT " LINE_COLUMNS ", o.started, o.label, o.run FROM usage_open o JOIN usage_line l ON l.id = o.line", "") < 0)
		return -1;
	if (l->n > 0)
		qsort(l->items, l->n, sizeof(*l->items), compare_items);
	return 0;
}

/* --- rating as it is read --------------------------------------------------------- */

struct reading {
	struct bill *bill;
	const struct bill_query *query;
	bill_item_fn *fn;
	rate_part_fn *part;
	void *ctx;
	struct rater *rater;
	int month;   /* of the rater's pools; -1: not loaded yet */
	bool anew;   /* pools are empty where a month begins */
	bool stopped, failed;
	struct live *live;
	mc_err **err;
};

static bool in_range(const struct bill_query *q, const struct bill_item *item)
{
	return item->day >= q->from && item->day < q->to;
}

static void tell(struct reading *r, const struct bill_item *item)
{
	if (!r->stopped && item->amount > 0 && in_range(r->query, item))
		r->stopped = r->fn(r->ctx, item) != 0;
}

static int rate_item(struct reading *r, struct bill_item *item)
{
	const struct rate_usage u = {
		.account = item->account, .region = item->region, .type = item->type, .meter = item->meter,
		.quantity = item->quantity, .amount = item->amount, .day = item->day, .group = item->group,
	};
	int month = calendar_month(item->day);

	if (!r->anew && month != r->month && rater_load(r->rater, r->bill->db, month, r->err) < 0)
		return -1;
	r->month = month;
	if (rater_rate(r->rater, &u, in_range(r->query, item) ? r->part : NULL, r->ctx, &item->cost, &item->priced, r->err) < 0)
		return -1;
	tell(r, item);
	return 0;
}

/* What is open in lines that come before this one; NULL: all that is left. */
static int rate_open_before(struct reading *r, const struct bill_item *item)
{
	struct live *l = r->live;

	for (; l->at < l->n && (!item || compare_items(&l->items[l->at], item) < 0); l->at++)
		if (rate_item(r, &l->items[l->at]) < 0)
			return -1;
	return 0;
}

/* Columns behind the line: day, amount. A line may be open, too: then it is one item. */
static int read_and_rate(sqlite3_stmt *stmt, void *ctx)
{
	struct reading *r = ctx;
	struct live *l = r->live;
	struct bill_item item = { .priced = true };

	read_line(stmt, &item);
	item.day = sqlite3_column_int64(stmt, LINE_COUNT);
	item.amount = sqlite3_column_int64(stmt, LINE_COUNT + 1);
	if (r->failed || !wanted(r->query->account, &item))
		return 0;
	r->failed = rate_open_before(r, &item) < 0;
	if (l->at < l->n && compare_items(&l->items[l->at], &item) == 0) {
		item.amount += l->items[l->at++].amount;
		item.open = true;
	}
	r->failed = r->failed || rate_item(r, &item) < 0;
	return 0;
}

/* All usage behind this day and group, and before q->to or open. */
static int rate_behind(struct reading *r, int64_t day, int64_t group)
{
	auto_live struct live live = { 0 };
	int result = -1;

	r->live = &live;
	r->month = -1;
	if (read_all_open(r->bill, r->query->account, &live, r->err) < 0)
		return -1;
	r->rater = rater_new(&r->bill->rating);
	if (mc_db_run(r->bill->db, read_and_rate, r, r->err,
		      "SELECT " LINE_COLUMNS ", d.day, d.amount FROM usage_day d JOIN usage_line l ON l.id = d.line"
		      " WHERE (d.day, d.grp) > (?, ?) AND d.day < ? ORDER BY d.day, d.grp, d.line", "iii", day, group,
		      r->query->to) == 0 && !r->failed)
		result = rate_open_before(r, NULL);
	rater_free(r->rater);
	return result;
}

/* --- what the ledger has ------------------------------------------------------------ */

/* Columns behind the line: day, amount, cost. */
static int read_final(sqlite3_stmt *stmt, void *ctx)
{
	struct reading *r = ctx;
	struct bill_item item = { .priced = true };

	if (r->stopped)
		return 0;
	read_line(stmt, &item);
	item.day = sqlite3_column_int64(stmt, LINE_COUNT);
	item.amount = sqlite3_column_int64(stmt, LINE_COUNT + 1);
	item.cost = sqlite3_column_int64(stmt, LINE_COUNT + 2);
	if (wanted(r->query->account, &item))
		tell(r, &item);
	return 0;
}

static int final_days(struct reading *r, const struct ledger_cursor *c, int64_t from, int64_t to, mc_err **err)
{
	if (from >= to)
		return 0;
	return mc_db_run(r->bill->db, read_final, r, err,
			 "SELECT " LINE_COLUMNS ", d.day, d.amount, d.cost FROM usage_day d JOIN usage_line l ON l.id = d.line"
			 " WHERE d.day >= ? AND d.day < ? AND (d.day, d.grp) <= (?, ?) ORDER BY d.day, d.grp, d.line", "iiii", from, to,
			 c->day, c->group);
}

static int final_month(struct reading *r, int month, mc_err **err)
{
	return mc_db_run(r->bill->db, read_final, r, err,
			 "SELECT " LINE_COLUMNS ", ?, m.amount, m.cost FROM usage_month m JOIN usage_line l ON l.id = m.line"
			 " WHERE m.month = ?", "ii", calendar_month_start(month), (int64_t)month);
}

static int read_first(sqlite3_stmt *stmt, void *ctx)
{
	if (sqlite3_column_type(stmt, 0) != SQLITE_NULL)
		*(int64_t *)ctx = sqlite3_column_int64(stmt, 0);
	return 0;
}

/* Whole months by their sums, the days before and behind them one by one. A month under way is whole
 * where the query reaches beyond what the ledger has of it. */
static int final_months(struct reading *r, const struct ledger_cursor *c, mc_err **err)
{
	const struct bill_query *q = r->query;
	int64_t at = q->from, first = c->day;

	if (mc_db_run(r->bill->db, read_first, &first, err, "SELECT MIN(day) FROM usage_day", "") < 0)
		return -1;
	if (at < first)
		at = calendar_month(at) == calendar_month(first) ? at : calendar_month_start(calendar_month(first));
	while (at < q->to && at <= c->day && !r->stopped) {
		int month = calendar_month(at);
		int64_t next = calendar_month_start(month + 1);
		bool whole = at == calendar_month_start(month) && (next <= q->to || q->to > c->day);
		int failed = whole ? final_month(r, month, err) : final_days(r, c, at, next < q->to ? next : q->to, err);

		if (failed < 0)
			return -1;
		at = next;
	}
	return 0;
}

int bill_each(struct bill *b, const struct bill_query *q, bill_item_fn *fn, void *ctx, mc_err **err)
{
	struct reading r = { .bill = b, .query = q, .fn = fn, .ctx = ctx, .err = err };
	struct ledger_cursor c = { 0 };

	if (ledger_cursor(b->db, &c, err) < 0)
		return -1;
	if (q->months ? final_months(&r, &c, err) < 0 : final_days(&r, &c, q->from, q->to, err) < 0)
		return -1;
	if (q->to <= c.day || r.stopped)
		return 0;
	return rate_behind(&r, c.day, c.group);
}

int bill_explain(struct bill *b, const struct bill_query *q, bill_item_fn *fn, rate_part_fn *part, void *ctx, mc_err **err)
{
	struct reading r = { .bill = b, .query = q, .fn = fn, .part = part, .ctx = ctx, .anew = true, .err = err };

	return rate_behind(&r, calendar_month_start(calendar_month(q->from)) - 1, INT64_MAX);
}
