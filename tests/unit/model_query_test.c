/* Query and JSON requests become documents; what is wrong with them is said in AWS's way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/protocol/json.h"
#include "api/protocol/query.h"
#include "common/cleanup.h"
#include "common/json.h"

static int decode(const char *service, const char *operation, const char *text, json_t **ret,
		  struct protocol_error *error)
{
	struct protocol_form form = { 0 };
	int r = protocol_form_parse(&form, text, strlen(text), error);

	if (r == 0)
		r = protocol_query_decode(model_operation(model_service(service), operation),
					  form.params, form.n, ret, error);
	protocol_form_free(&form);
	return r;
}

/* What botocore sends for a document decodes into that document. */
static void test_golden(void **state)
{
	(void)state;
	mc_auto_json json_t *rows = mc_json_load("tests/golden/api/query.json", NULL);
	size_t i;
	json_t *row;

	assert_non_null(rows);
	json_array_foreach(rows, i, row) {
		mc_auto_json json_t *doc = NULL;
		struct protocol_error error = { 0 };

		if (decode(mc_json_str(row, "service", ""), mc_json_str(row, "operation", ""),
			   mc_json_str(row, "form", ""), &doc, &error) < 0)
			fail_msg("%zu: %s: %s", i, error.code, error.message);
		if (!json_equal(doc, json_object_get(row, "doc")))
			fail_msg("%zu: %s", i, json_dumps(doc, 0));
	}
}

static const struct {
	const char *operation, *form, *code, *message;
} wrong[] = {
	{ "DescribeInstances", "Foo=1", "UnknownParameter", "The parameter Foo is not recognized" },
	{ "DescribeInstances", "Filter.1.Nome=1", "UnknownParameter",
	  "The parameter Filter.1.Nome is not recognized" },
	{ "DescribeInstances", "InstanceId=i-1", "UnknownParameter", NULL },
	{ "DescribeInstances", "InstanceId.1.x=i-1", "UnknownParameter", NULL },
	{ "DescribeInstances", "InstanceId.0=i-1", "UnknownParameter", NULL },
	{ "DescribeInstances", "InstanceId.01=i-1", "UnknownParameter", NULL },
	{ "DescribeInstances", "InstanceId.-1=i-1", "UnknownParameter", NULL },
	{ "DescribeInstances", "InstanceId.=i-1", "UnknownParameter", NULL },
	{ "DescribeInstances", "InstanceId.1=a&InstanceId.3=b&Filter.1.Name=x",
	  "InvalidParameterValue", "Invalid value for parameter InstanceId.2. The list has a gap "
				   "here." },
	{ "DescribeInstances", "InstanceId.4000000=a", "InvalidParameterValue", NULL },
	{ "DescribeInstances", "InstanceId.99999999999999999999=a", "UnknownParameter", NULL },
	{ "DescribeInstances", "InstanceId.1=a&InstanceId.1=b", "MalformedQueryString", NULL },
	{ "DescribeInstances", "MaxResults=ten", "InvalidParameterValue",
	  "Value (ten) for parameter MaxResults is invalid. Expecting an integer." },
	{ "DescribeInstances", "MaxResults=99999999999", "InvalidParameterValue", NULL },
	{ "DescribeInstances", "MaxResults=99999999999999999999", "InvalidParameterValue", NULL },
	{ "DescribeInstances", "MaxResults= 1", "InvalidParameterValue", NULL },
	{ "DescribeInstances", "MaxResults=", "InvalidParameterValue", NULL },
	{ "DescribeInstances", "MaxResults.1=4", "UnknownParameter", NULL },
	{ "DescribeInstances", "DryRun=maybe", "InvalidParameterValue", NULL },
	{ "DescribeInstances", "DryRun=%zz", "MalformedQueryString", NULL },
	{ "DescribeInstances", "NextToken=%", "MalformedQueryString", NULL },
	{ "DescribeInstances", "NextToken=%4", "MalformedQueryString", NULL },
	{ "DescribeInstances", "NextToken=%00", "MalformedQueryString", NULL },
	{ "DescribeInstances", "NextToken=%ff", "MalformedQueryString", NULL },
	{ "DescribeInstances", "NextToken=%ed%a0%80", "MalformedQueryString", NULL },
	{ "DescribeInstances", "=x", "UnknownParameter", NULL },
	{ "TerminateInstances", "", "MissingParameter",
	  "The request must contain the parameter InstanceId" },
	{ "RunInstances", "ImageId=ami-1&MinCount=1", "MissingParameter",
	  "The request must contain the parameter MaxCount" },
	{ "StopInstances", "InstanceId.1=i-1&InstanceId.2.member.1=x", "UnknownParameter", NULL },
	{ "CreateVolume", "AvailabilityZone=a&VolumeType=floppy", "InvalidParameterValue",
	  "Value (floppy) for parameter VolumeType is invalid." },
	{ "DescribeSpotPriceHistory", "StartTime=yesterday", "InvalidParameterValue", NULL },
	{ "DescribeSpotPriceHistory", "StartTime=2316-11-21T04%3A00%3A00Z", "InvalidParameterValue", NULL },
	{ "ModifyInstanceAttribute", "InstanceId=i-1&UserData.Value=%21", "InvalidParameterValue",
	  NULL },
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(wrong); i++) {
		json_t *doc = NULL;
		struct protocol_error error = { 0 };

		if (decode("ec2", wrong[i].operation, wrong[i].form, &doc, &error) == 0)
			fail_msg("taken: %s", wrong[i].form);
		assert_null(doc);
		assert_int_equal(error.status, 400);
		assert_string_equal(error.code, wrong[i].code);
		if (wrong[i].message)
			assert_string_equal(error.message, wrong[i].message);
	}
}

/* A request cannot make us reserve more than it could fill. */
static void test_amplification(void **state)
{
	(void)state;
	enum { N = 2000 };
	mc_autofree char *text = calloc(N, 64);
	struct protocol_error error;
	json_t *doc = NULL;
	size_t len = 0;

	for (int i = 1; i <= N; i++)
		len += (size_t)snprintf(text + len, 64, "Filter.%d.Value.%d=x&", i, N);
	assert_int_equal(decode("ec2", "DescribeInstances", text, &doc, &error), -1);
	assert_string_equal(error.code, "InvalidParameterValue");
}

/* Clients that sort their parameters send Filter.10 before Filter.2. */
static void test_any_order(void **state)
{
	(void)state;
	mc_auto_json json_t *doc = NULL;
	struct protocol_error error;

	assert_int_equal(decode("ec2", "DescribeInstances",
				"InstanceId.3=c&InstanceId.1=a&InstanceId.2=b&Version=1&"
				"x-amz-date=20261121T040000Z", &doc, &error), 0);
	assert_string_equal(mc_json_at(json_object_get(doc, "InstanceIds"), 2), "c");
}

static void test_sts_lists(void **state)
{
	(void)state;
	mc_auto_json json_t *doc = NULL;
	json_t *bad = NULL;
	struct protocol_error error;
	const char *base = "RoleArn=arn:aws:iam::000000000000:role/x&RoleSessionName=me&";
	mc_autofree char *good = NULL, *flat = NULL;

	assert_true(asprintf(&good, "%sTagKeys=&Tags.member.1.Key=a&Tags.member.1.Value=b", base));
	assert_true(asprintf(&flat, "%sTags.1.Key=a", base));
	assert_int_equal(decode("sts", "AssumeRole", good, &doc, &error), -1);
	assert_string_equal(error.code, "UnknownParameter");
	memmove(strstr(good, "TagKeys=&"), strstr(good, "Tags."), strlen(strstr(good, "Tags.")) + 1);
	assert_int_equal(decode("sts", "AssumeRole", good, &doc, &error), 0);
	assert_int_equal(decode("sts", "AssumeRole", flat, &bad, &error), -1);
	assert_string_equal(error.message, "The parameter Tags.1.Key is not recognized");
}

static const struct {
	const char *operation, *body, *code;
} json_cases[] = {
	{ "DescribeInstances", "", NULL },
	{ "DescribeInstances", "{}", NULL },
	{ "DescribeInstances", "{\"InstanceIds\":[\"i-1\"],\"MaxResults\":5,\"DryRun\":null}", NULL },
	{ "DescribeSpotPriceHistory", "{\"StartTime\":1795233600.5}", NULL },
	{ "DescribeSpotPriceHistory", "{\"StartTime\":99999999999}", "InvalidParameterValue" },
	{ "DescribeInstances", "[]", "SerializationException" },
	{ "DescribeInstances", "{", "SerializationException" },
	{ "DescribeInstances", "{\"DryRun\":true,\"DryRun\":false}", "SerializationException" },
	{ "DescribeInstances", "{\"InstanceId\":[\"i-1\"]}", "UnknownParameter" },
	{ "DescribeInstances", "{\"InstanceIds\":\"i-1\"}", "InvalidParameterValue" },
	{ "DescribeInstances", "{\"InstanceIds\":[null]}", "InvalidParameterValue" },
	{ "DescribeInstances", "{\"InstanceIds\":[1]}", "InvalidParameterValue" },
	{ "DescribeInstances", "{\"NextToken\":\"a\\u0000b\"}", "SerializationException" },
	{ "DescribeInstances", "{\"MaxResults\":\"5\"}", "InvalidParameterValue" },
	{ "DescribeInstances", "{\"MaxResults\":5.5}", "InvalidParameterValue" },
	{ "DescribeInstances", "{\"DryRun\":\"true\"}", "InvalidParameterValue" },
	{ "TerminateInstances", "{\"InstanceIds\":null}", "MissingParameter" },
};

static void test_json(void **state)
{
	(void)state;
	const struct model_service *ec2 = model_service("ec2");

	for (size_t i = 0; i < MC_ARRAY_SIZE(json_cases); i++) {
		mc_auto_json json_t *doc = NULL;
		struct protocol_error error = { 0 };
		int r = protocol_json_decode(model_operation(ec2, json_cases[i].operation),
					     json_cases[i].body, strlen(json_cases[i].body), &doc,
					     &error);

		assert_int_equal(r, json_cases[i].code ? -1 : 0);
		if (json_cases[i].code)
			assert_string_equal(error.code, json_cases[i].code);
		else
			assert_null(json_object_get(doc, "DryRun"));
	}
	assert_string_equal(protocol_json_target("AmazonEC2.RunInstances"), "RunInstances");
	assert_string_equal(protocol_json_target("RunInstances"), "RunInstances");
}

static const struct {
	const char *operation, *body, *code, *message; /* of the SSM service; code NULL: accepted */
} ssm_cases[] = {
	{ "GetParameter", "{\"Name\":\"/a\",\"Unheard\":1}", NULL, NULL },
	{ "GetParameter", "{}", "ValidationException",
	  "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null" },
	{ "GetParameter", "{\"Name\":\"\"}", "ValidationException",
	  "1 validation error detected: Value '' at 'name' failed to satisfy constraint:"
	  " Member must have length greater than or equal to 1" },
	{ "GetParameter", "{\"Name\":1}", "SerializationException", "Name: It must be text." },
	{ "GetParameters", "{\"Names\":[]}", "ValidationException",
	  "1 validation error detected: Value '[]' at 'names' failed to satisfy constraint:"
	  " Member must have length greater than or equal to 1" },
	{ "GetParameters", "{\"Names\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\",\"k\"]}", "ValidationException",
	  "1 validation error detected: Value '[a, b, c, d, e, f, g, h, i, j, k]' at 'names' failed to satisfy constraint:"
	  " Member must have length less than or equal to 10" },
	{ "GetParametersByPath", "{\"Path\":\"/\",\"MaxResults\":11}", "ValidationException",
	  "1 validation error detected: Value '11' at 'maxResults' failed to satisfy constraint:"
	  " Member must have value less than or equal to 10" },
	{ "GetParametersByPath", "{\"Path\":\"/\",\"ParameterFilters\":[{\"Key\":\"\"}]}", "ValidationException",
	  "1 validation error detected: Value '' at 'parameterFilters.1.member.key' failed to satisfy constraint:"
	  " Member must have length greater than or equal to 1" },
	{ "AddTagsToResource", "{\"ResourceType\":\"Thing\",\"ResourceId\":\"x\",\"Tags\":[]}", "ValidationException",
	  "1 validation error detected: Value 'Thing' at 'resourceType' failed to satisfy constraint: Member must satisfy"
	  " enum value set: [Document, ManagedInstance, MaintenanceWindow, Parameter, PatchBaseline, OpsItem, OpsMetadata,"
	  " Automation, Association]" },
};

static void test_json_service(void **state)
{
	const struct model_service *ssm = model_service("ssm");

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(ssm_cases); i++) {
		mc_auto_json json_t *doc = NULL;
		struct protocol_error error = { 0 };
		int r = protocol_json_decode(model_operation(ssm, ssm_cases[i].operation), ssm_cases[i].body,
					     strlen(ssm_cases[i].body), &doc, &error);

		assert_int_equal(r, ssm_cases[i].code ? -1 : 0);
		if (ssm_cases[i].code) {
			assert_string_equal(error.code, ssm_cases[i].code);
			assert_string_equal(error.message, ssm_cases[i].message);
		} else {
			assert_null(json_object_get(doc, "Unheard"));
		}
	}
}

static void test_json_time(void **state)
{
	(void)state;
	static const char body[] = "{\"StartTime\": 1795233600.5}";
	mc_auto_json json_t *doc = NULL;
	struct protocol_error error;

	assert_int_equal(protocol_json_decode(model_operation(model_service("ec2"),
							      "DescribeSpotPriceHistory"),
					      body, strlen(body), &doc, &error), 0);
	assert_string_equal(mc_json_str(doc, "StartTime", ""), "2026-11-21T04:00:00.500Z");
}

static void test_form(void **state)
{
	(void)state;
	struct protocol_form form = { 0 };
	struct protocol_error error;

	assert_int_equal(protocol_form_parse(&form, "a=1&&b&c=%2B+x", 14, &error), 0);
	assert_int_equal(form.n, 3);
	assert_string_equal(protocol_form_get(&form, "b"), "");
	assert_string_equal(protocol_form_get(&form, "c"), "+ x");
	assert_null(protocol_form_get(&form, "d"));
	assert_int_equal(protocol_form_parse(&form, "d=%9", 4, &error), -1);
	assert_int_equal(form.n, 3);
	assert_int_equal(protocol_form_parse(&form, "d=4", 3, &error), 0);
	assert_string_equal(protocol_form_get(&form, "a"), "1");
	assert_string_equal(protocol_form_get(&form, "d"), "4");
	protocol_form_free(&form);

	mc_autofree char *many = malloc(2 * PROTOCOL_MAX_PARAMS + 2);

	memset(many, '&', 2 * PROTOCOL_MAX_PARAMS);
	assert_int_equal(protocol_form_parse(&form, many, 2 * PROTOCOL_MAX_PARAMS, &error), -1);
	assert_int_equal(form.n, 0);
	protocol_form_free(&form);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),	     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_amplification), cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_sts_lists),    cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_service),
		cmocka_unit_test(test_json_time),    cmocka_unit_test(test_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
