/* A change of single rules is the difference of the two whole rulesets, and what comes of it the document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "netd/group.h"
#include "netd/rulechange.h"
#include "netd/vpcrules.h"
#include "netd/wanted_change.h"

#define GROUP "sg-0000000000000000a"
#define OTHER "sg-0000000000000000b"
#define ROUNDS 3000

static const char *const rule_texts[] = {
	"{'protocol': 'all', 'cidr': '0.0.0.0/0'}",
	"{'protocol': 'all', 'cidr': '10.1.0.0/16'}",
	"{'protocol': 'all', 'cidr': '10.2.0.0/16'}",
	"{'protocol': 'tcp', 'cidr': '0.0.0.0/0'}",
	"{'protocol': 'tcp', 'from': 0, 'to': 65535, 'cidr': '0.0.0.0/0'}",
	"{'protocol': 'tcp', 'from': 80, 'to': 80, 'cidr': '0.0.0.0/0'}",
	"{'protocol': 'tcp', 'from': 80, 'to': 81, 'cidr': '0.0.0.0/0'}",
	"{'protocol': 'tcp', 'from': 80, 'to': 90, 'cidr': '0.0.0.0/0'}",
	"{'protocol': 'tcp', 'from': 1024, 'to': 65535, 'cidr': '0.0.0.0/0'}",
	"{'protocol': 'tcp', 'from': 2048, 'to': 65535, 'cidr': '0.0.0.0/0'}",
	"{'protocol': 'udp', 'from': 80, 'to': 81, 'cidr': '0.0.0.0/0'}",
	"{'protocol': 'udp', 'from': 80, 'to': 81, 'cidr': '10.1.0.0/16'}",
	"{'protocol': 'udp', 'from': 80, 'to': 81, 'cidr': '10.2.0.0/16'}",
	"{'protocol': 'icmp', 'from': 8, 'to': 0, 'cidr': '0.0.0.0/0'}",
	"{'protocol': 'icmp', 'from': 8, 'to': -1, 'cidr': '0.0.0.0/0'}",
	"{'protocol': 'icmp', 'from': -1, 'to': -1, 'cidr': '0.0.0.0/0'}",
	"{'protocol': '47', 'cidr': '10.0.0.16/32'}",
	"{'protocol': '47', 'cidr': '10.0.0.17/32'}",
	"{'protocol': 'tcp', 'from': 80, 'to': 81, 'group': '" GROUP "'}",
	"{'protocol': 'tcp', 'from': 81, 'to': 81, 'group': '" GROUP "'}",
	"{'protocol': 'tcp', 'from': 81, 'to': 82, 'group': '" OTHER "'}",
	"{'protocol': 'all', 'group': '" OTHER "'}",
};
#define N_RULES MC_ARRAY_SIZE(rule_texts)

static json_t *read_text(const char *text)
{
	mc_autofree char *copy = strdup(text);

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	return json_loads(copy, 0, NULL);
}

static struct wanted *empty(void)
{
	const struct cidr pool = { 0xcb007100, 24 };
	mc_auto_json json_t *doc = read_text(
		"{'generation': 7, 'cidrs': ['10.0.0.0/16'],"
		" 'subnets': [{'id': 'subnet-00000000000000001', 'cidr': '10.0.0.0/24'}],"
		" 'security_groups': [{'id': '" GROUP "'}, {'id': '" OTHER "'}],"
		" 'enis': [{'id': 'eni-a000000000000000a', 'subnet': 'subnet-00000000000000001',"
		"   'mac': '06:00:00:00:00:0a', 'ip': '10.0.0.16', 'groups': ['" GROUP "']}]}");

	assert_int_equal(mc_fields_check(wanted_fields, doc, NULL), 0);
	return wanted_parse("vpc-00000000000000001", doc, &pool, NULL);
}

static struct wanted_change *change(struct wanted *w, int64_t base, const char *operation, const char *rule)
{
	mc_auto_json json_t *doc = json_pack("{s:I, s:I, s:[{s:s, s:s, s:s, s:o}]}", "base", (json_int_t)base,
					     "generation", (json_int_t)base + 1, "changes", "operation", operation,
					     "group", GROUP, "direction", "ingress", "rule", read_text(rule));

	assert_int_equal(mc_fields_check(wanted_change_fields, doc, NULL), 0);
	return wanted_change_new(w, doc, NULL);
}

static struct ruleset *built(const struct wanted *w)
{
	struct ruleset *rs = ruleset_new(vpcrules_tables, VPCRULES_HOME, NULL);

	group_add_all(rs, w);
	ruleset_sort(rs);
	return rs;
}

static void assert_same(const struct ruleset *a, const struct ruleset *b)
{
	auto_rulediff struct rulediff d = { .n_gone = 0 };

	rulediff_make(a, b, &d);
	assert_false(d.structural);
	assert_int_equal(d.n_gone, 0);
	assert_int_equal(d.n_fresh, 0);
}

static void assert_equal_rows(const struct rulediff_element *a, size_t n, const struct rulediff_element *b, size_t m)
{
	assert_int_equal(n, m);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(a[i].set->name, b[i].set->name);
		assert_string_equal(a[i].element->key, b[i].element->key);
	}
}

/* What packets meet: elements are the same, and sets that should not be there let none pass. */
static size_t assert_same_but_empty(const struct ruleset *is, const struct ruleset *shall)
{
	size_t empty = 0;

	for (size_t i = 0; i < is->n_sets; i++) {
		const struct ruleset_set *s = ruleset_find_set(shall, is->sets[i]->name);

		if (s)
			assert_int_equal(is->sets[i]->n_elements, s->n_elements);
		for (size_t k = 0; s && k < s->n_elements; k++)
			assert_string_equal(is->sets[i]->elements[k].key, s->elements[k].key);
		if (!s && !strstr(is->sets[i]->name, " members_"))
			assert_int_equal(is->sets[i]->n_elements, 0);
		empty += !s;
	}
	assert_int_equal(is->n_sets, shall->n_sets + empty);
	return empty;
}

enum way { LONG, SHORT, SHORT_AND_EMPTY, WAY_MAX };

static enum way one_round(struct wanted *w, const char *rule, bool adds)
{
	auto_ruleset struct ruleset *before = built(w), *after = NULL;
	auto_rulediff struct rulediff whole = { .n_gone = 0 };
	auto_rulechange struct rulechange c = { .touched = NULL };
	struct wanted_change *made = change(w, w->generation, adds ? "add" : "remove", rule);
	bool short_way;

	assert_non_null(made);
	after = built(w);
	rulediff_make(before, after, &whole);
	short_way = rulechange_make(before, made, &c);
	if (short_way && whole.structural) {
		assert_false(adds);
		rulechange_note(&c, before);
		assert_true(assert_same_but_empty(before, after) > 0);
	} else if (short_way) {
		assert_equal_rows(c.diff.gone, c.diff.n_gone, whole.gone, whole.n_gone);
		assert_equal_rows(c.diff.fresh, c.diff.n_fresh, whole.fresh, whole.n_fresh);
		rulechange_note(&c, before);
		assert_same(before, after);
	}
	wanted_change_keep(made);
	return !short_way ? LONG : whole.structural ? SHORT_AND_EMPTY : SHORT;
}

static void test_is_the_difference(void **state)
{
	auto_wanted struct wanted *w = empty();
	size_t there[N_RULES] = { 0 }, taken[WAY_MAX] = { 0 };

	(void)state;
	srand(4711);
	for (int i = 0; i < ROUNDS; i++) {
		size_t r = (size_t)rand() % N_RULES;
		bool adds = there[r] == 0 || (there[r] < 2 && rand() % 3 == 0);

		taken[one_round(w, rule_texts[r], adds)]++;
		there[r] += adds ? 1 : (size_t)-1;
	}
	assert_true(taken[SHORT] > ROUNDS / 4 && taken[SHORT_AND_EMPTY] > ROUNDS / 10);
	assert_int_equal(w->generation, 7 + ROUNDS);
}

static void test_must_follow(void **state)
{
	auto_wanted struct wanted *w = empty();
	const char *rule = rule_texts[5];

	(void)state;
	assert_null(change(w, 6, "add", rule));
	assert_null(change(w, 7, "remove", rule));
	assert_null(change(w, 7, "add", "{'protocol': 'tcp', 'from': 2, 'to': 1, 'cidr': '0.0.0.0/0'}"));
	assert_null(change(w, 7, "add", "{'protocol': 'tcp', 'from': 1, 'to': 2}"));
	assert_int_equal(w->generation, 7);
	assert_int_equal(w->groups[0].n_rules[WANTED_INGRESS], 0);
	wanted_change_keep(change(w, 7, "add", rule));
	wanted_change_undo(change(w, 8, "remove", rule));
	assert_int_equal(w->generation, 8);
	assert_int_equal(w->groups[0].n_rules[WANTED_INGRESS], 1);
	/* The same rule in other words. */
	wanted_change_keep(change(w, 8, "remove", "{'to': 80, 'cidr': '0.0.0.0/0', 'from': 80, 'protocol': '6'}"));
	assert_int_equal(w->groups[0].n_rules[WANTED_INGRESS], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_the_difference),
		cmocka_unit_test(test_must_follow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
