/* Reading: what a transaction sees, and what it is noted to have looked at. */
#include <stdlib.h>
#include <string.h>

#include "api/store_internal.h"
#include "common/json.h"

static struct row *row_of(const struct resource *bare)
{
	return (struct row *)((char *)(uintptr_t)bare - offsetof(struct row, r));
}

uint32_t store_slot(struct store_tx *tx, const char *id)
{
	return store_row_find(tx->store, id)->slot;
}

static void note_seen(struct store_tx *tx, uint32_t slot)
{
	struct store_seen *seen = tx->seen;

	for (size_t i = 0; i < seen->n; i++)
		if (seen->slots[i] == slot)
			return;
	if (seen->n == seen->cap) {
		seen->cap = seen->cap ? seen->cap * 2 : 16;
		seen->slots = realloc(seen->slots, seen->cap * sizeof(*seen->slots));
		if (!seen->slots)
			abort();
	}
	seen->slots[seen->n++] = slot;
}

/* What the transaction sees of a published resource, without documents unless it is its own. */
static const struct resource *seen(const struct store_tx *tx, struct row *row)
{
	if (!tx->writing)
		return &row->r;
	if (row->gone)
		return NULL;
	return row->edited ? row->edited : &row->r;
}

const struct resource *store_load(struct store_tx *tx, const struct resource *bare)
{
	return bare && !bare->doc ? store_doc_load(tx, row_of(bare)) : bare;
}

struct resource *store_inserted_by_id(const struct store_tx *tx, const char *id)
{
	for (size_t i = tx->n_inserted; i-- > 0;)
		if (tx->inserted[i] && strcmp(tx->inserted[i]->id, id) == 0)
			return tx->inserted[i];
	return NULL;
}

const struct resource *store_get_bare(struct store_tx *tx, const char *id)
{
	struct row *row = id ? store_row_find(tx->store, id) : NULL;

	if (row && tx->seen)
		note_seen(tx, row->slot);
	if (row)
		return seen(tx, row);
	return id ? store_inserted_by_id(tx, id) : NULL;
}

const struct resource *store_get(struct store_tx *tx, const char *id)
{
	return store_load(tx, store_get_bare(tx, id));
}

const struct resource *store_peek(struct store_tx *tx, const char *id)
{
	struct store_seen *watching = tx->seen;
	const struct resource *r;

	tx->seen = NULL;
	r = store_get(tx, id);
	tx->seen = watching;
	return r;
}

static bool belongs(const struct resource *r, const char *account, const char *region)
{
	return (!account || strcmp(account, r->account) == 0) && (!region || strcmp(region, r->region) == 0);
}

const struct resource *store_find_bare(struct store_tx *tx, enum kind kind, const char *account,
				       const char *region, const char *id)
{
	const struct resource *r = store_get_bare(tx, id);

	return r && r->kind == kind && belongs(r, account, region) ? r : NULL;
}

const struct resource *store_find(struct store_tx *tx, enum kind kind, const char *account,
				  const char *region, const char *id)
{
	return store_load(tx, store_find_bare(tx, kind, account, region, id));
}

/* --- going through many --------------------------------------------------------- */

struct store_iter store_iter(struct store_tx *tx, enum kind kind, const char *account,
			     const char *region)
{
	if (tx->seen)
		note_seen(tx, store_kind_slot(kind));
	return (struct store_iter){ .tx = tx, .kind = kind, .account = account, .region = region };
}

static const struct resource *step(struct store_iter *it)
{
	struct kind_list *l = &it->tx->store->kinds[it->kind];

	if (it->i < l->n)
		return seen(it->tx, l->items[it->i++]);
	if (it->j < it->tx->n_inserted) {
		struct resource *r = it->tx->inserted[it->j++];

		return r && r->kind == it->kind ? r : NULL;
	}
	it->j = SIZE_MAX;
	return NULL;
}

const struct resource *store_next_bare(struct store_iter *it)
{
	while (it->j != SIZE_MAX) {
		const struct resource *r = step(it);

		if (r && belongs(r, it->account, it->region))
			return r;
	}
	return NULL;
}

struct store_iter store_pass(struct store_tx *tx, enum kind kind, const char *account, const char *region,
			     const char *word)
{
	struct store_iter it = store_iter(tx, kind, account, region);

	it.passing = true;
	it.mark = store_mark(tx);
	it.word = word;
	return it;
}

/* Only what is published is a text to be searched. */
static bool mentions(const struct store_iter *it, const struct resource *r)
{
	return !it->word || r->doc || store_doc_mentions(row_of(r), it->word);
}

static bool is_of(const struct resource *r, const char *parent)
{
	return !parent || (r->parent && strcmp(r->parent, parent) == 0);
}

static const struct resource *next_of(struct store_iter *it, const char *parent)
{
	const struct resource *r;

	if (it->passing)
		store_release(it->tx, it->mark);
	while ((r = store_next_bare(it)))
		if (is_of(r, parent) && mentions(it, r))
			return store_load(it->tx, r);
	return NULL;
}

const struct resource *store_next(struct store_iter *it)
{
	return next_of(it, NULL);
}

const struct resource *store_next_of(struct store_iter *it, const char *parent)
{
	return next_of(it, parent);
}

long store_count(struct store_tx *tx, enum kind kind, const char *account, const char *region, const char *parent)
{
	struct store_iter it = store_iter(tx, kind, account, region);
	const struct resource *r;
	long n = 0;

	while ((r = store_next_bare(&it)))
		n += is_of(r, parent);
	return n;
}

const char *store_fact(struct store_tx *tx, const char *key)
{
	const char *text = tx->facts ? mc_json_str(tx->facts, key, NULL) : NULL;

	if (tx->seen)
		note_seen(tx, store_facts_slot());
	return text ? text : mc_json_str(tx->store->facts, key, NULL);
}

/* --- what is looked at --------------------------------------------------------- */

/* One round of FNV-1a for each: versions are never given twice. */
static uint64_t mix_versions(const struct store *s, const uint32_t *slots, size_t n)
{
	uint64_t mix = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < n; i++)
		mix = (mix ^ store_slot_version(s, slots[i])) * 0x100000001b3ULL;
	return mix;
}

void store_watch(struct store_tx *tx, struct store_seen *ret_seen)
{
	struct store_seen *old = tx->seen;

	if (old)
		old->versions = mix_versions(tx->store, old->slots, old->n);
	tx->seen = ret_seen;
	if (ret_seen)
		ret_seen->n = 0;
}

bool store_unchanged(const struct store_tx *tx, const uint32_t *slots, size_t n, uint64_t versions)
{
	return mix_versions(tx->store, slots, n) == versions;
}
