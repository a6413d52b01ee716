/* The database of record: schema, load at start, one SQL transaction per commit. */
#include <stdlib.h>
#include <string.h>

#include "api/billing/credit.h"
#include "api/billing/schema.h"
#include "api/burst.h"
#include "api/state.h"
#include "api/store_internal.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/db.h"
#include "common/fs.h"
#include "common/log.h"

static const struct mc_db_upgrade upgrades[] = {
	{ 1,
	  "CREATE TABLE resource (id TEXT PRIMARY KEY, kind TEXT NOT NULL, account TEXT NOT NULL,"
	  " region TEXT NOT NULL, az TEXT, host TEXT, parent TEXT, state TEXT NOT NULL, seq INTEGER NOT NULL UNIQUE,"
	  " created INTEGER NOT NULL, doc TEXT NOT NULL, spec TEXT NOT NULL, tags TEXT NOT NULL);"
	  "CREATE TABLE fact (key TEXT PRIMARY KEY, value TEXT NOT NULL);"
	  "CREATE TABLE client_token (scope TEXT NOT NULL, token TEXT NOT NULL, digest TEXT NOT NULL,"
	  " result TEXT NOT NULL, created INTEGER NOT NULL, PRIMARY KEY (scope, token));"
	  "CREATE TABLE usage_record (id INTEGER PRIMARY KEY, resource TEXT NOT NULL, account TEXT NOT NULL,"
	  " region TEXT NOT NULL, az TEXT, kind TEXT NOT NULL, state TEXT NOT NULL, started INTEGER NOT NULL,"
	  " ended INTEGER NOT NULL, duration INTEGER NOT NULL, tags TEXT NOT NULL, detail TEXT NOT NULL);"
	  "CREATE INDEX usage_by_resource ON usage_record (resource);"
	  "CREATE TABLE account (id TEXT PRIMARY KEY, name TEXT NOT NULL);"
	  "CREATE TABLE access_key (id TEXT PRIMARY KEY, secret TEXT NOT NULL, account TEXT NOT NULL"
	  " REFERENCES account (id), created INTEGER NOT NULL);" },
	{ 2,
	  "CREATE TABLE counter (eni TEXT NOT NULL, ip TEXT NOT NULL, vpc TEXT NOT NULL, account TEXT NOT NULL,"
	  " region TEXT NOT NULL, instance TEXT NOT NULL, epoch TEXT NOT NULL, read INTEGER NOT NULL,"
	  " ended INTEGER NOT NULL, last_internet_in INTEGER NOT NULL, last_internet_out INTEGER NOT NULL,"
	  " last_local_in INTEGER NOT NULL, last_local_out INTEGER NOT NULL, internet_in INTEGER NOT NULL,"
	  " internet_out INTEGER NOT NULL, local_in INTEGER NOT NULL, local_out INTEGER NOT NULL,"
	  " PRIMARY KEY (eni, ip)) WITHOUT ROWID;" },
	{ 3, BILLING_SCHEMA },
	{ 4, CREDIT_SCHEMA },
	{ 5, BURST_SCHEMA },
	{ 6, CREDIT_SCHEMA_QUOTA },
	{ 0, NULL },
};

#define DEFAULT_ACCOUNT "123456789012"

sqlite3 *store_db_open(const char *path, mc_err **err)
{
	return mc_db_open(path, upgrades, err);
}

/* --- loading ------------------------------------------------------------ */

static char *column(sqlite3_stmt *stmt, int i)
{
	return mc_strdup((const char *)sqlite3_column_text(stmt, i));
}

static json_t *document(sqlite3_stmt *stmt, int i)
{
	json_t *doc = json_loads(mc_db_text(stmt, i), 0, NULL);

	return json_is_object(doc) ? doc : json_object();
}

static int load_resource(sqlite3_stmt *stmt, void *ctx)
{
	struct store *s = ctx;
	enum kind kind = kind_by_name(mc_db_text(stmt, 1));
	struct resource *r;
	int state;

	if (kind == KIND_MAX) {
		mc_log(MC_LOG_ERROR, "store", "row of an unknown kind", "id", mc_db_text(stmt, 0), NULL);
		return -1;
	}
	r = mc_alloc(sizeof(*r));
	r->kind = kind;
	snprintf(r->id, sizeof(r->id), "%s", mc_db_text(stmt, 0));
	r->account = column(stmt, 2);
	r->region = column(stmt, 3);
	r->az = column(stmt, 4);
	r->host = column(stmt, 5);
	r->parent = column(stmt, 6);
	if (kind_info(kind)->machine)
		r->state = state_parse(kind_info(kind)->machine, mc_db_text(stmt, 7));
	r->seq = sqlite3_column_int64(stmt, 8);
	r->created = sqlite3_column_int64(stmt, 9);
	state = r->state;
	if (r->seq >= s->next_seq)
		s->next_seq = r->seq + 1;
	/* Read when somebody looks at them. */
	store_publish(s, r, store_row_text(s, kind, mc_db_text(stmt, 10), mc_db_text(stmt, 11), mc_db_text(stmt, 12)));
	return state < 0 ? -1 : 0;
}

static int load_fact(sqlite3_stmt *stmt, void *ctx)
{
	struct store *s = ctx;

	json_object_set_new(s->facts, mc_db_text(stmt, 0), json_string(mc_db_text(stmt, 1)));
	return 0;
}

static int load_key(sqlite3_stmt *stmt, void *ctx)
{
	struct store *s = ctx;

	json_object_set_new(s->keys, mc_db_text(stmt, 0),
			    json_pack("{s:s, s:s}", "secret", mc_db_text(stmt, 1), "account",
				      mc_db_text(stmt, 2)));
	if (!s->default_key)
		s->default_key = column(stmt, 0);
	return 0;
}

/* The default account and its key are made once, with the database. */
static int seed(struct store *s, mc_err **err)
{
	char id[33], secret[41];

	if (s->default_key)
		return 0;
	mc_random_hex(8, id);
	mc_random_hex(20, secret);
	for (char *c = id; *c; c++)
		*c = (char)(*c >= 'a' ? *c - 'a' + 'A' : *c + 'G' - '0'); /* letters only, as AWS's look */
	{
		mc_autofree char *key = mc_strf("AKIA%s", id);

		if (mc_db_exec(s->db, "INSERT OR IGNORE INTO account VALUES ('" DEFAULT_ACCOUNT "', 'default')", err) < 0 ||
		    mc_db_run(s->db, NULL, NULL, err, "INSERT INTO access_key VALUES (?, ?, '" DEFAULT_ACCOUNT "', ?)", "ssi",
			      key, secret, mc_clock_wall()) < 0)
			return -1;
	}
	return mc_db_run(s->db, load_key, s, err, "SELECT id, secret, account FROM access_key ORDER BY created", "");
}

int store_db_load(struct store *s, mc_err **err)
{
	if (mc_db_run(s->db, load_resource, s, err,
		      "SELECT id, kind, account, region, az, host, parent, state, seq, created, doc, spec, tags"
		      " FROM resource ORDER BY seq", "") < 0 ||
	    mc_db_run(s->db, load_fact, s, err, "SELECT key, value FROM fact", "") < 0 ||
	    mc_db_run(s->db, load_key, s, err, "SELECT id, secret, account FROM access_key ORDER BY created", "") < 0) {
		if (err && !*err)
			mc_err_set(err, 0, "the database holds a row this version does not understand");
		return -1;
	}
	return seed(s, err);
}

/* --- writing ------------------------------------------------------------ */

static int write_resource(sqlite3 *db, const struct resource *r, mc_err **err)
{
	mc_autofree char *doc = json_dumps(r->doc, JSON_COMPACT);
	mc_autofree char *spec = json_dumps(r->spec, JSON_COMPACT);
	mc_autofree char *tags = json_dumps(r->tags, JSON_COMPACT);

	return mc_db_run(db, NULL, NULL, err,
			 "INSERT OR REPLACE INTO resource (id, kind, account, region, az, host, parent, state, seq,"
			 " created, doc, spec, tags) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", "ssssssssiisss",
			 r->id, kind_info(r->kind)->name, r->account, r->region, r->az, r->host, r->parent,
			 state_name(r), r->seq, r->created, doc, spec, tags);
}

static int write_resources(struct store_tx *tx, mc_err **err)
{
	sqlite3 *db = tx->store->db;

	for (size_t i = 0; i < tx->n_edited; i++) {
		const struct row *row = tx->edited[i];
		int r = row->gone ? mc_db_run(db, NULL, NULL, err, "DELETE FROM resource WHERE id = ?", "s", row->r.id)
				  : write_resource(db, row->edited, err);

		if (r < 0)
			return -1;
	}
	for (size_t i = 0; i < tx->n_inserted; i++)
		if (tx->inserted[i] && write_resource(db, tx->inserted[i], err) < 0)
			return -1;
	return 0;
}

static int write_facts(struct store_tx *tx, mc_err **err)
{
	const char *key;
	json_t *value;

	json_object_foreach(tx->facts, key, value)
		if (mc_db_run(tx->store->db, NULL, NULL, err, "INSERT OR REPLACE INTO fact VALUES (?, ?)", "ss", key,
			      json_string_value(value)) < 0)
			return -1;
	return 0;
}

static int write_records(struct store_tx *tx, mc_err **err)
{
	sqlite3 *db = tx->store->db;

	for (const struct token *t = tx->tokens; t; t = t->next)
		if (mc_db_run(db, NULL, NULL, err, "INSERT OR REPLACE INTO client_token VALUES (?,?,?,?,?)", "ssssi",
			      t->scope, t->token, t->digest, t->result, mc_clock_wall()) < 0)
			return -1;
	return 0;
}

static bool empty(const struct store_tx *tx)
{
	return !tx->n_edited && !tx->n_inserted && !tx->tokens && json_object_size(tx->facts) == 0;
}

int store_db_transact(sqlite3 *db, store_sql_fn *fn, void *ctx, mc_err **err)
{
	if (mc_db_exec(db, "BEGIN IMMEDIATE", err) < 0)
		return -1;
	if (fn(ctx, db, err) == 0 && mc_db_exec(db, "COMMIT", err) == 0)
		return 0;
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return -1;
}

/* Let the hook write what follows from the changes. */
static int write_hook(struct store_tx *tx, mc_err **err)
{
	struct store *s = tx->store;
	mc_autofree struct store_write *w = mc_alloc((tx->n_edited + tx->n_inserted + 1) * sizeof(*w));
	size_t n = 0;

	for (size_t i = 0; i < tx->n_edited; i++)
		w[n++] = (struct store_write){ store_doc_load(tx, tx->edited[i]), tx->edited[i]->gone ? NULL : tx->edited[i]->edited };
	for (size_t i = 0; i < tx->n_inserted; i++)
		if (tx->inserted[i])
			w[n++] = (struct store_write){ NULL, tx->inserted[i] };
	return s->writing && n ? s->writing(s->writing_ctx, s->db, w, n, err) : 0;
}

static int write_all(void *ctx, sqlite3 *db, mc_err **err)
{
	struct store_tx *tx = ctx;

	(void)db;
	if (write_resources(tx, err) < 0 || write_facts(tx, err) < 0 || write_records(tx, err) < 0)
		return -1;
	return write_hook(tx, err);
}

int store_db_write(struct store_tx *tx, mc_err **err)
{
	return empty(tx) ? 0 : store_db_transact(tx->store->db, write_all, tx, err);
}

/* --- client tokens ------------------------------------------------------ */

struct token_row {
	char *digest;
	json_t *result;
};

static int on_token(sqlite3_stmt *stmt, void *ctx)
{
	struct token_row *row = ctx;

	row->digest = column(stmt, 0);
	row->result = document(stmt, 1);
	return 0;
}

int store_token_get(struct store_tx *tx, const char *scope, const char *token, char **ret_digest,
		    json_t **ret_result, mc_err **err)
{
	struct token_row row = { 0 };

	if (mc_db_run(tx->store->db, on_token, &row, err,
		      "SELECT digest, result FROM client_token WHERE scope = ? AND token = ?", "ss", scope, token) < 0)
		return -1;
	if (!row.digest)
		return 0;
	*ret_digest = row.digest;
	*ret_result = row.result;
	return 1;
}
