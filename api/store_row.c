/* The rows in memory: by id, by kind in order of creation, by slot. */
#include "api/store_internal.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"

/* --- strings that rows share ----------------------------------------------------------- */

struct string {
	UT_hash_handle hh;
	unsigned refs;
	char text[];
};

static char *string_ref(struct store *s, const char *text)
{
	struct string *t;

	if (!text)
		return NULL;
	HASH_FIND_STR(s->strings, text, t);
	if (!t) {
		size_t n = strlen(text) + 1;

		t = mc_alloc(sizeof(*t) + n);
		memcpy(t->text, text, n);
		HASH_ADD_KEYPTR(hh, s->strings, t->text, n - 1, t);
	}
	t->refs++;
	return t->text;
}

static void string_unref(struct store *s, const char *text)
{
	struct string *t;

	if (!text)
		return;
	HASH_FIND_STR(s->strings, text, t);
	if (--t->refs > 0)
		return;
	HASH_DEL(s->strings, t);
	free(t);
}

/* The row's strings instead of r's own, which are freed. */
static void take_strings(struct store *s, struct row *row, struct resource *r)
{
	char **const from[] = { &r->account, &r->region, &r->az, &r->host, &r->parent };
	char **const to[] = { &row->r.account, &row->r.region, &row->r.az, &row->r.host, &row->r.parent };

	for (size_t i = 0; i < MC_ARRAY_SIZE(to); i++) {
		char *old = *to[i];

		*to[i] = string_ref(s, *from[i]);
		string_unref(s, old);
		free(*from[i]);
	}
}

static void drop_strings(struct store *s, struct row *row)
{
	string_unref(s, row->r.account);
	string_unref(s, row->r.region);
	string_unref(s, row->r.az);
	string_unref(s, row->r.host);
	string_unref(s, row->r.parent);
}

/* --- slots ----------------------------------------------------------------------------- */

uint32_t store_kind_slot(enum kind kind)
{
	return UINT32_MAX - (uint32_t)kind;
}

uint32_t store_facts_slot(void)
{
	return UINT32_MAX - KIND_MAX;
}

uint64_t store_slot_version(const struct store *s, uint32_t slot)
{
	if (slot < s->n_slots)
		return s->slots[slot] ? s->slots[slot]->r.version : 0;
	if (slot == store_facts_slot())
		return s->facts_version;
	return slot > store_facts_slot() ? s->kinds[UINT32_MAX - slot].version : 0;
}

/* Slots are given anew only when most are free: looking for one is short then. */
static uint32_t free_slot(struct store *s)
{
	if (s->n_slots == s->cap_slots && s->n_slots > 2 * HASH_COUNT(s->by_id))
		for (;;) {
			uint32_t slot = s->slot_hint++ % s->n_slots;

			if (!s->slots[slot])
				return slot;
		}
	if (s->n_slots == s->cap_slots) {
		s->cap_slots = s->cap_slots ? s->cap_slots * 2 : 64;
		s->slots = realloc(s->slots, s->cap_slots * sizeof(struct row *));
		if (!s->slots)
			abort();
	}
	return s->n_slots++;
}

/* --- lists by kind ----------------------------------------------------------------------- */

static void list_append(struct kind_list *l, struct row *row)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->items = realloc(l->items, l->cap * sizeof(struct row *));
		if (!l->items)
			abort();
	}
	l->items[l->n++] = row;
}

/* The lists are ascending by seq. */
static size_t list_find(const struct kind_list *l, int64_t seq)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (l->items[mid]->r.seq < seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* --- rows ------------------------------------------------------------------------------ */

void store_rows_init(struct store *s)
{
	for (int k = 0; k < KIND_MAX; k++)
		s->kinds[k].squeeze = squeeze_new();
}

static void row_free(struct store *s, struct row *row)
{
	drop_strings(s, row);
	squeezed_free(row->text);
	free(row);
}

void store_rows_deinit(struct store *s)
{
	struct row *row, *tmp;

	HASH_ITER(hh, s->by_id, row, tmp) {
		HASH_DEL(s->by_id, row);
		row_free(s, row);
	}
	for (int k = 0; k < KIND_MAX; k++) {
		free(s->kinds[k].items);
		squeeze_free(s->kinds[k].squeeze);
	}
	free(s->slots);
}

struct row *store_row_find(struct store *s, const char *id)
{
	struct row *row;

	HASH_FIND_STR(s->by_id, id, row);
	return row;
}

struct squeezed *store_row_text(struct store *s, enum kind kind, const char *doc, const char *spec, const char *tags)
{
	const char *const parts[] = { doc, spec, tags };
	size_t len[MC_ARRAY_SIZE(parts)], total = 0, at = 0;
	mc_autofree char *text = NULL;

	for (size_t i = 0; i < MC_ARRAY_SIZE(parts); i++)
		total += len[i] = strlen(parts[i]) + 1;
	text = mc_alloc(total);
	for (size_t i = 0; i < MC_ARRAY_SIZE(parts); i++) {
		memcpy(text + at, parts[i], len[i]);
		at += len[i];
	}
	return squeeze_text(s->kinds[kind].squeeze, text, total);
}

struct squeezed *store_row_text_of(struct store *s, const struct resource *r)
{
	mc_autofree char *doc = json_dumps(r->doc, JSON_COMPACT);
	mc_autofree char *spec = json_dumps(r->spec, JSON_COMPACT);
	mc_autofree char *tags = json_dumps(r->tags, JSON_COMPACT);

	return store_row_text(s, r->kind, doc ? doc : "{}", spec ? spec : "{}", tags ? tags : "{}");
}

static struct row *row_new(struct store *s, const struct resource *r)
{
	struct row *row = mc_alloc(sizeof(*row));

	row->r.kind = r->kind;
	memcpy(row->r.id, r->id, sizeof(row->r.id));
	row->r.seq = r->seq;
	row->r.created = r->created;
	row->slot = free_slot(s);
	s->slots[row->slot] = row;
	list_append(&s->kinds[r->kind], row);
	HASH_ADD_STR(s->by_id, r.id, row);
	return row;
}

void store_publish(struct store *s, struct resource *r, struct squeezed *text)
{
	struct row *row = store_row_find(s, r->id);

	if (!row)
		row = row_new(s, r);
	squeezed_free(row->text);
	row->text = text;
	row->r.state = r->state;
	row->r.version = s->kinds[r->kind].version = ++s->version;
	row->edited = NULL;
	take_strings(s, row, r);
	json_decref(r->doc);
	json_decref(r->spec);
	json_decref(r->tags);
	free(r);
}

void store_unpublish(struct store *s, struct row *row)
{
	struct kind_list *l = &s->kinds[row->r.kind];
	size_t at = list_find(l, row->r.seq);

	memmove(l->items + at, l->items + at + 1, (l->n - at - 1) * sizeof(struct row *));
	l->n--;
	l->version = ++s->version;
	s->slots[row->slot] = NULL;
	HASH_DEL(s->by_id, row);
	row_free(s, row);
}
