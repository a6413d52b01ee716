/* Signatures made by botocore (tests/golden/api/sigv4.json) and AWS's worked example. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/protocol/sigv4.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/json.h"

#define KEY "AKIAIOSFODNN7EXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define MAX_HEADERS 16

struct request {
	struct sigv4_request req;
	struct sigv4_header headers[MAX_HEADERS];
};

static int lookup(void *ctx, const char *access_key, char *secret)
{
	(void)ctx;
	if (strcmp(access_key, KEY) != 0)
		return 1;
	strncpy(secret, SECRET, SIGV4_MAX_SECRET - 1);
	return 0;
}

static int64_t at(const char *time)
{
	int64_t ns = 0;

	assert_int_equal(mc_clock_parse(time, &ns), 0);
	return ns;
}

/* A golden row as a request; the row stays the owner of the texts. */
static void load(const json_t *row, struct request *r)
{
	const char *name;
	json_t *value;

	memset(r, 0, sizeof(*r));
	r->req = (struct sigv4_request){
		.method = mc_json_str(row, "method", ""),
		.path = mc_json_str(row, "path", ""),
		.query = mc_json_str(row, "query", ""),
		.headers = r->headers,
		.body = mc_json_str(row, "body", ""),
		.body_len = strlen(mc_json_str(row, "body", "")),
		.now = at("20261121T040010Z"),
		.default_service = "ec2",
	};
	json_object_foreach(mc_json_obj(row, "headers"), name, value)
		r->headers[r->req.n_headers++] =
			(struct sigv4_header){ name, json_string_value(value) };
}

static json_t *golden(void)
{
	json_t *rows = mc_json_load("tests/golden/api/sigv4.json", NULL);

	assert_non_null(rows);
	return rows;
}

static json_t *golden_row(const json_t *rows, const char *name)
{
	size_t i;
	json_t *row;

	json_array_foreach((json_t *)rows, i, row)
		if (strcmp(mc_json_str(row, "name", ""), name) == 0)
			return row;
	fail_msg("no row %s", name);
	return NULL;
}

static void test_botocore(void **state)
{
	(void)state;
	mc_auto_json json_t *rows = golden();
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row) {
		struct request r;
		struct sigv4_result result;
		struct protocol_error error;

		load(row, &r);
		if (sigv4_verify(&r.req, lookup, NULL, &result, &error) < 0)
			fail_msg("%s: %s: %s", mc_json_str(row, "name", ""), error.code,
				 error.message);
		assert_string_equal(result.access_key, KEY);
		assert_string_equal(result.region, mc_json_str(row, "region", ""));
		assert_string_equal(result.service, mc_json_str(row, "service", ""));
		assert_int_equal(result.presigned,
				 strcmp(mc_json_str(row, "name", ""), "presigned") == 0);
		assert_true(result.date == at("20261121T040000Z"));
	}
}

static void refused(const struct request *r, int status, const char *code)
{
	struct sigv4_result result;
	struct protocol_error error = { 0 };

	memset(&result, 'x', sizeof(result));
	assert_int_equal(sigv4_verify(&r->req, lookup, NULL, &result, &error), -1);
	assert_int_equal(result.access_key[0], 'x');
	assert_string_equal(error.code, code);
	assert_int_equal(error.status, status);
}

static void set_header(struct request *r, const char *name, const char *value)
{
	for (size_t i = 0; i < r->req.n_headers; i++)
		if (strcmp(r->headers[i].name, name) == 0) {
			r->headers[i].value = value;
			return;
		}
	assert_true(r->req.n_headers < MAX_HEADERS);
	r->headers[r->req.n_headers++] = (struct sigv4_header){ name, value };
}

/* Whatever is changed after signing is noticed. */
static void test_tampering(void **state)
{
	(void)state;
	mc_auto_json json_t *rows = golden();
	struct request r;

	load(golden_row(rows, "post"), &r);
	r.req.body = "Action=TerminateInstances";
	r.req.body_len = strlen(r.req.body);
	refused(&r, 401, "AuthFailure");
	load(golden_row(rows, "post"), &r);
	r.req.method = "GET";
	refused(&r, 401, "AuthFailure");
	load(golden_row(rows, "post"), &r);
	r.req.query = "Action=RunInstances";
	refused(&r, 401, "AuthFailure");
	load(golden_row(rows, "post"), &r);
	set_header(&r, "Host", "127.0.0.1");
	refused(&r, 401, "AuthFailure");
	load(golden_row(rows, "post"), &r);
	set_header(&r, "x-amz-target", "EC2.RunInstances");
	refused(&r, 401, "AuthFailure");
	load(golden_row(rows, "post"), &r);
	set_header(&r, "x-amz-content-sha256", "00");
	refused(&r, 401, "AuthFailure");
	load(golden_row(rows, "post"), &r);
	set_header(&r, "x-amz-content-sha256", "UNSIGNED-PAYLOAD");
	refused(&r, 401, "AuthFailure");
	load(golden_row(rows, "token"), &r);
	set_header(&r, "X-Amz-Security-Token", "other");
	refused(&r, 403, "SignatureDoesNotMatch");
	load(golden_row(rows, "presigned"), &r);
	r.req.query = "Action=TerminateInstances&X-Amz-Signature=1";
	refused(&r, 400, "IncompleteSignature");
}

static void test_time(void **state)
{
	(void)state;
	mc_auto_json json_t *rows = golden();
	static const struct {
		const char *row, *now, *code;
		int status;
	} cases[] = {
		{ "post", "20261121T040501Z", "RequestExpired", 400 },
		{ "post", "20261121T035459Z", "RequestExpired", 400 },
		{ "token", "20261121T040501Z", "SignatureDoesNotMatch", 403 },
		{ "presigned", "20261121T040101Z", "RequestExpired", 400 },
		{ "presigned", "20261121T034459Z", "RequestExpired", 400 },
	};
	struct sigv4_result result;
	struct protocol_error error;
	struct request r;

	for (size_t i = 0; i < MC_ARRAY_SIZE(cases); i++) {
		load(golden_row(rows, cases[i].row), &r);
		r.req.now = at(cases[i].now);
		refused(&r, cases[i].status, cases[i].code);
	}
	load(golden_row(rows, "post"), &r);
	r.req.now = at("20261121T040500Z");
	assert_int_equal(sigv4_verify(&r.req, lookup, NULL, &result, &error), 0);
	load(golden_row(rows, "presigned"), &r);
	r.req.now = at("20261121T040100Z");
	assert_int_equal(sigv4_verify(&r.req, lookup, NULL, &result, &error), 0);
}

#define AUTH(credential, headers, signature) \
	"AWS4-HMAC-SHA256 Credential=" credential ", SignedHeaders=" headers \
	", Signature=" signature
#define SCOPE "/20261121/us-east-1/ec2/aws4_request"
#define STS_SCOPE "/20261121/us-east-1/sts/aws4_request"
#define ZERO "0000000000000000000000000000000000000000000000000000000000000000"

static void test_authorization(void **state)
{
	(void)state;
	static const struct {
		const char *value, *code;
		int status;
	} cases[] = {
		{ "", "IncompleteSignature", 400 },
		{ "Basic Zm9v", "IncompleteSignature", 400 },
		{ "AWS4-HMAC-SHA256", "IncompleteSignature", 400 },
		{ "AWS4-HMAC-SHA256 ", "IncompleteSignature", 400 },
		{ "AWS4-HMAC-SHA256 ,,,", "IncompleteSignature", 400 },
		{ "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0",
		  "IncompleteSignature", 400 },
		{ AUTH(KEY "/20261121/us-east-1/EC2!/aws4_request", "host;x-amz-date", ZERO),
		  "IncompleteSignature", 400 },
		{ AUTH(KEY SCOPE, "x-amz-date", ZERO), "AuthFailure", 401 },
		{ AUTH(KEY SCOPE, "host", ZERO), "AuthFailure", 401 },
		{ AUTH(KEY SCOPE, "x-amz-date;host", ZERO), "IncompleteSignature", 400 },
		{ AUTH(KEY SCOPE, "host;host;x-amz-date", ZERO), "IncompleteSignature", 400 },
		{ AUTH(KEY SCOPE, "host;;x-amz-date", ZERO), "IncompleteSignature", 400 },
		{ AUTH(KEY SCOPE, "host;x-amz-date;x-not-there", ZERO), "AuthFailure", 401 },
		{ AUTH(KEY SCOPE, "host;x-amz-date", ZERO), "AuthFailure", 401 },
		{ AUTH(KEY SCOPE, "host;x-amz-date", "0"), "AuthFailure", 401 },
		{ AUTH("AKIANOBODY" SCOPE, "host;x-amz-date", ZERO), "AuthFailure", 401 },
		{ AUTH("AKIANOBODY" STS_SCOPE, "host;x-amz-date", ZERO),
		  "InvalidClientTokenId", 403 },
		{ AUTH(KEY STS_SCOPE, "host;x-amz-date", ZERO), "SignatureDoesNotMatch", 403 },
		{ AUTH(KEY "/20261120/us-east-1/sts/aws4_request", "host;x-amz-date", ZERO),
		  "SignatureDoesNotMatch", 403 },
		{ AUTH(KEY "/20261121/us-east-1/sts/aws3_request", "host;x-amz-date", ZERO),
		  "SignatureDoesNotMatch", 403 },
	};
	mc_auto_json json_t *rows = golden();
	struct request r;

	for (size_t i = 0; i < MC_ARRAY_SIZE(cases); i++) {
		load(golden_row(rows, "post"), &r);
		set_header(&r, "Authorization", cases[i].value);
		refused(&r, cases[i].status, cases[i].code);
	}
	load(golden_row(rows, "post"), &r);
	set_header(&r, "X-Amz-Date", "2026-11-21T04:00Z");
	refused(&r, 400, "IncompleteSignature");
	r.req.n_headers = 0;
	refused(&r, 400, "MissingParameter");
	r.req.default_service = "sts";
	refused(&r, 403, "MissingAuthenticationToken");
}

/* "Create a signed AWS API request" in the AWS general reference: ListUsers. */
static void test_aws_example(void **state)
{
	(void)state;
	static const struct sigv4_header headers[] = {
		{ "content-type", "application/x-www-form-urlencoded; charset=utf-8" },
		{ "host", "iam.amazonaws.com" },
		{ "x-amz-date", "20150830T123600Z" },
	};
	const struct sigv4_request req = {
		.method = "GET", .path = "/", .query = "Action=ListUsers&Version=2010-05-08",
		.headers = headers, .n_headers = MC_ARRAY_SIZE(headers),
	};
	const struct sigv4_credentials credentials = {
		"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "iam",
	};
	mc_autofree char *value = sigv4_sign(&req, &credentials);

	assert_string_equal(value,
		"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
		"SignedHeaders=content-type;host;x-amz-date, "
		"Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

/* What we sign we take, with a body hash and odd headers too. */
static void test_round_trip(void **state)
{
	(void)state;
	struct request r = { 0 };
	const struct sigv4_credentials credentials = { KEY, SECRET, "eu-west-1", "ec2" };
	struct sigv4_result result;
	struct protocol_error error;

	r.req = (struct sigv4_request){
		.method = "POST", .path = "/", .query = "b=2&a=%41&a=", .headers = r.headers,
		.body = "{}", .body_len = 2, .now = at("20261121T040000Z"),
		.default_service = "ec2",
	};
	set_header(&r, "Host", "localhost");
	set_header(&r, "X-Amz-Date", "20261121T040000Z");
	set_header(&r, "X-Amz-Target", "ec2.DescribeInstances");
	set_header(&r, "X-Empty", "");

	mc_autofree char *value = sigv4_sign(&r.req, &credentials);

	assert_non_null(value);
	set_header(&r, "Authorization", value);
	assert_int_equal(sigv4_verify(&r.req, lookup, NULL, &result, &error), 0);
	set_header(&r, "X-Amz-Target", "ec2.TerminateInstances");
	refused(&r, 401, "AuthFailure");
	r.headers[0].name = "x;y"; /* no list of names can hold it */
	assert_null(sigv4_sign(&r.req, &credentials));
	r.req.n_headers = 1;
	assert_null(sigv4_sign(&r.req, &credentials));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_botocore),      cmocka_unit_test(test_tampering),
		cmocka_unit_test(test_time),	      cmocka_unit_test(test_authorization),
		cmocka_unit_test(test_aws_example),   cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
