#include "storaged/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/crash.h"
#include "common/db.h"
#include "common/fs.h"
#include "common/ipc.h"

#define SECURE_HEAP 65536 /* of locked memory that no dump shows */
#define SECURE_MIN 32
#define SEALED_KEY (SEAL_KEY + SEAL_OVERHEAD)
#define SEALED_SECRET (VAULT_SECRET + SEAL_OVERHEAD)
#define SEALED_TEXT 512 /* any of our own, in hex */
#define PROOF "proof"   /* of the row that tells whether the master key is the one of these records */

static const struct mc_db_upgrade upgrades[] = {
	/* sealed: in hex; '' of a kms_key that was destroyed. */
	{1, "CREATE TABLE kms_keys (id TEXT PRIMARY KEY, sealed TEXT NOT NULL, created INTEGER NOT NULL);"
	    "CREATE TABLE data_keys (id TEXT PRIMARY KEY, kms_key TEXT NOT NULL REFERENCES kms_keys(id),"
	    " sealed TEXT NOT NULL, created INTEGER NOT NULL);"},
	{2, "CREATE TABLE layer_keys (layer TEXT PRIMARY KEY, data_key TEXT NOT NULL REFERENCES data_keys(id));"
	    "CREATE INDEX layer_keys_data_key ON layer_keys(data_key);"},
	/* What a key's material was before it was rotated. */
	{3, "CREATE TABLE old_keys (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, sealed TEXT NOT NULL, created INTEGER NOT NULL);"
	    "CREATE INDEX old_keys_id ON old_keys(id);"
	    "CREATE TRIGGER kms_keys_rotated BEFORE UPDATE OF sealed ON kms_keys WHEN OLD.sealed <> '' AND NEW.sealed <> '' BEGIN"
	    " INSERT INTO old_keys (id, sealed, created) VALUES (OLD.id, OLD.sealed, OLD.created); END;"},
	{0, NULL},
};

struct vault {
	sqlite3 *db;
	pthread_mutex_t lock;  /* of "is it there? then make it" */
	uint8_t *master;       /* SEAL_KEY bytes of locked memory */
	char *trouble;
};

void vault_wipe(void *bytes, size_t n)
{
	if (bytes)
		OPENSSL_cleanse(bytes, n);
	free(bytes);
}

bool vault_key_id(const char *text)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (strlen(text) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == '-' ? text[i] != '-' : !strchr("0123456789abcdef", text[i]))
			return false;
	return true;
}

const char *vault_trouble(const struct vault *vault)
{
	return vault->trouble;
}

/* --- rows: sealed bytes in hex ----------------------------------------------- */

static void to_hex(const uint8_t *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * n] = '\0';
}

/* Exactly n bytes, or -1. */
static int from_hex(const char *text, uint8_t *out, size_t n)
{
	size_t len = 0;

	return strlen(text) == 2 * n && OPENSSL_hexstr2buf_ex(out, n, &len, text, '\0') == 1 && len == n ? 0 : -1;
}

struct row {
	bool there;
	char sealed[SEALED_TEXT], owner[MC_UUID_LEN];
};

static int take_row(sqlite3_stmt *stmt, void *ctx)
{
	struct row *row = ctx;

	row->there = true;
	snprintf(row->sealed, sizeof(row->sealed), "%s", mc_db_text(stmt, 0));
	snprintf(row->owner, sizeof(row->owner), "%s", mc_db_text(stmt, 1));
	return 0;
}

static int find_kms(struct vault *vault, const char *id, struct row *ret, mc_err **err)
{
	*ret = (struct row){0};
	return mc_db_run(vault->db, take_row, ret, err, "SELECT sealed, '' FROM kms_keys WHERE id = ?", "s", id);
}

static int find_data(struct vault *vault, const char *id, struct row *ret, mc_err **err)
{
	*ret = (struct row){0};
	return mc_db_run(vault->db, take_row, ret, err, "SELECT sealed, kms_key FROM data_keys WHERE id = ?", "s", id);
}

/* --- the master key ------------------------------------------------------------ */

static int trouble(struct vault *vault, const char *path, const char *what)
{
	vault->trouble = mc_strf("the master key %s %s: encrypted volumes cannot be opened", path, what);
	return 0;
}

static int make_master(const char *path, mc_err **err)
{
	mc_autofree char *copy = mc_strdup(path);
	uint8_t key[SEAL_KEY];
	int r = mc_fs_mkdirs(dirname(copy), 0700, err);

	if (r < 0)
		return -1;
	mc_random_bytes(key, sizeof(key));
	r = mc_fs_write(path, key, sizeof(key), 0600, err);
	OPENSSL_cleanse(key, sizeof(key));
	return r;
}

/* 0 with vault->master or vault->trouble set; -1 and *err. */
static int read_master(struct vault *vault, const char *path, mc_err **err)
{
	size_t n = 0;
	struct stat st;
	char *bytes;

	if (stat(path, &st) == 0 && (st.st_mode & 077))
		return trouble(vault, path, "can be read by others (chmod 600)");
	bytes = mc_fs_read(path, SEAL_KEY, &n, err);
	if (!bytes || n != SEAL_KEY) {
		mc_err_clear(err);
		vault_wipe(bytes, n);
		return trouble(vault, path, bytes ? "is damaged" : "is missing or cannot be read");
	}
	vault->master = OPENSSL_secure_malloc(SEAL_KEY);
	if (vault->master)
		memcpy(vault->master, bytes, SEAL_KEY);
	vault_wipe(bytes, n);
	return vault->master ? 0 : mc_err_set(err, ENOMEM, "no memory for the master key");
}

/* A key of nobody's, made with the first master key: whoever cannot open it has another one. */
static int make_proof(struct vault *vault, mc_err **err)
{
	static const uint8_t zero[SEAL_KEY];
	uint8_t sealed[SEALED_KEY];
	char hex[2 * SEALED_KEY + 1];

	if (seal_close(vault->master, PROOF, strlen(PROOF), zero, sizeof(zero), sealed) < 0)
		return mc_err_set(err, 0, "libcrypto cannot encrypt");
	to_hex(sealed, sizeof(sealed), hex);
	return mc_db_run(vault->db, NULL, NULL, err, "INSERT INTO kms_keys (id, sealed, created) VALUES (?, ?, ?)", "ssi", PROOF,
			 hex, mc_clock_wall());
}

static int check_proof(struct vault *vault, const struct row *proof, const char *path)
{
	uint8_t sealed[SEALED_KEY], zero[SEAL_KEY];

	if (from_hex(proof->sealed, sealed, sizeof(sealed)) == 0 &&
	    seal_open(vault->master, PROOF, strlen(PROOF), sealed, sizeof(sealed), zero) == 0)
		return 0;
	OPENSSL_secure_clear_free(vault->master, SEAL_KEY);
	vault->master = NULL;
	return trouble(vault, path, "is not the one that these keys were sealed with");
}

static int open_master(struct vault *vault, const char *path, mc_err **err)
{
	struct row proof;

	if (find_kms(vault, PROOF, &proof, err) < 0)
		return -1;
	/* Without a proof nothing was ever sealed: a file that is there was made just before the end. */
	if (!proof.there && access(path, F_OK) < 0 && make_master(path, err) < 0)
		return -1;
	MC_CRASH_POINT();
	if (read_master(vault, path, err) < 0)
		return -1;
	if (!vault->master)
		return 0;
	return proof.there ? check_proof(vault, &proof, path) : make_proof(vault, err);
}

struct vault *vault_open(const char *database, const char *master_key, mc_err **err)
{
	struct vault *vault = mc_alloc(sizeof(*vault));

	if (!CRYPTO_secure_malloc_initialized())
		CRYPTO_secure_malloc_init(SECURE_HEAP, SECURE_MIN);
	pthread_mutex_init(&vault->lock, NULL);
	vault->db = mc_db_open(database, upgrades, err);
	/* What is replaced or destroyed is overwritten in the file. */
	if (vault->db && mc_db_exec(vault->db, "PRAGMA secure_delete=ON", err) == 0 && open_master(vault, master_key, err) == 0)
		return vault;
	vault_close(vault);
	return NULL;
}

void vault_close(struct vault *vault)
{
	if (!vault)
		return;
	mc_db_close(vault->db);
	OPENSSL_secure_clear_free(vault->master, SEAL_KEY);
	pthread_mutex_destroy(&vault->lock);
	free(vault->trouble);
	free(vault);
}

static int unavailable(const struct vault *vault, mc_err **err)
{
	mc_err_set(err, 0, "%s", vault->trouble);
	return MC_IPC_UNAVAILABLE;
}

/* --- material of KMS keys ---------------------------------------------------------- */

static int gone(const char *what, const char *id, mc_err **err)
{
	mc_err_set(err, 0, "there is no %s %s", what, id);
	return MC_IPC_NOT_FOUND;
}

/* Under the lock. */
static int make_material(struct vault *vault, const char *id, uint8_t key[SEAL_KEY], mc_err **err)
{
	uint8_t sealed[SEALED_KEY];
	char hex[2 * SEALED_KEY + 1];

	mc_random_bytes(key, SEAL_KEY);
	if (seal_close(vault->master, id, strlen(id), key, SEAL_KEY, sealed) < 0)
		return mc_err_set(err, 0, "libcrypto cannot encrypt");
	to_hex(sealed, sizeof(sealed), hex);
	return mc_db_run(vault->db, NULL, NULL, err, "INSERT INTO kms_keys (id, sealed, created) VALUES (?, ?, ?)", "ssi", id, hex,
			 mc_clock_wall());
}

static int open_material(struct vault *vault, const char *id, const struct row *row, uint8_t key[SEAL_KEY], mc_err **err)
{
	uint8_t sealed[SEALED_KEY];

	if (!row->sealed[0])
		return gone("key", id, err);
	if (from_hex(row->sealed, sealed, sizeof(sealed)) < 0 ||
	    seal_open(vault->master, id, strlen(id), sealed, sizeof(sealed), key) < 0)
		return mc_err_set(err, 0, "the record of the key %s is damaged", id);
	return MC_IPC_OK;
}

/* Whoever gets it wipes it. make: where there has never been one. */
static int material(struct vault *vault, const char *id, bool make, uint8_t key[SEAL_KEY], mc_err **err)
{
	struct row row;
	int r;

	if (!vault->master)
		return unavailable(vault, err);
	pthread_mutex_lock(&vault->lock);
	r = find_kms(vault, id, &row, err);
	if (r == 0)
		r = row.there ? open_material(vault, id, &row, key, err)
			      : make ? make_material(vault, id, key, err) : gone("key", id, err);
	pthread_mutex_unlock(&vault->lock);
	return r;
}

/* --- what they were before: nothing new is sealed with that ------------------------- */

static int take_count(sqlite3_stmt *stmt, void *ctx)
{
	*(int64_t *)ctx = sqlite3_column_int64(stmt, 0);
	return 0;
}

/* In one statement: a trigger keeps what it was. */
static int replace_material(struct vault *vault, const char *id, mc_err **err)
{
	uint8_t key[SEAL_KEY], sealed[SEALED_KEY];
	char hex[2 * SEALED_KEY + 1];
	int r;

	mc_random_bytes(key, sizeof(key));
	r = seal_close(vault->master, id, strlen(id), key, sizeof(key), sealed);
	OPENSSL_cleanse(key, sizeof(key));
	if (r < 0)
		return mc_err_set(err, 0, "libcrypto cannot encrypt");
	to_hex(sealed, sizeof(sealed), hex);
	return mc_db_run(vault->db, NULL, NULL, err, "UPDATE kms_keys SET sealed = ?, created = ? WHERE id = ?", "sis", hex,
			 mc_clock_wall(), id);
}

int vault_rotate(struct vault *vault, const char *key, int64_t times, mc_err **err)
{
	uint8_t bytes[SEAL_KEY];
	int64_t done = 0;
	int r = material(vault, key, true, bytes, err);

	OPENSSL_cleanse(bytes, sizeof(bytes));
	if (r != MC_IPC_OK)
		return r;
	pthread_mutex_lock(&vault->lock);
	r = mc_db_run(vault->db, take_count, &done, err, "SELECT count(*) FROM old_keys WHERE id = ?", "s", key);
	if (r == 0 && done < times)
		r = replace_material(vault, key, err);
	pthread_mutex_unlock(&vault->lock);
	return r < 0 ? -1 : MC_IPC_OK;
}

struct sealed_text {
	struct vault *vault;
	const char *key, *aad;
	const uint8_t *bytes;
	size_t n;
	void *out;
	bool opened;
};

static bool try_material(struct sealed_text *s, const uint8_t key[SEAL_KEY])
{
	s->opened = seal_open(key, s->aad, strlen(s->aad), s->bytes, s->n, s->out) == 0;
	return s->opened;
}

static int try_old(sqlite3_stmt *stmt, void *ctx)
{
	struct sealed_text *s = ctx;
	struct row row = {.there = true};
	uint8_t bytes[SEAL_KEY];

	if (s->opened)
		return 0;
	snprintf(row.sealed, sizeof(row.sealed), "%s", mc_db_text(stmt, 0));
	if (open_material(s->vault, s->key, &row, bytes, NULL) == MC_IPC_OK)
		try_material(s, bytes);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return 0;
}

/* With the key's material of now, else with what it was. An outcome, with s->opened where it is OK. */
static int open_sealed(struct sealed_text *s, mc_err **err)
{
	uint8_t bytes[SEAL_KEY];
	int r = material(s->vault, s->key, false, bytes, err);
	bool opened = r == MC_IPC_OK && try_material(s, bytes);

	OPENSSL_cleanse(bytes, sizeof(bytes));
	if (r != MC_IPC_OK || opened)
		return r;
	return mc_db_run(s->vault->db, try_old, s, err, "SELECT sealed FROM old_keys WHERE id = ? ORDER BY seq DESC", "s", s->key);
}

int vault_destroy(struct vault *vault, const char *key, mc_err **err)
{
	int r;

	pthread_mutex_lock(&vault->lock);
	r = mc_db_run(vault->db, NULL, NULL, err,
		      "INSERT INTO kms_keys (id, sealed, created) VALUES (?, '', ?) ON CONFLICT (id) DO UPDATE SET sealed = ''", "si",
		      key, mc_clock_wall());
	if (r == 0)
		r = mc_db_run(vault->db, NULL, NULL, err, "DELETE FROM old_keys WHERE id = ?", "s", key);
	/* The pages of the log that had it go with this. */
	if (r == 0)
		r = mc_db_exec(vault->db, "PRAGMA wal_checkpoint(TRUNCATE)", err);
	pthread_mutex_unlock(&vault->lock);
	return r < 0 ? -1 : MC_IPC_OK;
}

int vault_encrypt(struct vault *vault, const char *key, const struct vault_text *plain, uint8_t **ret, mc_err **err)
{
	mc_autofree char *aad = mc_strf("%s%s", key, plain->context);
	mc_autofree uint8_t *out = mc_alloc(plain->n + SEAL_OVERHEAD);
	uint8_t bytes[SEAL_KEY];
	int r = material(vault, key, true, bytes, err);

	if (r == MC_IPC_OK && seal_close(bytes, aad, strlen(aad), plain->bytes, plain->n, out) < 0)
		r = mc_err_set(err, 0, "libcrypto cannot encrypt");
	OPENSSL_cleanse(bytes, sizeof(bytes));
	if (r == MC_IPC_OK)
		*ret = MC_STEAL(out);
	return r;
}

int vault_decrypt(struct vault *vault, const char *key, const struct vault_text *sealed, uint8_t **ret, mc_err **err)
{
	mc_autofree char *aad = mc_strf("%s%s", key, sealed->context);
	mc_autofree uint8_t *out = mc_alloc(sealed->n + 1);
	struct sealed_text text = {.vault = vault, .key = key, .aad = aad, .bytes = sealed->bytes, .n = sealed->n, .out = out};
	int r = open_sealed(&text, err);

	if (r == MC_IPC_OK && !text.opened) {
		mc_err_set(err, 0, "this was not encrypted under the key %s with that context", key);
		r = MC_IPC_BAD_REQUEST;
	}
	if (r == MC_IPC_OK)
		*ret = MC_STEAL(out);
	return r;
}

/* --- data keys ------------------------------------------------------------------------ */

int vault_data_key_new(struct vault *vault, const char *kms_key, char ret_id[MC_ID_LEN], mc_err **err)
{
	char id[MC_ID_LEN], secret[VAULT_SECRET + 1], hex[2 * SEALED_SECRET + 1];
	uint8_t bytes[SEAL_KEY], fresh[VAULT_SECRET / 2], sealed[SEALED_SECRET];
	int r = material(vault, kms_key, true, bytes, err);

	if (r != MC_IPC_OK)
		return r;
	mc_id_new("dk", id);
	mc_random_bytes(fresh, sizeof(fresh));
	to_hex(fresh, sizeof(fresh), secret);
	OPENSSL_cleanse(fresh, sizeof(fresh));
	r = seal_close(bytes, id, strlen(id), secret, VAULT_SECRET, sealed);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	OPENSSL_cleanse(secret, sizeof(secret));
	if (r < 0)
		return mc_err_set(err, 0, "libcrypto cannot encrypt");
	to_hex(sealed, sizeof(sealed), hex);
	if (mc_db_run(vault->db, NULL, NULL, err, "INSERT INTO data_keys (id, kms_key, sealed, created) VALUES (?, ?, ?, ?)", "sssi",
		      id, kms_key, hex, mc_clock_wall()) < 0)
		return -1;
	memcpy(ret_id, id, sizeof(id));
	return MC_IPC_OK;
}

int vault_data_key_owner(struct vault *vault, const char *id, char ret_kms_key[MC_UUID_LEN], mc_err **err)
{
	struct row row;

	if (find_data(vault, id, &row, err) < 0)
		return -1;
	if (!row.there)
		return gone("data key", id, err);
	memcpy(ret_kms_key, row.owner, sizeof(row.owner));
	return MC_IPC_OK;
}

int vault_data_key_secret(struct vault *vault, const char *id, char ret[VAULT_SECRET], mc_err **err)
{
	uint8_t sealed[SEALED_SECRET];
	struct sealed_text text = {.vault = vault, .aad = id, .bytes = sealed, .n = sizeof(sealed), .out = ret};
	struct row row;
	int r = find_data(vault, id, &row, err);

	if (r < 0)
		return -1;
	if (!row.there)
		return gone("data key", id, err);
	text.key = row.owner;
	if (from_hex(row.sealed, sealed, sizeof(sealed)) < 0)
		return mc_err_set(err, 0, "the record of the data key %s is damaged", id);
	r = open_sealed(&text, err);
	if (r == MC_IPC_OK && !text.opened)
		r = mc_err_set(err, 0, "the record of the data key %s is damaged", id);
	return r;
}

static int to_memfd(const char secret[VAULT_SECRET], mc_err **err)
{
	mc_auto_fd int fd = memfd_create("key", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || write(fd, secret, VAULT_SECRET) != VAULT_SECRET || lseek(fd, 0, SEEK_SET) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return mc_err_set(err, errno, "cannot hand a key on");
	return MC_STEAL_FD(fd);
}

int vault_data_key_fd(struct vault *vault, const char *id, int *ret_fd, mc_err **err)
{
	char secret[VAULT_SECRET];
	int fd = -1, r = vault_data_key_secret(vault, id, secret, err);

	if (r == MC_IPC_OK)
		fd = to_memfd(secret, err);
	OPENSSL_cleanse(secret, sizeof(secret));
	if (r != MC_IPC_OK || fd < 0)
		return r != MC_IPC_OK ? r : -1;
	*ret_fd = fd;
	return MC_IPC_OK;
}

/* --- layers ----------------------------------------------------------------------------- */

static int take_id(sqlite3_stmt *stmt, void *ctx)
{
	snprintf(ctx, MC_ID_LEN, "%s", mc_db_text(stmt, 0));
	return 0;
}

int vault_layer_key(struct vault *vault, const char *layer, char ret[MC_ID_LEN], mc_err **err)
{
	ret[0] = '\0';
	return mc_db_run(vault->db, take_id, ret, err, "SELECT data_key FROM layer_keys WHERE layer = ?", "s", layer);
}

int vault_layer_new_key(struct vault *vault, const char *layer, const char *kms_key, mc_err **err)
{
	char id[MC_ID_LEN];
	int r = vault_data_key_new(vault, kms_key, id, err);

	if (r != MC_IPC_OK)
		return r;
	return mc_db_run(vault->db, NULL, NULL, err, "INSERT INTO layer_keys (layer, data_key) VALUES (?, ?)", "ss", layer, id);
}

int vault_layer_same_key(struct vault *vault, const char *layer, const char *other, mc_err **err)
{
	return mc_db_run(vault->db, NULL, NULL, err,
			 "INSERT INTO layer_keys (layer, data_key) SELECT ?, data_key FROM layer_keys WHERE layer = ?", "ss", layer, other);
}

int vault_layer_forget(struct vault *vault, const char *layer, mc_err **err)
{
	char key[MC_ID_LEN];
	int r = vault_layer_key(vault, layer, key, err);

	if (r < 0 || !key[0])
		return r;
	/* A layer that gets the key just now has got it from one that is still there. */
	if (mc_db_run(vault->db, NULL, NULL, err, "DELETE FROM layer_keys WHERE layer = ?", "s", layer) < 0)
		return -1;
	return mc_db_run(vault->db, NULL, NULL, err,
			 "DELETE FROM data_keys WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM layer_keys WHERE data_key = ?1)", "s", key);
}

struct names {
	json_t *array;
};

static int take_name(sqlite3_stmt *stmt, void *ctx)
{
	return json_array_append_new(((struct names *)ctx)->array, json_string(mc_db_text(stmt, 0)));
}

int vault_layers(struct vault *vault, void (*fn)(void *ctx, const char *layer), void *ctx, mc_err **err)
{
	mc_auto_json json_t *array = json_array();
	struct names names = {array};
	json_t *name;
	size_t i;

	if (mc_db_run(vault->db, take_name, &names, err, "SELECT layer FROM layer_keys", "") < 0)
		return -1;
	json_array_foreach(array, i, name)
		fn(ctx, json_string_value(name));
	return 0;
}
