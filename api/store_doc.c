/* Documents as objects: a transaction's own, read from the rows' texts when it gets them. */
#include <stdlib.h>
#include <string.h>

#include "api/store_internal.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json_text.h"

/* Who releases after each resource frees so many at a time: what all of them look at
 * (their subnet, their group) is not read anew for each. */
#define BATCH 128

/* A published resource with its documents. */
struct loaded {
	struct resource r; /* strings are the row's */
	const struct row *row;
	UT_hash_handle hh; /* by row */
};

static json_t *next_document(const char **at)
{
	const char *text = *at;
	size_t len = strlen(text);
	json_t *doc = len > strlen("{}") ? mc_json_text(text, len) : NULL;

	*at += len + 1;
	if (json_is_object(doc))
		return doc;
	json_decref(doc);
	return json_object();
}

/* The texts of doc, spec and tags. Allocated. */
static char *text_of(const struct row *row)
{
	char *text = mc_alloc(squeezed_len(row->text) + 1);

	squeezed_expand(row->text, text);
	return text;
}

static struct loaded *load(const struct row *row)
{
	mc_autofree char *text = text_of(row);
	struct loaded *l = mc_alloc(sizeof(*l));
	const char *at = text;

	l->r = row->r;
	l->r.doc = next_document(&at);
	l->r.spec = next_document(&at);
	l->r.tags = next_document(&at);
	l->row = row;
	return l;
}

const struct resource *store_doc_load(struct store_tx *tx, const struct row *row)
{
	struct loaded *l;

	HASH_FIND_PTR(tx->loaded, &row, l);
	if (!l) {
		l = load(row);
		HASH_ADD_PTR(tx->loaded, row, l);
	}
	return &l->r;
}

static void drop(struct store_tx *tx, struct loaded *l)
{
	HASH_DEL(tx->loaded, l);
	json_decref(l->r.doc);
	json_decref(l->r.spec);
	json_decref(l->r.tags);
	free(l);
}

/* The table keeps the order in which they came. */
void store_doc_unload(struct store_tx *tx, size_t keep)
{
	while (HASH_COUNT(tx->loaded) > keep)
		drop(tx, ELMT_FROM_HH(tx->loaded->hh.tbl, tx->loaded->hh.tbl->tail));
}

size_t store_mark(struct store_tx *tx)
{
	return HASH_COUNT(tx->loaded);
}

void store_release(struct store_tx *tx, size_t mark)
{
	if (HASH_COUNT(tx->loaded) >= mark + BATCH)
		store_doc_unload(tx, mark);
}

/* In any of the three texts; what is between them is a NUL each. */
bool store_doc_mentions(const struct row *row, const char *word)
{
	mc_autofree char *text = text_of(row);

	return memmem(text, squeezed_len(row->text), word, strlen(word));
}
