#include "api/billing/usage.h"

#include <stdlib.h>
#include <string.h>

#include "api/billing/calendar.h"
#include "api/billing/ledger.h"
#include "common/cleanup.h"
#include "common/db.h"
#include "common/fs.h"

static int read_int(sqlite3_stmt *stmt, void *ctx)
{
	*(int64_t *)ctx = sqlite3_column_int64(stmt, 0);
	return 0;
}

/* --- lines ---------------------------------------------------------------- */

struct line {
	const char *account, *region, *az, *resource, *meter, *type, *tags;
	int64_t quantity;
};

static int find_line(sqlite3 *db, const struct line *l, int64_t *ret_id, mc_err **err)
{
	*ret_id = 0;
	return mc_db_run(db, read_int, ret_id, err,
			 "SELECT id FROM usage_line WHERE resource = ? AND meter = ? AND type = ? AND quantity = ?"
			 " AND az = ? AND tags = ?", "sssiss", l->resource, l->meter, l->type, l->quantity, l->az, l->tags);
}

/* A line's group is its first sibling of the same resource and meter. */
static int make_line(sqlite3 *db, const struct line *l, int64_t *ret_id, mc_err **err)
{
	if (mc_db_run(db, NULL, NULL, err,
		      "INSERT INTO usage_line (grp, account, region, az, resource, meter, type, quantity, tags)"
		      " VALUES (0,?,?,?,?,?,?,?,?)", "ssssssis", l->account, l->region, l->az, l->resource, l->meter, l->type,
		      l->quantity, l->tags) < 0)
		return -1;
	*ret_id = sqlite3_last_insert_rowid(db);
	return mc_db_run(db, NULL, NULL, err,
			 "UPDATE usage_line SET grp = (SELECT MIN(id) FROM usage_line WHERE resource = ? AND meter = ?)"
			 " WHERE id = ?", "ssi", l->resource, l->meter, *ret_id);
}

static int line_id(sqlite3 *db, const struct line *l, int64_t *ret_id, mc_err **err)
{
	if (find_line(db, l, ret_id, err) < 0)
		return -1;
	return *ret_id ? 0 : make_line(db, l, ret_id, err);
}

static int line_of(sqlite3 *db, const struct resource *r, const struct meter *m, const char *type, int64_t quantity,
		   int64_t *ret_id, mc_err **err)
{
	mc_autofree char *tags = meter_tags(r);
	const struct line l = {
		.account = r->account, .region = r->region, .az = r->az ? r->az : "", .resource = r->id, .meter = m->name,
		.type = type, .tags = tags, .quantity = quantity,
	};

	return line_id(db, &l, ret_id, err);
}

/* --- records and days -------------------------------------------------------- */

static int group_of(sqlite3 *db, int64_t line, int64_t *ret_group, mc_err **err)
{
	return mc_db_run(db, read_int, ret_group, err, "SELECT grp FROM usage_line WHERE id = ?", "i", line);
}

static int add_to_day(sqlite3 *db, int64_t line, int64_t day, int64_t amount, mc_err **err)
{
	int64_t group = 0;

	if (group_of(db, line, &group, err) < 0 || ledger_reopen(db, day, group, err) < 0)
		return -1;
	return mc_db_run(db, NULL, NULL, err,
			 "INSERT INTO usage_day (day, grp, line, amount, cost) VALUES (?,?,?,?,0)"
			 " ON CONFLICT DO UPDATE SET amount = amount + excluded.amount", "iiii", day, group, line, amount);
}

static int add_record(sqlite3 *db, int64_t line, int64_t label, int64_t ns, int64_t extra, mc_err **err)
{
	if (mc_db_run(db, NULL, NULL, err, "INSERT INTO usage_record (line, label, ns, extra) VALUES (?,?,?,?)", "iiii", line,
		      label, ns, extra) < 0)
		return -1;
	return add_to_day(db, line, calendar_day(label), ns + extra, err);
}

/* A stretch of time from a label on, cut at each midnight; extra is filed under its end. */
static int add_stretch(sqlite3 *db, int64_t line, int64_t label, int64_t ns, int64_t extra, mc_err **err)
{
	int64_t end = label + ns;

	while (calendar_day(label) < calendar_day(end)) {
		int64_t midnight = (calendar_day(label) + 1) * CALENDAR_DAY;

		if (add_record(db, line, label, midnight - label, 0, err) < 0)
			return -1;
		label = midnight;
	}
	return end > label || extra ? add_record(db, line, label, end - label, extra, err) : 0;
}

/* --- opening and closing -------------------------------------------------------- */

struct open_row {
	char *resource, *meter;
	int64_t line, started, label, run;
	struct open_row *next;
};

static void open_rows_free(struct open_row **rows)
{
	while (*rows) {
		struct open_row *next = (*rows)->next;

		free((*rows)->resource);
		free((*rows)->meter);
		free(*rows);
		*rows = next;
	}
}
#define auto_rows __attribute__((cleanup(open_rows_free)))

#define OPEN_COLUMNS "SELECT resource, meter, line, started, label, run FROM usage_open "

static int read_open(sqlite3_stmt *stmt, void *ctx)
{
	struct open_row *row = mc_alloc(sizeof(*row)), **list = ctx;

	row->resource = mc_strdup(mc_db_text(stmt, 0));
	row->meter = mc_strdup(mc_db_text(stmt, 1));
	row->line = sqlite3_column_int64(stmt, 2);
	row->started = sqlite3_column_int64(stmt, 3);
	row->label = sqlite3_column_int64(stmt, 4);
	row->run = sqlite3_column_int64(stmt, 5);
	row->next = *list;
	*list = row;
	return 0;
}

/* The record up to this count; the row goes. The run's length so far in row->run. */
static int close_row(sqlite3 *db, struct open_row *row, int64_t end, bool run_ends, mc_err **err)
{
	const struct meter *m = meter_find(row->meter);
	int64_t ns = end > row->started ? end - row->started : 0;

	row->run += ns;
	if (add_stretch(db, row->line, row->label, ns, m && run_ends ? meter_extra(m, row->run) : 0, err) < 0)
		return -1;
	return mc_db_run(db, NULL, NULL, err, "DELETE FROM usage_open WHERE resource = ? AND meter = ?", "ss", row->resource,
			 row->meter);
}

static int open_row(sqlite3 *db, const char *resource, const char *meter, int64_t line, int64_t run,
		    const struct meter_instant *begin, mc_err **err)
{
	int64_t group = 0;

	/* A day that was rated already becomes live again before there is anything new in it. */
	if (group_of(db, line, &group, err) < 0 || ledger_reopen(db, calendar_day(begin->label), group, err) < 0)
		return -1;
	return mc_db_run(db, NULL, NULL, err, "INSERT INTO usage_open (resource, meter, line, started, label, run)"
			 " VALUES (?,?,?,?,?,?)", "ssiiii", resource, meter, line, begin->meter, begin->label, run);
}

int usage_turn(sqlite3 *db, int64_t before, const struct meter_instant *end, const struct meter_instant *begin,
	       mc_err **err)
{
	auto_rows struct open_row *rows = NULL;

	if (mc_db_run(db, read_open, &rows, err, OPEN_COLUMNS "WHERE label < ?", "i", before) < 0)
		return -1;
	for (struct open_row *row = rows; row; row = row->next)
		if (close_row(db, row, end->meter, false, err) < 0 ||
		    open_row(db, row->resource, row->meter, row->line, row->run, begin, err) < 0)
			return -1;
	return 0;
}

/* --- following a resource ------------------------------------------------------- */

static const struct meter_reading *reading_of(const struct meter_reading *list, size_t n, const struct meter *m)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].meter == m)
			return &list[i];
	return NULL;
}

/* One open row against what is read now: kept, exchanged or ended. */
static int settle_row(sqlite3 *db, struct open_row *row, const struct resource *r, const struct meter_reading *now_read,
		      const struct meter_instant *now, int64_t known, mc_err **err)
{
	int64_t line = 0;

	if (!now_read) {
		int64_t end = known < now->meter && known >= row->started ? known : now->meter;

		return close_row(db, row, end, true, err);
	}
	if (line_of(db, r, now_read->meter, now_read->type, now_read->quantity, &line, err) < 0)
		return -1;
	if (line == row->line)
		return 0;
	if (close_row(db, row, now->meter, false, err) < 0)
		return -1;
	return open_row(db, row->resource, row->meter, line, row->run, now, err);
}

static bool is_open(const struct open_row *rows, const struct meter *m)
{
	for (; rows; rows = rows->next)
		if (strcmp(rows->meter, m->name) == 0)
			return true;
	return false;
}

/* id: the resource, which may be no more (r NULL). */
static int settle(sqlite3 *db, const char *id, const struct resource *r, const struct meter_instant *now, int64_t known,
		  mc_err **err)
{
	struct meter_reading readings[METER_READINGS_MAX];
	size_t n = meter_read(r, readings);
	auto_rows struct open_row *rows = NULL;

	if (mc_db_run(db, read_open, &rows, err, OPEN_COLUMNS "WHERE resource = ?", "s", id) < 0)
		return -1;
	for (struct open_row *row = rows; row; row = row->next) {
		const struct meter *m = meter_find(row->meter);

		if (settle_row(db, row, r, m ? reading_of(readings, n, m) : NULL, now, known, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < n; i++) {
		int64_t line = 0;

		if (is_open(rows, readings[i].meter))
			continue;
		if (line_of(db, r, readings[i].meter, readings[i].type, readings[i].quantity, &line, err) < 0 ||
		    open_row(db, r->id, readings[i].meter->name, line, 0, now, err) < 0)
			return -1;
	}
	return 0;
}

static bool same_readings(const struct meter_reading *a, size_t na, const struct meter_reading *b, size_t nb)
{
	for (size_t i = 0; i < na && na == nb; i++)
		if (a[i].meter != b[i].meter || a[i].quantity != b[i].quantity || strcmp(a[i].type, b[i].type) != 0)
			return false;
	return na == nb;
}

int usage_change(sqlite3 *db, const struct resource *before, const struct resource *after,
		 const struct meter_instant *now, int64_t known, mc_err **err)
{
	struct meter_reading was[METER_READINGS_MAX], is[METER_READINGS_MAX];
	size_t n_was = meter_read(before, was), n_is = meter_read(after, is);

	if (n_was == 0 && n_is == 0)
		return 0;
	if (before && after && same_readings(was, n_was, is, n_is) && json_equal(meter_tags_of(before), meter_tags_of(after)))
		return 0;
	return settle(db, before ? before->id : after->id, after, now, known, err);
}

int usage_settle(sqlite3 *db, const struct resource *r, const struct meter_instant *now, mc_err **err)
{
	return settle(db, r->id, r, now, USAGE_NOW, err);
}

int usage_drop(sqlite3 *db, const char *resource, const struct meter_instant *now, mc_err **err)
{
	return settle(db, resource, NULL, now, USAGE_NOW, err);
}

int usage_count(sqlite3 *db, const struct usage_counted *c, int64_t amount, int64_t label, mc_err **err)
{
	const struct line l = {
		.account = c->account, .region = c->region, .az = c->az, .resource = c->resource, .meter = c->meter->name,
		.type = c->type, .tags = c->tags, .quantity = 1,
	};
	int64_t line = 0;

	if (amount <= 0)
		return 0;
	return line_id(db, &l, &line, err) < 0 ? -1 : add_record(db, line, label, amount, 0, err);
}
