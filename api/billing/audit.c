#include "api/billing/audit.h"

#include <string.h>

#include "api/billing/usage.h"
#include "common/cleanup.h"
#include "common/db.h"

struct audit {
	struct store_tx *tx;
	json_t *right;  /* {resource: how many of its open records are as they should be} */
	json_t *wrong;  /* {resource: ...} with others */
};

static bool is_right(const struct resource *r, sqlite3_stmt *stmt)
{
	struct meter_reading readings[METER_READINGS_MAX];
	size_t n = meter_read(r, readings);

	for (size_t i = 0; i < n; i++) {
		mc_autofree char *tags = NULL;

		if (strcmp(readings[i].meter->name, mc_db_text(stmt, 1)) != 0)
			continue;
		tags = meter_tags(r);
		return strcmp(readings[i].type, mc_db_text(stmt, 2)) == 0 &&
		       readings[i].quantity == sqlite3_column_int64(stmt, 3) &&
		       strcmp(r->az ? r->az : "", mc_db_text(stmt, 4)) == 0 && strcmp(tags, mc_db_text(stmt, 5)) == 0;
	}
	return false;
}

static int look(sqlite3_stmt *stmt, void *ctx)
{
	struct audit *a = ctx;
	const char *id = mc_db_text(stmt, 0);
	const struct resource *r = store_get(a->tx, id);
	json_int_t n = json_integer_value(json_object_get(a->right, id));

	if (r && is_right(r, stmt))
		json_object_set_new(a->right, id, json_integer(n + 1));
	else
		json_object_set_new(a->wrong, id, json_true());
	return 0;
}

static int settle_kind(struct audit *a, enum kind kind, sqlite3 *db, const struct meter_instant *now, mc_err **err)
{
	struct store_iter it = store_iter(a->tx, kind, NULL, NULL);
	struct meter_reading readings[METER_READINGS_MAX];
	const struct resource *r;

	while ((r = store_next(&it))) {
		json_int_t open = json_integer_value(json_object_get(a->right, r->id));

		if ((json_int_t)meter_read(r, readings) == open && !json_object_get(a->wrong, r->id))
			continue;
		if (usage_settle(db, r, now, err) < 0)
			return -1;
	}
	return 0;
}

static int settle_all(struct audit *a, sqlite3 *db, const struct meter_instant *now, mc_err **err)
{
	const char *id;
	json_t *unused;

	for (int kind = 0; kind < KIND_MAX; kind++)
		if (settle_kind(a, (enum kind)kind, db, now, err) < 0)
			return -1;
	json_object_foreach(a->wrong, id, unused)
		if (!store_get(a->tx, id) && usage_drop(db, id, now, err) < 0)
			return -1;
	return 0;
}

int audit_open_records(struct store_tx *tx, sqlite3 *db, const struct meter_instant *now, mc_err **err)
{
	mc_auto_json json_t *right = json_object();
	mc_auto_json json_t *wrong = json_object();
	struct audit a = { tx, right, wrong };

	if (mc_db_run(db, look, &a, err,
		      "SELECT o.resource, o.meter, l.type, l.quantity, l.az, l.tags FROM usage_open o"
		      " JOIN usage_line l ON l.id = o.line", "") < 0)
		return -1;
	return settle_all(&a, db, now, err);
}
