#include "api/describe_filter.h"

#include <stdio.h>
#include <string.h>

#include "api/metadata_tree.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

/* --- patterns ------------------------------------------------------------- */

/* Match one element of the pattern: its length there (0: no match), and in
 * *ret_used the length of the character in the text. */
static size_t glob_one(const char *p, const char *t, size_t *ret_used)
{
	*ret_used = 1;
	if (*p == '\\' && p[1])
		return p[1] == *t ? 2 : 0;
	if (*p == '?') { /* a whole UTF-8 character */
		while ((t[*ret_used] & 0xc0) == 0x80)
			(*ret_used)++;
		return 1;
	}
	return *p == *t ? 1 : 0;
}

/* Only the last star is ever tried again, so the time is at most |pattern| x |text|. */
bool describe_glob(const char *pattern, const char *text)
{
	const char *star = NULL, *mark = NULL;

	while (*text) {
		size_t used, n;

		if (*pattern == '*') {
			star = ++pattern;
			mark = text;
			continue;
		}
		n = glob_one(pattern, text, &used);
		if (n) {
			pattern += n;
			text += used;
			continue;
		}
		if (!star)
			return false;
		pattern = star;
		text = ++mark;
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static bool text_matches(const char *text, const json_t *patterns)
{
	size_t i;
	json_t *p;

	json_array_foreach(patterns, i, p)
		if (describe_glob(json_string_value(p), text))
			return true;
	return false;
}

static bool scalar_matches(const json_t *v, const json_t *patterns)
{
	char text[40];

	switch (json_typeof(v)) {
	case JSON_STRING:
		return text_matches(json_string_value(v), patterns);
	case JSON_TRUE:
	case JSON_FALSE:
		return text_matches(json_is_true(v) ? "true" : "false", patterns);
	case JSON_INTEGER:
		snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(v));
		return text_matches(text, patterns);
	case JSON_REAL:
		snprintf(text, sizeof(text), "%g", json_real_value(v));
		return text_matches(text, patterns);
	default:
		return false;
	}
}

/* path "A.B": member B of member A; arrays on the way are looked through. */
static bool path_matches(const json_t *v, const char *path, const json_t *patterns)
{
	char member[64];
	size_t n, i;
	json_t *element;

	if (json_is_array(v)) {
		json_array_foreach(v, i, element)
			if (path_matches(element, path, patterns))
				return true;
		return false;
	}
	if (!v || *path == '\0')
		return v && scalar_matches(v, patterns);
	n = strcspn(path, ".");
	snprintf(member, sizeof(member), "%.*s", (int)n, path);
	return path_matches(json_object_get(v, member), path + n + (path[n] == '.'), patterns);
}

/* --- clauses -------------------------------------------------------------- */

static int check_values(struct call *call, const char *name, const json_t *values)
{
	size_t i;
	json_t *v;

	if (json_array_size(values) == 0)
		return action_fail(call, API_INVALID_PARAMETER, "The filter must have at least one value");
	json_array_foreach(values, i, v)
		if (!json_is_string(v))
			return action_fail(call, API_INVALID_FILTER, name);
	return 0;
}

static int clause_init(struct call *call, const struct filter *table, const json_t *in, struct clause *ret)
{
	const char *name = mc_json_str(in, "Name", "null");
	struct clause c = { .values = mc_json_arr(in, "Values") };

	if (strncmp(name, "tag:", 4) == 0 && name[4])
		c.tag = name + 4;
	else if (strcmp(name, "tag-key") == 0)
		c.tag = "";
	for (c.row = table; !c.tag && c.row->name && strcmp(c.row->name, name) != 0; c.row++)
		;
	if (!c.tag && !c.row->name)
		return action_fail(call, API_INVALID_FILTER, name);
	if (check_values(call, name, c.values))
		return 1;
	*ret = c;
	return 0;
}

int clauses_init(struct call *call, const struct filter *table, struct clauses *ret)
{
	/* Some operations call it otherwise: DescribeNatGateways, DescribeFlowLogs. */
	const json_t *filters = mc_json_arr(call->in, json_object_get(call->in, "Filter") ? "Filter" : "Filters");
	size_t i, values = 0;
	json_t *in;

	ret->n = 0;
	json_array_foreach(filters, i, in) {
		values += json_array_size(mc_json_arr(in, "Values"));
		if (values > DESCRIBE_MAX_VALUES)
			return action_fail(call, API_FILTER_LIMIT);
		if (clause_init(call, table, in, &ret->at[ret->n]))
			return 1;
		ret->n++;
	}
	return 0;
}

static bool tags_match(const struct clause *c, const json_t *tags)
{
	const char *key;
	json_t *value;

	if (*c->tag)
		return (value = json_object_get(tags, c->tag)) && scalar_matches(value, c->values);
	json_object_foreach((json_t *)tags, key, value)
		if (text_matches(key, c->values))
			return true;
	return false;
}

/* path "@member": what is known of r but shown nowhere in its view. */
static bool hidden_matches(const struct resource *r, const char *path, const json_t *patterns)
{
	const json_t *v = json_object_get(r->spec, path + 1);

	if (strcmp(path, "@account") == 0)
		return text_matches(r->account, patterns);
	if (strcmp(path, "@zone-id") == 0) {
		mc_autofree char *id = metadata_zone_id(r->region, r->az ? r->az : "");

		return text_matches(id, patterns);
	}
	return v && scalar_matches(v, patterns);
}

static bool row_matches(const struct clause *c, const json_t *view, const struct resource *r)
{
	if (*c->row->path == '=')
		return text_matches(c->row->path + 1, c->values);
	if (*c->row->path == '@')
		return r && hidden_matches(r, c->row->path, c->values);
	return path_matches(view, c->row->path, c->values);
}

static bool is_state(const char *path)
{
	return strcmp(path, "State") == 0 || strcmp(path, "State.Name") == 0;
}

bool clauses_may_match(const struct clauses *c, const struct resource *r)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct clause *at = &c->at[i];
		const json_t *v = at->tag ? NULL : json_object_get(r->doc, at->row->path);

		if (at->tag && !tags_match(at, r->tags))
			return false;
		if (!at->tag && *at->row->path == '@' && !hidden_matches(r, at->row->path, at->values))
			return false;
		if (v && !json_is_array(v) && !json_is_object(v) && !scalar_matches(v, at->values))
			return false;
		if (!at->tag && kind_info(r->kind)->machine && is_state(at->row->path) &&
		    !text_matches(state_name(r), at->values))
			return false;
	}
	return true;
}

bool clauses_match(const struct clauses *c, const json_t *view, const struct resource *r)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct clause *at = &c->at[i];

		if (at->tag ? !r || !tags_match(at, r->tags) : !row_matches(at, view, r))
			return false;
	}
	return true;
}

/* --- for actions that do not use describe_run ------------------------------- */

int describe_check_filters(struct call *call, const struct filter *table)
{
	struct clauses c;

	return clauses_init(call, table, &c);
}

bool describe_matches(struct call *call, const struct filter *table, const json_t *view,
		      const struct resource *r)
{
	struct clauses c;

	return clauses_init(call, table, &c) == 0 && clauses_match(&c, view, r);
}
