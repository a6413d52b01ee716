/* EBS direct APIs without storaged: REST requests, tokens, what is refused. */
#include "tests/unit/api_fixture.h"

#include "api/block_token.h"
#include "api/protocol/rest.h"
#include "common/clock.h"
#include "common/log.h"

static int setup(void **state)
{
	int r = fixture_setup(state);
	struct fixture *f = *state;

	f->service = "ebs";
	return r;
}

static const char *operation(const char *service, const char *method, const char *path)
{
	const struct model_operation *op = protocol_rest_find(model_service(service), method, path);

	return op ? model_operation_name(op) : "";
}

static void test_paths(void **state)
{
	(void)state;
	assert_string_equal(operation("ebs", "GET", "/snapshots/snap-1/blocks"), "ListSnapshotBlocks");
	assert_string_equal(operation("ebs", "GET", "/snapshots/snap-1/blocks/"), "ListSnapshotBlocks");
	assert_string_equal(operation("ebs", "GET", "/snapshots/snap-1/blocks/7"), "GetSnapshotBlock");
	assert_string_equal(operation("ebs", "PUT", "/snapshots/snap-1/blocks/7"), "PutSnapshotBlock");
	assert_string_equal(operation("ebs", "POST", "/snapshots"), "StartSnapshot");
	assert_string_equal(operation("ebs", "POST", "/snapshots/completion/snap-1"), "CompleteSnapshot");
	assert_string_equal(operation("ebs", "GET", "/snapshots/snap-1/blocks/7/8"), "");
	assert_string_equal(operation("ebs", "GET", "/snapshots//blocks"), "");
	assert_string_equal(operation("ebs", "DELETE", "/snapshots/snap-1/blocks"), "");
	assert_string_equal(operation("ebs", "GET", ""), "");
	assert_string_equal(operation("dlm", "GET", "/policies/policy-1"), "GetLifecyclePolicy");
	assert_string_equal(operation("dlm", "GET", "/policies/policy-1/"), "GetLifecyclePolicy");
	assert_string_equal(operation("rbin", "GET", "/tags/arn%3Aaws%3Arbin%3A%3A1%3Arule%2Fx"), "ListTagsForResource");
}

static const char *no_header(const void *ctx, const char *name)
{
	(void)ctx, (void)name;
	return NULL;
}

static const char *some_header(const void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "x-amz-ChangedBlocksCount") == 0 ? "12" : NULL;
}

static json_t *decoded(const char *service, const char *method, const char *path, const char *query, const char *body,
		       const char *(*header)(const void *, const char *), struct protocol_error *e)
{
	struct protocol_form form = { 0 };
	struct protocol_rest_request req = { .method = method, .path = path, .query = &form, .header = header, .body = body,
					     .body_len = strlen(body) };
	json_t *doc = NULL;

	assert_int_equal(protocol_form_parse(&form, query, strlen(query), e), 0);
	protocol_rest_decode(protocol_rest_find(model_service(service), method, path), &req, &doc, e);
	protocol_form_free(&form);
	return doc;
}

static void test_members(void **state)
{
	struct protocol_error e;
	mc_auto_json json_t *get = decoded("ebs", "GET", "/snapshots/snap-1/blocks/7", "blockToken=a%2Bb", "", no_header, &e);
	mc_auto_json json_t *complete = decoded("ebs", "POST", "/snapshots/completion/snap-1", "", "{\"SnapshotId\": \"other\"}", some_header, &e);
	mc_auto_json json_t *tags = decoded("rbin", "DELETE", "/tags/arn%3Ax%2Fy", "tagKeys=a&tagKeys=b", "", no_header, &e);

	(void)state;
	assert_string_equal(mc_json_str(get, "SnapshotId", ""), "snap-1");
	assert_int_equal(mc_json_int(get, "BlockIndex", 0), 7);
	assert_string_equal(mc_json_str(get, "BlockToken", ""), "a+b");
	assert_string_equal(mc_json_str(complete, "SnapshotId", ""), "snap-1"); /* not by the body */
	assert_int_equal(mc_json_int(complete, "ChangedBlocksCount", 0), 12);
	assert_string_equal(mc_json_str(tags, "ResourceArn", ""), "arn:x/y");
	assert_int_equal(json_array_size(mc_json_arr(tags, "TagKeys")), 2);
	assert_null(decoded("ebs", "GET", "/snapshots/snap-1/blocks/x", "blockToken=a", "", no_header, &e));
	assert_null(decoded("ebs", "GET", "/snapshots/snap-1/blocks/7", "", "", no_header, &e));
	assert_string_equal(e.code, "ValidationException");
	assert_null(decoded("ebs", "POST", "/snapshots", "", "[1]", no_header, &e));
	assert_string_equal(e.code, "SerializationException");
	assert_null(decoded("ebs", "GET", "/snapshots/%00/blocks", "", "", no_header, &e));
}

static void test_tokens(void **state)
{
	struct fixture *f = *state;
	char token[BLOCK_TOKEN_LEN], other[BLOCK_TOKEN_LEN];
	int64_t n = 0;

	fixture_clear(f);
	mc_clock_freeze();
	block_token_make(&f->call, "block snap-1", 7, mc_clock_wall() + MC_SECOND, token);
	assert_int_equal(block_token_read(&f->call, "block snap-1", token, &n), 0);
	assert_int_equal(n, 7);
	assert_int_equal(block_token_read(&f->call, "block snap-2", token, &n), -1);
	memcpy(other, token, sizeof(other));
	for (size_t i = 0; i < BLOCK_TOKEN_LEN - 1; i++) {
		other[i] = token[i] == 'A' ? 'B' : 'A';
		assert_int_equal(block_token_read(&f->call, "block snap-1", other, &n), -1);
		other[i] = token[i];
	}
	fixture_as(f, "210987654321");
	assert_int_equal(block_token_read(&f->call, "block snap-1", token, &n), -1);
	fixture_as(f, FIXTURE_ACCOUNT);
	mc_clock_step(2 * MC_SECOND, 0);
	assert_int_equal(block_token_read(&f->call, "block snap-1", token, &n), 1);
	assert_int_equal(block_token_read(&f->call, "block snap-1", "", &n), -1);
	assert_int_equal(block_token_read(&f->call, "block snap-1", "====", &n), -1);
}

static void because(struct fixture *f, const char *name, const char *in, const char *code, const char *reason)
{
	fixture_fails(f, name, in, code);
	assert_string_equal(f->call.error_reason, reason);
}

static void test_refused(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *list = NULL, *put = NULL, *child = NULL;

	because(f, "ListSnapshotBlocks", "{'SnapshotId': 'snap-1'}", "ValidationException", "INVALID_SNAPSHOT_ID");
	because(f, "ListSnapshotBlocks", "{'SnapshotId': 'snap-0123456789abcdef0'}", "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND");
	because(f, "StartSnapshot", "{'VolumeSize': 65537}", "ValidationException", "INVALID_VOLUME_SIZE");
	because(f, "StartSnapshot", "{'VolumeSize': 1, 'Encrypted': true, 'ParentSnapshotId': 'snap-0123456789abcdef0'}", "ValidationException",
		"INVALID_PARAMETER_VALUE");
	fixture_ok(f, "StartSnapshot", "{'VolumeSize': 1}");
	list = mc_strf("{'SnapshotId': '%s'}", mc_json_str(f->call.out, "SnapshotId", ""));
	put = mc_strf("{'SnapshotId': '%s', 'BlockIndex': 0, 'DataLength': 3, 'Checksum': 'x'}", mc_json_str(f->call.out, "SnapshotId", ""));
	child = mc_strf("{'VolumeSize': 1, 'ParentSnapshotId': '%s'}", mc_json_str(f->call.out, "SnapshotId", ""));
	because(f, "ListSnapshotBlocks", list, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND");
	because(f, "PutSnapshotBlock", put, "ValidationException", "INVALID_BLOCK");
	because(f, "StartSnapshot", child, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND");
	for (int i = 0; i < 99; i++)
		fixture_ok(f, "StartSnapshot", "{'VolumeSize': 1}");
	fixture_fails(f, "StartSnapshot", "{'VolumeSize': 1}", "ConcurrentLimitExceededException");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_members),
		cmocka_unit_test_setup_teardown(test_refused, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_tokens, setup, fixture_teardown),
	};

	mc_log_set_level(MC_LOG_ERROR); /* storaged is away, and each upload says so */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
