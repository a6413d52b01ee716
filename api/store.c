#include "api/store_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/crash.h"
#include "common/db.h"
#include "common/fs.h"
#include "common/json.h"

#define LOG_BYTES (8 << 20) /* twice a thousand pages */

/* --- life --------------------------------------------------------------- */

static void lock_init(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attr;

	/* A stream of readers must not starve the writer. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(lock, &attr);
	pthread_rwlockattr_destroy(&attr);
}

struct store *store_open(const char *path, mc_err **err)
{
	struct store *s = mc_alloc(sizeof(*s));

	lock_init(&s->lock);
	pthread_mutex_init(&s->writer, NULL);
	store_rows_init(s);
	s->facts = json_object();
	s->keys = json_object();
	s->next_seq = 1;
	s->db = store_db_open(path, err);
	if (!s->db || store_db_load(s, err) < 0) {
		store_close(s);
		return NULL;
	}
	return s;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	store_rows_deinit(s);
	json_decref(s->facts);
	json_decref(s->keys);
	free(s->default_key);
	sqlite3_close(s->db);
	pthread_rwlock_destroy(&s->lock);
	pthread_mutex_destroy(&s->writer);
	free(s);
}

void store_keep_room(struct store *s)
{
	pthread_mutex_lock(&s->writer);
	mc_db_keep_room(s->db, LOG_BYTES);
	pthread_mutex_unlock(&s->writer);
}

void store_on_change(struct store *s, store_changed_fn *fn, void *ctx)
{
	s->changed = fn;
	s->changed_ctx = ctx;
}

void store_on_commit(struct store *s, store_committed_fn *fn, void *ctx)
{
	s->committed = fn;
	s->committed_ctx = ctx;
}

void store_on_write(struct store *s, store_writing_fn *fn, void *ctx)
{
	s->writing = fn;
	s->writing_ctx = ctx;
}

int store_sql(struct store *s, store_sql_fn *fn, void *ctx, mc_err **err)
{
	int r;

	pthread_mutex_lock(&s->writer);
	r = store_db_transact(s->db, fn, ctx, err);
	pthread_mutex_unlock(&s->writer);
	return r;
}

sqlite3 *store_reader(struct store *s, mc_err **err)
{
	const char *path = sqlite3_db_filename(s->db, "main");
	sqlite3 *db = NULL;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_FULLMUTEX, NULL) == SQLITE_OK) {
		sqlite3_busy_timeout(db, 10000);
		return db;
	}
	mc_err_set(err, 0, "cannot read %s: %s", path, sqlite3_errmsg(db));
	sqlite3_close(db);
	return NULL;
}

/* --- transactions ------------------------------------------------------- */

static struct store_tx *tx_new(struct store *s, bool writing)
{
	struct store_tx *tx = mc_alloc(sizeof(*tx));

	tx->store = s;
	tx->writing = writing;
	return tx;
}

struct store_tx *store_read(struct store *s)
{
	pthread_rwlock_rdlock(&s->lock);
	return tx_new(s, false);
}

struct store_tx *store_write(struct store *s)
{
	struct store_tx *tx;

	/* Only the writer changes the memory, so holding the writer's mutex it may
	 * read without the lock. */
	pthread_mutex_lock(&s->writer);
	tx = tx_new(s, true);
	tx->facts = json_object();
	return tx;
}

static void token_free(struct token *t)
{
	while (t) {
		struct token *next = t->next;

		free(t->scope);
		free(t->token);
		free(t->digest);
		free(t->result);
		free(t);
		t = next;
	}
}

static void tx_free(struct store_tx *tx)
{
	store_doc_unload(tx, 0);
	for (size_t i = 0; i < tx->n_dropped; i++)
		resource_free(tx->dropped[i]);
	free(tx->dropped);
	free(tx->inserted);
	free(tx->edited);
	free(tx->texts);
	json_decref(tx->facts);
	token_free(tx->tokens);
	free(tx);
}

void store_end(struct store_tx *tx)
{
	struct store *s;

	if (!tx)
		return;
	s = tx->store;
	if (!tx->writing) {
		pthread_rwlock_unlock(&s->lock);
		tx_free(tx);
		return;
	}
	for (size_t i = 0; i < tx->n_inserted; i++)
		resource_free(tx->inserted[i]);
	for (size_t i = 0; i < tx->n_edited; i++) {
		resource_free(tx->edited[i]->edited);
		tx->edited[i]->edited = NULL;
		tx->edited[i]->gone = false;
	}
	pthread_mutex_unlock(&s->writer);
	tx_free(tx);
}

static void note_change(struct store_change *c, const struct resource *before, const struct resource *after)
{
	const struct resource *r = after ? after : before;

	c->kind = r->kind;
	c->from = before ? before->state : -1;
	c->to = after ? after->state : -1;
	snprintf(c->id, sizeof(c->id), "%s", r->id);
	snprintf(c->account, sizeof(c->account), "%s", r->account);
	snprintf(c->region, sizeof(c->region), "%s", r->region);
}

static size_t note_changes(const struct store_tx *tx, struct store_change **ret)
{
	struct store_change *c = mc_alloc((tx->n_inserted + tx->n_edited + 1) * sizeof(*c));
	size_t n = 0;

	for (size_t i = 0; i < tx->n_edited; i++)
		note_change(&c[n++], &tx->edited[i]->r, tx->edited[i]->gone ? NULL : tx->edited[i]->edited);
	for (size_t i = 0; i < tx->n_inserted; i++)
		if (tx->inserted[i])
			note_change(&c[n++], NULL, tx->inserted[i]);
	*ret = c;
	return n;
}

/* What is long is done before readers are kept out. */
static void prepare_texts(struct store_tx *tx)
{
	struct store *s = tx->store;
	size_t n = 0;

	tx->texts = mc_alloc((tx->n_edited + tx->n_inserted + 1) * sizeof(*tx->texts));
	for (size_t i = 0; i < tx->n_edited; i++, n++)
		if (!tx->edited[i]->gone)
			tx->texts[n] = store_row_text_of(s, tx->edited[i]->edited);
	for (size_t i = 0; i < tx->n_inserted; i++, n++)
		if (tx->inserted[i])
			tx->texts[n] = store_row_text_of(s, tx->inserted[i]);
}

static void publish_all(struct store_tx *tx)
{
	struct store *s = tx->store;
	size_t n = 0;

	prepare_texts(tx);
	pthread_rwlock_wrlock(&s->lock);
	for (size_t i = 0; i < tx->n_edited; i++, n++) {
		struct row *row = tx->edited[i];

		if (!row->gone) {
			store_publish(s, row->edited, tx->texts[n]);
			continue;
		}
		resource_free(row->edited);
		store_unpublish(s, row);
	}
	for (size_t i = 0; i < tx->n_inserted; i++, n++)
		if (tx->inserted[i])
			store_publish(s, tx->inserted[i], tx->texts[n]);
	if (json_object_size(tx->facts) > 0)
		s->facts_version = ++s->version;
	json_object_update(s->facts, tx->facts);
	pthread_rwlock_unlock(&s->lock);
}

int store_commit(struct store_tx *tx, mc_err **err)
{
	struct store *s = tx->store;
	mc_autofree struct store_change *changes = NULL;
	size_t n;

	MC_CRASH_POINT();
	if (store_db_write(tx, err) < 0) {
		store_end(tx);
		return -1;
	}
	MC_CRASH_POINT();
	n = note_changes(tx, &changes);
	store_doc_unload(tx, 0);
	publish_all(tx);
	for (size_t i = 0; s->committed && i < n; i++)
		s->committed(s->committed_ctx, &changes[i]);
	pthread_mutex_unlock(&s->writer);
	tx_free(tx);
	for (size_t i = 0; s->changed && i < n; i++)
		s->changed(s->changed_ctx, changes[i].kind, changes[i].id);
	return 0;
}

/* --- writing ------------------------------------------------------------ */

/* Two ids whose shortened Linux names are equal would share a tap or a MAC. */
static bool name_clash(struct store_tx *tx, enum kind kind, const char *id)
{
	struct store_iter it = store_iter(tx, kind, NULL, NULL);
	const struct resource *r;
	char a[MC_MAC_LEN], b[MC_MAC_LEN];

	if (kind != KIND_NETWORK_INTERFACE && kind != KIND_SUBNET)
		return false;
	mc_id_mac(id, a);
	while ((r = store_next_bare(&it))) {
		mc_id_mac(r->id, b);
		if (strncmp(r->id, id, strcspn(id, "-") + 14) == 0 || strcmp(a, b) == 0)
			return true;
	}
	return false;
}

struct resource *store_insert(struct store_tx *tx, enum kind kind, const char *account,
			      const char *region)
{
	struct resource *r = mc_alloc(sizeof(*r));

	do
		mc_id_new(kind_info(kind)->prefix, r->id);
	while (store_get_bare(tx, r->id) || name_clash(tx, kind, r->id));
	r->kind = kind;
	r->account = mc_strdup(account);
	r->region = mc_strdup(region);
	r->seq = tx->store->next_seq++;
	r->created = mc_clock_wall();
	r->doc = json_object();
	r->spec = json_object();
	r->tags = json_object();
	tx->inserted = realloc(tx->inserted, (tx->n_inserted + 1) * sizeof(*tx->inserted));
	if (!tx->inserted)
		abort();
	tx->inserted[tx->n_inserted++] = r;
	return r;
}

struct resource *store_inserted(struct store_tx *tx, size_t i)
{
	for (size_t at = 0; at < tx->n_inserted; at++)
		if (tx->inserted[at] && i-- == 0)
			return tx->inserted[at];
	return NULL;
}

static void note_edited(struct store_tx *tx, struct row *row)
{
	tx->edited = realloc(tx->edited, (tx->n_edited + 1) * sizeof(*tx->edited));
	if (!tx->edited)
		abort();
	tx->edited[tx->n_edited++] = row;
}

struct resource *store_edit(struct store_tx *tx, const char *id)
{
	struct row *row = store_row_find(tx->store, id);

	if (!row)
		return store_inserted_by_id(tx, id);
	if (row->gone)
		return NULL;
	if (!row->edited) {
		note_edited(tx, row);
		row->edited = resource_clone(store_doc_load(tx, row));
	}
	return row->edited;
}

/* Who has it may look at it until the transaction ends. */
static void drop_inserted(struct store_tx *tx, const char *id)
{
	size_t i = 0;

	while (i < tx->n_inserted && (!tx->inserted[i] || strcmp(tx->inserted[i]->id, id) != 0))
		i++;
	if (i == tx->n_inserted)
		return;
	tx->dropped = realloc(tx->dropped, (tx->n_dropped + 1) * sizeof(*tx->dropped));
	if (!tx->dropped)
		abort();
	tx->dropped[tx->n_dropped++] = tx->inserted[i];
	tx->inserted[i] = NULL;
}

void store_delete(struct store_tx *tx, const char *id)
{
	struct row *row = store_row_find(tx->store, id);

	if (!row) {
		drop_inserted(tx, id);
		return;
	}
	if (!row->gone && !row->edited)
		note_edited(tx, row);
	row->gone = true;
}

void store_set_fact(struct store_tx *tx, const char *key, const char *value)
{
	json_object_set_new(tx->facts, key, json_string(value));
}

void store_token_put(struct store_tx *tx, const char *scope, const char *token, const char *digest,
		     const json_t *result)
{
	struct token *t = mc_alloc(sizeof(*t));

	t->scope = mc_strdup(scope);
	t->token = mc_strdup(token);
	t->digest = mc_strdup(digest);
	t->result = json_dumps(result, JSON_COMPACT);
	t->next = tx->tokens;
	tx->tokens = t;
}

/* --- keys --------------------------------------------------------------- */

int store_access_key(struct store *s, const char *id, struct access_key *ret)
{
	struct store_tx *tx = store_read(s);
	const json_t *k = json_object_get(s->keys, id);

	if (k) {
		snprintf(ret->id, sizeof(ret->id), "%s", id);
		snprintf(ret->secret, sizeof(ret->secret), "%s", mc_json_str(k, "secret", ""));
		snprintf(ret->account, sizeof(ret->account), "%s", mc_json_str(k, "account", ""));
	}
	store_end(tx);
	return k ? 0 : -1;
}

void store_default_key(struct store *s, struct access_key *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (s->default_key)
		store_access_key(s, s->default_key, ret);
}
