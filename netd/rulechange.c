#include "netd/rulechange.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "netd/group.h"
#include "netd/netlink.h"
#include "netd/vpcrules.h"

/* --- which rules share elements ---------------------------------------------------------- */

/* Of one protocol; other numbers than ports are no ranges. */
static bool ports_meet(const struct wanted_rule *a, const struct wanted_rule *b)
{
	if (a->protocol != IPPROTO_TCP && a->protocol != IPPROTO_UDP)
		return true;
	return a->from == WANTED_ALL || b->from == WANTED_ALL || (a->from <= b->to && b->from <= a->to);
}

/* Can both be looked up by one element? Only those of the same peer and protocol can; of numbers that
 * do not meet none is. */
static bool may_share(const struct wanted_rule *a, const struct wanted_rule *b)
{
	bool same_peer = a->group[0] || b->group[0] ? strcmp(a->group, b->group) == 0
						   : a->cidr.addr == b->cidr.addr && a->cidr.len == b->cidr.len;

	return same_peer && a->protocol == b->protocol && ports_meet(a, b);
}

static struct ruleset *elements_of(const struct wanted_group *g, enum wanted_direction d,
				   const struct wanted_rule *rule)
{
	struct ruleset *rs = ruleset_new(vpcrules_tables, VPCRULES_HOME, NULL);

	group_add_elements(rs, g, d, rule);
	ruleset_sort(rs);
	return rs;
}

/* All that the group's other rules of this kind are looked up by. */
static struct ruleset *elements_left(const struct wanted_change *c, const struct wanted_changed_rule *r)
{
	const struct wanted_group *g = &c->wanted->groups[r->group];
	struct ruleset *rs = ruleset_new(vpcrules_tables, VPCRULES_HOME, NULL);

	for (size_t i = 0; i < g->n_rules[r->direction]; i++)
		if (may_share(&r->rule, &g->rules[r->direction][i]))
			group_add_elements(rs, g, r->direction, &g->rules[r->direction][i]);
	ruleset_sort(rs);
	return rs;
}

/* --- what comes and goes ------------------------------------------------------------------- */

static void note(struct rulediff_element **rows, size_t *n, const struct ruleset_set *s,
		 const struct ruleset_element *e)
{
	*rows = netlink_grow(*rows, *n, sizeof(**rows));
	(*rows)[(*n)++] = (struct rulediff_element){ s, e };
}

/* Each rule has brought a set of that name. */
static bool is_left(const struct ruleset *left, const char *set, const char *key)
{
	for (size_t i = 0; i < left->n_sets; i++)
		if (strcmp(left->sets[i]->name, set) == 0 && ruleset_find_element(left->sets[i], key))
			return true;
	return false;
}

/* What is left says it, whatever came and went in between. */
static void compare(struct rulediff *d, const struct ruleset_set *present, const struct ruleset *left,
		    const struct ruleset_set *touched)
{
	for (size_t i = 0; i < touched->n_elements; i++) {
		const struct ruleset_element *e = &touched->elements[i];
		bool is = ruleset_find_element(present, e->key);
		bool shall = is_left(left, touched->name, e->key);

		if (is && !shall)
			note(&d->gone, &d->n_gone, touched, e);
		if (!is && shall)
			note(&d->fresh, &d->n_fresh, touched, e);
	}
}

/* One set of the rule's. False where the set is new. One of which nothing is left stays, empty, with the rule that looks into it:
 * the next whole document takes both away. To change a chain takes ten times as long as to change elements. */
static bool add_set(struct rulechange *c, const struct ruleset *present, const struct ruleset *left,
		    const struct ruleset_set *of_rule)
{
	const struct ruleset_set *is = ruleset_find_set(present, of_rule->name);
	struct ruleset_set *touched;

	if (!is || !*is->spec)
		return false;
	touched = ruleset_add_set(c->touched, strrchr(of_rule->name, ' ') + 1, of_rule->spec);
	for (size_t i = 0; i < of_rule->n_elements; i++)
		ruleset_set_add(touched, of_rule->elements[i].key, NULL, NULL);
	compare(&c->diff, is, left, touched);
	return true;
}

static bool add_rule(struct rulechange *c, const struct ruleset *present, const struct wanted_change *change,
		     const struct wanted_changed_rule *r)
{
	auto_ruleset struct ruleset *own = elements_of(&change->wanted->groups[r->group], r->direction, &r->rule);
	auto_ruleset struct ruleset *left = elements_left(change, r);

	for (size_t i = 0; i < own->n_sets; i++)
		if (!add_set(c, present, left, own->sets[i]))
			return false;
	return own->n_sets > 0;
}

static int by_element(const void *a, const void *b)
{
	const struct rulediff_element *x = a, *y = b;
	int c = strcmp(x->set->name, y->set->name);

	return c ? c : strcmp(x->element->key, y->element->key);
}

/* Rules that share an element name it each. */
static void drop_doubles(struct rulediff_element *rows, size_t *n)
{
	size_t kept = 0;

	if (*n > 1)
		qsort(rows, *n, sizeof(*rows), by_element);
	for (size_t i = 0; i < *n; i++)
		if (kept == 0 || by_element(&rows[kept - 1], &rows[i]) != 0)
			rows[kept++] = rows[i];
	*n = kept;
}

bool rulechange_make(const struct ruleset *present, const struct wanted_change *change,
		     struct rulechange *ret_change)
{
	auto_rulechange struct rulechange c = {
		.touched = ruleset_new(vpcrules_tables, VPCRULES_HOME, NULL),
		.diff = { .present = present, .wanted = present },
	};

	for (size_t i = 0; i < change->n_rules; i++)
		if (!add_rule(&c, present, change, &change->rules[i]))
			return false;
	drop_doubles(c.diff.gone, &c.diff.n_gone);
	drop_doubles(c.diff.fresh, &c.diff.n_fresh);
	c.diff.shrinks = c.diff.n_gone > 0;
	*ret_change = c;
	c = (struct rulechange){ .touched = NULL };
	return true;
}

void rulechange_note(const struct rulechange *c, struct ruleset *present)
{
	for (size_t i = 0; i < c->diff.n_gone; i++)
		ruleset_set_remove(ruleset_set(present, c->diff.gone[i].set->name), c->diff.gone[i].element->key);
	for (size_t i = 0; i < c->diff.n_fresh; i++)
		ruleset_set_insert(ruleset_set(present, c->diff.fresh[i].set->name), c->diff.fresh[i].element->key);
}

void rulechange_free(struct rulechange *c)
{
	ruleset_free(c->touched);
	rulediff_free(&c->diff);
}
