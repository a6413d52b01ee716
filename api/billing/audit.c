#include "api/billing/audit.h"

#include <stdio.h>
#include <string.h>

#include "api/billing/usage.h"
#include "common/cleanup.h"
#include "common/db.h"

/* The resource whose open records are being read. */
struct one {
	char id[MC_ID_LEN];
	size_t mark;
	const struct resource *r; /* NULL: there is none */
	struct meter_reading readings[METER_READINGS_MAX];
	size_t n, right;          /* how many it should have open, and of these has */
	bool wrong;               /* it has others */
};

struct audit {
	struct store_tx *tx;
	json_t *seen; /* {resource: are its open records as they should be?}, of those that have any */
	struct one one;
};

static bool is_right(const struct one *one, sqlite3_stmt *stmt)
{
	for (size_t i = 0; i < one->n; i++) {
		const struct meter_reading *reading = &one->readings[i];
		mc_autofree char *tags = NULL;

		if (strcmp(reading->meter->name, mc_db_text(stmt, 1)) != 0)
			continue;
		tags = meter_tags(one->r);
		return strcmp(reading->type, mc_db_text(stmt, 2)) == 0 && reading->quantity == sqlite3_column_int64(stmt, 3) &&
		       strcmp(one->r->az ? one->r->az : "", mc_db_text(stmt, 4)) == 0 && strcmp(tags, mc_db_text(stmt, 5)) == 0;
	}
	return false;
}

static void end_one(struct audit *a)
{
	struct one *one = &a->one;

	if (!*one->id)
		return;
	json_object_set_new(a->seen, one->id, json_boolean(one->r && !one->wrong && one->right == one->n));
	store_release(a->tx, one->mark);
}

static void begin_one(struct audit *a, const char *id)
{
	struct one *one = &a->one;

	memset(one, 0, sizeof(*one));
	snprintf(one->id, sizeof(one->id), "%s", id);
	one->mark = store_mark(a->tx);
	one->r = store_get(a->tx, id);
	one->n = meter_read(one->r, one->readings);
}

static int look(sqlite3_stmt *stmt, void *ctx)
{
	struct audit *a = ctx;
	const char *id = mc_db_text(stmt, 0);

	if (strcmp(a->one.id, id) != 0) {
		end_one(a);
		begin_one(a, id);
	}
	if (is_right(&a->one, stmt))
		a->one.right++;
	else
		a->one.wrong = true;
	return 0;
}

/* Of one that exists. */
static int settle_one(struct audit *a, const struct resource *bare, sqlite3 *db, const struct meter_instant *now,
		      mc_err **err)
{
	struct meter_reading readings[METER_READINGS_MAX];
	const json_t *right = json_object_get(a->seen, bare->id);
	const struct resource *r;

	if (json_is_true(right) || (!right && !meter_possible(bare)))
		return 0;
	r = store_load(a->tx, bare);
	return right || meter_read(r, readings) > 0 ? usage_settle(db, r, now, err) : 0;
}

static int settle_kind(struct audit *a, enum kind kind, sqlite3 *db, const struct meter_instant *now, mc_err **err)
{
	struct store_iter it = store_iter(a->tx, kind, NULL, NULL);
	const struct resource *bare;
	int r = 0;

	while (r == 0 && (bare = store_next_bare(&it))) {
		size_t mark = store_mark(a->tx);

		r = settle_one(a, bare, db, now, err);
		store_release(a->tx, mark);
	}
	return r;
}

static int settle_all(struct audit *a, sqlite3 *db, const struct meter_instant *now, mc_err **err)
{
	const char *id;
	json_t *right;

	for (int kind = 0; kind < KIND_MAX; kind++)
		if (settle_kind(a, (enum kind)kind, db, now, err) < 0)
			return -1;
	json_object_foreach(a->seen, id, right)
		if (!json_is_true(right) && !store_get_bare(a->tx, id) && usage_drop(db, id, now, err) < 0)
			return -1;
	return 0;
}

int audit_open_records(struct store_tx *tx, sqlite3 *db, const struct meter_instant *now, mc_err **err)
{
	mc_auto_json json_t *seen = json_object();
	struct audit a = { .tx = tx, .seen = seen };

	if (mc_db_run(db, look, &a, err,
		      "SELECT o.resource, o.meter, l.type, l.quantity, l.az, l.tags FROM usage_open o"
		      " JOIN usage_line l ON l.id = o.line ORDER BY o.resource", "") < 0)
		return -1;
	end_one(&a);
	return settle_all(&a, db, now, err);
}
