/* Which key a new volume gets, and what is refused; ciphertexts that name their key. */
#include "tests/unit/api_fixture.h"

#include "api/encryption.h"
#include "api/kms.h"
#include "api/state.h"

#define ZONE "'AvailabilityZone': 'us-east-1a', 'Size': 1"

/* A customer's key in this state; its UUID, allocated. */
static char *make_key(struct fixture *f, enum kms_key_state state)
{
	struct store_tx *tx = store_write(f->api.store);
	struct resource *key = kms_key_make(tx, FIXTURE_ACCOUNT, FIXTURE_REGION, "CUSTOMER");
	char *id = mc_strdup(kms_key_id(key));

	state_set(tx, key, state);
	kms_alias_set(key, state == KMS_KEY_ENABLED ? "alias/good" : "alias/bad");
	assert_int_equal(store_commit(tx, NULL), 0);
	return id;
}

static const char *key_shown(struct fixture *f)
{
	return encryption_key_id(f->call.out);
}

static void test_asked(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *good = make_key(f, KMS_KEY_ENABLED), *bad = make_key(f, KMS_KEY_DISABLED);
	mc_autofree char *by_id = mc_strf("{" ZONE ", 'Encrypted': true, 'KmsKeyId': '%s'}", good);
	mc_autofree char *by_arn = mc_strf("{" ZONE ", 'Encrypted': true, 'KmsKeyId': 'arn:aws:kms:us-east-1:%s:key/%s'}", FIXTURE_ACCOUNT, good);
	mc_autofree char *far_arn = mc_strf("{" ZONE ", 'Encrypted': true, 'KmsKeyId': 'arn:aws:kms:eu-west-1:%s:key/%s'}", FIXTURE_ACCOUNT, good);
	mc_autofree char *alone = mc_strf("{" ZONE ", 'KmsKeyId': '%s'}", good);

	(void)bad;
	fixture_ok(f, "CreateVolume", "{" ZONE "}");
	assert_false(mc_json_bool(f->call.out, "Encrypted", true));
	assert_null(key_shown(f));
	fixture_ok(f, "CreateVolume", by_id);
	assert_true(mc_json_bool(f->call.out, "Encrypted", false));
	assert_string_equal(key_shown(f), good);
	fixture_ok(f, "CreateVolume", by_arn);
	assert_string_equal(key_shown(f), good);
	fixture_ok(f, "CreateVolume", "{" ZONE ", 'Encrypted': true, 'KmsKeyId': 'alias/good'}");
	assert_string_equal(key_shown(f), good);
	fixture_fails(f, "CreateVolume", alone, "InvalidParameterDependency");
	fixture_fails(f, "CreateVolume", far_arn, "InvalidKMSKey.NotFound");
	fixture_fails(f, "CreateVolume", "{" ZONE ", 'Encrypted': true, 'KmsKeyId': 'alias/bad'}", "InvalidKMSKey.InvalidState");
	fixture_ok(f, "CreateVolume", "{'AvailabilityZone': 'us-east-1a', 'Size': 4, 'Encrypted': true, 'VolumeType': 'io1', 'Iops': 100,"
		   " 'MultiAttachEnabled': true}");
	assert_true(mc_json_bool(f->call.out, "Encrypted", false) && mc_json_bool(f->call.out, "MultiAttachEnabled", false));
}

static void test_default(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *good = make_key(f, KMS_KEY_ENABLED), *first = NULL;

	fixture_ok(f, "GetEbsEncryptionByDefault", "{}");
	assert_false(mc_json_bool(f->call.out, "EbsEncryptionByDefault", true));
	fixture_ok(f, "CreateVolume", "{" ZONE ", 'Encrypted': true}");
	first = mc_strdup(key_shown(f));
	assert_string_not_equal(first, good);
	fixture_ok(f, "EnableEbsEncryptionByDefault", "{}");
	fixture_ok(f, "CreateVolume", "{" ZONE "}");
	assert_string_equal(key_shown(f), first);
	fixture_ok(f, "ModifyEbsDefaultKmsKeyId", "{'KmsKeyId': 'alias/good'}");
	assert_string_equal(key_shown(f), good);
	fixture_ok(f, "CreateVolume", "{" ZONE "}");
	assert_string_equal(key_shown(f), good);
	fixture_fails(f, "ModifyEbsDefaultKmsKeyId", "{'KmsKeyId': 'alias/nobody'}", "InvalidKMSKey.NotFound");
	fixture_ok(f, "ResetEbsDefaultKmsKeyId", "{}");
	assert_string_equal(key_shown(f), first);
	fixture_ok(f, "DisableEbsEncryptionByDefault", "{}");
	fixture_ok(f, "CreateVolume", "{" ZONE "}");
	assert_null(key_shown(f));
}

static void test_blob(void **state)
{
	static const char key[] = "01234567-89ab-4cde-8123-456789abcdef";
	mc_autofree char *blob = kms_blob_wrap(key, "c2VhbGVk"), *inner = NULL;
	char found[MC_UUID_LEN];

	(void)state;
	assert_int_equal(kms_blob_unwrap(blob, found, &inner), 0);
	assert_string_equal(found, key);
	assert_string_equal(inner, "c2VhbGVk");
	assert_int_equal(kms_blob_unwrap("", found, &inner), -1);
	assert_int_equal(kms_blob_unwrap("!", found, &inner), -1);
	assert_int_equal(kms_blob_unwrap("AQAA", found, &inner), -1);
	assert_null(kms_blob_wrap(key, "no base64"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_asked, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_default, fixture_setup, fixture_teardown),
		cmocka_unit_test(test_blob),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
