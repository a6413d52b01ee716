/* The truth: resources in memory, kept equal to SQLite by writing through.
 *
 * All access is by a transaction. Many read transactions run side by side and
 * borrow what they look at until store_end(). One write transaction runs at a
 * time; what it changed is seen by itself at once and by others, all of it or
 * nothing, after store_commit(), when it is on disk. No backend is called
 * inside either. */
#ifndef MC_API_STORE_H
#define MC_API_STORE_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/resource.h"
#include "common/error.h"

struct store;
struct store_tx;

/* Open (and create, upgrade, load) the database. NULL and *err on failure. */
struct store *store_open(const char *path, mc_err **err);
/* Have room for commits when the disk is full, so that things can be deleted then (common/db.h). */
void store_keep_room(struct store *s);
void store_close(struct store *store);

struct store_tx *store_read(struct store *store);
struct store_tx *store_write(struct store *store);

/* Make a write transaction true: on disk, then in memory; then every changed
 * resource is handed to the changed hook. Frees tx in any case. 0, or -1 and
 * *err with nothing changed. */
int store_commit(struct store_tx *tx, mc_err **err);
/* End a read transaction, or drop a write transaction. NULL is fine. */
void store_end(struct store_tx *tx);

/* Called after each commit, without locks, for each changed resource
 * (id and kind; whether it still exists is for the callee to look up). */
typedef void store_changed_fn(void *ctx, enum kind kind, const char *id);
void store_on_change(struct store *store, store_changed_fn *fn, void *ctx);

/* What a commit did to one resource. */
struct store_change {
	enum kind kind;
	char id[MC_ID_LEN], account[16], region[32];
	int from, to; /* states of the kind's machine, 0 where it has none; -1: it was not, or is no more, there */
};
/* Called for each changed resource, in the order of the commits, when the change is on disk and
 * seen by readers. The writer's lock is held: be quick, and keep off the store. */
typedef void store_committed_fn(void *ctx, const struct store_change *change);
void store_on_commit(struct store *store, store_committed_fn *fn, void *ctx);

/* What a transaction is about to make of one resource. before NULL: it is new; after NULL: it goes. */
struct store_write {
	const struct resource *before, *after;
};
/* Called inside the SQL transaction of each commit that changes resources, behind its own rows and
 * before it is on disk: what the callee writes to db becomes true with it or not at all. -1 and *err
 * refuses the commit. The writer's lock is held: keep off the store. */
typedef int store_writing_fn(void *ctx, sqlite3 *db, const struct store_write *writes, size_t n, mc_err **err);
void store_on_write(struct store *store, store_writing_fn *fn, void *ctx);

/* Run fn in one SQL transaction of its own, between commits. 0, or -1 and *err with nothing done. */
typedef int store_sql_fn(void *ctx, sqlite3 *db, mc_err **err);
int store_sql(struct store *store, store_sql_fn *fn, void *ctx, mc_err **err);
/* A connection of one's own that only reads, beside the writer. NULL and *err. */
sqlite3 *store_reader(struct store *store, mc_err **err);

/* --- reading: borrowed until the transaction ends (or edits that resource) ---
 * Documents are kept as small texts and are read when a transaction first gets them:
 * a thousand take some ten milliseconds. */
const struct resource *store_get(struct store_tx *tx, const char *id);
/* The same if it is of this kind, account and region; account NULL: any. */
const struct resource *store_find(struct store_tx *tx, enum kind kind, const char *account,
				  const char *region, const char *id);

/* for (struct store_iter it = store_iter(tx, KIND_VPC, account, region); (r = store_next(&it)); )
 * in order of creation. account, region NULL: any. */
struct store_iter {
	struct store_tx *tx;
	enum kind kind;
	const char *account, *region, *word;
	size_t i, j, mark;
	bool passing;
};
struct store_iter store_iter(struct store_tx *tx, enum kind kind, const char *account,
			     const char *region);
const struct resource *store_next(struct store_iter *it);
/* The next one that belongs to this parent. */
const struct resource *store_next_of(struct store_iter *it, const char *parent);

/* An iteration by one who keeps nothing: what was got since the one before is not to be touched
 * after the next one. word: only those whose documents hold it somewhere, as JSON has it (a
 * search without reading them; which of them it is remains to be looked at), and what this
 * transaction has written; NULL: all. */
struct store_iter store_pass(struct store_tx *tx, enum kind kind, const char *account, const char *region,
			     const char *word);

/* The same without documents, for those who look through many: doc, spec and tags of what
 * these return are not to be touched. store_load() makes them be there. */
const struct resource *store_get_bare(struct store_tx *tx, const char *id);
const struct resource *store_find_bare(struct store_tx *tx, enum kind kind, const char *account,
				       const char *region, const char *id);
const struct resource *store_next_bare(struct store_iter *it);
/* How many there are; parent NULL: of any. */
long store_count(struct store_tx *tx, enum kind kind, const char *account, const char *region, const char *parent);
const struct resource *store_load(struct store_tx *tx, const struct resource *bare);

/* Documents got between the two are not to be touched after the second: who goes through
 * all resources needs memory for some. */
size_t store_mark(struct store_tx *tx);
void store_release(struct store_tx *tx, size_t mark);

/* A small number of a published resource that no other one has at the same time. */
uint32_t store_slot(struct store_tx *tx, const char *id);

/* What a read transaction looks at: resources by slot, whole kinds, facts. */
struct store_seen {
	uint32_t *slots; /* the watcher's to free */
	size_t n, cap;
	uint64_t versions; /* of all of these, mixed */
};
/* Note what is looked at from now on in *seen; NULL: no more. Not in write transactions. */
void store_watch(struct store_tx *tx, struct store_seen *seen);
/* store_get() that is not noted, for who tells of changes by other means (struct describe,
 * aside). */
const struct resource *store_peek(struct store_tx *tx, const char *id);
/* Is all of that as it was then? */
bool store_unchanged(const struct store_tx *tx, const uint32_t *slots, size_t n, uint64_t versions);

/* --- writing -------------------------------------------------------------- */
/* A new resource with a fresh id (its derived names unique); fill doc, spec,
 * tags, az, parent in place. Owned by the transaction. */
struct resource *store_insert(struct store_tx *tx, enum kind kind, const char *account,
			      const char *region);
/* The i-th resource that this transaction has inserted, while it holds; NULL behind the last one. */
struct resource *store_inserted(struct store_tx *tx, size_t i);
/* The changeable version of an existing resource. NULL where there is none. */
struct resource *store_edit(struct store_tx *tx, const char *id);
void store_delete(struct store_tx *tx, const char *id);

/* Small facts by key ("region/123456789012/us-east-1"). NULL where unset. */
const char *store_fact(struct store_tx *tx, const char *key);
void store_set_fact(struct store_tx *tx, const char *key, const char *value);

/* ClientToken: what an earlier call with this token was (digest of its
 * parameters) and left. New references; 1 found, 0 not, -1 *err. */
int store_token_get(struct store_tx *tx, const char *scope, const char *token, char **ret_digest,
		    json_t **ret_result, mc_err **err);
void store_token_put(struct store_tx *tx, const char *scope, const char *token, const char *digest,
		     const json_t *result);

/* --- accounts and keys (loaded at open; few) -------------------------------- */
struct access_key {
	char id[32], secret[64], account[16];
};
/* 0 and *ret, or -1 where the key is unknown. */
int store_access_key(struct store *store, const char *id, struct access_key *ret);
/* The default account's first key; made at first open. */
void store_default_key(struct store *store, struct access_key *ret);

#endif
