/* Shared by store.c (transactions), store_find.c (reading), store_row.c (memory), store_doc.c (documents)
 * and store_db.c (SQLite) alone. */
#ifndef MC_API_STORE_INTERNAL_H
#define MC_API_STORE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>
#include <uthash.h>

#include "api/squeeze.h"
#include "api/store.h"

/* A published resource. Its documents are text, made small: objects take ten times the memory. */
struct row {
	struct resource r;        /* doc, spec, tags are NULL; strings are the store's (string_ref) */
	UT_hash_handle hh;        /* by r.id */
	struct squeezed *text;    /* doc, spec, tags as JSON, a NUL behind each */
	struct resource *edited;  /* the transaction's newer version; only the writer looks */
	bool gone;                /* deleted by the transaction; only the writer looks */
	uint32_t slot;            /* its place in the store's slots */
};

struct kind_list { /* by order of creation */
	struct row **items;
	size_t n, cap;
	uint64_t version;         /* of the last change of any of them */
	struct squeeze *squeeze;
};

struct token {
	char *scope, *token, *digest, *result;
	struct token *next;
};

struct store {
	sqlite3 *db;
	pthread_rwlock_t lock;   /* the memory; held for writing only while a commit is published */
	pthread_mutex_t writer;  /* one write transaction at a time, and the database */
	struct row *by_id;
	struct kind_list kinds[KIND_MAX];
	struct row **slots;      /* NULL: free */
	uint32_t n_slots, cap_slots, slot_hint;
	struct string *strings;  /* what many rows have in common: accounts, regions, parents */
	uint64_t facts_version;
	json_t *facts;
	json_t *keys;            /* {access key id: {secret, account}} */
	char *default_key;
	int64_t next_seq;
	uint64_t version;        /* the last one given */
	store_changed_fn *changed;
	void *changed_ctx;
	store_committed_fn *committed;
	void *committed_ctx;
	store_writing_fn *writing;
	void *writing_ctx;
};

struct store_tx {
	struct store *store;
	bool writing;
	struct resource **inserted; /* new ones, in order; NULL: deleted again */
	size_t n_inserted;
	struct resource **dropped;  /* were inserted, and deleted again */
	size_t n_dropped;
	struct row **edited;        /* the published ones that have ->edited or are ->gone */
	size_t n_edited;
	struct squeezed **texts;    /* at commit: of the edited ones (NULL: gone), then of the inserted */
	struct loaded *loaded;      /* what it has got with documents */
	struct store_seen *seen;    /* being watched; NULL: not */
	json_t *facts;              /* changed ones */
	struct token *tokens;
};

/* store_find.c: one that the transaction has inserted, NULL where there is none of this id. */
struct resource *store_inserted_by_id(const struct store_tx *tx, const char *id);

/* store_db.c */
sqlite3 *store_db_open(const char *path, mc_err **err);
int store_db_load(struct store *s, mc_err **err);
int store_db_write(struct store_tx *tx, mc_err **err);
/* fn between BEGIN and COMMIT, or ROLLBACK where it fails. */
int store_db_transact(sqlite3 *db, store_sql_fn *fn, void *ctx, mc_err **err);

/* --- store_row.c: under the writer's lock, those that change rows with the lock held for
 * writing too ------------------------------------------------------------------ */
void store_rows_init(struct store *s);
void store_rows_deinit(struct store *s);
struct row *store_row_find(struct store *s, const char *id);
/* The documents as text. */
struct squeezed *store_row_text(struct store *s, enum kind kind, const char *doc, const char *spec, const char *tags);
struct squeezed *store_row_text_of(struct store *s, const struct resource *r);
/* Make r what everybody sees; takes over r and text. r's documents may be NULL. */
void store_publish(struct store *s, struct resource *r, struct squeezed *text);
void store_unpublish(struct store *s, struct row *row);
/* The version of what is in a slot, or of a kind's or the facts' pseudo-slot; 0: nothing. */
uint64_t store_slot_version(const struct store *s, uint32_t slot);
uint32_t store_kind_slot(enum kind kind);
uint32_t store_facts_slot(void);

/* --- store_doc.c ---------------------------------------------------------------- */
/* The row with its documents, the same one each time. The transaction's until it unloads. */
const struct resource *store_doc_load(struct store_tx *tx, const struct row *row);
/* Free all but the first keep ones. */
void store_doc_unload(struct store_tx *tx, size_t keep);
bool store_doc_mentions(const struct row *row, const char *word);

#endif
