#include "api/metric/sampler.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/billing/billing.h"
#include "api/billing/calendar.h"
#include "api/billing/credit.h"
#include "api/burst.h"
#include "api/counters.h"
#include "api/metric/batch.h"
#include "api/metric/charges.h"
#include "api/metric/export.h"
#include "api/metric/health.h"
#include "api/metric/look.h"
#include "api/metric/metrics.h"
#include "api/throttle.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define AREA "metrics"
#define CHARGES_S 60 /* a bill is read no more often */
#define TIDY_S 3600
#define FRESH MC_SECOND /* a look so young is not taken again for who wants one */
#define GAP 5         /* intervals: what was counted over a longer one belongs to no moment */

struct metric_sampler {
	struct api *api;
	pthread_mutex_t mutex; /* what follows */
	pthread_cond_t cond;
	pthread_t thread;
	bool stopping, due;    /* somebody wants a new look */
	int64_t looked;        /* boot clock */
	json_t *last;          /* the last look; NULL: none yet */
	int64_t charges, tidied; /* wall clock, s: when they were done last */
};

/* --- a batch of values ---------------------------------------------------------------- */

struct batch {
	struct metric_batch values;
	int64_t at; /* s */
	bool fine;
};

/* Of whom: names are borrowed. */
struct subject {
	const char *account, *region, *space, *dimension, *value;
};

static void add(struct batch *b, const struct subject *of, const char *name, const char *unit, double value)
{
	mc_auto_json json_t *dims = json_pack("{s:s}", of->dimension, of->value);
	struct metric_datum *d = metric_batch_add(&b->values, json_dumps(dims, JSON_COMPACT));

	d->of.account = of->account;
	d->of.region = of->region;
	d->of.space = of->space;
	d->of.name = name;
	d->unit = unit;
	d->at = b->at;
	d->fine = b->fine;
	sample_add(&d->sample, value, 1);
}

/* --- counters become values --------------------------------------------------------------- */

/* What a counter has grown by; false: one of the two looks does not have it. */
static bool growth(const json_t *was, const json_t *is, const char *counter, double *ret)
{
	const json_t *before = json_object_get(was, counter), *now = json_object_get(is, counter);
	int64_t n = json_integer_value(now) - json_integer_value(before);

	*ret = (double)(n < 0 ? json_integer_value(now) : n);
	return before && now;
}

struct counted {
	const char *counter, *name, *unit;
	double divisor;
};

static void add_counted(struct batch *b, const struct subject *of, const struct counted *rows, const json_t *was, const json_t *is)
{
	double n;

	for (; rows->name; rows++)
		if (growth(was, is, rows->counter, &n))
			add(b, of, rows->name, rows->unit, n / rows->divisor);
}

/* Amazon EC2 User Guide, "CloudWatch metrics that are available for your instances". DiskRead and DiskWrite are
 * of all disks here. */
static const struct counted of_instance[] = {
	{ "net_in_bytes", "NetworkIn", "Bytes", 1 }, { "net_out_bytes", "NetworkOut", "Bytes", 1 },
	{ "packets_in", "NetworkPacketsIn", "Count", 1 }, { "packets_out", "NetworkPacketsOut", "Count", 1 },
	{ "disk_read_bytes", "DiskReadBytes", "Bytes", 1 }, { "disk_written_bytes", "DiskWriteBytes", "Bytes", 1 },
	{ "disk_reads", "DiskReadOps", "Count", 1 }, { "disk_writes", "DiskWriteOps", "Count", 1 },
	{ "ebs_read_bytes", "EBSReadBytes", "Bytes", 1 }, { "ebs_written_bytes", "EBSWriteBytes", "Bytes", 1 },
	{ "ebs_reads", "EBSReadOps", "Count", 1 }, { "ebs_writes", "EBSWriteOps", "Count", 1 },
	{ NULL, NULL, NULL, 0 },
};

/* Amazon EBS User Guide, "Amazon CloudWatch metrics for Amazon EBS". */
static const struct counted of_volume[] = {
	{ "read_bytes", "VolumeReadBytes", "Bytes", 1 }, { "written_bytes", "VolumeWriteBytes", "Bytes", 1 },
	{ "reads", "VolumeReadOps", "Count", 1 }, { "writes", "VolumeWriteOps", "Count", 1 },
	{ "read_ns", "VolumeTotalReadTime", "Seconds", 1e9 }, { "write_ns", "VolumeTotalWriteTime", "Seconds", 1e9 },
	{ NULL, NULL, NULL, 0 },
};

/* Requests wait for as long as they take: their mean number is the time they took by the time that passed. */
static void add_queue(struct batch *b, const struct subject *of, const json_t *was, const json_t *is, double passed)
{
	double reading, writing;

	if (growth(was, is, "read_ns", &reading) && growth(was, is, "write_ns", &writing) && passed > 0)
		add(b, of, "VolumeQueueLength", "Count", (reading + writing) / passed);
}

static void add_volumes(struct batch *b, const json_t *was, const json_t *is, double passed)
{
	const json_t *before = mc_json_obj(was, "disks");
	struct subject of = { mc_json_str(is, "account", ""), mc_json_str(is, "region", ""), "AWS/EBS", "VolumeId", NULL };
	json_t *disk;

	json_object_foreach(mc_json_obj(is, "disks"), of.value, disk) {
		add_counted(b, &of, of_volume, json_object_get(before, of.value), disk);
		add_queue(b, &of, json_object_get(before, of.value), disk, passed);
	}
}

static void add_processor(struct batch *b, const struct subject *of, const json_t *was, const json_t *is, double passed)
{
	double used, share;

	if (!growth(was, is, "cpu_ns", &used) || passed <= 0)
		return;
	share = 100 * used / passed / (double)mc_json_int(is, "vcpus", 1);
	add(b, of, "CPUUtilization", "Percent", share > 100 ? 100 : share);
}

static void add_status(struct batch *b, const struct subject *of, const json_t *is)
{
	double instance = (double)mc_json_int(is, "instance_failed", 0), system = (double)mc_json_int(is, "system_failed", 0);

	add(b, of, "StatusCheckFailed_Instance", "Count", instance);
	add(b, of, "StatusCheckFailed_System", "Count", system);
	add(b, of, "StatusCheckFailed_AttachedEBS", "Count", (double)mc_json_int(is, "ebs_failed", 0));
	add(b, of, "StatusCheckFailed", "Count", instance || system ? 1 : 0);
}

/* Both looks are of one run of the instance, not too far apart. */
static bool comparable(const struct metric_sampler *s, const json_t *was, const json_t *is)
{
	int64_t passed = mc_json_int(is, "at_ns", 0) - mc_json_int(was, "at_ns", 0);

	return was && strcmp(mc_json_str(was, "launched", ""), mc_json_str(is, "launched", "")) == 0 &&
	       passed <= GAP * s->api->config.metrics_interval * MC_SECOND;
}

static void add_instance(struct metric_sampler *s, struct batch *b, const char *id, const json_t *is)
{
	const struct subject of = { mc_json_str(is, "account", ""), mc_json_str(is, "region", ""), "AWS/EC2", "InstanceId", id };
	const json_t *was = json_object_get(s->last, id);
	double passed = (double)(mc_json_int(is, "at_ns", 0) - mc_json_int(was, "at_ns", 0));

	add_status(b, &of, is);
	if (!comparable(s, was, is))
		return;
	add_processor(b, &of, was, is, passed);
	add_counted(b, &of, of_instance, was, is);
	add_volumes(b, was, is, passed);
}

/* --- CPU credits ------------------------------------------------------------------------------- */

struct crediting {
	struct metric_sampler *sampler;
	struct batch *batch;
	const json_t *look;
	json_t *tell; /* [[instance, quota]] */
};

static double credits(int64_t ns)
{
	return (double)ns / CREDIT_NS;
}

static int take_credits(struct crediting *c, struct store_tx *tx, sqlite3 *db, const char *id, const json_t *is, mc_err **err)
{
	const struct subject of = { mc_json_str(is, "account", ""), mc_json_str(is, "region", ""), "AWS/EC2", "InstanceId", id };
	const struct credit_reading reading = { .instance = id, .cpu = mc_json_int(is, "cpu_ns", 0),
						.horizon = c->sampler->api->config.metrics_interval * MC_SECOND };
	struct credit_figures f;
	int r = json_object_get(is, "cpu_ns") ? credit_take(tx, db, &reading, &f, err) : 0;

	if (r <= 0)
		return r;
	add(c->batch, &of, "CPUCreditUsage", "Count", credits(f.used));
	add(c->batch, &of, "CPUCreditBalance", "Count", credits(f.account.balance));
	add(c->batch, &of, "CPUSurplusCreditBalance", "Count", credits(f.account.surplus));
	add(c->batch, &of, "CPUSurplusCreditsCharged", "Count", credits(f.charged));
	if (f.tell)
		json_array_append_new(c->tell, json_pack("[s, I]", id, (json_int_t)f.quota));
	return 0;
}

static int credit_all(void *ctx, sqlite3 *db, mc_err **err)
{
	struct crediting *c = ctx;
	struct store_tx *tx = store_read(c->sampler->api->store);
	const char *id;
	json_t *is;
	int r = 0;

	json_object_foreach((json_t *)c->look, id, is) {
		r = take_credits(c, tx, db, id, is, err);
		if (r < 0)
			break;
	}
	if (r == 0)
		r = credit_settle(tx, db, err);
	store_end(tx);
	return r;
}

static int freed(void *ctx, sqlite3 *db, mc_err **err)
{
	return credit_freed(db, ctx, err);
}

static void complain(const char *what, mc_err *err)
{
	mc_log(MC_LOG_WARNING, AREA, what, "reason", mc_err_msg(err), NULL);
}

/* Those in standard mode have what is there and comes. */
static void keep_credits(struct crediting *c)
{
	mc_auto_err mc_err *err = NULL;
	json_t *one;
	size_t i;

	if (store_sql(c->sampler->api->store, credit_all, c, &err) < 0) {
		complain("cannot keep the processor credits", err);
		return;
	}
	json_array_foreach(c->tell, i, one) {
		const char *id = mc_json_at(one, 0);
		int64_t quota = json_integer_value(json_array_get(one, 1));

		if (throttle_tell(c->sampler->api, id, quota) && quota == 0 && store_sql(c->sampler->api->store, freed, (void *)id, &err) < 0)
			complain("cannot keep the processor credits", err);
	}
}

/* --- burst credits of volumes --------------------------------------------------------------------- */

struct bursting {
	struct crediting c;
	json_t *renew; /* [[instance, volume]] */
};

static int take_bursts(struct bursting *b, struct store_tx *tx, sqlite3 *db, const char *id, const json_t *is, mc_err **err)
{
	struct subject of = { mc_json_str(is, "account", ""), mc_json_str(is, "region", ""), "AWS/EBS", "VolumeId", NULL };
	json_t *disk;

	json_object_foreach(mc_json_obj(is, "disks"), of.value, disk) {
		const struct resource *vol = store_find(tx, KIND_VOLUME, NULL, NULL, of.value);
		double percent;
		bool renew;
		int r = vol ? burst_take(db, vol, disk, &percent, &renew, err) : 0;

		if (r < 0)
			return -1;
		if (r > 0)
			add(b->c.batch, &of, "BurstBalance", "Percent", percent);
		if (r > 0 && renew)
			json_array_append_new(b->renew, json_pack("[s, s]", id, of.value));
	}
	return 0;
}

static int burst_all(void *ctx, sqlite3 *db, mc_err **err)
{
	struct bursting *b = ctx;
	struct store_tx *tx = store_read(b->c.sampler->api->store);
	const char *id;
	json_t *is;
	int r = 0;

	json_object_foreach((json_t *)b->c.look, id, is)
		if (r == 0)
			r = take_bursts(b, tx, db, id, is, err);
	store_end(tx);
	return r == 0 ? burst_tidy(db, err) : r;
}

/* Their QEMUs are told what has been earned meanwhile. */
static void keep_bursts(const struct crediting *c)
{
	mc_auto_json json_t *renew = json_array();
	struct bursting b = { .c = *c, .renew = renew };
	mc_auto_err mc_err *err = NULL;
	json_t *one;
	size_t i;

	if (store_sql(c->sampler->api->store, burst_all, &b, &err) < 0) {
		mc_log(MC_LOG_WARNING, AREA, "cannot keep the burst credits", "reason", mc_err_msg(err), NULL);
		return;
	}
	json_array_foreach(renew, i, one)
		burst_renew(c->sampler->api, mc_json_at(one, 0), mc_json_at(one, 1));
}

/* --- a look -------------------------------------------------------------------------------------- */

/* The values are of the interval that has just ended. */
static void set_time(const struct metric_sampler *s, struct batch *b)
{
	long interval = s->api->config.metrics_interval;
	int64_t middle = (mc_clock_wall() - interval * MC_SECOND / 2) / MC_SECOND;

	b->fine = interval < 60;
	b->at = b->fine ? middle : middle - middle % 60;
}

static void keep_look(struct metric_sampler *s, json_t *look)
{
	pthread_mutex_lock(&s->mutex);
	json_decref(s->last);
	s->last = look;
	s->looked = mc_clock_boot();
	pthread_mutex_unlock(&s->mutex);
}

static void look_around(struct metric_sampler *s)
{
	mc_auto_err mc_err *err = NULL;
	json_t *look = metric_look(s->api, &err);
	struct batch b = { .fine = false };
	mc_auto_json json_t *tell = json_array();
	struct crediting c = { .sampler = s, .batch = &b, .look = look, .tell = tell };
	const char *id;
	json_t *is;

	if (!look) {
		complain("cannot look at the instances", err);
		return;
	}
	set_time(s, &b);
	json_object_foreach(look, id, is) {
		health_judge(json_object_get(s->last, id), is);
		add_instance(s, &b, id, is);
	}
	keep_credits(&c);
	keep_bursts(&c);
	if (metrics_put(s->api->metrics, b.values.data, b.values.n, &err) < 0)
		complain("cannot keep the values", err);
	metric_batch_deinit(&b.values);
	keep_look(s, look);
}

static void do_chores(struct metric_sampler *s)
{
	int64_t now = mc_clock_wall() / MC_SECOND;
	mc_auto_err mc_err *err = NULL;

	if (now < s->charges || now - s->charges >= CHARGES_S) {
		s->charges = now;
		if (metric_charges_put(s->api, now, &err) < 0)
			complain("cannot keep the charges", err);
	}
	mc_err_clear(&err);
	if (now < s->tidied || now - s->tidied >= TIDY_S) {
		s->tidied = now;
		if (metrics_tidy(s->api->metrics, now, &err) < 0)
			complain("cannot forget old values", err);
	}
}

/* --- life ------------------------------------------------------------------------------------------ */

/* At the wall clock's next multiple of the interval: minutes are whole. */
static void next_time(const struct metric_sampler *s, struct timespec *ret)
{
	int64_t interval = s->api->config.metrics_interval * MC_SECOND, wait = interval - mc_clock_wall() % interval;

	clock_gettime(CLOCK_MONOTONIC, ret);
	wait += ret->tv_nsec;
	ret->tv_sec += wait / MC_SECOND;
	ret->tv_nsec = wait % MC_SECOND;
}

static void *run(void *ctx)
{
	struct metric_sampler *s = ctx;

	pthread_mutex_lock(&s->mutex);
	while (!s->stopping) {
		struct timespec until;

		pthread_mutex_unlock(&s->mutex);
		look_around(s);
		do_chores(s);
		pthread_mutex_lock(&s->mutex);
		next_time(s, &until);
		while (!s->stopping && !s->due && pthread_cond_timedwait(&s->cond, &s->mutex, &until) == 0)
			;
		s->due = false;
	}
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

struct metric_sampler *metric_sampler_start(struct api *api, mc_err **err)
{
	struct metric_sampler *s = mc_alloc(sizeof(*s));
	pthread_condattr_t attr;
	int r;

	s->api = api;
	pthread_mutex_init(&s->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->cond, &attr);
	pthread_condattr_destroy(&attr);
	r = pthread_create(&s->thread, NULL, run, s);
	if (r == 0)
		return s;
	mc_err_set(err, r, "cannot start the sampler");
	free(s);
	return NULL;
}

void metric_sampler_stop(struct metric_sampler *s)
{
	pthread_mutex_lock(&s->mutex);
	s->stopping = true;
	pthread_cond_signal(&s->cond);
	pthread_mutex_unlock(&s->mutex);
	pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->cond);
	pthread_mutex_destroy(&s->mutex);
	json_decref(s->last);
	free(s);
}

/* A new one for who comes again. */
static void want_look(struct metric_sampler *s)
{
	pthread_mutex_lock(&s->mutex);
	if (mc_clock_boot() - s->looked > FRESH) {
		s->due = true;
		pthread_cond_signal(&s->cond);
	}
	pthread_mutex_unlock(&s->mutex);
}

/* New reference; NULL: none yet. */
static json_t *last_look(struct metric_sampler *s)
{
	json_t *look;

	pthread_mutex_lock(&s->mutex);
	look = json_incref(s->last);
	pthread_mutex_unlock(&s->mutex);
	return look;
}

void metric_sampler_metrics(struct metric_sampler *s, FILE *out)
{
	mc_auto_json json_t *look = s ? last_look(s) : NULL;

	if (!s)
		return;
	want_look(s);
	metric_export(look, out);
}

json_t *metric_sampler_row(struct metric_sampler *s, const char *instance, const char *launched)
{
	mc_auto_json json_t *look = s ? last_look(s) : NULL;
	json_t *row = json_object_get(look, instance);

	if (strcmp(mc_json_str(row, "launched", ""), launched) != 0)
		row = NULL;
	if (s && (!mc_json_bool(row, "heard", false) || mc_json_int(row, "instance_failed", 0)))
		want_look(s);
	return json_incref(row);
}
