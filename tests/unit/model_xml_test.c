/* Answers as XML. tests/golden/api/answers.json holds documents and the text that is
 * sent for them; answers.py in that directory shows that botocore reads them back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/protocol/json.h"
#include "api/protocol/xml.h"
#include "common/cleanup.h"
#include "common/json.h"

#define ID "3f1c0f4e-0000-4000-8000-000000000001"

static char *answer(const char *service, const char *operation, const json_t *doc, mc_err **err)
{
	size_t len = 0;
	char *text = protocol_xml_answer(model_operation(model_service(service), operation), doc,
					 ID, &len, err);

	if (text)
		assert_int_equal(len, strlen(text));
	return text;
}

static void test_golden(void **state)
{
	(void)state;
	mc_auto_json json_t *rows = mc_json_load("tests/golden/api/answers.json", NULL);
	size_t i;
	json_t *row;

	assert_non_null(rows);
	json_array_foreach(rows, i, row) {
		mc_auto_err mc_err *err = NULL;
		mc_autofree char *text = answer(mc_json_str(row, "service", ""),
						mc_json_str(row, "operation", ""),
						json_object_get(row, "doc"), &err);

		if (!text)
			fail_msg("%s", mc_err_msg(err));
		assert_string_equal(text, mc_json_str(row, "xml", ""));
	}
}

/* The order is the model's, whatever the document's. */
static void test_order(void **state)
{
	(void)state;
	mc_auto_json json_t *doc = json_pack(
		"{s:[{s:b, s:s, s:s}]}", "Vpcs", "IsDefault", 1, "VpcId", "vpc-1", "CidrBlock",
		"10.0.0.0/16");
	mc_autofree char *text = answer("ec2", "DescribeVpcs", doc, NULL);

	assert_non_null(strstr(text, "<item><cidrBlock>10.0.0.0/16</cidrBlock><vpcId>vpc-1</vpcId>"
				     "<isDefault>true</isDefault></item>"));
}

static void test_escapes(void **state)
{
	(void)state;
	mc_auto_json json_t *doc = json_pack("{s:s}", "KeyName",
					     "<a>&\"\r\n\t\x01\x1f\xef\xbf\xbf\xc3\xbc");
	mc_autofree char *text = answer("ec2", "ImportKeyPair", doc, NULL);

	assert_non_null(strstr(text, "<keyName>&lt;a&gt;&amp;&quot;&#xD;\n\t\xef\xbf\xbd"
				     "\xef\xbf\xbd\xef\xbf\xbd\xc3\xbc</keyName>"));
}

static void test_faults(void **state)
{
	(void)state;
	static const char *const docs[] = {
		"{\"Vpc\": []}", "{\"Vpcs\": {}}", "{\"Vpcs\": [1]}", "{\"Vpcs\": [{\"VpcId\": 1}]}",
		"{\"Vpcs\": [{\"IsDefault\": \"true\"}]}", "{\"Vpcs\": [{\"Nope\": 1}]}", "[]",
		"{\"Vpcs\": [\"<vpcId>x</vpcId>\"]}", "{\"Vpcs\": [\"\"]}",
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(docs); i++) {
		mc_auto_err mc_err *err = NULL;
		mc_auto_json json_t *doc = json_loads(docs[i], 0, NULL);

		assert_null(answer("ec2", "DescribeVpcs", doc, &err));
		assert_non_null(err);
	}

	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *doc = json_pack("{s:b}", "Return", 1);

	assert_null(answer("ec2", "CreateTags", doc, &err));
	assert_non_null(err);
}

static void test_errors(void **state)
{
	(void)state;
	mc_autofree char *ec2 = protocol_xml_error(model_service("ec2"), 400, "A.B", "<x>", ID);
	mc_autofree char *sts = protocol_xml_error(model_service("sts"), 403, "A", "m", ID);
	mc_autofree char *json = protocol_json_error("A", "\"m\"");

	assert_string_equal(ec2, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<Response><Errors><Error><Code>A.B</Code><Message>&lt;x&gt;</Message></Error>"
		"</Errors><RequestID>" ID "</RequestID></Response>");
	assert_string_equal(sts, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>"
		"<Type>Sender</Type><Code>A</Code><Message>m</Message></Error><RequestId>" ID
		"</RequestId></ErrorResponse>");
	assert_string_equal(json, "{\"__type\":\"A\",\"message\":\"\\\"m\\\"\"}");
}

/* Ten thousand instances are one answer. */
static void test_large(void **state)
{
	(void)state;
	mc_auto_json json_t *doc = json_pack("{s:[{s:[]}]}", "Reservations", "Instances");
	json_t *list = json_object_get(json_array_get(json_object_get(doc, "Reservations"), 0),
				       "Instances");

	for (int i = 0; i < 10000; i++)
		json_array_append_new(list, json_pack("{s:s}", "InstanceId", "i-1234567890abcdef0"));

	mc_autofree char *text = answer("ec2", "DescribeInstances", doc, NULL);

	assert_true(strlen(text) > 10000 * 57);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden), cmocka_unit_test(test_order),
		cmocka_unit_test(test_escapes), cmocka_unit_test(test_faults),
		cmocka_unit_test(test_errors), cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
