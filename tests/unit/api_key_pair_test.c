/* Key pairs: known answers of ssh-keygen and openssl, and the actions. */
#include "tests/unit/api_fixture.h"

#include <openssl/evp.h>

#include "api/key_pair.h"
#include "common/spawn.h"

/* ssh-keygen -e -m PKCS8 -f r.pub | openssl pkey -pubin -outform DER | openssl md5 -c; ssh-keygen -l -f e.pub */
#define RSA_LINE "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQCwqGnjLuMJJnyzaBePsFNY2QDtYmAim8Uow4yzdeyoe5SYWRagRJeQs0VSbVm1G5dbs3Gz" \
	"+13Pzx76eisDo/r2ijcvEHXra7zpPfc0JELUoP8lC8snEaxw6n8KubiGotfiGTVsCBpsNYzrAi1MeZxU+jqLubORH0eA6Q81Drg4MQ=="
#define RSA_FINGERPRINT "43:15:fa:9b:c6:92:ed:4d:8f:7c:2e:e6:e2:f6:08:07"
#define ED25519_LINE "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC4XAlA9YO34Du5Ex26z0vli7Ohl/pIsFCvGz/zCd17L"
#define ED25519_FINGERPRINT "qlRk3NgAwUYzr7tVAnnNX8N807iRoXXVAQGhyb+31uw="

static void known_lines(void **state)
{
	static const struct { const char *line, *type, *public_key, *fingerprint; } rows[] = {
		{ RSA_LINE, "rsa", RSA_LINE, RSA_FINGERPRINT },
		{ RSA_LINE " me@host\n", "rsa", RSA_LINE, RSA_FINGERPRINT },
		{ "\n " ED25519_LINE "\r\n", "ed25519", ED25519_LINE, ED25519_FINGERPRINT },
		{ ED25519_LINE " a comment of words", "ed25519", ED25519_LINE, ED25519_FINGERPRINT },
	};

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		struct key_pair k = { 0 };

		assert_int_equal(key_pair_read(rows[i].line, &k), 0);
		assert_string_equal(k.type, rows[i].type);
		assert_string_equal(k.public_key, rows[i].public_key);
		assert_string_equal(k.fingerprint, rows[i].fingerprint);
		assert_null(k.private_key);
		key_pair_clear(&k);
	}
}

static const char *const garbage[] = {
	"", " ", "garbage", "ssh-rsa", "ssh-rsa ", "ssh-rsa AAAA", "ssh-rsa ====", "ssh-rsa AAAAB3NzaC1yc2E=",
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC4XAlA9YO34Du5Ex26z0vli7Ohl/pIsFCvGz/zCd1==",
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC4XAlA9YO34Du5Ex26z0vli7Ohl/pIsFCvGz/zCd17LAAAA", /* bytes after the key */
	"ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIC4XAlA9YO34Du5Ex26z0vli7Ohl/pIsFCvGz/zCd17L",           /* another type inside */
	"ssh-rsa AAAAB3NzaC1yc2H/////AAAA",                                                        /* a length beyond the end */
	ED25519_LINE "\n" ED25519_LINE, "from=\"x\" " ED25519_LINE, "-----BEGIN OPENSSH PRIVATE KEY-----",
	"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBERg/t1Cnq3qXfoJ1C9GUsihIroqVA17w4PbGGSIwihtKtCKLR5qIry8/"
	"N5N/tGPz46RJzYmqT4rPbMmyIXj8f0= c",
};

static void garbage_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(garbage); i++) {
		struct key_pair k = { .type = "untouched" };

		if (key_pair_read(garbage[i], &k) == 0)
			fail_msg("%s", garbage[i]);
		assert_string_equal(k.type, "untouched");
	}
}

/* Every shortened form of a key is refused, too. */
static void cut_lines(void **state)
{
	mc_autofree char *line = mc_strdup(RSA_LINE);

	(void)state;
	for (size_t n = strlen(line) - 1; n > 0; n--) {
		struct key_pair k = { 0 };

		line[n] = '\0';
		assert_int_equal(key_pair_read(line, &k), 1);
	}
}

/* The public key that ssh-keygen finds in a private one. Allocated, NULL where it is not installed. */
static char *ssh_keygen(const char *private_key)
{
	char path[] = "/tmp/api-key-XXXXXX";
	const char *argv[] = { "ssh-keygen", "-y", "-P", "", "-f", path, NULL };
	struct mc_spawn s = { .argv = argv };
	mc_auto_spawn_result struct mc_spawn_result result = { 0 };
	int fd = mkstemp(path);
	bool ran;

	assert_int_equal(write(fd, private_key, strlen(private_key)), (ssize_t)strlen(private_key));
	close(fd);
	ran = mc_spawn_run(&s, &result, NULL) == 0 && result.status != 127;
	unlink(path);
	if (ran && result.status != 0)
		fail_msg("ssh-keygen: %s", result.errout);
	return ran ? mc_strdup(result.out) : NULL;
}

/* OpenSSH itself reads what we make, and finds the public key we store. */
static void openssh_reads_them(void **state)
{
	static const char *const types[] = { "rsa", "ed25519" };

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(types); i++) {
		struct key_pair k = { 0 };
		mc_autofree char *seen = NULL;

		assert_int_equal(key_pair_generate(types[i], "my key", &k, NULL), 0);
		assert_string_equal(k.type, types[i]);
		seen = ssh_keygen(k.private_key);
		if (!seen) {
			print_message("SKIPPED: there is no ssh-keygen here\n");
			key_pair_clear(&k);
			skip();
		}
		assert_memory_equal(seen, k.public_key, strlen(k.public_key));
		key_pair_clear(&k);
	}
}

static void fingerprints_of_new_keys(void **state)
{
	struct key_pair k = { 0 }, again = { 0 };

	(void)state;
	assert_int_equal(key_pair_generate("rsa", "c", &k, NULL), 0);
	assert_int_equal(strlen(k.fingerprint), 59); /* SHA-1 */
	assert_int_equal(strncmp(k.private_key, "-----BEGIN RSA PRIVATE KEY-----\n", 32), 0);
	assert_int_equal(key_pair_read(k.public_key, &again), 0);
	assert_int_equal(strlen(again.fingerprint), 47); /* MD5 */
	key_pair_clear(&k);
	key_pair_clear(&again);
	assert_int_equal(key_pair_generate("ed25519", "c", &k, NULL), 0);
	assert_int_equal(strlen(k.fingerprint), 44);
	assert_int_equal(strncmp(k.private_key, "-----BEGIN OPENSSH PRIVATE KEY-----\n", 36), 0);
	key_pair_clear(&k);
}

/* --- the actions ------------------------------------------------------------- */

static char *import_request(const char *name, const char *line)
{
	size_t n = strlen(line);
	mc_autofree unsigned char *blob = mc_alloc(4 * (n / 3 + 1) + 1);

	EVP_EncodeBlock(blob, (const unsigned char *)line, (int)n);
	return mc_strf("{'KeyName': '%s', 'PublicKeyMaterial': '%s'}", name, (char *)blob);
}

static void create_and_describe(void **state)
{
	struct fixture *f = *state;
	const json_t *k;

	fixture_ok(f, "CreateKeyPair", "{'KeyName': 'my key', 'KeyType': 'ed25519', 'TagSpecifications': "
		   "[{'ResourceType': 'key-pair', 'Tags': [{'Key': 'a', 'Value': 'b'}]}]}");
	assert_non_null(mc_json_str(f->call.out, "KeyMaterial", NULL));
	assert_int_equal(json_array_size(fixture_list(f, "Tags")), 1);
	fixture_fails(f, "CreateKeyPair", "{'KeyName': 'my key'}", "InvalidKeyPair.Duplicate");
	fixture_ok(f, "DescribeKeyPairs", "{'KeyNames': ['my key'], 'IncludePublicKey': true}");
	k = json_array_get(fixture_list(f, "KeyPairs"), 0);
	assert_string_equal(mc_json_str(k, "KeyType", ""), "ed25519");
	assert_int_equal(strncmp(mc_json_str(k, "PublicKey", ""), "ssh-ed25519 ", 12), 0);
	assert_non_null(strstr(mc_json_str(k, "PublicKey", ""), " my key"));
	/* The private key is nowhere. */
	assert_null(json_object_get(k, "KeyMaterial"));
	fixture_ok(f, "DescribeKeyPairs", "{}");
	assert_null(json_object_get(json_array_get(fixture_list(f, "KeyPairs"), 0), "PublicKey"));
}

static void bad_requests(void **state)
{
	struct fixture *f = *state;

	fixture_fails(f, "CreateKeyPair", "{'KeyName': ''}", "MissingParameter");
	fixture_fails(f, "CreateKeyPair", "{'KeyName': 'a\\nb'}", "InvalidParameterValue");
	fixture_fails(f, "CreateKeyPair", "{'KeyName': ' a'}", "InvalidParameterValue");
	fixture_fails(f, "CreateKeyPair", "{'KeyName': 'a', 'KeyType': 'dsa'}", "InvalidParameterValue");
	fixture_fails(f, "CreateKeyPair", "{'KeyName': 'a', 'KeyFormat': 'ppk'}", "UnsupportedOperation");
	fixture_fails(f, "CreateKeyPair", "{'KeyName': 'a', 'KeyType': 'ed25519', 'TagSpecifications': "
		      "[{'ResourceType': 'key-pair', 'Tags': [{'Key': 'aws:a', 'Value': 'b'}]}]}", "InvalidParameterValue");
	fixture_fails(f, "DescribeKeyPairs", "{'KeyNames': ['a']}", "InvalidKeyPair.NotFound");
	fixture_fails(f, "ImportKeyPair", "{'KeyName': 'a', 'PublicKeyMaterial': '!'}", "InvalidKey.Format");
	fixture_fails(f, "ImportKeyPair", "{'KeyName': 'a', 'PublicKeyMaterial': 'AAEC'}", "InvalidKey.Format");
	for (size_t i = 0; i < MC_ARRAY_SIZE(garbage); i++) {
		mc_autofree char *in = import_request("a", garbage[i]);

		fixture_fails(f, "ImportKeyPair", in, "InvalidKey.Format");
	}
}

static void import_and_delete(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *in = import_request("mine", RSA_LINE " me@host\n");
	mc_autofree char *by_id = NULL;

	fixture_ok(f, "ImportKeyPair", in);
	assert_string_equal(mc_json_str(f->call.out, "KeyFingerprint", ""), RSA_FINGERPRINT);
	by_id = mc_strf("{'KeyPairId': '%s'}", mc_json_str(f->call.out, "KeyPairId", ""));
	fixture_fails(f, "ImportKeyPair", in, "InvalidKeyPair.Duplicate");
	fixture_ok(f, "DeleteKeyPair", by_id);
	assert_true(mc_json_bool(f->call.out, "Return", false));
	fixture_ok(f, "DeleteKeyPair", "{'KeyName': 'mine'}"); /* absent: fine */
	fixture_ok(f, "DescribeKeyPairs", "{}");
	assert_int_equal(json_array_size(fixture_list(f, "KeyPairs")), 0);
	fixture_fails(f, "DeleteKeyPair", "{}", "MissingParameter");
	fixture_fails(f, "DeleteKeyPair", "{'KeyPairId': 'x'}", "InvalidKeyPair.Malformed");
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_lines), cmocka_unit_test(garbage_is_refused), cmocka_unit_test(cut_lines),
		cmocka_unit_test(openssh_reads_them), cmocka_unit_test(fingerprints_of_new_keys),
		WITH(create_and_describe), WITH(bad_requests), WITH(import_and_delete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
