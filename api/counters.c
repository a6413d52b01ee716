#include "api/counters.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "api/backend.h"
#include "api/reconciler.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/db.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/metrics.h"

#define AREA "counters"
#define FRESH MC_SECOND /* a reading so young is not taken again for who is in a hurry */
#define KEEP (24 * 3600 * MC_SECOND) /* how long the sum of what is gone can be asked for */

static const char *const meters[COUNTER_MAX] = {
	[COUNTER_INTERNET_IN] = "internet_in",
	[COUNTER_INTERNET_OUT] = "internet_out",
	[COUNTER_LOCAL_IN] = "local_in",
	[COUNTER_LOCAL_OUT] = "local_out",
};

/* One address of an interface: the kernel counts by it. */
struct row {
	char key[MC_ID_LEN + 16]; /* "eni-…/10.0.0.5" */
	char epoch[17];
	int64_t last[COUNTER_MAX]; /* as netd said them, in that epoch */
	int64_t last_in, last_out; /* packets; -1: not read yet */
	int64_t ended;             /* wall clock ns: gone since; 0: counted now */
	bool stored;               /* in the database: it has carried something */
	struct counters_total sum; /* of this address alone */
	UT_hash_handle hh;
};

/* A VPC of which a reading was taken since this start. */
struct vpc {
	char id[MC_ID_LEN];
	int64_t read; /* boot clock, ns */
	bool due;     /* somebody wants a new one */
	UT_hash_handle hh;
};

struct counters {
	pthread_mutex_t lock; /* of rows and vpcs; never held while the database is written */
	struct store *store;
	struct row *rows;
	struct vpc *vpcs;
	counters_growth_fn *grew;
	void *grew_ctx;
};

/* --- life --------------------------------------------------------------------- */

static int load_row(sqlite3_stmt *stmt, void *ctx)
{
	struct counters *c = ctx;
	struct row *r = mc_alloc(sizeof(*r));
	struct counters_total *t = &r->sum;

	snprintf(t->eni, sizeof(t->eni), "%s", mc_db_text(stmt, 0));
	snprintf(r->key, sizeof(r->key), "%s/%.15s", t->eni, mc_db_text(stmt, 1));
	snprintf(t->vpc, sizeof(t->vpc), "%s", mc_db_text(stmt, 2));
	snprintf(t->account, sizeof(t->account), "%s", mc_db_text(stmt, 3));
	snprintf(t->region, sizeof(t->region), "%s", mc_db_text(stmt, 4));
	snprintf(t->instance, sizeof(t->instance), "%s", mc_db_text(stmt, 5));
	snprintf(r->epoch, sizeof(r->epoch), "%s", mc_db_text(stmt, 6));
	t->read = sqlite3_column_int64(stmt, 7);
	r->ended = sqlite3_column_int64(stmt, 8);
	for (int m = 0; m < COUNTER_MAX; m++) {
		r->last[m] = sqlite3_column_int64(stmt, 9 + m);
		t->bytes[m] = sqlite3_column_int64(stmt, 9 + COUNTER_MAX + m);
	}
	r->stored = true;
	r->last_in = r->last_out = -1;
	HASH_ADD_STR(c->rows, key, r);
	return 0;
}

struct counters *counters_open(struct store *store, mc_err **err)
{
	struct counters *c = mc_alloc(sizeof(*c));
	sqlite3 *db;
	int r;

	pthread_mutex_init(&c->lock, NULL);
	c->store = store;
	db = store_reader(store, err);
	r = db ? mc_db_run(db, load_row, c, err,
			   "SELECT eni, ip, vpc, account, region, instance, epoch, read, ended, last_internet_in,"
			   " last_internet_out, last_local_in, last_local_out, internet_in, internet_out, local_in,"
			   " local_out FROM counter ORDER BY eni, ip", "")
	       : -1;
	sqlite3_close(db);
	if (r == 0)
		return c;
	counters_free(c);
	return NULL;
}

void counters_free(struct counters *c)
{
	struct row *r, *next;
	struct vpc *v, *after;

	if (!c)
		return;
	HASH_ITER(hh, c->rows, r, next) {
		HASH_DEL(c->rows, r);
		free(r);
	}
	HASH_ITER(hh, c->vpcs, v, after) {
		HASH_DEL(c->vpcs, v);
		free(v);
	}
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void counters_on_growth(struct counters *c, counters_growth_fn *fn, void *ctx)
{
	c->grew = fn;
	c->grew_ctx = ctx;
}

/* --- rows ----------------------------------------------------------------------- */

static struct row *find_row(struct counters *c, const char *eni, const char *ip)
{
	char key[MC_ID_LEN + 16];
	struct row *r;

	snprintf(key, sizeof(key), "%s/%.15s", eni, ip);
	HASH_FIND_STR(c->rows, key, r);
	return r;
}

/* Whose interface this is, as far as the store knows it still. */
static void look_up(struct api *api, struct counters_total *t)
{
	struct store_tx *tx = store_read(api->store);
	const struct resource *eni = store_get(tx, t->eni), *owner = eni ? eni : store_get(tx, t->vpc);

	if (owner) {
		snprintf(t->account, sizeof(t->account), "%s", owner->account);
		snprintf(t->region, sizeof(t->region), "%s", owner->region);
	}
	if (eni)
		snprintf(t->instance, sizeof(t->instance), "%s", mc_json_str(eni->spec, "instance", t->instance));
	store_end(tx);
}

/* A row for an address that has carried nothing yet. */
static struct row row_new(const char *vpc, const char *eni, const char *ip)
{
	struct row r = { .sum = { .read = mc_clock_wall() } };

	snprintf(r.sum.eni, sizeof(r.sum.eni), "%s", eni);
	snprintf(r.sum.vpc, sizeof(r.sum.vpc), "%s", vpc);
	snprintf(r.key, sizeof(r.key), "%s/%.15s", eni, ip);
	return r;
}

/* Put r in the place of what has its key. */
static void keep_row(struct counters *c, const struct row *r)
{
	struct row *old, *copy = mc_alloc(sizeof(*copy));

	*copy = *r;
	memset(&copy->hh, 0, sizeof(copy->hh));
	HASH_REPLACE_STR(c->rows, key, copy, old);
	free(old);
}

/* Copies of rows that are to be changed: changed in memory when the database has them. */
struct batch {
	struct counters *counters;
	struct row *rows;
	struct counters_growth *growth; /* [n]; bytes all 0: none */
	size_t n;
};

static void batch_init(struct batch *b, struct counters *c, size_t max)
{
	*b = (struct batch){ .counters = c };
	b->rows = mc_alloc((max + 1) * sizeof(*b->rows));
	b->growth = mc_alloc((max + 1) * sizeof(*b->growth));
}

static void batch_deinit(struct batch *b)
{
	free(b->rows);
	free(b->growth);
}
#define auto_batch __attribute__((cleanup(batch_deinit))) struct batch

static int write_row(sqlite3 *db, const struct row *r, mc_err **err)
{
	const struct counters_total *t = &r->sum;

	return mc_db_run(db, NULL, NULL, err,
			 "INSERT OR REPLACE INTO counter (eni, ip, vpc, account, region, instance, epoch, read, ended,"
			 " last_internet_in, last_internet_out, last_local_in, last_local_out, internet_in, internet_out,"
			 " local_in, local_out) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", "sssssssiiiiiiiiii",
			 t->eni, strchr(r->key, '/') + 1, t->vpc, t->account, t->region, t->instance, r->epoch, t->read,
			 r->ended, r->last[0], r->last[1], r->last[2], r->last[3], t->bytes[0], t->bytes[1], t->bytes[2],
			 t->bytes[3]);
}

static bool grew(const struct counters_growth *g)
{
	for (int m = 0; m < COUNTER_MAX; m++)
		if (g->bytes[m])
			return true;
	return false;
}

static int write_batch(void *ctx, sqlite3 *db, mc_err **err)
{
	const struct batch *b = ctx;
	const struct counters *c = b->counters;

	for (size_t i = 0; i < b->n; i++) {
		struct counters_growth g = b->growth[i];

		g.total = &b->rows[i].sum;
		if (write_row(db, &b->rows[i], err) < 0 || (c->grew && grew(&g) && c->grew(c->grew_ctx, db, &g, err) < 0))
			return -1;
	}
	return mc_db_run(db, NULL, NULL, err, "DELETE FROM counter WHERE ended > 0 AND ended < ?", "i", mc_clock_wall() - KEEP);
}

static int batch_store(struct batch *b, mc_err **err)
{
	struct counters *c = b->counters;

	if (b->n == 0)
		return 0;
	if (store_sql(c->store, write_batch, b, err) < 0)
		return -1;
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < b->n; i++) {
		b->rows[i].stored = true;
		keep_row(c, &b->rows[i]);
	}
	pthread_mutex_unlock(&c->lock);
	return 0;
}

/* --- readings ------------------------------------------------------------------- */

/* Packets since the last reading. */
static int64_t packets_since(int64_t *last, int64_t now, bool same)
{
	int64_t before = *last;

	*last = now;
	if (before < 0 || now < 0)
		return 0;
	return same && now >= before ? now - before : now;
}

/* Add what the address carried since the last reading; false: nothing that the database
 * must know. The kernel counted on from there, or from 0. */
static bool advance(struct row *r, const char *epoch, const json_t *in, struct counters_growth *ret)
{
	bool same = strcmp(r->epoch, epoch) == 0, fell = false;
	struct counters_growth g = { .from = r->sum.read, .to = mc_clock_wall() };

	for (int m = 0; m < COUNTER_MAX; m++) {
		int64_t now = mc_json_int(in, meters[m], 0);

		now = now < 0 ? 0 : now;
		fell |= now < r->last[m];
		g.bytes[m] = same && now >= r->last[m] ? now - r->last[m] : now;
		r->last[m] = now;
		r->sum.bytes[m] += g.bytes[m];
	}
	r->sum.packets_in += packets_since(&r->last_in, mc_json_int(in, "packets_in", 0), same);
	r->sum.packets_out += packets_since(&r->last_out, mc_json_int(in, "packets_out", 0), same);
	snprintf(r->epoch, sizeof(r->epoch), "%s", epoch);
	r->sum.read = g.to;
	*ret = g;
	return grew(&g) || (r->stored && (fell || !same));
}

/* One row of the answer into the batch, or only into memory where nothing was carried. */
static void take_row(struct api *api, struct batch *b, const char *vpc, const char *epoch, const json_t *in)
{
	struct counters *c = b->counters;
	const char *eni = mc_json_str(in, "id", ""), *ip = mc_json_str(in, "ip", "");
	struct row *old, *r = &b->rows[b->n];

	if (!mc_check_id(eni) || !mc_check_ipv4(ip))
		return;
	pthread_mutex_lock(&c->lock);
	old = find_row(c, eni, ip);
	*r = old ? *old : row_new(vpc, eni, ip);
	pthread_mutex_unlock(&c->lock);
	look_up(api, &r->sum);
	if (!*r->sum.account) {
		mc_log(MC_LOG_WARNING, AREA, "an interface of nobody carried bytes", "id", eni, NULL);
		return;
	}
	r->ended = 0;
	if (advance(r, epoch, in, &b->growth[b->n])) {
		b->n++;
		return;
	}
	pthread_mutex_lock(&c->lock);
	keep_row(c, r);
	pthread_mutex_unlock(&c->lock);
}

/* What counts without an address: NAT gateways and flow logs. Their counters have no epoch: what is less
 * than before began anew. */
static const struct {
	const char *list, *in, *out, *packets_in, *packets_out;
} others[] = {
	{ "nat_gateways", "in_bytes", "out_bytes", "in_packets", "out_packets" },
	{ "flow_logs", "", "bytes", "", "" },
};
#define NO_ADDRESS "0.0.0.0"
#define NO_EPOCH "-"

static void take_others(struct api *api, struct batch *b, const char *vpc, const json_t *answer)
{
	size_t k;
	json_t *one;

	for (size_t i = 0; i < MC_ARRAY_SIZE(others); i++)
		json_array_foreach(mc_json_arr(answer, others[i].list), k, one) {
			mc_auto_json json_t *in = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "id", mc_json_str(one, "id", ""), "ip",
				NO_ADDRESS, meters[COUNTER_INTERNET_IN], (json_int_t)mc_json_int(one, others[i].in, 0),
				meters[COUNTER_INTERNET_OUT], (json_int_t)mc_json_int(one, others[i].out, 0), "packets_in",
				(json_int_t)mc_json_int(one, others[i].packets_in, 0), "packets_out",
				(json_int_t)mc_json_int(one, others[i].packets_out, 0));

			take_row(api, b, vpc, NO_EPOCH, in);
		}
}

int counters_take(struct api *api, const char *vpc, const json_t *answer, mc_err **err)
{
	const json_t *enis = mc_json_arr(answer, "enis");
	size_t n = json_array_size(enis), i;
	auto_batch b;
	json_t *in;

	for (i = 0; i < MC_ARRAY_SIZE(others); i++)
		n += json_array_size(mc_json_arr(answer, others[i].list));
	batch_init(&b, api->counters, n);
	json_array_foreach(enis, i, in)
		take_row(api, &b, vpc, mc_json_str(answer, "epoch", ""), in);
	take_others(api, &b, vpc, answer);
	return batch_store(&b, err);
}

static void note_read(struct counters *c, const char *vpc)
{
	struct vpc *v;

	pthread_mutex_lock(&c->lock);
	HASH_FIND_STR(c->vpcs, vpc, v);
	if (!v) {
		v = mc_alloc(sizeof(*v));
		snprintf(v->id, sizeof(v->id), "%s", vpc);
		HASH_ADD_STR(c->vpcs, id, v);
	}
	v->read = mc_clock_boot();
	v->due = false;
	pthread_mutex_unlock(&c->lock);
}

/* When the VPC is to be read after its last reading, boot clock; 0: at once, it was not read
 * since this start. */
static int64_t next_read(struct counters *c, const char *vpc, int64_t interval)
{
	struct vpc *v;
	int64_t next;

	pthread_mutex_lock(&c->lock);
	HASH_FIND_STR(c->vpcs, vpc, v);
	next = v ? v->read + (v->due ? 0 : interval) : 0;
	pthread_mutex_unlock(&c->lock);
	return next;
}

/* False: netd has no network of it. */
static bool read_now(struct api *api, const char *vpc)
{
	mc_auto_json json_t *answer = NULL;
	mc_auto_err mc_err *err = NULL;
	int o = backend_call(api, BACKEND_NETD, "GET", NULL, &answer, &err, "/v1/vpcs/%s/counters", vpc);

	note_read(api->counters, vpc);
	if (o == MC_IPC_NOT_FOUND)
		return false;
	if (o != MC_IPC_OK || counters_take(api, vpc, answer, &err) < 0)
		mc_log(MC_LOG_WARNING, AREA, "cannot read the counters", "id", vpc, "reason", mc_err_msg(err), NULL);
	return true;
}

bool counters_step(struct api *api, const char *vpc, int64_t *ret_delay)
{
	int64_t interval = api->config.counters_interval * MC_SECOND;
	int64_t left = next_read(api->counters, vpc, interval) - mc_clock_boot();

	*ret_delay = left > 0 ? left : interval;
	return left > 0 || read_now(api, vpc);
}

void counters_hurry(struct api *api)
{
	struct counters *c = api->counters;
	int64_t now = mc_clock_boot();
	mc_auto_json json_t *ids = json_array();
	json_t *id;
	size_t i;

	pthread_mutex_lock(&c->lock);
	for (struct vpc *v = c->vpcs; v; v = v->hh.next) {
		if (v->due || now - v->read < FRESH)
			continue;
		v->due = true;
		json_array_append_new(ids, json_string(v->id));
	}
	pthread_mutex_unlock(&c->lock);
	json_array_foreach(ids, i, id)
		reconciler_wake(api->reconciler, json_string_value(id), 0);
}

/* --- comings and goings ------------------------------------------------------------ */

static void add_address(json_t *set, const json_t *eni, const json_t *slot)
{
	mc_autofree char *key = mc_strf("%s/%s", mc_json_str(eni, "id", ""), mc_json_str(slot, "ip", ""));

	json_object_set_new(set, key, json_true());
}

/* {"eni/ip": true} of the wanted VPC, and of what counts without an address. */
static json_t *addresses_of(const json_t *doc)
{
	json_t *set = json_object(), *eni, *slot;
	size_t i, k;

	for (i = 0; i < MC_ARRAY_SIZE(others); i++)
		json_array_foreach(mc_json_arr(doc, others[i].list), k, slot) {
			mc_autofree char *key = mc_strf("%s/%s", mc_json_str(slot, "id", ""), NO_ADDRESS);

			json_object_set_new(set, key, json_true());
		}

	json_array_foreach(mc_json_arr(doc, "enis"), i, eni) {
		add_address(set, eni, eni);
		json_array_foreach(mc_json_arr(eni, "secondary"), k, slot)
			add_address(set, eni, slot);
	}
	return set;
}

static bool leaves(const struct row *r, const char *vpc, const json_t *addresses)
{
	return !r->ended && strcmp(r->sum.vpc, vpc) == 0 && !json_object_get(addresses, r->key);
}

void counters_before(struct api *api, const char *vpc, const json_t *doc)
{
	struct counters *c = api->counters;
	mc_auto_json json_t *addresses = addresses_of(doc);
	/* After a start it is not known which addresses there are. */
	bool any = next_read(c, vpc, 1) == 0;

	pthread_mutex_lock(&c->lock);
	for (const struct row *r = c->rows; r && !any; r = r->hh.next)
		any = leaves(r, vpc, addresses);
	pthread_mutex_unlock(&c->lock);
	if (any)
		read_now(api, vpc);
}

/* Those that are gone: what has carried something is kept a while, and begins at 0 should
 * it come back. */
static void end_rows(struct batch *b, const char *vpc, const json_t *addresses)
{
	struct counters *c = b->counters;
	struct row *r, *next;
	int64_t now = mc_clock_wall();

	HASH_ITER(hh, c->rows, r, next) {
		if (leaves(r, vpc, addresses) && r->stored) {
			b->rows[b->n] = *r;
			b->rows[b->n].ended = now;
			b->rows[b->n].last_in = b->rows[b->n].last_out = 0;
			memset(b->rows[b->n++].last, 0, sizeof(r->last));
		} else if (leaves(r, vpc, addresses) || (r->ended && r->ended < now - KEEP)) {
			HASH_DEL(c->rows, r);
			free(r);
		}
	}
}

/* Those that are new or there again into the batch: known before they carry anything, so
 * that they are read once more before they go. */
static void begin_rows(struct batch *b, const char *vpc, const json_t *addresses)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)addresses, key, value) {
		mc_autofree char *eni = mc_strdup(key);
		char *ip = strchr(eni, '/');
		const struct row *old;

		*ip++ = '\0';
		old = find_row(b->counters, eni, ip);
		if (old && !old->ended)
			continue;
		b->rows[b->n] = old ? *old : row_new(vpc, eni, ip);
		b->rows[b->n].ended = 0;
		b->rows[b->n++].sum.read = mc_clock_wall();
	}
}

/* Rows that the database need not know go into memory alone. */
static void keep_unstored(struct batch *b)
{
	struct counters *c = b->counters;
	size_t n = 0;

	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < b->n; i++) {
		if (b->rows[i].stored)
			b->rows[n++] = b->rows[i];
		else
			keep_row(c, &b->rows[i]);
	}
	pthread_mutex_unlock(&c->lock);
	b->n = n;
}

void counters_after(struct api *api, const char *vpc, const json_t *doc)
{
	struct counters *c = api->counters;
	mc_auto_json json_t *addresses = addresses_of(doc);
	mc_auto_err mc_err *err = NULL;
	auto_batch b;

	pthread_mutex_lock(&c->lock);
	batch_init(&b, c, HASH_COUNT(c->rows) + json_object_size(addresses));
	end_rows(&b, vpc, addresses);
	begin_rows(&b, vpc, addresses);
	pthread_mutex_unlock(&c->lock);
	/* The store is asked without our lock: who holds the store's may ask us. */
	for (size_t i = 0; i < b.n; i++)
		look_up(api, &b.rows[i].sum);
	keep_unstored(&b);
	if (batch_store(&b, &err) < 0)
		mc_log(MC_LOG_WARNING, AREA, "cannot note which interfaces are counted", "id", vpc, "reason",
		       mc_err_msg(err), NULL);
}

/* --- asked for --------------------------------------------------------------------- */

static void add_up(struct counters_total *sum, const struct row *r)
{
	if (sum->read < r->sum.read)
		sum->read = r->sum.read;
	for (int m = 0; m < COUNTER_MAX; m++)
		sum->bytes[m] += r->sum.bytes[m];
	sum->packets_in += r->sum.packets_in;
	sum->packets_out += r->sum.packets_out;
}

bool counters_get(struct counters *c, const char *eni, struct counters_total *ret)
{
	struct counters_total sum = { .read = 0 };
	bool found = false;

	pthread_mutex_lock(&c->lock);
	for (const struct row *r = c->rows; r; r = r->hh.next) {
		if (strcmp(r->sum.eni, eni) != 0)
			continue;
		if (found)
			add_up(&sum, r);
		else
			sum = r->sum;
		found = true;
	}
	pthread_mutex_unlock(&c->lock);
	if (found)
		*ret = sum;
	return found;
}

static int by_key(const struct row *a, const struct row *b)
{
	return strcmp(a->key, b->key);
}

void counters_each(struct counters *c, void (*fn)(void *ctx, const struct counters_total *total), void *ctx)
{
	const struct row *r;

	pthread_mutex_lock(&c->lock);
	HASH_SORT(c->rows, by_key);
	for (r = c->rows; r;) {
		struct counters_total sum = r->sum;

		for (r = r->hh.next; r && strcmp(r->sum.eni, sum.eni) == 0; r = r->hh.next)
			add_up(&sum, r);
		fn(ctx, &sum);
	}
	pthread_mutex_unlock(&c->lock);
}

static void put_metrics(void *ctx, const struct counters_total *t)
{
	static const struct {
		const char *scope, *direction;
	} labels[COUNTER_MAX] = {
		[COUNTER_INTERNET_IN] = { "internet", "in" },
		[COUNTER_INTERNET_OUT] = { "internet", "out" },
		[COUNTER_LOCAL_IN] = { "local", "in" },
		[COUNTER_LOCAL_OUT] = { "local", "out" },
	};

	for (int m = 0; m < COUNTER_MAX; m++)
		fprintf(ctx, "minicloud_interface_bytes_total{interface=\"%s\",instance=\"%s\",scope=\"%s\",direction=\"%s\"}"
			" %" PRId64 "\n", t->eni, t->instance, labels[m].scope, labels[m].direction, t->bytes[m]);
}

void counters_metrics(struct counters *c, FILE *out)
{
	mc_metrics_head(out, "minicloud_interface_bytes_total", "counter", "Bytes of interfaces, NAT gateways and flow logs.");
	counters_each(c, put_metrics, out);
}

static void add_json(void *ctx, const struct counters_total *t)
{
	json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "id", t->eni, "vpc", t->vpc, "instance", t->instance,
				"account", t->account, "region", t->region, "read_ns", (json_int_t)t->read);

	for (int m = 0; m < COUNTER_MAX; m++)
		json_object_set_new(row, meters[m], json_integer(t->bytes[m]));
	json_array_append_new(ctx, row);
}

json_t *counters_json(struct counters *c)
{
	json_t *list = json_array();

	counters_each(c, add_json, list);
	return json_pack("{s:o}", "interfaces", list);
}
