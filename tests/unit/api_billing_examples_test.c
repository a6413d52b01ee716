/* Worked examples of AWS's public pricing pages: resources live through them by a clock that is
 * stepped, and the bill explains itself line by line (tests/golden/billing/examples.json). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "api/billing/billing.h"
#include "api/billing/calendar.h"
#include "api/billing/explain.h"
#include "api/billing/usage.h"
#include "api/kms_rotation.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define ACCOUNT "123456789012"

struct example {
	const json_t *doc;
	struct store *store;
	struct billing *billing;
	json_t *ids; /* {name: id} */
	char dir[40];
};

/* The price list that comes along, or the example's own rows. */
static struct prices *prices_of(const json_t *example)
{
	mc_auto_json json_t *list = mc_json_load("deploy/prices.json", NULL);
	const json_t *own = mc_json_arr(example, "prices");
	mc_auto_err mc_err *err = NULL;
	struct prices *p;
	json_t *row;
	size_t i;

	if (own)
		json_object_set_new(list, "prices", json_deep_copy(own));
	json_object_set_new(list, "currency", json_string(mc_json_str(example, "currency", "USD")));
	json_array_foreach(mc_json_arr(own ? list : NULL, "prices"), i, row)
		json_object_update_new(row, json_pack("{s:s, s:s, s:s}", "region", "us-east-1", "option", "on-demand", "from", "2020-01-01"));
	p = prices_parse(list, &err);
	if (!p)
		fail_msg("%s", mc_err_msg(err));
	return p;
}

static void make(struct example *e, const json_t *step)
{
	struct store_tx *tx = store_write(e->store);
	enum kind kind = kind_by_name(mc_json_str(step, "make", ""));
	struct resource *r = store_insert(tx, kind, ACCOUNT, mc_json_str(e->doc, "region", ""));
	const char *state = mc_json_str(step, "state", NULL);

	if (mc_json_obj(step, "doc"))
		json_object_update(r->doc, mc_json_obj(step, "doc"));
	if (mc_json_obj(step, "spec"))
		json_object_update(r->spec, mc_json_obj(step, "spec"));
	if (state)
		state_init(r, state_parse(kind_info(kind)->machine, state));
	json_object_set_new(e->ids, mc_json_str(step, "name", ""), json_string(r->id));
	assert_int_equal(store_commit(tx, NULL), 0);
}

static const char *id_of(struct example *e, const json_t *step, const char *key)
{
	const char *id = mc_json_str(e->ids, mc_json_str(step, key, ""), NULL);

	assert_non_null(id);
	return id;
}

/* Straight to the state, as the machine's ways do not matter here. */
static void change_state(struct example *e, const json_t *step)
{
	struct store_tx *tx = store_write(e->store);
	struct resource *r = store_edit(tx, id_of(e, step, "of"));

	r->state = state_parse(kind_info(r->kind)->machine, mc_json_str(step, "state", ""));
	assert_int_equal(store_commit(tx, NULL), 0);
}

static void end(struct example *e, const json_t *step)
{
	struct store_tx *tx = store_write(e->store);

	store_delete(tx, id_of(e, step, "end"));
	assert_int_equal(store_commit(tx, NULL), 0);
}

static void rotate(struct example *e, const json_t *step)
{
	struct store_tx *tx = store_write(e->store);
	struct resource *key = store_edit(tx, id_of(e, step, "rotate"));

	kms_rotation_done(key, kms_rotation_number(key), mc_clock_wall());
	assert_int_equal(store_commit(tx, NULL), 0);
}

struct counting {
	struct usage_counted what;
	int64_t amount;
};

static int count_it(void *ctx, sqlite3 *db, mc_err **err)
{
	const struct counting *c = ctx;

	return usage_count(db, &c->what, c->amount, mc_clock_wall(), err);
}

static void count(struct example *e, const json_t *step)
{
	struct counting c = {
		.what = { .account = ACCOUNT, .region = mc_json_str(e->doc, "region", ""), .az = "", .resource = id_of(e, step, "of"),
			  .type = mc_json_str(step, "type", ""), .tags = "{}", .meter = meter_find(mc_json_str(step, "count", "")) },
		.amount = mc_json_int(step, "amount", 0),
	};

	assert_int_equal(store_sql(e->store, count_it, &c, NULL), 0);
}

static void run_steps(struct example *e, const json_t *steps)
{
	json_t *step;
	size_t i;

	json_array_foreach(steps, i, step) {
		int64_t ns = mc_json_int(step, "wait", 0) * MC_SECOND;

		if (mc_json_str(step, "make", NULL))
			make(e, step);
		else if (mc_json_str(step, "end", NULL))
			end(e, step);
		else if (mc_json_str(step, "count", NULL))
			count(e, step);
		else if (mc_json_str(step, "rotate", NULL))
			rotate(e, step);
		else if (mc_json_str(step, "state", NULL))
			change_state(e, step);
		mc_clock_step(ns, ns);
		for (int64_t n = mc_json_int(step, "repeat", 0); n > 0; n--)
			run_steps(e, mc_json_arr(step, "steps"));
	}
}

/* Ids become the example's names. */
static char *with_names(struct example *e, const char *text)
{
	char *out = mc_strdup(text);
	const char *name;
	json_t *id;

	json_object_foreach(e->ids, name, id)
		for (char *at; (at = strstr(out, json_string_value(id)));) {
			char *made = mc_strf("%.*s%s%s", (int)(at - out), out, name, at + json_string_length(id));

			free(out);
			out = made;
		}
	return out;
}

static void check_text(struct example *e, const json_t *explanation)
{
	mc_autofree char *raw = explain_text(explanation, mc_json_str(e->doc, "currency", "USD"));
	mc_autofree char *text = with_names(e, raw);
	mc_autofree char *wanted = mc_strdup("");
	json_t *line;
	size_t i;

	json_array_foreach(mc_json_arr(e->doc, "text"), i, line) {
		char *more = mc_strf("%s%s\n", wanted, json_string_value(line));

		free(wanted);
		wanted = more;
	}
	if (strcmp(text, wanted) == 0)
		return;
	fprintf(stderr, "%s:\n%s\nnot\n%s", mc_json_str(e->doc, "name", ""), text, wanted); /* longer than cmocka's messages */
	fail();
}

/* All lines of this usage type, or of all. */
static int64_t sum_of(const json_t *explanation, const char *usage)
{
	int64_t sum = 0, nano;
	json_t *line;
	size_t i;

	json_array_foreach(explanation, i, line)
		if (strcmp(usage, "total") == 0 || strcmp(mc_json_str(line, "usage_type", ""), usage) == 0) {
			assert_int_equal(money_parse(mc_json_str(line, "cost", ""), &nano), 0);
			sum += nano;
		}
	return sum;
}

/* What the page says, to as many digits. */
static void check_says(struct example *e, const json_t *explanation)
{
	const char *usage;
	json_t *says;

	json_object_foreach(mc_json_obj(e->doc, "says"), usage, says) {
		const char *point = strchr(json_string_value(says), '.');
		char text[MONEY_TEXT];

		assert_non_null(point);
		money_format(sum_of(explanation, usage), (int)strlen(point + 1), text);
		if (strcmp(text, json_string_value(says)) != 0)
			fail_msg("%s: %s is %s, not %s", mc_json_str(e->doc, "name", ""), usage, text, json_string_value(says));
	}
}

/* Names sort as the ids do not: the lines are put in the order of names. */
static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static json_t *sorted(struct example *e, json_t *explanation)
{
	size_t n = json_array_size(explanation), i;
	char **keys = mc_alloc((n + 1) * sizeof(*keys));
	json_t *out = json_array(), *line;

	json_array_foreach(explanation, i, line) {
		mc_autofree char *name = with_names(e, mc_json_str(line, "resource", ""));

		keys[i] = mc_strf("%s\n%s\n%zu", name, mc_json_str(line, "usage_type", ""), i);
	}
	qsort(keys, n, sizeof(*keys), by_name);
	for (i = 0; i < n; i++) {
		json_array_append(out, json_array_get(explanation, strtoul(strrchr(keys[i], '\n') + 1, NULL, 10)));
		free(keys[i]);
	}
	free(keys);
	return out;
}

static void check(struct example *e)
{
	const struct bill_query q = { .from = 19000, .to = 40000 };
	mc_auto_json json_t *found = NULL;
	mc_auto_json json_t *explanation = NULL;
	struct bill b;

	assert_int_equal(billing_read(e->billing, &b, NULL), 0);
	found = explain_bill(&b, &q, NULL, NULL);
	bill_end(&b);
	assert_non_null(found);
	explanation = sorted(e, found);
	check_text(e, explanation);
	if (mc_json_obj(e->doc, "says"))
		check_says(e, explanation);
}

static void example(const json_t *doc)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	struct billing_config config = { .scale = 1, .prices = prices_of(doc) };
	struct example e = { .doc = doc, .ids = json_object(), .dir = "/tmp/mc-example-XXXXXX" };
	mc_autofree char *path = NULL;
	int64_t begin;

	assert_non_null(mkdtemp(e.dir));
	path = mc_strf("%s/db", e.dir);
	assert_int_equal(mc_clock_parse(mc_json_str(doc, "begin", ""), &begin), 0);
	mc_clock_step(begin - mc_clock_wall(), 0);
	e.store = store_open(path, NULL);
	e.billing = billing_open(e.store, &config, NULL);
	assert_non_null(e.billing);
	run_steps(&e, mc_json_arr(doc, "steps"));
	check(&e);
	assert_int_equal(billing_beat(e.billing, NULL), 0); /* days that are over become final: the same */
	check(&e);
	billing_close(e.billing);
	store_close(e.store);
	json_decref(e.ids);
	for (size_t i = 0; i < MC_ARRAY_SIZE(ends); i++) {
		mc_autofree char *file = mc_strf("%s%s", path, ends[i]);

		unlink(file);
	}
	rmdir(e.dir);
}

static void test_examples(void **state)
{
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *list = mc_json_load("tests/golden/billing/examples.json", &err);
	size_t i, compared = 0;
	json_t *doc;

	(void)state;
	if (!list)
		fail_msg("%s", mc_err_msg(err));
	json_array_foreach(list, i, doc) {
		compared += mc_json_str(doc, "compared", NULL) != NULL;
		example(doc);
	}
	assert_true(compared >= 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
	};

	mc_log_set_level(MC_LOG_ERROR);
	mc_clock_freeze();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
