#include "api/burst.h"

#include <stdio.h>
#include <string.h>

#include "api/backend.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/db.h"
#include "common/json.h"
#include "common/log.h"

#define OPERATION (256 << 10)
#define RENEW 10 /* a tenth of what there can be */

static bool rule_of(const json_t *limits, const char *base, const char *top, const char *length, struct burst_rule *ret)
{
	int64_t per_second = mc_json_int(limits, top, 0);

	if (!per_second)
		return false;
	*ret = (struct burst_rule){ .earned = mc_json_int(limits, base, 0), .top = per_second,
				    .cap = per_second * mc_json_int(limits, length, 0) };
	return true;
}

bool burst_rule(const json_t *limits, struct burst_rule *ret)
{
	if (rule_of(limits, "iops", "iops_max", "iops_max_s", ret))
		return true;
	if (!rule_of(limits, "bytes", "bytes_max", "bytes_max_s", ret))
		return false;
	ret->bytes = true;
	return true;
}

int64_t burst_after(const struct burst_rule *rule, int64_t credits, const struct burst_use *use)
{
	int64_t wide = use->bytes / OPERATION, used = use->operations > wide ? use->operations : wide;
	double earned = (double)rule->earned * (double)(use->passed > 0 ? use->passed : 0) / (double)MC_SECOND;
	double left = (double)credits + earned - (double)(rule->bytes ? use->bytes : used);

	return left < 0 ? 0 : left > (double)rule->cap ? rule->cap : (int64_t)left;
}

/* --- the rows ----------------------------------------------------------------- */

struct row {
	bool found;
	int64_t credits, at, given, operations, bytes;
};

static int read_row(sqlite3_stmt *stmt, void *ctx)
{
	struct row *r = ctx;

	*r = (struct row){ true, sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1), sqlite3_column_int64(stmt, 2),
			   sqlite3_column_int64(stmt, 3), sqlite3_column_int64(stmt, 4) };
	return 0;
}

/* One that nobody has used yet is full. */
static int load(sqlite3 *db, const char *volume, const struct burst_rule *rule, struct row *ret, mc_err **err)
{
	*ret = (struct row){ .credits = rule->cap, .at = mc_clock_wall(), .given = rule->cap };
	return mc_db_run(db, read_row, ret, err, "SELECT credits, at, given, operations, bytes FROM burst WHERE volume = ?", "s", volume);
}

static int save(sqlite3 *db, const char *volume, const struct row *r, mc_err **err)
{
	return mc_db_run(db, NULL, NULL, err, "INSERT OR REPLACE INTO burst VALUES (?,?,?,?,?,?)", "siiiii", volume, r->credits, r->at,
			 r->given, r->operations, r->bytes);
}

static int64_t grown(int64_t was, int64_t is)
{
	return is < was ? is : is - was; /* another QEMU counts from 0 */
}

static void advance(struct row *r, const struct burst_rule *rule, int64_t operations, int64_t bytes)
{
	int64_t now = mc_clock_wall();
	const struct burst_use use = { grown(r->operations, operations), grown(r->bytes, bytes), now - r->at };

	r->credits = burst_after(rule, r->credits, &use);
	r->at = now;
	r->operations = operations;
	r->bytes = bytes;
}

/* --- giving --------------------------------------------------------------------- */

struct giving {
	const char *volume;
	const struct burst_rule *rule;
	bool fresh;
	int64_t credits;
};

static int give(void *ctx, sqlite3 *db, mc_err **err)
{
	struct giving *g = ctx;
	struct row r;

	if (load(db, g->volume, g->rule, &r, err) < 0)
		return -1;
	advance(&r, g->rule, r.operations, r.bytes);
	if (g->fresh)
		r.operations = r.bytes = 0;
	g->credits = r.given = r.credits;
	return save(db, g->volume, &r, err);
}

/* QEMU's bucket holds so many seconds at the top; less than one is none. */
static void shorten(json_t *limits, const struct burst_rule *rule, int64_t credits)
{
	const char *top = rule->bytes ? "bytes_max" : "iops_max", *length = rule->bytes ? "bytes_max_s" : "iops_max_s";
	int64_t seconds = credits / rule->top;

	if (seconds > 0) {
		json_object_set_new(limits, length, json_integer(seconds));
	} else {
		json_object_del(limits, top);
		json_object_del(limits, length);
	}
}

json_t *burst_limits(struct api *api, const char *volume, const struct volume_shape *shape, bool fresh)
{
	json_t *limits = volume_type_limits(shape);
	struct burst_rule rule;
	struct giving g = { .volume = volume, .rule = &rule, .fresh = fresh };
	mc_auto_err mc_err *err = NULL;

	if (!burst_rule(limits, &rule))
		return limits;
	if (store_sql(api->store, give, &g, &err) == 0)
		shorten(limits, &rule, g.credits);
	else
		mc_log(MC_LOG_WARNING, "burst", "the credit cannot be read", "volume", volume, "reason", mc_err_msg(err), NULL);
	return limits;
}

/* --- taking ----------------------------------------------------------------------- */

int burst_take(sqlite3 *db, const struct resource *vol, const json_t *disk, double *ret_percent, bool *ret_renew, mc_err **err)
{
	struct volume_shape shape = volume_type_shape(vol->doc);
	mc_auto_json json_t *limits = volume_type_limits(&shape);
	struct burst_rule rule;
	struct row r;

	if (!burst_rule(limits, &rule))
		return 0;
	if (load(db, vol->id, &rule, &r, err) < 0)
		return -1;
	advance(&r, &rule, mc_json_int(disk, "reads", 0) + mc_json_int(disk, "writes", 0),
		mc_json_int(disk, "read_bytes", 0) + mc_json_int(disk, "written_bytes", 0));
	*ret_percent = 100 * (double)r.credits / (double)rule.cap;
	*ret_renew = r.credits - r.given > rule.cap / RENEW || (r.credits == rule.cap && r.given < rule.cap);
	return save(db, vol->id, &r, err) < 0 ? -1 : 1;
}

int burst_tidy(sqlite3 *db, mc_err **err)
{
	return mc_db_run(db, NULL, NULL, err, "DELETE FROM burst WHERE volume NOT IN (SELECT id FROM resource WHERE kind = 'volume')", "");
}

void burst_renew(struct api *api, const char *instance, const char *volume)
{
	struct store_tx *tx = store_read(api->store);
	const struct resource *vol = store_find(tx, KIND_VOLUME, NULL, NULL, volume);
	mc_auto_json json_t *doc = vol ? json_deep_copy(vol->doc) : NULL;
	mc_auto_json json_t *body = NULL;
	struct volume_shape shape;

	store_end(tx);
	if (!doc)
		return;
	shape = volume_type_shape(doc);
	body = json_pack("{s:o}", "iotune", burst_limits(api, volume, &shape, false));
	backend_call(api, BACKEND_HYPERVISOR, "POST", body, NULL, NULL, "/v1/instances/%s/disks/%s/limits", instance, volume);
}
