#include "cli/meter.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define SHORTEST (MC_SECOND / 2)

struct meter {
	json_t *last;  /* the last sample */
	json_t *known; /* {id: {rate's name: {count, at, rate?}}} */
};

/* A counter of the sample, the clock it belongs to (ns), and the rate it becomes. */
static const struct {
	const char *counter, *clock, *rate;
	double scale; /* of counts per nanosecond */
} rates[] = {
	{ "cpu_ns", "at_ns", "cpu_percent", 100 },
	{ "disk_read_bytes", "at_ns", "disk_read_per_s", 1e9 },
	{ "disk_written_bytes", "at_ns", "disk_written_per_s", 1e9 },
	{ "net_in_bytes", "net_read_ns", "net_in_per_s", 1e9 },
	{ "net_out_bytes", "net_read_ns", "net_out_per_s", 1e9 },
};

struct meter *meter_new(void)
{
	struct meter *m = mc_alloc(sizeof(*m));

	m->last = json_object();
	m->known = json_object();
	return m;
}

void meter_free(struct meter *m)
{
	if (!m)
		return;
	json_decref(m->last);
	json_decref(m->known);
	free(m);
}

/* What is known of a rate after one more reading. before NULL: nothing. New reference. */
static json_t *advance(json_t *before, json_int_t count, json_int_t at, double scale)
{
	json_int_t gone = at - mc_json_int(before, "at", 0), more = count - mc_json_int(before, "count", 0);
	json_t *now;

	if (before && gone < SHORTEST && gone >= 0 && more >= 0)
		return json_incref(before);
	now = json_pack("{s:I, s:I}", "count", count, "at", at);
	/* A counter that went back began anew: the instance was started again. */
	if (before && gone > 0 && more >= 0)
		json_object_set_new(now, "rate", json_real((double)more / (double)gone * scale));
	return now;
}

static json_t *advance_all(const json_t *before, const json_t *instance, json_int_t at)
{
	json_t *now = json_object();

	for (size_t i = 0; i < MC_ARRAY_SIZE(rates); i++) {
		json_int_t clock = mc_json_int(instance, rates[i].clock, at);

		if (json_object_get(instance, rates[i].counter) && clock)
			json_object_set_new(now, rates[i].rate,
					    advance(mc_json_obj(before, rates[i].rate),
						    mc_json_int(instance, rates[i].counter, 0), clock, rates[i].scale));
	}
	return now;
}

void meter_sample(struct meter *m, const json_t *stats)
{
	json_t *known = json_object(), *instance;
	size_t i;

	json_array_foreach(mc_json_arr(stats, "instances"), i, instance) {
		const char *id = mc_json_str(instance, "id", "");

		json_object_set_new(known, id, advance_all(mc_json_obj(m->known, id), instance, mc_json_int(stats, "at_ns", 0)));
	}
	json_decref(m->known);
	m->known = known;
	json_decref(m->last);
	m->last = json_incref((json_t *)stats);
}

static json_int_t age_s(const json_t *stats, const json_t *instance)
{
	int64_t now = 0, launched = 0;

	if (mc_clock_parse(mc_json_str(stats, "time", ""), &now) < 0 ||
	    mc_clock_parse(mc_json_str(instance, "launched", ""), &launched) < 0 || now < launched)
		return 0;
	return (now - launched) / MC_SECOND;
}

static void add_bytes(json_t *row, const char *key, const json_t *instance, const char *kib)
{
	if (json_object_get(instance, kib))
		json_object_set_new(row, key, json_integer(mc_json_int(instance, kib, 0) * 1024));
}

static json_t *row_of(const struct meter *m, const json_t *instance)
{
	const json_t *known = mc_json_obj(m->known, mc_json_str(instance, "id", ""));
	json_t *row = json_pack("{s:O*, s:O*, s:O*, s:O*, s:I, s:O*}", "id", json_object_get(instance, "id"), "name",
				json_object_get(instance, "name"), "state", json_object_get(instance, "state"), "type",
				json_object_get(instance, "type"), "age_s", age_s(m->last, instance), "vcpus",
				json_object_get(instance, "vcpus"));

	add_bytes(row, "memory_bytes", instance, "rss_kib");
	add_bytes(row, "memory_size_bytes", instance, "memory_kib");
	for (size_t i = 0; i < MC_ARRAY_SIZE(rates); i++) {
		json_t *rate = json_object_get(mc_json_obj(known, rates[i].rate), "rate");

		if (rate)
			json_object_set(row, rates[i].rate, rate);
	}
	return row;
}

json_t *meter_rows(const struct meter *m)
{
	json_t *rows = json_array(), *instance;
	size_t i;

	json_array_foreach(mc_json_arr(m->last, "instances"), i, instance)
		if (strcmp(mc_json_str(instance, "state", ""), "terminated") != 0)
			json_array_append_new(rows, row_of(m, instance));
	return rows;
}
