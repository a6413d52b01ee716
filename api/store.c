#include "api/store_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/crash.h"
#include "common/fs.h"
#include "common/json.h"

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
	struct entry *e, *tmp;

	if (!s)
		return;
	HASH_ITER(hh, s->by_id, e, tmp) {
		HASH_DEL(s->by_id, e);
		resource_free(e->r);
		free(e);
	}
	for (int k = 0; k < KIND_MAX; k++)
		free(s->kinds[k].items);
	json_decref(s->facts);
	json_decref(s->keys);
	free(s->default_key);
	sqlite3_close(s->db);
	pthread_rwlock_destroy(&s->lock);
	pthread_mutex_destroy(&s->writer);
	free(s);
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

/* --- memory ------------------------------------------------------------- */

static struct entry *find_entry(struct store *s, const char *id)
{
	struct entry *e;

	HASH_FIND_STR(s->by_id, id, e);
	return e;
}

static void list_append(struct kind_list *l, struct resource *r)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->items = realloc(l->items, l->cap * sizeof(*l->items));
		if (!l->items)
			abort();
	}
	l->items[l->n++] = r;
}

/* The lists are ascending by seq. */
static size_t list_find(const struct kind_list *l, int64_t seq)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (l->items[mid]->seq < seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void store_publish(struct store *s, struct resource *r)
{
	struct entry *e = find_entry(s, r->id);
	struct kind_list *l = &s->kinds[r->kind];

	r->version = ++s->version;
	if (e) {
		l->items[list_find(l, r->seq)] = r;
		HASH_DEL(s->by_id, e);
		resource_free(e->r);
	} else {
		e = mc_alloc(sizeof(*e));
		list_append(l, r);
	}
	/* The key lies inside the resource, so a replaced one is hashed anew. */
	e->r = r;
	HASH_ADD_KEYPTR(hh, s->by_id, e->r->id, strlen(e->r->id), e);
}

static void unpublish(struct store *s, struct resource *r)
{
	struct entry *e = find_entry(s, r->id);
	struct kind_list *l = &s->kinds[r->kind];
	size_t at = list_find(l, r->seq);

	memmove(l->items + at, l->items + at + 1, (l->n - at - 1) * sizeof(*l->items));
	l->n--;
	HASH_DEL(s->by_id, e);
	free(e);
	resource_free(r);
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
	free(tx->inserted);
	free(tx->edited);
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
		resource_free(tx->edited[i]->next);
		tx->edited[i]->next = NULL;
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
		note_change(&c[n++], tx->edited[i], tx->edited[i]->gone ? NULL : tx->edited[i]->next);
	for (size_t i = 0; i < tx->n_inserted; i++)
		if (!tx->inserted[i]->gone)
			note_change(&c[n++], NULL, tx->inserted[i]);
	*ret = c;
	return n;
}

static void publish_all(struct store_tx *tx)
{
	struct store *s = tx->store;

	pthread_rwlock_wrlock(&s->lock);
	for (size_t i = 0; i < tx->n_edited; i++) {
		struct resource *old = tx->edited[i], *next = old->next;

		if (!old->gone) {
			store_publish(s, next);
			continue;
		}
		resource_free(next);
		unpublish(s, old);
	}
	for (size_t i = 0; i < tx->n_inserted; i++) {
		if (tx->inserted[i]->gone)
			resource_free(tx->inserted[i]);
		else
			store_publish(s, tx->inserted[i]);
	}
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
	publish_all(tx);
	for (size_t i = 0; s->committed && i < n; i++)
		s->committed(s->committed_ctx, &changes[i]);
	pthread_mutex_unlock(&s->writer);
	tx_free(tx);
	for (size_t i = 0; s->changed && i < n; i++)
		s->changed(s->changed_ctx, changes[i].kind, changes[i].id);
	return 0;
}

/* --- reading ------------------------------------------------------------ */

/* What the transaction sees of a published resource. */
static const struct resource *seen(const struct store_tx *tx, struct resource *r)
{
	if (!tx->writing)
		return r;
	if (r->gone)
		return NULL;
	return r->next ? r->next : r;
}

static struct resource *find_inserted(const struct store_tx *tx, const char *id)
{
	for (size_t i = tx->n_inserted; i-- > 0;)
		if (strcmp(tx->inserted[i]->id, id) == 0)
			return tx->inserted[i]->gone ? NULL : tx->inserted[i];
	return NULL;
}

const struct resource *store_get(struct store_tx *tx, const char *id)
{
	struct entry *e = id ? find_entry(tx->store, id) : NULL;

	if (e)
		return seen(tx, e->r);
	return id ? find_inserted(tx, id) : NULL;
}

const struct resource *store_find(struct store_tx *tx, enum kind kind, const char *account,
				  const char *region, const char *id)
{
	const struct resource *r = store_get(tx, id);

	if (!r || r->kind != kind || (account && strcmp(account, r->account) != 0) ||
	    (region && strcmp(region, r->region) != 0))
		return NULL;
	return r;
}

struct store_iter store_iter(struct store_tx *tx, enum kind kind, const char *account,
			     const char *region)
{
	return (struct store_iter){ .tx = tx, .kind = kind, .account = account, .region = region };
}

static const struct resource *step(struct store_iter *it)
{
	struct kind_list *l = &it->tx->store->kinds[it->kind];

	if (it->i < l->n)
		return seen(it->tx, l->items[it->i++]);
	if (it->j < it->tx->n_inserted) {
		struct resource *r = it->tx->inserted[it->j++];

		return r->gone || r->kind != it->kind ? NULL : r;
	}
	it->j = SIZE_MAX;
	return NULL;
}

const struct resource *store_next(struct store_iter *it)
{
	while (it->j != SIZE_MAX) {
		const struct resource *r = step(it);

		if (r && (!it->account || strcmp(it->account, r->account) == 0) &&
		    (!it->region || strcmp(it->region, r->region) == 0))
			return r;
	}
	return NULL;
}

const struct resource *store_next_of(struct store_iter *it, const char *parent)
{
	const struct resource *r;

	while ((r = store_next(it)))
		if (r->parent && strcmp(r->parent, parent) == 0)
			return r;
	return NULL;
}

const char *store_fact(struct store_tx *tx, const char *key)
{
	const char *text = tx->facts ? mc_json_str(tx->facts, key, NULL) : NULL;

	return text ? text : mc_json_str(tx->store->facts, key, NULL);
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
	while ((r = store_next(&it))) {
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
	while (store_get(tx, r->id) || name_clash(tx, kind, r->id));
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
	return i < tx->n_inserted ? tx->inserted[i] : NULL;
}

static void note_edited(struct store_tx *tx, struct resource *r)
{
	tx->edited = realloc(tx->edited, (tx->n_edited + 1) * sizeof(*tx->edited));
	if (!tx->edited)
		abort();
	tx->edited[tx->n_edited++] = r;
}

struct resource *store_edit(struct store_tx *tx, const char *id)
{
	struct entry *e = find_entry(tx->store, id);

	if (!e)
		return find_inserted(tx, id);
	if (e->r->gone)
		return NULL;
	if (!e->r->next) {
		e->r->next = resource_clone(e->r);
		note_edited(tx, e->r);
	}
	return e->r->next;
}

void store_delete(struct store_tx *tx, const char *id)
{
	struct entry *e = find_entry(tx->store, id);
	struct resource *r = e ? e->r : find_inserted(tx, id);

	if (!r || r->gone)
		return;
	r->gone = true;
	if (e && !r->next)
		note_edited(tx, r);
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
