#include "api/metric/metrics.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/db.h"
#include "common/fs.h"
#include "common/json.h"

#define DAY 86400
#define AWS_DAYS 15  /* for which AWS keeps minutes; the table's figures belong to that */
#define TIDY_PARTS 24 /* of its age a level loses at a time where the file is too large */

static const struct {
	int64_t seconds, keep; /* s */
} levels[] = {
	{ 1, 3 * 3600 }, { 60, 15 * DAY }, { 300, 63 * DAY }, { 3600, 455 * DAY },
};

static const struct mc_db_upgrade upgrades[] = {
	{ 1,
	  "CREATE TABLE metric (id INTEGER PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, space TEXT NOT NULL,"
	  " name TEXT NOT NULL, dims TEXT NOT NULL, last INTEGER NOT NULL, UNIQUE (account, region, space, name, dims));"
	  "CREATE TABLE sample (metric INTEGER NOT NULL, level INTEGER NOT NULL, at INTEGER NOT NULL, unit TEXT NOT NULL,"
	  " n REAL NOT NULL, sum REAL NOT NULL, min REAL NOT NULL, max REAL NOT NULL, spread TEXT,"
	  " PRIMARY KEY (metric, level, at, unit)) WITHOUT ROWID;" },
	{ 0, NULL },
};

#define VAGUE "?" /* as a sample's spread */

struct metrics {
	pthread_mutex_t lock; /* one at a time at the database */
	sqlite3 *db;
	int64_t days, bytes, quota;
};

struct metrics *metrics_open(const struct metrics_config *config, mc_err **err)
{
	struct metrics *m = mc_alloc(sizeof(*m));

	pthread_mutex_init(&m->lock, NULL);
	m->days = config->days;
	m->bytes = (int64_t)config->mib << 20;
	m->quota = config->quota;
	m->db = mc_db_open(config->path, upgrades, err);
	if (m->db)
		return m;
	metrics_close(m);
	return NULL;
}

void metrics_close(struct metrics *m)
{
	if (!m)
		return;
	mc_db_close(m->db);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static void unlock(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}
#define auto_lock(m) \
	pthread_mutex_lock(&(m)->lock); \
	__attribute__((cleanup(unlock), unused)) pthread_mutex_t *locked = &(m)->lock

/* --- dimensions -------------------------------------------------------------------- */

char *metric_dims(const json_t *list)
{
	mc_auto_json json_t *map = json_object();
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		json_object_set(map, mc_json_str(one, "Name", ""), json_object_get(one, "Value"));
	return json_dumps(map, JSON_COMPACT | JSON_SORT_KEYS);
}

json_t *metric_dims_list(const char *dims)
{
	mc_auto_json json_t *map = json_loads(dims, 0, NULL);
	json_t *list = json_array(), *value;
	const char *key;

	json_object_foreach(map, key, value)
		json_array_append_new(list, json_pack("{s:s, s:O}", "Name", key, "Value", value));
	return list;
}

/* --- writing ----------------------------------------------------------------------- */

static int take_integer(sqlite3_stmt *stmt, void *ctx)
{
	*(int64_t *)ctx = sqlite3_column_int64(stmt, 0);
	return 0;
}

static int find_metric(struct metrics *m, const struct metric_name *of, int64_t *ret, mc_err **err)
{
	*ret = 0;
	return mc_db_run(m->db, take_integer, ret, err,
			 "SELECT id FROM metric WHERE account = ? AND region = ? AND space = ? AND name = ? AND dims = ?", "sssss",
			 of->account, of->region, of->space, of->name, of->dims);
}

/* 1: the account has as many as it may. */
static int new_metric(struct metrics *m, const struct metric_datum *d, int64_t *ret, mc_err **err)
{
	const struct metric_name *of = &d->of;
	int64_t n = 0;

	if (mc_db_run(m->db, take_integer, &n, err, "SELECT COUNT(*) FROM metric WHERE account = ?", "s", of->account) < 0)
		return -1;
	if (n >= m->quota)
		return 1;
	if (mc_db_run(m->db, NULL, NULL, err, "INSERT INTO metric (account, region, space, name, dims, last) VALUES (?,?,?,?,?,?)",
		      "sssssi", of->account, of->region, of->space, of->name, of->dims, d->at) < 0)
		return -1;
	*ret = sqlite3_last_insert_rowid(m->db);
	return 0;
}

/* The columns n, sum, min, max, spread from column i on. */
static void read_sample(sqlite3_stmt *stmt, int i, struct sample *s)
{
	const char *spread = mc_db_text(stmt, i + 4);

	s->n = sqlite3_column_double(stmt, i);
	s->sum = sqlite3_column_double(stmt, i + 1);
	s->min = sqlite3_column_double(stmt, i + 2);
	s->max = sqlite3_column_double(stmt, i + 3);
	s->vague = strcmp(spread, VAGUE) == 0 || !spread_parse(&s->spread, spread);
}

static int take_sample(sqlite3_stmt *stmt, void *ctx)
{
	read_sample(stmt, 0, ctx);
	return 0;
}

static int put_level(struct metrics *m, int64_t metric, int64_t level, const struct metric_datum *d, mc_err **err)
{
	int64_t at = d->at - d->at % level;
	auto_sample s = { .n = 0 };
	mc_autofree char *spread = NULL;

	if (mc_db_run(m->db, take_sample, &s, err,
		      "SELECT n, sum, min, max, spread FROM sample WHERE metric = ? AND level = ? AND at = ? AND unit = ?", "iiis",
		      metric, level, at, d->unit) < 0)
		return -1;
	sample_merge(&s, &d->sample);
	spread = s.spread.n ? spread_text(&s.spread) : NULL;
	return mc_db_run(m->db, NULL, NULL, err, "INSERT OR REPLACE INTO sample VALUES (?,?,?,?,?,?,?,?,?)", "iiisdddds", metric, level,
			 at, d->unit, s.n, s.sum, s.min, s.max, s.vague ? VAGUE : spread);
}

static int put_one(struct metrics *m, const struct metric_datum *d, mc_err **err)
{
	int64_t metric;
	int r = find_metric(m, &d->of, &metric, err);

	if (r == 0 && !metric)
		r = new_metric(m, d, &metric, err);
	for (size_t i = d->fine ? 0 : 1; r == 0 && i < MC_ARRAY_SIZE(levels); i++)
		r = put_level(m, metric, levels[i].seconds, d, err);
	if (r)
		return r;
	return mc_db_run(m->db, NULL, NULL, err, "UPDATE metric SET last = ? WHERE id = ? AND last < ?", "iii", d->at, metric, d->at);
}

int metrics_put(struct metrics *m, const struct metric_datum *data, size_t n, mc_err **err)
{
	auto_lock(m);
	int r = mc_db_exec(m->db, "BEGIN IMMEDIATE", err);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = put_one(m, &data[i], err);
	if (r == 0)
		r = mc_db_exec(m->db, "COMMIT", err);
	if (r)
		sqlite3_exec(m->db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

/* --- reading ----------------------------------------------------------------------- */

int64_t metrics_keep(const struct metrics *m, int64_t level)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(levels); i++)
		if (levels[i].seconds == level)
			return level == 1 ? levels[i].keep : levels[i].keep / AWS_DAYS * m->days;
	return 0;
}

int64_t metrics_level(int64_t from, int64_t period)
{
	for (size_t i = MC_ARRAY_SIZE(levels); i-- > 0;)
		if (period % levels[i].seconds == 0 && from % levels[i].seconds == 0)
			return levels[i].seconds;
	return 1;
}

struct reading {
	metrics_sample_fn *fn;
	void *ctx;
	bool over; /* fn wants no more */
};

static int give_sample(sqlite3_stmt *stmt, void *ctx)
{
	struct reading *r = ctx;
	auto_sample s = { .n = 0 };

	read_sample(stmt, 2, &s);
	r->over = r->fn(r->ctx, sqlite3_column_int64(stmt, 0), mc_db_text(stmt, 1), &s) != 0;
	return r->over;
}

int metrics_read(struct metrics *m, const struct metrics_query *q, metrics_sample_fn *fn, void *ctx, mc_err **err)
{
	struct reading reading = { .fn = fn, .ctx = ctx };
	int64_t metric;
	int r;
	auto_lock(m);

	if (find_metric(m, &q->of, &metric, err) < 0)
		return -1;
	r = mc_db_run(m->db, give_sample, &reading, err,
		      "SELECT at, unit, n, sum, min, max, spread FROM sample WHERE metric = ? AND level = ? AND at >= ? AND at < ?"
		      " AND (? IS NULL OR unit = ?) ORDER BY at, unit", "iiiiss", metric, q->level, q->from, q->to, q->unit, q->unit);
	return reading.over ? 0 : r;
}

struct listing {
	const struct metrics_listing *of;
	metrics_metric_fn *fn;
	void *ctx;
	bool over;
};

static int give_metric(sqlite3_stmt *stmt, void *ctx)
{
	struct listing *l = ctx;
	const struct metric_name name = { .account = l->of->account, .region = l->of->region, .space = mc_db_text(stmt, 1),
					  .name = mc_db_text(stmt, 2), .dims = mc_db_text(stmt, 3) };

	l->over = l->fn(l->ctx, sqlite3_column_int64(stmt, 0), &name) != 0;
	return l->over;
}

int metrics_list(struct metrics *m, const struct metrics_listing *l, metrics_metric_fn *fn, void *ctx, mc_err **err)
{
	struct listing listing = { .of = l, .fn = fn, .ctx = ctx };
	int r;
	auto_lock(m);

	r = mc_db_run(m->db, give_metric, &listing, err,
		      "SELECT id, space, name, dims FROM metric WHERE account = ? AND region = ? AND id > ? AND last >= ?"
		      " AND (? = '' OR space = ?) AND (? = '' OR name = ?) ORDER BY id", "ssiissss", l->account, l->region, l->after,
		      l->since, l->space, l->space, l->name, l->name);
	return listing.over ? 0 : r;
}

/* --- forgetting -------------------------------------------------------------------- */

/* All samples of a level before a time: by the key, metric by metric. */
static int forget_before(struct metrics *m, int64_t level, int64_t at, mc_err **err)
{
	return mc_db_run(m->db, NULL, NULL, err, "DELETE FROM sample WHERE metric IN (SELECT id FROM metric) AND level = ? AND at < ?", "ii",
			 level, at);
}

static int forget_old(struct metrics *m, int64_t now, mc_err **err)
{
	int64_t oldest = now - metrics_keep(m, levels[MC_ARRAY_SIZE(levels) - 1].seconds);

	for (size_t i = 0; i < MC_ARRAY_SIZE(levels); i++)
		if (forget_before(m, levels[i].seconds, now - metrics_keep(m, levels[i].seconds), err) < 0)
			return -1;
	return mc_db_run(m->db, NULL, NULL, err, "DELETE FROM metric WHERE last < ?", "i", oldest);
}

static int pages(struct metrics *m, const char *pragma, int64_t *ret, mc_err **err)
{
	return mc_db_run(m->db, take_integer, ret, err, pragma, "");
}

/* Bytes that are in use in the file; what is free in it is used again. */
static int used(struct metrics *m, int64_t *ret, mc_err **err)
{
	int64_t all = 0, unused = 0, size = 0;

	if (pages(m, "PRAGMA page_count", &all, err) < 0 || pages(m, "PRAGMA freelist_count", &unused, err) < 0 ||
	    pages(m, "PRAGMA page_size", &size, err) < 0)
		return -1;
	*ret = (all - unused) * size;
	return 0;
}

/* The oldest part of the finest level that has anything. 1: none has. */
static int forget_some(struct metrics *m, mc_err **err)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(levels); i++) {
		int64_t oldest = 0;

		if (mc_db_run(m->db, take_integer, &oldest, err,
			      "SELECT MIN((SELECT MIN(at) FROM sample WHERE metric = metric.id AND level = ?)) FROM metric", "i",
			      levels[i].seconds) < 0)
			return -1;
		if (oldest)
			return forget_before(m, levels[i].seconds, oldest + levels[i].keep / TIDY_PARTS, err);
	}
	return 1;
}

int metrics_tidy(struct metrics *m, int64_t now, mc_err **err)
{
	auto_lock(m);
	int64_t bytes = 0;
	int r = forget_old(m, now, err);

	while (r == 0) {
		r = used(m, &bytes, err);
		if (r < 0 || bytes <= m->bytes)
			break;
		r = forget_some(m, err);
	}
	return r < 0 ? -1 : 0;
}
