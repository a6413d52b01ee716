#include "netd/wanted_change.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "netd/wanted_parse.h"

bool wanted_rule_same(const struct wanted_rule *a, const struct wanted_rule *b)
{
	return a->protocol == b->protocol && a->from == b->from && a->to == b->to &&
	       strcmp(a->group, b->group) == 0 &&
	       (a->group[0] || (a->cidr.addr == b->cidr.addr && a->cidr.len == b->cidr.len));
}

/* --- one change ------------------------------------------------------------------------ */

static struct wanted_group *group_by_id(const struct wanted *w, const char *id)
{
	for (size_t i = 0; i < w->n_groups; i++)
		if (strcmp(w->groups[i].id, id) == 0)
			return &w->groups[i];
	return NULL;
}

/* The rules are changed in a copy, the old ones stay before's. Room for all that is added. */
static struct wanted_rule *own_rules(struct wanted_change *c, const struct wanted_changed_rule *r)
{
	struct wanted_group *g = &c->wanted->groups[r->group];
	struct wanted_rule *old = c->before.groups[r->group].rules[r->direction];

	if (g->rules[r->direction] == old) {
		struct wanted_rule *own = wanted_rows(g->n_rules[r->direction] + c->n_rules, sizeof(*own));

		memcpy(own, old, g->n_rules[r->direction] * sizeof(*own));
		g->rules[r->direction] = own;
	}
	return g->rules[r->direction];
}

static int add(struct wanted_change *c, const struct wanted_changed_rule *r, mc_err **err)
{
	size_t *n = &c->wanted->groups[r->group].n_rules[r->direction];

	if (*n >= WANTED_MAX_RULES)
		return mc_err_set(err, 0, "%s has as many rules as can be", c->wanted->groups[r->group].id);
	own_rules(c, r)[(*n)++] = r->rule;
	return 0;
}

/* Their order says nothing. */
static int take_away(struct wanted_change *c, const struct wanted_changed_rule *r, mc_err **err)
{
	size_t *n = &c->wanted->groups[r->group].n_rules[r->direction];
	struct wanted_rule *rules = own_rules(c, r);

	for (size_t i = 0; i < *n; i++)
		if (wanted_rule_same(&rules[i], &r->rule)) {
			rules[i] = rules[--*n];
			return 0;
		}
	return mc_err_set(err, 0, "%s has no such rule", c->wanted->groups[r->group].id);
}

static int read_rule(const struct wanted_change *c, const json_t *doc, struct wanted_changed_rule *r,
		     mc_err **err)
{
	const char *id = mc_json_str(doc, "group", "");
	const struct wanted_group *g = group_by_id(c->wanted, id);

	if (!g)
		return mc_err_set(err, 0, "no %s here", id);
	r->group = (size_t)(g - c->wanted->groups);
	r->added = strcmp(mc_json_str(doc, "operation", ""), "add") == 0;
	r->direction = strcmp(mc_json_str(doc, "direction", ""), "egress") == 0 ? WANTED_EGRESS
									     : WANTED_INGRESS;
	return wanted_parse_rule(&r->rule, mc_json_obj(doc, "rule"), id, err);
}

/* --- all of them ------------------------------------------------------------------------- */

static void end(struct wanted_change *c)
{
	free(c->before.groups);
	free(c->rules);
	free(c);
}

/* Of two arrays for one group's rules, free that which `losing` has and `staying` has not. */
static void drop_rules(const struct wanted_group *losing, const struct wanted_group *staying)
{
	for (int d = 0; d < WANTED_DIRECTION_MAX; d++)
		if (losing->rules[d] != staying->rules[d])
			free(losing->rules[d]);
}

void wanted_change_keep(struct wanted_change *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->wanted->n_groups; i++)
		drop_rules(&c->before.groups[i], &c->wanted->groups[i]);
	end(c);
}

void wanted_change_undo(struct wanted_change *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->wanted->n_groups; i++) {
		drop_rules(&c->wanted->groups[i], &c->before.groups[i]);
		c->wanted->groups[i] = c->before.groups[i];
	}
	c->wanted->generation = c->before.generation;
	end(c);
}

static struct wanted_change *begin(struct wanted *w, size_t n)
{
	struct wanted_change *c = wanted_rows(0, sizeof(*c));

	c->wanted = w;
	c->before = *w;
	c->before.groups = wanted_rows(w->n_groups, sizeof(*w->groups));
	memcpy(c->before.groups, w->groups, w->n_groups * sizeof(*w->groups));
	c->rules = wanted_rows(n, sizeof(*c->rules));
	c->n_rules = n;
	return c;
}

struct wanted_change *wanted_change_new(struct wanted *w, const json_t *doc, mc_err **err)
{
	const json_t *changes = mc_json_arr(doc, "changes");
	int64_t base = mc_json_int(doc, "base", 0), generation = mc_json_int(doc, "generation", 0);
	auto_wanted_change struct wanted_change *c = NULL;

	if (base != w->generation || generation <= base) {
		mc_err_set(err, 0, "%lld does not follow from %lld by way of %lld", (long long)generation,
			   (long long)w->generation, (long long)base);
		return NULL;
	}
	c = begin(w, json_array_size(changes));
	for (size_t i = 0; i < c->n_rules; i++) {
		struct wanted_changed_rule *r = &c->rules[i];

		if (read_rule(c, json_array_get(changes, i), r, err) < 0 ||
		    (r->added ? add : take_away)(c, r, err) < 0)
			return NULL;
	}
	w->generation = generation;
	return MC_STEAL(c);
}
