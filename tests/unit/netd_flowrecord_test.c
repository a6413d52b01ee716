/* Lines of flow logs: what was seen, what was not, and what there was no room for. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "netd/flowrecord.h"
#include "netd/wanted.h"

#define VPC "vpc-0123456789abcdef0"
#define A "eni-a000000000000000a"
#define B "eni-b000000000000000b"

static const char document[] =
	"{\"generation\": 1, \"cidrs\": [\"10.0.0.0/16\"], \"subnets\": [{\"id\": \"subnet-10000000000000001\", \"cidr\": \"10.0.0.0/24\"}],"
	" \"enis\": [{\"id\": \"" A "\", \"subnet\": \"subnet-10000000000000001\", \"mac\": \"06:00:00:00:00:0a\", \"ip\": \"10.0.0.10\"},"
	"            {\"id\": \"" B "\", \"subnet\": \"subnet-10000000000000001\", \"mac\": \"06:00:00:00:00:0b\", \"ip\": \"10.0.0.11\"}],"
	" \"flow_logs\": [{\"id\": \"fl-10000000000000001\", \"enis\": [\"" A "\", \"" B "\", \"eni-c000000000000000c\"], \"traffic\": \"all\","
	"                 \"interval\": 60, \"account\": \"123456789012\", \"file\": \"x.log\"},"
	"                {\"id\": \"fl-20000000000000002\", \"enis\": [\"" A "\"], \"traffic\": \"accept\","
	"                 \"interval\": 600, \"account\": \"123456789012\", \"file\": \"y.log\"}]}";

/* A rejected packet of A's. */
static struct flow_record row_of(const struct wanted *w)
{
	return (struct flow_record){ .eni = wanted_eni_by_id(w, A), .verdict = FLOW_REJECT, .src = 0x0a00000a, .dst = 0x08080808,
				     .sport = 5000, .dport = 53, .protocol = IPPROTO_UDP, .packets = 2, .bytes = 56 };
}

static void expect(const struct flow_records *r, const struct wanted *w, size_t log, bool whole, const char *wanted)
{
	size_t n, lines = 0;
	mc_autofree char *text = flowrecord_text(r, w, &w->flow_logs[log], 100, 160, whole, &n);

	assert_string_equal(text, wanted);
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(n, lines);
}

#define SEEN "2 123456789012 " A " 10.0.0.10 8.8.8.8 5000 53 17 2 56 100 160 REJECT OK\n"
#define NOTHING(eni, status) "2 123456789012 " eni " - - - - - - - 100 160 - " status "\n"

static void test_lines(void **state)
{
	mc_auto_json json_t *doc = json_loads(document, 0, NULL);
	struct cidr pool = { 0xcb007100, 24 };
	auto_wanted struct wanted *w = wanted_parse(VPC, doc, &pool, NULL);
	struct flow_record row;
	struct flow_records none = { .n = 0 }, one = { .rows = &row, .n = 1 };

	(void)state;
	assert_non_null(w);
	row = row_of(w);
	/* Only at an interval's end is silence worth a line; an interface that is not there has none. */
	expect(&none, w, 0, false, "");
	expect(&none, w, 0, true, NOTHING(A, "NODATA") NOTHING(B, "NODATA"));
	expect(&one, w, 0, false, SEEN);
	expect(&one, w, 0, true, SEEN NOTHING(B, "NODATA"));
	expect(&one, w, 1, true, NOTHING(A, "NODATA"));
	one.skipped = true;
	expect(&one, w, 0, false, SEEN NOTHING(A, "SKIPDATA") NOTHING(B, "SKIPDATA"));
	expect(&one, w, 1, true, NOTHING(A, "SKIPDATA"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_lines) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
