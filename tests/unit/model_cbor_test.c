/* CBOR bodies: what is read, what is refused, and what is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/protocol/cbor.h"
#include "api/protocol/gzip.h"
#include "common/cleanup.h"

static const struct model_operation *operation(const char *name)
{
	return model_operation(model_service("monitoring"), name);
}

struct row {
	const char *bytes;
	size_t len;
	const char *expected; /* the document as JSON, or the error's code and message */
};
#define ROW(bytes, expected) { bytes, sizeof(bytes) - 1, expected }

static const struct row rows[] = {
	/* definite, and without lengths: {"Namespace": "ab"} */
	ROW("\xa1\x69Namespace\x62" "ab", "{\"Namespace\":\"ab\"}"),
	ROW("\xbf\x69Namespace\x7f\x61" "a\x61" "b\xff\xff", "{\"Namespace\":\"ab\"}"),
	/* {"Namespace": "a", "MetricData": [{"MetricName": "m", "Value": 1.5, "Timestamp": 1(1000.5)}]}: half, double, tag */
	ROW("\xa2\x69Namespace\x61" "a\x6aMetricData\x81\xa3\x6aMetricName\x61m\x65Value\xf9\x3e\x00\x69Timestamp\xc1\xfb\x40\x8f\x44\x00\x00\x00\x00\x00",
	    "{\"Namespace\":\"a\",\"MetricData\":[{\"MetricName\":\"m\",\"Value\":1.5,\"Timestamp\":\"1970-01-01T00:16:40.500Z\"}]}"),
	/* negative, and of every width */
	ROW("\xa2\x69Namespace\x61" "a\x6aMetricData\x81\xa2\x6aMetricName\x61m\x66Values\x84\x20\x19\x01\x00\x1a\x00\x01\x00\x00\x3a\x00\x00\xff\xff",
	    "{\"Namespace\":\"a\",\"MetricData\":[{\"MetricName\":\"m\",\"Values\":[-1,256,65536,-65536]}]}"),
	/* null is as if it were not there */
	ROW("\xa2\x69Namespace\x61" "a\x6aMetricData\xf6", "{\"Namespace\":\"a\"}"),
	ROW("", "MissingParameter The parameter Namespace is required."),
	ROW("\xa0\xa0", "SerializationException The body is not valid CBOR: something follows it."),
	ROW("\x80", "SerializationException The body must be a CBOR map."),
	ROW("\xa1\x69Name", "SerializationException The body is not valid CBOR: it ends too early."),
	ROW("\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "SerializationException The body is not valid CBOR: it ends too early."),
	ROW("\xa1\x01\x02", "SerializationException The body is not valid CBOR: a name is no text."),
	ROW("\xa2\x61" "a\x01\x61" "a\x02", "SerializationException The body is not valid CBOR: a name is there twice."),
	ROW("\xff", "SerializationException The body is not valid CBOR: there is an end without a beginning."),
	ROW("\xa1\x61" "a\xc2\x41\x01", "SerializationException The body is not valid CBOR: a tag is not known here."),
	ROW("\xa1\x61" "a\xc1\x61" "b", "SerializationException The body is not valid CBOR: a time is no number."),
	ROW("\xa1\x61" "a\x1b\xff\xff\xff\xff\xff\xff\xff\xff", "SerializationException The body is not valid CBOR: an integer has more than 64 bits."),
	ROW("\xa1\x61" "a\x61\xff", "SerializationException The body is not valid CBOR: a text is not UTF-8."),
	ROW("\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81",
	    "SerializationException The body is not valid CBOR: it is nested too deeply."),
	ROW("\xa2\x69Namespace\x61" "a\x6aMetricData\x81\xa2\x6aMetricName\x61m\x65Value\xf9\x7e\x00",
	    "InvalidParameterValue Invalid value for parameter MetricData.member.1.Value. It must be a number."),
};

static void test_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		struct protocol_error e = { 0 };
		mc_auto_json json_t *doc = NULL;
		mc_autofree char *text = NULL;
		char error[700];

		if (protocol_cbor_decode(operation("PutMetricData"), rows[i].bytes, rows[i].len, &doc, &e) == 0)
			text = json_dumps(doc, JSON_COMPACT);
		snprintf(error, sizeof(error), "%s %s", e.code, e.message);
		assert_string_equal(text ? text : error, rows[i].expected);
	}
}

/* Each beginning of a body that is right is refused, and nothing is read beyond it. */
static void test_cut_short(void **state)
{
	static const char whole[] = "\xa2\x69Namespace\x61" "a\x6aMetricData\x81\xa2\x6aMetricName\x61m\x65Value\xfb\x3f\xf8\x00\x00\x00\x00\x00\x00";
	size_t len = sizeof(whole) - 1;

	(void)state;
	for (size_t n = 0; n <= len; n++) {
		mc_autofree char *part = malloc(n + 1); /* its own, for ASan */
		struct protocol_error e = { 0 };
		mc_auto_json json_t *doc = NULL;

		memcpy(part, whole, n);
		assert_int_equal(protocol_cbor_decode(operation("PutMetricData"), part, n, &doc, &e), n == len ? 0 : -1);
	}
}

static void test_written(void **state)
{
	static const char expected[] = "\xa2\x65Label\x61x\x6a" "Datapoints\x81\xa2\x69Timestamp\xc1\xfb\x40\x8f\x44\x00\x00\x00\x00\x00"
				       "\x63Sum\xfb\x40\x00\x00\x00\x00\x00\x00\x00";
	mc_auto_json json_t *doc = json_pack("{s:s, s:[{s:s, s:i}]}", "Label", "x", "Datapoints", "Timestamp", "1970-01-01T00:16:40.500Z",
					     "Sum", 2);
	size_t len = 0;
	mc_autofree char *body = protocol_cbor_encode(operation("GetMetricStatistics"), doc, &len);

	(void)state;
	assert_int_equal(len, sizeof(expected) - 1);
	assert_memory_equal(body, expected, len);
}

static void test_path(void **state)
{
	struct protocol_cbor_path p;

	(void)state;
	assert_true(protocol_cbor_path("/service/GraniteServiceVersion20100801/operation/ListMetrics", &p));
	assert_int_equal(p.service_len, strlen("GraniteServiceVersion20100801"));
	assert_string_equal(p.operation, "ListMetrics");
	assert_false(protocol_cbor_path("/", &p));
	assert_false(protocol_cbor_path("/service//operation/A", &p));
	assert_false(protocol_cbor_path("/service/A/operation/", &p));
	assert_false(protocol_cbor_path("/service/A/operation/B/C", &p));
}

/* "abc" by gzip, and what is none. */
static void test_gunzip(void **state)
{
	static const char zipped[] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b\x4c\x4a\x06\x00\xc2\x41\x24\x35\x03\x00\x00\x00";
	size_t n = sizeof(zipped) - 1, len = 0;
	mc_autofree char *plain = NULL;
	struct protocol_error e;
	char *none = NULL;

	(void)state;
	assert_int_equal(protocol_gunzip(zipped, n, 3, &plain, &len, &e), 0);
	assert_int_equal(len, 3);
	assert_string_equal(plain, "abc");
	assert_int_equal(protocol_gunzip(zipped, n, 2, &none, &len, &e), -1);
	assert_string_equal(e.code, "RequestEntityTooLarge");
	for (size_t cut = 0; cut < n; cut++) {
		assert_int_equal(protocol_gunzip(zipped, cut, 100, &none, &len, &e), -1);
		assert_string_equal(e.code, "SerializationException");
	}
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read), cmocka_unit_test(test_cut_short), cmocka_unit_test(test_written), cmocka_unit_test(test_path),
		cmocka_unit_test(test_gunzip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
