#include "netd/rulediff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"

/* --- what differs ---------------------------------------------------------------- */

static bool chain_changed(const struct ruleset_chain *a, const struct ruleset_chain *b)
{
	return !a || strcmp(a->digest, b->digest) != 0;
}

static bool element_changed(const struct ruleset_element *a, const struct ruleset_element *b)
{
	return strcmp(a->data, b->data) != 0 || strcmp(a->comment, b->comment) != 0;
}

static void note(struct rulediff_element **rows, size_t *n, const struct ruleset_set *s,
		 const struct ruleset_element *e)
{
	if ((*n & (*n - 1)) == 0) {
		struct rulediff_element *grown = reallocarray(*rows, *n ? *n * 2 : 1, sizeof(**rows));

		if (!grown)
			abort();
		*rows = grown;
	}
	(*rows)[(*n)++] = (struct rulediff_element){ s, e };
}

/* Either set may be NULL, with no elements. Both are in order. */
static void compare_elements(struct rulediff *d, const struct ruleset_set *old,
			     const struct ruleset_set *new)
{
	size_t i = 0, j = 0, n = old ? old->n_elements : 0, m = new ? new->n_elements : 0;

	while (i < n || j < m) {
		const struct ruleset_element *a = i < n ? &old->elements[i] : NULL;
		const struct ruleset_element *b = j < m ? &new->elements[j] : NULL;
		int c = !a ? 1 : !b ? -1 : strcmp(a->key, b->key);

		if (c < 0 || (c == 0 && element_changed(a, b)))
			note(&d->gone, &d->n_gone, old, a);
		if (c > 0 || (c == 0 && element_changed(a, b)))
			note(&d->fresh, &d->n_fresh, new, b);
		i += c <= 0;
		j += c >= 0;
	}
}

/* A managed set that goes takes its elements with it. */
static void compare_sets(struct rulediff *d, const struct ruleset *old, const struct ruleset *new)
{
	size_t i = 0, j = 0;

	while (i < old->n_sets || j < new->n_sets) {
		const struct ruleset_set *a = i < old->n_sets ? old->sets[i] : NULL;
		const struct ruleset_set *b = j < new->n_sets ? new->sets[j] : NULL;
		int c = !a ? 1 : !b ? -1 : strcmp(a->name, b->name);

		if ((c < 0 && a->managed) || (c > 0 && b->managed))
			d->structural = true;
		if (c >= 0 || !a->managed)
			compare_elements(d, c <= 0 ? a : NULL, c >= 0 ? b : NULL);
		i += c <= 0;
		j += c >= 0;
	}
}

static void compare_chains(struct rulediff *d, const struct ruleset *old, const struct ruleset *new)
{
	for (size_t i = 0; i < old->n_chains; i++)
		if (!ruleset_find_chain(new, old->chains[i].name))
			d->structural = d->shrinks = true;
	for (size_t i = 0; i < new->n_chains; i++) {
		const struct ruleset_chain *was = ruleset_find_chain(old, new->chains[i].name);

		if (chain_changed(was, &new->chains[i]))
			d->structural = true;
		if (was && chain_changed(was, &new->chains[i]))
			d->shrinks = true;
	}
}

void rulediff_make(const struct ruleset *present, const struct ruleset *wanted,
		   struct rulediff *ret_diff)
{
	static const struct ruleset nothing = { .n_sets = 0 };
	bool rebuild = !present || strcmp(present->version, wanted->version) != 0;
	const struct ruleset *base = rebuild ? &nothing : present;
	struct rulediff d = { .present = present, .wanted = wanted, .rebuild = rebuild,
			      .structural = rebuild, .shrinks = rebuild };

	compare_chains(&d, base, wanted);
	compare_sets(&d, base, wanted);
	if (d.n_gone > 0)
		d.shrinks = true;
	*ret_diff = d;
}

void rulediff_free(struct rulediff *d)
{
	free(d->gone);
	free(d->fresh);
}

/* --- its text ----------------------------------------------------------------------- */

/* All tables anew: deleting and making them is one transaction, no packet sees between. */
static void put_skeleton(FILE *out, const struct ruleset *wanted)
{
	for (const char *const *t = wanted->tables; *t; t++)
		fprintf(out, "table %s\ndelete table %s\n", *t, *t);
	fputs(wanted->skeleton, out);
	fprintf(out, "add chain %s version_%s\n", wanted->home, wanted->version);
	if (*wanted->epoch)
		fprintf(out, "add chain %s epoch_%s\n", wanted->home, wanted->epoch);
}

static void put_new_names(FILE *out, const struct ruleset *old, const struct ruleset *wanted)
{
	for (size_t i = 0; i < wanted->n_sets; i++) {
		const struct ruleset_set *s = wanted->sets[i];

		if (s->managed && !(old && ruleset_find_set(old, s->name)))
			fprintf(out, "add set %s { %s }\n", s->name, s->spec);
	}
	for (size_t i = 0; i < wanted->n_chains; i++) {
		const struct ruleset_chain *c = &wanted->chains[i];

		if (old && ruleset_find_chain(old, c->name))
			continue;
		fprintf(out, "add chain %s %s", wanted->home, c->name);
		if (*c->hook)
			fprintf(out, " { %s }", c->hook);
		fputc('\n', out);
	}
}

/* The first rule carries the digest of them all as its comment: a chain is compared by
 * one word when it is read back, and no packet pays for it. */
static void put_rules(FILE *out, const char *home, const struct ruleset_chain *c)
{
	const char *p = c->rules;

	for (bool first = true; *p; first = false) {
		size_t n = strcspn(p, "\n");

		fprintf(out, "add rule %s %s %.*s", home, c->name, (int)n, p);
		if (first)
			fprintf(out, " comment \"%s\"", c->digest);
		fputc('\n', out);
		p += n + (p[n] == '\n');
	}
}

static void put_chains(FILE *out, const struct ruleset *old, const struct ruleset *wanted)
{
	for (size_t i = 0; old && i < old->n_chains; i++)
		if (!ruleset_find_chain(wanted, old->chains[i].name))
			fprintf(out, "flush chain %s %s\n", wanted->home, old->chains[i].name);
	for (size_t i = 0; i < wanted->n_chains; i++) {
		const struct ruleset_chain *c = &wanted->chains[i];
		const struct ruleset_chain *was = old ? ruleset_find_chain(old, c->name) : NULL;

		if (!chain_changed(was, c))
			continue;
		if (was)
			fprintf(out, "flush chain %s %s\n", wanted->home, c->name);
		put_rules(out, wanted->home, c);
	}
}

/* Open a statement, or go on with it where the last element was of the same set. */
static void put_verb(FILE *out, const char *verb, const struct rulediff_element *e,
		     const struct ruleset_set **last)
{
	if (*last == e->set)
		fputs(", ", out);
	else
		fprintf(out, "%s%s element %s { ", *last ? " }\n" : "", verb, e->set->name);
	*last = e->set;
}

static void put_gone_elements(FILE *out, const struct rulediff *d)
{
	const struct ruleset_set *last = NULL;

	for (size_t i = 0; i < d->n_gone; i++) {
		const struct ruleset_element *e = d->gone[i].element;

		put_verb(out, "delete", &d->gone[i], &last);
		fprintf(out, "%s%s%s", e->key, *e->data ? " : " : "", e->data);
	}
	if (last)
		fputs(" }\n", out);
}

static void put_new_elements(FILE *out, const struct rulediff *d)
{
	const struct ruleset_set *last = NULL;

	for (size_t i = 0; i < d->n_fresh; i++) {
		const struct ruleset_element *e = d->fresh[i].element, *count = NULL;

		if (d->rebuild && d->present)
			count = ruleset_find_element(
				ruleset_find_set(d->present, d->fresh[i].set->name), e->key);
		put_verb(out, "add", &d->fresh[i], &last);
		fputs(e->key, out);
		if (count && count->packets)
			fprintf(out, " counter packets %llu bytes %llu",
				(unsigned long long)count->packets, (unsigned long long)count->bytes);
		if (*e->comment)
			fprintf(out, " comment \"%s\"", e->comment);
		if (*e->data)
			fprintf(out, " : %s", e->data);
	}
	if (last)
		fputs(" }\n", out);
}

static void put_gone_names(FILE *out, const struct ruleset *old, const struct ruleset *wanted)
{
	for (size_t i = 0; old && i < old->n_chains; i++)
		if (!ruleset_find_chain(wanted, old->chains[i].name))
			fprintf(out, "delete chain %s %s\n", wanted->home, old->chains[i].name);
	for (size_t i = 0; old && i < old->n_sets; i++)
		if (old->sets[i]->managed && !ruleset_find_set(wanted, old->sets[i]->name))
			fprintf(out, "delete set %s\n", old->sets[i]->name);
}

char *rulediff_text(const struct rulediff *d)
{
	const struct ruleset *old = d->rebuild ? NULL : d->present;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		abort();
	if (d->rebuild)
		put_skeleton(out, d->wanted);
	put_new_names(out, old, d->wanted);
	put_chains(out, old, d->wanted);
	put_gone_elements(out, d);
	put_new_elements(out, d);
	put_gone_names(out, old, d->wanted);
	if (fclose(out) != 0)
		abort();
	return text;
}
