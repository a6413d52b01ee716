#include "netd/ruleset.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"

/* Texts that are mostly empty cost nothing then. */
static char *own(const char *text)
{
	static char nothing[] = "";

	return text && *text ? mc_strdup(text) : nothing;
}

static void disown(char *text)
{
	if (*text)
		free(text);
}

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

static void free_element(struct ruleset_element *e)
{
	free(e->key);
	disown(e->data);
	disown(e->comment);
}

static void free_set(struct ruleset_set *s)
{
	for (size_t i = 0; i < s->n_elements; i++)
		free_element(&s->elements[i]);
	free(s->elements);
	free(s->name);
	disown(s->spec);
	free(s);
}

void ruleset_free(struct ruleset *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_chains; i++) {
		free(r->chains[i].name);
		disown(r->chains[i].hook);
		free(r->chains[i].rules);
	}
	for (size_t i = 0; i < r->n_sets; i++)
		free_set(r->sets[i]);
	free(r->chains);
	free(r->sets);
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

static struct ruleset_chain *push_chain(struct ruleset *r, const char *name, const char *hook)
{
	void *rows = r->chains;
	struct ruleset_chain *c = push(&rows, &r->n_chains, sizeof(*c));

	r->chains = rows;
	c->name = mc_strdup(name);
	c->hook = own(hook);
	return c;
}

void ruleset_add_chain(struct ruleset *r, const char *name, const char *hook, const char *rules)
{
	struct ruleset_chain *c = push_chain(r, name, hook);

	c->rules = mc_strdup(rules);
	if (*rules)
		ruleset_digest(rules, c->digest);
}

void ruleset_add_present_chain(struct ruleset *r, const char *name, const char *digest)
{
	snprintf(push_chain(r, name, "")->digest, RULESET_DIGEST_LEN, "%s", digest);
}

static struct ruleset_set *push_set(struct ruleset *r, const char *name, const char *spec)
{
	void *rows = r->sets;
	struct ruleset_set **place = push(&rows, &r->n_sets, sizeof(*place));

	r->sets = rows;
	*place = mc_alloc(sizeof(**place));
	(*place)->name = mc_strdup(name);
	(*place)->spec = own(spec);
	return *place;
}

struct ruleset_set *ruleset_add_set(struct ruleset *r, const char *name, const char *spec)
{
	mc_autofree char *full = mc_strf("%s %s", r->home, name);
	struct ruleset_set *s = push_set(r, full, spec);

	s->managed = true;
	return s;
}

struct ruleset_set *ruleset_set(struct ruleset *r, const char *name)
{
	for (size_t i = 0; i < r->n_sets; i++)
		if (strcmp(r->sets[i]->name, name) == 0)
			return r->sets[i];
	return push_set(r, name, "");
}

struct ruleset_element *ruleset_set_add(struct ruleset_set *s, const char *key, const char *data,
					const char *comment)
{
	void *rows = s->elements;
	struct ruleset_element *e = push(&rows, &s->n_elements, sizeof(*e));

	s->elements = rows;
	e->key = mc_strdup(key);
	e->data = own(data);
	e->comment = own(comment);
	return e;
}

struct ruleset_element *ruleset_add_element(struct ruleset *r, const char *set, const char *key,
					    const char *data, const char *comment)
{
	return ruleset_set_add(ruleset_set(r, set), key, data, comment);
}

/* --- names ---------------------------------------------------------------------- */

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

	return has_prefix(name, prefixes, MC_ARRAY_SIZE(prefixes));
}

bool ruleset_set_managed(const char *name)
{
	const char *const prefixes[] = RULESET_SET_PREFIXES;

	return has_prefix(name, prefixes, MC_ARRAY_SIZE(prefixes));
}

bool ruleset_set_free(const char *name)
{
	return strncmp(name, RULESET_FREE_PREFIX, strlen(RULESET_FREE_PREFIX)) == 0;
}

void ruleset_digest(const char *text, char out[RULESET_DIGEST_LEN])
{
	unsigned char sum[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)text, strlen(text), sum);
	for (int i = 0; i < 8; i++)
		snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

/* --- order ------------------------------------------------------------------------ */

static int by_chain(const void *a, const void *b)
{
	return strcmp(((const struct ruleset_chain *)a)->name,
		      ((const struct ruleset_chain *)b)->name);
}

static int by_set(const void *a, const void *b)
{
	return strcmp((*(struct ruleset_set *const *)a)->name,
		      (*(struct ruleset_set *const *)b)->name);
}

static int by_element(const void *a, const void *b)
{
	return strcmp(((const struct ruleset_element *)a)->key,
		      ((const struct ruleset_element *)b)->key);
}

static void sort(void *rows, size_t n, size_t size, int (*order)(const void *, const void *))
{
	if (n > 1)
		qsort(rows, n, size, order);
}

static void drop_doubles(struct ruleset_set *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n_elements; i++)
		if (kept > 0 && strcmp(s->elements[kept - 1].key, s->elements[i].key) == 0)
			free_element(&s->elements[i]);
		else
			s->elements[kept++] = s->elements[i];
	s->n_elements = kept;
}

void ruleset_sort(struct ruleset *r)
{
	sort(r->chains, r->n_chains, sizeof(*r->chains), by_chain);
	sort(r->sets, r->n_sets, sizeof(*r->sets), by_set);
	for (size_t i = 0; i < r->n_sets; i++) {
		sort(r->sets[i]->elements, r->sets[i]->n_elements, sizeof(struct ruleset_element),
		     by_element);
		drop_doubles(r->sets[i]);
	}
}

static const void *find(const void *key, const void *rows, size_t n, size_t size,
			int (*order)(const void *, const void *))
{
	return n ? bsearch(key, rows, n, size, order) : NULL;
}

const struct ruleset_chain *ruleset_find_chain(const struct ruleset *r, const char *name)
{
	struct ruleset_chain key = { .name = (char *)name };

	return find(&key, r->chains, r->n_chains, sizeof(key), by_chain);
}

const struct ruleset_set *ruleset_find_set(const struct ruleset *r, const char *name)
{
	struct ruleset_set key = { .name = (char *)name }, *p = &key;
	struct ruleset_set *const *found = find(&p, r->sets, r->n_sets, sizeof(p), by_set);

	return found ? *found : NULL;
}

const struct ruleset_element *ruleset_find_element(const struct ruleset_set *s, const char *key)
{
	struct ruleset_element e = { .key = (char *)key };

	return s ? find(&e, s->elements, s->n_elements, sizeof(e), by_element) : NULL;
}

/* Where key is, or where it belongs. */
static size_t place_of(const struct ruleset_set *s, const char *key)
{
	size_t low = 0, high = s->n_elements;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(s->elements[mid].key, key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_at(const struct ruleset_set *s, size_t at, const char *key)
{
	return at < s->n_elements && strcmp(s->elements[at].key, key) == 0;
}

void ruleset_set_insert(struct ruleset_set *s, const char *key)
{
	size_t at = place_of(s, key);
	struct ruleset_element e;

	if (is_at(s, at, key))
		return;
	e = *ruleset_set_add(s, key, NULL, NULL);
	memmove(&s->elements[at + 1], &s->elements[at], (s->n_elements - 1 - at) * sizeof(e));
	s->elements[at] = e;
}

void ruleset_set_remove(struct ruleset_set *s, const char *key)
{
	size_t at = place_of(s, key);

	if (!is_at(s, at, key))
		return;
	free_element(&s->elements[at]);
	memmove(&s->elements[at], &s->elements[at + 1],
		(--s->n_elements - at) * sizeof(*s->elements));
}
