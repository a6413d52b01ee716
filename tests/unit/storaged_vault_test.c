/* Keys: what is sealed opens with the same key and words only; the master key is whose it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "storaged/vault.h"
#include "tests/unit/scratch_directory.h"

#define KEY1 "01234567-89ab-4cde-8123-456789abcdef"
#define KEY2 "fedcba98-7654-4321-8fed-cba987654321"
#define TEXT "the quick brown fox"

struct fixture {
	struct scratch_directory dir;
	char db[64], master[64];
	struct vault *vault;
};

static struct vault *open_at(const struct fixture *f)
{
	mc_err *err = NULL;
	struct vault *vault = vault_open(f->db, f->master, &err);

	if (!vault)
		fail_msg("%s", mc_err_msg(err));
	return vault;
}

static int set_up(void **state)
{
	struct fixture *f = mc_alloc(sizeof(*f));

	f->dir = scratch_directory_make();
	snprintf(f->db, sizeof(f->db), "%s/db", f->dir.path);
	snprintf(f->master, sizeof(f->master), "%s/master.key", f->dir.path);
	f->vault = open_at(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	vault_close(f->vault);
	scratch_directory_remove(&f->dir);
	free(f);
	return 0;
}

static void reopen(struct fixture *f)
{
	vault_close(f->vault);
	f->vault = open_at(f);
}

static void test_seal(void **state)
{
	uint8_t key[SEAL_KEY] = {1}, sealed[sizeof(TEXT) + SEAL_OVERHEAD], again[sizeof(sealed)], plain[sizeof(TEXT)];

	(void)state;
	assert_int_equal(seal_close(key, "aad", 3, TEXT, sizeof(TEXT), sealed), 0);
	assert_int_equal(seal_close(key, "aad", 3, TEXT, sizeof(TEXT), again), 0);
	assert_memory_not_equal(sealed + 1, again + 1, SEAL_SALT);
	assert_int_equal(seal_open(key, "aad", 3, sealed, sizeof(sealed), plain), 0);
	assert_string_equal(plain, TEXT);
	assert_int_equal(seal_open(key, "aax", 3, sealed, sizeof(sealed), plain), -1);
	assert_int_equal(seal_open(key, "aad", 3, sealed, SEAL_OVERHEAD - 1, plain), -1);
	for (size_t i = 0; i < sizeof(sealed); i++) {
		sealed[i] ^= 1;
		assert_int_equal(seal_open(key, "aad", 3, sealed, sizeof(sealed), plain), -1);
		sealed[i] ^= 1;
	}
	key[0] = 2;
	assert_int_equal(seal_open(key, "aad", 3, sealed, sizeof(sealed), plain), -1);
}

static uint8_t *encrypted(struct fixture *f, const char *key, const char *context)
{
	const struct vault_text text = {(const uint8_t *)TEXT, sizeof(TEXT), context};
	uint8_t *sealed = NULL;

	assert_int_equal(vault_encrypt(f->vault, key, &text, &sealed, NULL), MC_IPC_OK);
	return sealed;
}

static int decrypt(struct fixture *f, const char *key, const uint8_t *sealed, const char *context)
{
	const struct vault_text text = {sealed, sizeof(TEXT) + SEAL_OVERHEAD, context};
	uint8_t *plain = NULL;
	int r = vault_decrypt(f->vault, key, &text, &plain, NULL);

	if (r == MC_IPC_OK)
		assert_string_equal(plain, TEXT);
	vault_wipe(plain, sizeof(TEXT));
	return r;
}

static void test_keys(void **state)
{
	struct fixture *f = *state;
	mc_autofree uint8_t *sealed = encrypted(f, KEY1, "{\"a\":\"b\"}"), *other = encrypted(f, KEY2, "");

	(void)other;
	reopen(f);
	assert_int_equal(decrypt(f, KEY1, sealed, "{\"a\":\"b\"}"), MC_IPC_OK);
	assert_int_equal(decrypt(f, KEY1, sealed, ""), MC_IPC_BAD_REQUEST);
	assert_int_equal(decrypt(f, KEY2, sealed, "{\"a\":\"b\"}"), MC_IPC_BAD_REQUEST);
	assert_int_equal(decrypt(f, "00000000-0000-4000-8000-000000000000", sealed, ""), MC_IPC_NOT_FOUND);
	assert_true(vault_key_id(KEY1));
	assert_false(vault_key_id("01234567-89ab-4cde-8123-456789abcdeX"));
	assert_false(vault_key_id("proof"));
}

/* What was sealed before opens, with any material that the key ever had; other keys' are their own. */
static void test_rotated(void **state)
{
	struct fixture *f = *state;
	mc_autofree uint8_t *first = encrypted(f, KEY1, ""), *other = encrypted(f, KEY2, "");
	mc_autofree uint8_t *second = NULL, *third = NULL;
	char id[MC_ID_LEN], secret[VAULT_SECRET], again[VAULT_SECRET];

	assert_int_equal(vault_data_key_new(f->vault, KEY1, id, NULL), MC_IPC_OK);
	assert_int_equal(vault_data_key_secret(f->vault, id, secret, NULL), MC_IPC_OK);
	assert_int_equal(vault_rotate(f->vault, KEY1, 1, NULL), MC_IPC_OK);
	second = encrypted(f, KEY1, "");
	assert_int_equal(vault_rotate(f->vault, KEY1, 1, NULL), MC_IPC_OK); /* the same again */
	assert_int_equal(vault_rotate(f->vault, KEY1, 2, NULL), MC_IPC_OK);
	third = encrypted(f, KEY1, "context");
	reopen(f);
	assert_int_equal(decrypt(f, KEY1, first, ""), MC_IPC_OK);
	assert_int_equal(decrypt(f, KEY1, second, ""), MC_IPC_OK);
	assert_int_equal(decrypt(f, KEY1, third, "context"), MC_IPC_OK);
	assert_int_equal(decrypt(f, KEY1, third, ""), MC_IPC_BAD_REQUEST);
	assert_int_equal(decrypt(f, KEY1, other, ""), MC_IPC_BAD_REQUEST);
	assert_int_equal(decrypt(f, KEY2, first, ""), MC_IPC_BAD_REQUEST);
	assert_int_equal(vault_data_key_secret(f->vault, id, again, NULL), MC_IPC_OK);
	assert_memory_equal(secret, again, sizeof(secret));
	assert_int_equal(vault_destroy(f->vault, KEY1, NULL), MC_IPC_OK);
	assert_int_equal(decrypt(f, KEY1, first, ""), MC_IPC_NOT_FOUND);
	assert_int_equal(vault_rotate(f->vault, KEY1, 3, NULL), MC_IPC_NOT_FOUND);
	assert_int_equal(vault_data_key_secret(f->vault, id, again, NULL), MC_IPC_NOT_FOUND);
}

static void test_destroyed(void **state)
{
	struct fixture *f = *state;
	mc_autofree uint8_t *sealed = encrypted(f, KEY1, ""), *kept = encrypted(f, KEY2, ""), *new = NULL;
	const struct vault_text text = {(const uint8_t *)TEXT, sizeof(TEXT), ""};
	char id[MC_ID_LEN], secret[VAULT_SECRET];

	assert_int_equal(vault_data_key_new(f->vault, KEY1, id, NULL), MC_IPC_OK);
	assert_int_equal(vault_destroy(f->vault, KEY1, NULL), MC_IPC_OK);
	assert_int_equal(vault_destroy(f->vault, KEY1, NULL), MC_IPC_OK);
	assert_int_equal(decrypt(f, KEY1, sealed, ""), MC_IPC_NOT_FOUND);
	assert_int_equal(vault_encrypt(f->vault, KEY1, &text, &new, NULL), MC_IPC_NOT_FOUND);
	assert_int_equal(vault_data_key_secret(f->vault, id, secret, NULL), MC_IPC_NOT_FOUND);
	assert_int_equal(decrypt(f, KEY2, kept, ""), MC_IPC_OK);
}

static void test_data_keys(void **state)
{
	struct fixture *f = *state;
	char id[MC_ID_LEN], other[MC_ID_LEN], owner[MC_UUID_LEN], secret[VAULT_SECRET], again[VAULT_SECRET];
	int fd = -1;

	assert_int_equal(vault_data_key_new(f->vault, KEY1, id, NULL), MC_IPC_OK);
	assert_int_equal(vault_data_key_new(f->vault, KEY1, other, NULL), MC_IPC_OK);
	assert_int_equal(vault_data_key_secret(f->vault, id, secret, NULL), MC_IPC_OK);
	assert_int_equal(vault_data_key_secret(f->vault, other, again, NULL), MC_IPC_OK);
	assert_memory_not_equal(secret, again, VAULT_SECRET);
	reopen(f);
	assert_int_equal(vault_data_key_secret(f->vault, id, again, NULL), MC_IPC_OK);
	assert_memory_equal(secret, again, VAULT_SECRET);
	assert_int_equal(vault_data_key_owner(f->vault, id, owner, NULL), MC_IPC_OK);
	assert_string_equal(owner, KEY1);
	assert_int_equal(vault_data_key_fd(f->vault, id, &fd, NULL), MC_IPC_OK);
	assert_int_equal(read(fd, again, sizeof(again)), VAULT_SECRET);
	assert_memory_equal(secret, again, VAULT_SECRET);
	assert_int_equal(write(fd, again, 1), -1);
	close(fd);
}

/* A key goes with the last layer that has it. */
static void test_layers(void **state)
{
	struct fixture *f = *state;
	char key[MC_ID_LEN], same[MC_ID_LEN], secret[VAULT_SECRET];

	assert_int_equal(vault_layer_new_key(f->vault, "lay-1", KEY1, NULL), 0);
	assert_int_equal(vault_layer_same_key(f->vault, "lay-2", "lay-1", NULL), 0);
	assert_int_equal(vault_layer_same_key(f->vault, "lay-4", "lay-3", NULL), 0);
	assert_int_equal(vault_layer_key(f->vault, "lay-1", key, NULL), 0);
	assert_int_equal(vault_layer_key(f->vault, "lay-2", same, NULL), 0);
	assert_string_equal(key, same);
	assert_int_equal(vault_layer_key(f->vault, "lay-4", same, NULL), 0);
	assert_string_equal(same, "");
	assert_int_equal(vault_layer_forget(f->vault, "lay-1", NULL), 0);
	assert_int_equal(vault_data_key_secret(f->vault, key, secret, NULL), MC_IPC_OK);
	assert_int_equal(vault_layer_forget(f->vault, "lay-2", NULL), 0);
	assert_int_equal(vault_layer_forget(f->vault, "lay-2", NULL), 0);
	assert_int_equal(vault_data_key_secret(f->vault, key, secret, NULL), MC_IPC_NOT_FOUND);
}

static bool file_has(const char *path, const void *bytes, size_t n)
{
	size_t len = 0;
	mc_autofree char *text = mc_fs_read(path, 1 << 20, &len, NULL);

	return text && memmem(text, len, bytes, n);
}

static void test_nothing_clear_on_disk(void **state)
{
	static const char *const names[] = {"db", "db-wal"};
	struct fixture *f = *state;
	char id[MC_ID_LEN], secret[VAULT_SECRET];

	assert_int_equal(vault_data_key_new(f->vault, KEY1, id, NULL), MC_IPC_OK);
	assert_int_equal(vault_data_key_secret(f->vault, id, secret, NULL), MC_IPC_OK);
	for (size_t i = 0; i < MC_ARRAY_SIZE(names); i++) {
		mc_autofree char *path = mc_strf("%s/%s", f->dir.path, names[i]);

		assert_int_equal(access(path, F_OK), 0);
		assert_false(file_has(path, secret, 16));
	}
	/* The search finds what is there. */
	{
		mc_autofree char *wal = mc_strf("%s/db-wal", f->dir.path);

		assert_true(file_has(wal, id, strlen(id)));
	}
}

static void test_master_key(void **state)
{
	struct fixture *f = *state;
	mc_autofree uint8_t *sealed = encrypted(f, KEY1, "");
	struct stat st;
	size_t n = 0;
	mc_autofree char *bytes = mc_fs_read(f->master, 100, &n, NULL);

	assert_int_equal(n, SEAL_KEY);
	assert_int_equal(stat(f->master, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_null(vault_trouble(f->vault));

	/* Another one in its place, none, one that everybody reads: nothing opens, nothing is made anew. */
	bytes[0] ^= 1;
	assert_int_equal(mc_fs_write(f->master, bytes, n, 0600, NULL), 0);
	reopen(f);
	assert_non_null(vault_trouble(f->vault));
	assert_int_equal(decrypt(f, KEY1, sealed, ""), MC_IPC_UNAVAILABLE);
	unlink(f->master);
	reopen(f);
	assert_non_null(vault_trouble(f->vault));
	assert_int_equal(access(f->master, F_OK), -1);
	bytes[0] ^= 1;
	assert_int_equal(mc_fs_write(f->master, bytes, n, 0644, NULL), 0);
	reopen(f);
	assert_non_null(vault_trouble(f->vault));
	assert_int_equal(chmod(f->master, 0600), 0);
	reopen(f);
	assert_null(vault_trouble(f->vault));
	assert_int_equal(decrypt(f, KEY1, sealed, ""), MC_IPC_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seal),
		cmocka_unit_test_setup_teardown(test_keys, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rotated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_destroyed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_data_keys, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_layers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_clear_on_disk, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_master_key, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
