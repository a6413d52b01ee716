#include "netd/foreign.h"

#include <stdbool.h>
#include <string.h>

#include "common/json.h"

#define SAMPLE "mi0123456789abc" /* any of ours */
#define DEPTH_MAX 16             /* nft itself allows as many jumps */

enum verdict { GOES_ON, ACCEPTED, DROPPED };

struct walk {
	const json_t *objects;
	const char *family, *table;
};

static enum verdict walk_chain(const struct walk *w, const char *chain, int depth);

/* Is the object of this kind one of this table (and, for rules, chain)? */
static const json_t *own(const struct walk *w, const json_t *object, const char *kind, const char *chain)
{
	const json_t *o = mc_json_obj(object, kind);

	if (!o || strcmp(mc_json_str(o, "family", ""), w->family) != 0 || strcmp(mc_json_str(o, "table", ""), w->table) != 0)
		return NULL;
	return !chain || strcmp(mc_json_str(o, "chain", ""), chain) == 0 ? o : NULL;
}

/* "mi*" or a whole name against our interface's. */
static bool name_matches(const char *pattern)
{
	size_t len = strlen(pattern);

	if (len && pattern[len - 1] == '*')
		return strncmp(pattern, SAMPLE, len - 1) == 0;
	return strcmp(pattern, SAMPLE) == 0;
}

static bool right_has(const json_t *right, bool (*test)(const char *))
{
	const json_t *list = mc_json_arr(right, "set");

	if (json_is_string(right))
		return test(json_string_value(right));
	if (json_is_array(right))
		list = right;
	for (size_t i = 0; i < json_array_size(list); i++)
		if (mc_json_at(list, i) && test(mc_json_at(list, i)))
			return true;
	return false;
}

static bool is_new(const char *state)
{
	return strcmp(state, "new") == 0;
}

/* Does a match hold for the first packet of a connection between two of our interfaces? */
static bool match_holds(const json_t *match)
{
	const json_t *left = mc_json_obj(match, "left"), *right = json_object_get(match, "right");
	const char *meta = mc_json_str(mc_json_obj(left, "meta"), "key", "");
	const char *ct = mc_json_str(mc_json_obj(left, "ct"), "key", "");
	bool negated = strcmp(mc_json_str(match, "op", "=="), "!=") == 0;

	if (strcmp(meta, "iifname") == 0 || strcmp(meta, "oifname") == 0)
		return right_has(right, name_matches) != negated;
	if (strcmp(ct, "state") == 0)
		return right_has(right, is_new) != negated;
	if (strcmp(meta, "nfproto") == 0 && json_is_string(right))
		return (strcmp(json_string_value(right), "ipv4") == 0) != negated;
	return false;
}

/* What one statement of a rule does, when all before it held. */
static enum verdict statement(const struct walk *w, const json_t *expr, int depth, bool *ret_holds, bool *ret_ends)
{
	const json_t *match = mc_json_obj(expr, "match");
	const json_t *target = mc_json_obj(expr, "jump");

	if (match) {
		*ret_holds = match_holds(match);
	} else if (json_object_get(expr, "accept")) {
		return ACCEPTED;
	} else if (json_object_get(expr, "drop") || json_object_get(expr, "reject")) {
		return DROPPED;
	} else if (json_object_get(expr, "return")) {
		*ret_ends = true;
	} else if (target || (target = mc_json_obj(expr, "goto"))) {
		*ret_ends = mc_json_obj(expr, "goto") != NULL;
		return walk_chain(w, mc_json_str(target, "target", ""), depth + 1);
	} else if (json_object_get(expr, "xt") || json_object_get(expr, "vmap")) {
		*ret_holds = false; /* a condition that we cannot judge */
	}
	return GOES_ON;
}

static enum verdict walk_rule(const struct walk *w, const json_t *rule, int depth, bool *ret_ends)
{
	const json_t *exprs = mc_json_arr(rule, "expr");
	enum verdict v = GOES_ON;
	bool holds = true;

	for (size_t i = 0; i < json_array_size(exprs) && holds && v == GOES_ON && !*ret_ends; i++)
		v = statement(w, json_array_get(exprs, i), depth, &holds, ret_ends);
	return v;
}

static enum verdict walk_chain(const struct walk *w, const char *chain, int depth)
{
	enum verdict v = GOES_ON;
	bool ends = false;

	for (size_t i = 0; i < json_array_size(w->objects) && v == GOES_ON && !ends && depth < DEPTH_MAX; i++) {
		const json_t *rule = own(w, json_array_get(w->objects, i), "rule", chain);

		if (rule)
			v = walk_rule(w, rule, depth, &ends);
	}
	return v;
}

static bool drops(const json_t *objects, const json_t *chain)
{
	struct walk w = { objects, mc_json_str(chain, "family", ""), mc_json_str(chain, "table", "") };
	enum verdict v = walk_chain(&w, mc_json_str(chain, "name", ""), 0);

	if (v == GOES_ON && strcmp(mc_json_str(chain, "policy", "accept"), "drop") == 0)
		v = DROPPED;
	return v == DROPPED;
}

static bool concerns_us(const json_t *chain)
{
	const char *family = mc_json_str(chain, "family", ""), *table = mc_json_str(chain, "table", "");

	return strcmp(mc_json_str(chain, "hook", ""), "forward") == 0 &&
	       (strcmp(family, "ip") == 0 || strcmp(family, "inet") == 0) &&
	       !(strcmp(family, "inet") == 0 && strcmp(table, "minicloud") == 0);
}

json_t *foreign_forward_drops(const json_t *ruleset)
{
	const json_t *objects = mc_json_arr(ruleset, "nftables");
	json_t *found = json_array();

	for (size_t i = 0; i < json_array_size(objects); i++) {
		const json_t *chain = mc_json_obj(json_array_get(objects, i), "chain");

		if (chain && concerns_us(chain) && drops(objects, chain))
			json_array_append_new(found, json_pack("{s:s, s:s, s:s}", "family", mc_json_str(chain, "family", ""), "table",
							       mc_json_str(chain, "table", ""), "chain",
							       mc_json_str(chain, "name", "")));
	}
	return found;
}
