/* Bills by the hour: the day's cost, shared out as the records lie in its hours. */
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "api/billing/bill.h"
#include "api/billing/calendar.h"
#include "common/db.h"
#include "common/fs.h"

#define HOURS 24

struct share { /* of a line on the day */
	int64_t line;
	struct bill_item item; /* texts owned */
	int64_t hours[HOURS];  /* amounts */
	UT_hash_handle hh;
};

struct sharing {
	struct bill *bill;
	int64_t day;
	struct share *shares;
};

static int note_item(void *ctx, const struct bill_item *item)
{
	struct sharing *s = ctx;
	struct share *share;

	HASH_FIND(hh, s->shares, &item->line, sizeof(item->line), share);
	if (share) { /* rated in two pieces */
		share->item.amount += item->amount;
		share->item.cost += item->cost;
		share->item.open |= item->open;
		return 0;
	}
	share = mc_alloc(sizeof(*share));
	share->line = item->line;
	share->item = *item;
	share->item.account = mc_strdup(item->account);
	share->item.region = mc_strdup(item->region);
	share->item.az = mc_strdup(item->az);
	share->item.resource = mc_strdup(item->resource);
	share->item.type = mc_strdup(item->type);
	share->item.tags = mc_strdup(item->tags);
	HASH_ADD(hh, s->shares, line, sizeof(share->line), share);
	return 0;
}

static void shares_free(struct sharing *s)
{
	struct share *share, *tmp;

	HASH_ITER(hh, s->shares, share, tmp) {
		HASH_DEL(s->shares, share);
		free((char *)share->item.account);
		free((char *)share->item.region);
		free((char *)share->item.az);
		free((char *)share->item.resource);
		free((char *)share->item.type);
		free((char *)share->item.tags);
		free(share);
	}
}

static void add_to_hour(struct sharing *s, struct share *share, int64_t label, int64_t amount)
{
	int64_t hour = (label - s->day * CALENDAR_DAY) / CALENDAR_HOUR;

	if (label >= s->day * CALENDAR_DAY && hour < HOURS)
		share->hours[hour] += amount;
}

/* Time from a label on, the part of it that lies in the day. */
static void add_time(struct sharing *s, struct share *share, int64_t label, int64_t ns)
{
	int64_t end = label + ns;

	while (label < end) {
		int64_t next = (label / CALENDAR_HOUR + 1) * CALENDAR_HOUR, to = next < end ? next : end;

		add_to_hour(s, share, label, to - label);
		label = to;
	}
}

/* line, label, ns, extra */
static int read_record(sqlite3_stmt *stmt, void *ctx)
{
	struct sharing *s = ctx;
	int64_t line = sqlite3_column_int64(stmt, 0), label = sqlite3_column_int64(stmt, 1), ns = sqlite3_column_int64(stmt, 2);
	bool timed;
	struct share *share;

	HASH_FIND(hh, s->shares, &line, sizeof(line), share);
	if (!share)
		return 0;
	timed = meter_unit_info(share->item.meter->unit)->timed;
	if (timed)
		add_time(s, share, label, ns);
	else
		add_to_hour(s, share, label, ns);
	add_to_hour(s, share, timed ? label + ns : label, sqlite3_column_int64(stmt, 3));
	return 0;
}

/* line, started, label, run */
static int read_open(sqlite3_stmt *stmt, void *ctx)
{
	struct sharing *s = ctx;
	int64_t line = sqlite3_column_int64(stmt, 0), started = sqlite3_column_int64(stmt, 1);
	int64_t label = sqlite3_column_int64(stmt, 2), ns = s->bill->now.meter > started ? s->bill->now.meter - started : 0;
	struct share *share;

	HASH_FIND(hh, s->shares, &line, sizeof(line), share);
	if (!share)
		return 0;
	add_time(s, share, label, ns);
	add_to_hour(s, share, label + ns, meter_extra(share->item.meter, sqlite3_column_int64(stmt, 3) + ns));
	return 0;
}

/* Cumulated shares are rounded, so that the hours add up to the day. */
static int tell(const struct sharing *s, const struct share *share, int64_t from, int64_t to,
		int (*fn)(void *, int64_t, const struct bill_item *), void *ctx)
{
	money_wide so_far = 0;
	int64_t told = 0;

	for (int h = 0; h < HOURS; h++) {
		struct bill_item item = share->item;
		int64_t hour = s->day * HOURS + h, cost;

		so_far += share->hours[h];
		cost = item.amount > 0 ? money_round(so_far * item.cost, item.amount) : 0;
		item.amount = share->hours[h];
		item.cost = cost - told;
		told = cost;
		if (item.amount > 0 && hour >= from && hour < to && fn(ctx, hour, &item) != 0)
			return 1;
	}
	return 0;
}

int bill_hours(struct bill *b, const char *account, int64_t from, int64_t to,
	       int (*fn)(void *ctx, int64_t hour, const struct bill_item *item), void *ctx, mc_err **err)
{
	for (int64_t day = from / HOURS; day * HOURS < to; day++) {
		const struct bill_query q = { .account = account, .from = day, .to = day + 1 };
		struct sharing s = { .bill = b, .day = day };
		int r = bill_each(b, &q, note_item, &s, err);

		if (r == 0)
			r = mc_db_run(b->db, read_record, &s, err, "SELECT line, label, ns, extra FROM usage_record"
				      " WHERE label >= ? AND label < ?", "ii", day * CALENDAR_DAY, (day + 1) * CALENDAR_DAY);
		if (r == 0)
			r = mc_db_run(b->db, read_open, &s, err, "SELECT line, started, label, run FROM usage_open", "");
		for (struct share *share = s.shares; r == 0 && share; share = share->hh.next)
			if (tell(&s, share, from, to, fn, ctx))
				break;
		shares_free(&s);
		if (r < 0)
			return -1;
	}
	return 0;
}
