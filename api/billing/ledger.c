#include "api/billing/ledger.h"

#include <stdlib.h>

#include "api/billing/calendar.h"
#include "common/cleanup.h"
#include "common/db.h"
#include "common/fs.h"

#define CHUNK 1000 /* rows in one transaction: the writer's lock is held for some 20 ms */

static int read_cursor(sqlite3_stmt *stmt, void *ctx)
{
	struct ledger_cursor *c = ctx;

	c->day = sqlite3_column_int64(stmt, 0);
	c->group = sqlite3_column_int64(stmt, 1);
	return 0;
}

int ledger_cursor(sqlite3 *db, struct ledger_cursor *ret, mc_err **err)
{
	return mc_db_run(db, read_cursor, ret, err, "SELECT day, grp FROM usage_final", "");
}

static int move_cursor(sqlite3 *db, int64_t day, int64_t group, mc_err **err)
{
	return mc_db_run(db, NULL, NULL, err, "UPDATE usage_final SET day = ?, grp = ?", "ii", day, group);
}

int ledger_reopen(sqlite3 *db, int64_t day, int64_t group, mc_err **err)
{
	struct ledger_cursor c = { 0 };
	int64_t month = calendar_month(day);

	if (ledger_cursor(db, &c, err) < 0)
		return -1;
	if (day > c.day || (day == c.day && group > c.group))
		return 0;
	if (move_cursor(db, calendar_month_start((int)month), 0, err) < 0 ||
	    mc_db_run(db, NULL, NULL, err, "DELETE FROM usage_month WHERE month >= ?", "i", month) < 0)
		return -1;
	return mc_db_run(db, NULL, NULL, err, "DELETE FROM usage_pool WHERE month >= ?", "i", month);
}

/* --- rating ------------------------------------------------------------------------ */

struct row {
	int64_t day, group, line, amount, quantity, cost;
	const struct meter *meter;
	char *account, *region, *type;
};

struct batch {
	struct row *rows;
	size_t n;
	bool more; /* rows behind them */
};

static void batch_deinit(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		free(b->rows[i].account);
		free(b->rows[i].region);
		free(b->rows[i].type);
	}
	free(b->rows);
	*b = (struct batch){ .more = false };
}
#define auto_batch __attribute__((cleanup(batch_deinit)))

static int read_row(sqlite3_stmt *stmt, void *ctx)
{
	struct batch *b = ctx;
	struct row *row = &b->rows[b->n++];

	*row = (struct row){ .day = sqlite3_column_int64(stmt, 0), .group = sqlite3_column_int64(stmt, 1),
			     .line = sqlite3_column_int64(stmt, 2), .amount = sqlite3_column_int64(stmt, 3),
			     .quantity = sqlite3_column_int64(stmt, 8), .meter = meter_find(mc_db_text(stmt, 6)) };
	row->account = mc_strdup(mc_db_text(stmt, 4));
	row->region = mc_strdup(mc_db_text(stmt, 5));
	row->type = mc_strdup(mc_db_text(stmt, 7));
	return 0;
}

static int read_batch(sqlite3 *db, const struct ledger_cursor *c, int64_t today, size_t limit, struct batch *b, mc_err **err)
{
	b->rows = mc_alloc(limit * sizeof(*b->rows));
	if (mc_db_run(db, read_row, b, err,
		      "SELECT d.day, d.grp, d.line, d.amount, l.account, l.region, l.meter, l.type, l.quantity"
		      " FROM usage_day d JOIN usage_line l ON l.id = d.line"
		      " WHERE (d.day, d.grp) > (?, ?) AND d.day < ? ORDER BY d.day, d.grp, d.line LIMIT ?", "iiii", c->day,
		      c->group, today, (int64_t)limit) < 0)
		return -1;
	b->more = b->n == limit;
	return 0;
}

static bool same_group(const struct row *a, const struct row *b)
{
	return a->day == b->day && a->group == b->group;
}

/* How many rows make whole groups of one month; 0: not even one group is whole. */
static size_t whole_groups(struct batch *b)
{
	size_t n = b->n;

	for (size_t i = 1; i < b->n; i++)
		if (calendar_month(b->rows[i].day) != calendar_month(b->rows[0].day)) {
			b->more = true;
			return i;
		}
	while (b->more && n > 0 && same_group(&b->rows[n - 1], &b->rows[b->n - 1]))
		n--;
	return n;
}

static int rate_rows(struct rater *r, struct row *rows, size_t n, mc_err **err)
{
	for (size_t i = 0; i < n; i++) {
		const struct rate_usage u = {
			.account = rows[i].account, .region = rows[i].region, .type = rows[i].type, .meter = rows[i].meter,
			.quantity = rows[i].quantity, .amount = rows[i].amount, .day = rows[i].day, .group = rows[i].group,
		};
		bool priced;

		/* A meter that is no more has no price. */
		if (rows[i].meter && rater_rate(r, &u, NULL, NULL, &rows[i].cost, &priced, err) < 0)
			return -1;
	}
	return 0;
}

static int keep_row(sqlite3 *db, const struct row *row, mc_err **err)
{
	if (mc_db_run(db, NULL, NULL, err, "UPDATE usage_day SET cost = ? WHERE day = ? AND grp = ? AND line = ?", "iiii", row->cost,
		      row->day, row->group, row->line) < 0)
		return -1;
	return mc_db_run(db, NULL, NULL, err,
			 "INSERT INTO usage_month (month, line, amount, cost) VALUES (?,?,?,?) ON CONFLICT DO UPDATE"
			 " SET amount = amount + excluded.amount, cost = cost + excluded.cost", "iiii",
			 (int64_t)calendar_month(row->day), row->line, row->amount, row->cost);
}

static int keep(sqlite3 *db, const struct rater *r, const struct row *rows, size_t n, mc_err **err)
{
	for (size_t i = 0; i < n; i++)
		if (keep_row(db, &rows[i], err) < 0)
			return -1;
	if (rater_save(r, db, err) < 0)
		return -1;
	return move_cursor(db, rows[n - 1].day, rows[n - 1].group, err);
}

int ledger_advance(sqlite3 *db, const struct rater_config *config, int64_t today, mc_err **err)
{
	auto_batch struct batch b = { 0 };
	struct rater_config rating = *config;
	mc_auto_json json_t *accounts = NULL;
	struct ledger_cursor c = { 0 };
	struct rater *r;
	size_t n = 0;
	int result;

	if (ledger_cursor(db, &c, err) < 0)
		return -1;
	for (size_t limit = CHUNK; n == 0; limit *= 2) {
		batch_deinit(&b);
		if (read_batch(db, &c, today, limit, &b, err) < 0)
			return -1;
		if (b.n == 0)
			return 0;
		n = whole_groups(&b);
	}
	accounts = rater_accounts(db, err);
	if (!accounts)
		return -1;
	rating.accounts = accounts;
	r = rater_new(&rating);
	result = rater_load(r, db, calendar_month(b.rows[0].day), err) < 0 || rate_rows(r, b.rows, n, err) < 0 ||
				 keep(db, r, b.rows, n, err) < 0 ? -1 : b.more;
	rater_free(r);
	return result;
}
