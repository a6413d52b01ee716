/* Shared by store.c (memory) and store_db.c (SQLite) alone. */
#ifndef MC_API_STORE_INTERNAL_H
#define MC_API_STORE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>
#include <uthash.h>

#include "api/store.h"

struct entry { /* by id */
	struct resource *r;
	UT_hash_handle hh;
};

struct kind_list { /* by order of creation */
	struct resource **items;
	size_t n, cap;
};

struct token {
	char *scope, *token, *digest, *result;
	struct token *next;
};

struct store {
	sqlite3 *db;
	pthread_rwlock_t lock;   /* the memory; held for writing only while a commit is published */
	pthread_mutex_t writer;  /* one write transaction at a time, and the database */
	struct entry *by_id;
	struct kind_list kinds[KIND_MAX];
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
	struct resource **inserted; /* new ones, in order */
	size_t n_inserted;
	struct resource **edited;   /* the published ones that have ->next or are ->gone */
	size_t n_edited;
	json_t *facts;              /* changed ones */
	struct token *tokens;
};

/* store_db.c */
sqlite3 *store_db_open(const char *path, mc_err **err);
int store_db_load(struct store *s, mc_err **err);
int store_db_write(struct store_tx *tx, mc_err **err);
/* fn between BEGIN and COMMIT, or ROLLBACK where it fails. */
int store_db_transact(sqlite3 *db, store_sql_fn *fn, void *ctx, mc_err **err);

/* store.c */
void store_publish(struct store *s, struct resource *r);

#endif
