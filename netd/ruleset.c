#include "netd/ruleset.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"

/* --- building ---------------------------------------------------------------- */

struct ruleset *ruleset_new(const char *const *tables, const char *home, const char *skeleton)
{
	struct ruleset *r = mc_alloc(sizeof(*r));

	r->tables = tables;
	r->home = home;
	r->skeleton = skeleton;
	if (skeleton)
		ruleset_digest(skeleton, r->version);
	return r;
}

void ruleset_free(struct ruleset *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_chains; i++) {
		free(r->chains[i].name);
		free(r->chains[i].rules);
	}
	for (size_t i = 0; i < r->n_sets; i++)
		free(r->sets[i]);
	for (size_t i = 0; i < r->n_elements; i++) {
		free(r->elements[i].set);
		free(r->elements[i].key);
		free(r->elements[i].data);
		free(r->elements[i].comment);
	}
	free(r->chains);
	free(r->sets);
	free(r->elements);
	free(r);
}

/* Room for one more row; grows by doubling. The new row is zeroed. */
static void *push(void **rows, size_t *n, size_t size)
{
	char *row;

	if ((*n & (*n - 1)) == 0) {
		size_t room = *n ? *n * 2 : 1;
		void *grown = realloc(*rows, room * size);

		if (!grown)
			abort();
		*rows = grown;
	}
	row = (char *)*rows + (*n)++ * size;
	memset(row, 0, size);
	return row;
}

static struct ruleset_chain *push_chain(struct ruleset *r, const char *name)
{
	void *rows = r->chains;
	struct ruleset_chain *c = push(&rows, &r->n_chains, sizeof(*c));

	r->chains = rows;
	c->name = mc_strdup(name);
	return c;
}

void ruleset_add_chain(struct ruleset *r, const char *name, const char *rules)
{
	struct ruleset_chain *c = push_chain(r, name);

	c->rules = mc_strdup(rules);
	if (*rules)
		ruleset_digest(rules, c->digest);
}

void ruleset_add_present_chain(struct ruleset *r, const char *name, const char *digest)
{
	snprintf(push_chain(r, name)->digest, RULESET_DIGEST_LEN, "%s", digest);
}

void ruleset_add_set(struct ruleset *r, const char *name)
{
	void *rows = r->sets;
	char **s = push(&rows, &r->n_sets, sizeof(*s));

	r->sets = rows;
	*s = mc_strdup(name);
}

struct ruleset_element *ruleset_add_element(struct ruleset *r, const char *set, const char *key,
					    const char *data, const char *comment)
{
	void *rows = r->elements;
	struct ruleset_element *e = push(&rows, &r->n_elements, sizeof(*e));

	r->elements = rows;
	e->set = mc_strdup(set);
	e->key = mc_strdup(key);
	e->data = mc_strdup(data ? data : "");
	e->comment = mc_strdup(comment ? comment : "");
	return e;
}

static bool has_prefix(const char *name, const char *const *prefixes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

bool ruleset_chain_managed(const char *name)
{
	const char *const prefixes[] = RULESET_CHAIN_PREFIXES;

	return has_prefix(name, prefixes, sizeof(prefixes) / sizeof(prefixes[0]));
}

bool ruleset_set_managed(const char *name)
{
	const char *const prefixes[] = RULESET_SET_PREFIXES;

	return has_prefix(name, prefixes, sizeof(prefixes) / sizeof(prefixes[0]));
}

void ruleset_digest(const char *text, char out[RULESET_DIGEST_LEN])
{
	unsigned char sum[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)text, strlen(text), sum);
	for (int i = 0; i < 8; i++)
		snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

/* --- difference --------------------------------------------------------------- */

static int by_chain(const void *a, const void *b)
{
	return strcmp(((const struct ruleset_chain *)a)->name,
		      ((const struct ruleset_chain *)b)->name);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_element(const void *a, const void *b)
{
	const struct ruleset_element *x = a, *y = b;
	int c = strcmp(x->set, y->set);

	return c ? c : strcmp(x->key, y->key);
}

static void sort(void *rows, size_t n, size_t size, int (*order)(const void *, const void *))
{
	if (n > 1)
		qsort(rows, n, size, order);
}

static void sort_all(struct ruleset *r)
{
	sort(r->chains, r->n_chains, sizeof(*r->chains), by_chain);
	sort(r->sets, r->n_sets, sizeof(*r->sets), by_text);
	sort(r->elements, r->n_elements, sizeof(*r->elements), by_element);
}

static void *find(const void *key, const void *rows, size_t n, size_t size,
		  int (*order)(const void *, const void *))
{
	return n ? bsearch(key, rows, n, size, order) : NULL;
}

static const struct ruleset_chain *find_chain(const struct ruleset *r,
					      const struct ruleset_chain *c)
{
	return find(c, r->chains, r->n_chains, sizeof(*c), by_chain);
}

static bool has_set(const struct ruleset *r, char *const *name)
{
	return find(name, r->sets, r->n_sets, sizeof(*name), by_text);
}

static const struct ruleset_element *find_element(const struct ruleset *r,
						  const struct ruleset_element *e)
{
	return find(e, r->elements, r->n_elements, sizeof(*e), by_element);
}

static bool chain_changed(const struct ruleset_chain *a, const struct ruleset_chain *b)
{
	return !a || strcmp(a->digest, b->digest) != 0;
}

static bool element_changed(const struct ruleset_element *a, const struct ruleset_element *b)
{
	return !a || strcmp(a->data, b->data) != 0 || strcmp(a->comment, b->comment) != 0;
}

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

static void put_new_names(FILE *out, const struct ruleset *present, const struct ruleset *wanted)
{
	for (size_t i = 0; i < wanted->n_sets; i++)
		if (!has_set(present, &wanted->sets[i]))
			fprintf(out, "add set %s %s { type ipv4_addr; }\n", wanted->home,
				wanted->sets[i]);
	for (size_t i = 0; i < wanted->n_chains; i++)
		if (!find_chain(present, &wanted->chains[i]))
			fprintf(out, "add chain %s %s\n", wanted->home, wanted->chains[i].name);
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

static void put_chains(FILE *out, const struct ruleset *present, const struct ruleset *wanted,
		       struct ruleset_diff *diff)
{
	for (size_t i = 0; i < present->n_chains; i++)
		if (!find_chain(wanted, &present->chains[i])) {
			fprintf(out, "flush chain %s %s\n", wanted->home, present->chains[i].name);
			diff->shrinks = true;
		}
	for (size_t i = 0; i < wanted->n_chains; i++) {
		const struct ruleset_chain *c = &wanted->chains[i], *old = find_chain(present, c);

		if (!chain_changed(old, c))
			continue;
		if (old) {
			fprintf(out, "flush chain %s %s\n", wanted->home, c->name);
			diff->shrinks = true;
		}
		put_rules(out, wanted->home, c);
	}
}

/* Open a statement, or go on with it where the last element was of the same set. */
static void put_verb(FILE *out, const char *verb, const struct ruleset_element *e,
		     const struct ruleset_element **last)
{
	if (*last && strcmp((*last)->set, e->set) == 0)
		fputs(", ", out);
	else
		fprintf(out, "%s%s element %s { ", *last ? " }\n" : "", verb, e->set);
	*last = e;
}

static void put_gone_elements(FILE *out, const struct ruleset *present,
			      const struct ruleset *wanted, struct ruleset_diff *diff)
{
	const struct ruleset_element *last = NULL;

	for (size_t i = 0; i < present->n_elements; i++) {
		const struct ruleset_element *e = &present->elements[i], *n = find_element(wanted, e);

		if (n && !element_changed(e, n))
			continue;
		put_verb(out, "delete", e, &last);
		fprintf(out, "%s%s%s", e->key, *e->data ? " : " : "", e->data);
		diff->shrinks = true;
	}
	if (last)
		fputs(" }\n", out);
}

static void put_new_elements(FILE *out, const struct ruleset *present,
			     const struct ruleset *wanted, const struct ruleset *counted)
{
	const struct ruleset_element *last = NULL;

	for (size_t i = 0; i < wanted->n_elements; i++) {
		const struct ruleset_element *e = &wanted->elements[i];
		const struct ruleset_element *old = find_element(present, e);
		const struct ruleset_element *count = counted ? find_element(counted, e) : NULL;

		if (!element_changed(old, e))
			continue;
		put_verb(out, "add", e, &last);
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

static void put_gone_names(FILE *out, const struct ruleset *present, const struct ruleset *wanted)
{
	for (size_t i = 0; i < present->n_chains; i++)
		if (!find_chain(wanted, &present->chains[i]))
			fprintf(out, "delete chain %s %s\n", wanted->home, present->chains[i].name);
	for (size_t i = 0; i < present->n_sets; i++)
		if (!has_set(wanted, &present->sets[i]))
			fprintf(out, "delete set %s %s\n", wanted->home, present->sets[i]);
}

void ruleset_diff(struct ruleset *present, struct ruleset *wanted, struct ruleset_diff *ret_diff)
{
	auto_ruleset struct ruleset *nothing = ruleset_new(wanted->tables, wanted->home, NULL);
	bool rebuild = !present || strcmp(present->version, wanted->version) != 0;
	const struct ruleset *base = rebuild ? nothing : present;
	struct ruleset_diff diff = { .shrinks = rebuild };
	size_t len;
	FILE *out = open_memstream(&diff.text, &len);

	if (!out)
		abort();
	if (present)
		sort_all(present);
	sort_all(wanted);
	if (rebuild)
		put_skeleton(out, wanted);
	put_new_names(out, base, wanted);
	put_chains(out, base, wanted, &diff);
	put_gone_elements(out, base, wanted, &diff);
	put_new_elements(out, base, wanted, rebuild ? present : NULL);
	put_gone_names(out, base, wanted);
	if (fclose(out) != 0)
		abort();
	*ret_diff = diff;
}
