/* Which tracked connections a changed VPC still allows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "common/cleanup.h"
#include "netd/flow.h"

#define A 0x0a000010u        /* 10.0.0.16: group a, 203.0.113.1 */
#define B 0x0a000011u        /* 10.0.0.17: group b */
#define A_PUBLIC 0xcb007101u
#define FAR 0x08080808u
#define GATEWAY 0x0a000001u
#define DNS 0x0a000002u

static const char doc_text[] =
	"{'generation': 1, 'cidrs': ['10.0.0.0/16'], 'igw': true,"
	" 'subnets': [{'id': 'subnet-00000000000000001', 'cidr': '10.0.0.0/24'}],"
	" 'security_groups': ["
	"  {'id': 'sg-0000000000000000a',"
	"   'ingress': [{'protocol': 'tcp', 'from': 22, 'to': 30, 'cidr': '0.0.0.0/0'}],"
	"   'egress': [{'protocol': 'all', 'cidr': '0.0.0.0/0'}]},"
	"  {'id': 'sg-0000000000000000b',"
	"   'ingress': [{'protocol': 'udp', 'from': 53, 'to': 53, 'group': 'sg-0000000000000000a'},"
	"               {'protocol': 'icmp', 'from': 8, 'to': 0, 'cidr': '10.0.0.16/32'},"
	"               {'protocol': '47', 'cidr': '10.0.0.16/32'}]}],"
	" 'enis': ["
	"  {'id': 'eni-a000000000000000a', 'subnet': 'subnet-00000000000000001',"
	"   'mac': '06:00:00:00:00:0a', 'ip': '10.0.0.16', 'public_ip': '203.0.113.1',"
	"   'groups': ['sg-0000000000000000a']},"
	"  {'id': 'eni-b000000000000000b', 'subnet': 'subnet-00000000000000001',"
	"   'mac': '06:00:00:00:00:0b', 'ip': '10.0.0.17', 'groups': ['sg-0000000000000000b']}]}";

static struct wanted *parse(json_t *doc)
{
	const struct cidr pool = { 0xcb007100, 24 };

	return doc && mc_fields_check(wanted_fields, doc, NULL) == 0
		       ? wanted_parse("vpc-00000000000000001", doc, &pool, NULL) : NULL;
}

static json_t *document(void)
{
	char text[sizeof(doc_text)];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = doc_text[i] == '\'' ? '"' : doc_text[i];
	return json_loads(text, 0, NULL);
}

static int setup(void **state)
{
	mc_auto_json json_t *doc = document();

	*state = parse(doc);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	wanted_free(*state);
	return 0;
}

static struct flow plain(uint32_t src, uint32_t dst, int protocol, uint16_t dport)
{
	return (struct flow){ .src = src, .dst = dst, .reply_src = dst, .reply_dst = src,
			      .protocol = protocol, .dport = dport };
}

/* What goes on when nothing is known of before is what may begin. */
static bool allowed(void **state, struct flow f)
{
	return flow_goes_on(NULL, *state, &f);
}

static void ports_and_groups(void **state)
{
	assert_true(allowed(state, plain(A, B, IPPROTO_UDP, 53)));
	assert_false(allowed(state, plain(A, B, IPPROTO_UDP, 54)));
	assert_false(allowed(state, plain(A, B, IPPROTO_TCP, 53)));
	assert_false(allowed(state, plain(FAR, B, IPPROTO_UDP, 53)));
	assert_true(allowed(state, plain(A, B, 47, 0)));
	assert_false(allowed(state, plain(A, B, 50, 0)));
}

static void egress_counts(void **state)
{
	assert_false(allowed(state, plain(B, A, IPPROTO_TCP, 22)));
}

static void icmp_type_and_code(void **state)
{
	struct flow f = plain(A, B, IPPROTO_ICMP, 0);

	f.icmp_type = 8;
	assert_true(allowed(state, f));
	f.icmp_code = 1;
	assert_false(allowed(state, f));
	f.icmp_type = 13;
	assert_false(allowed(state, f));
}

static void translation_must_stand(void **state)
{
	struct flow in = { .src = FAR, .dst = A_PUBLIC, .reply_src = A, .reply_dst = FAR,
			   .protocol = IPPROTO_TCP, .dport = 22 };
	struct flow out = { .src = A, .dst = FAR, .reply_src = FAR, .reply_dst = A_PUBLIC,
			    .protocol = IPPROTO_TCP, .dport = 443 };

	assert_true(allowed(state, in));
	assert_true(allowed(state, out));
	in.dport = 31;
	assert_false(allowed(state, in));
	in.dport = 22;
	in.dst = A_PUBLIC + 1;
	assert_false(allowed(state, in));
	out.reply_dst = A_PUBLIC + 1;
	assert_false(allowed(state, out));
}

static void gone_addresses(void **state)
{
	assert_false(allowed(state, plain(0x0a000099, A, IPPROTO_TCP, 22)));
	assert_false(allowed(state, plain(A, 0x0a000099, IPPROTO_TCP, 22)));
}

static void own_services_stay(void **state)
{
	assert_true(allowed(state, plain(B, ADDR_METADATA, IPPROTO_TCP, 80)));
	assert_true(allowed(state, plain(B, DNS, IPPROTO_UDP, 53)));
	assert_true(allowed(state, plain(B, GATEWAY, IPPROTO_ICMP, 0)));
	assert_true(allowed(state, plain(GATEWAY, B, IPPROTO_UDP, 68)));
	assert_true(allowed(state, plain(0, INADDR_BROADCAST, IPPROTO_UDP, 67)));
	assert_false(allowed(state, plain(0x0a000099, ADDR_METADATA, IPPROTO_TCP, 80)));
}

/* Groups by index: 0 is a, whose ingress is one wide rule and whose egress is all; 1 is b. */
static struct wanted *without_rules(size_t group, const char *direction)
{
	mc_auto_json json_t *doc = document();

	json_array_clear(mc_json_arr(json_array_get(mc_json_arr(doc, "security_groups"), group),
				     direction));
	return parse(doc);
}

static void tracked_goes_on_untracked_is_cut(void **state)
{
	auto_wanted struct wanted *a_closed = without_rules(0, "ingress");
	auto_wanted struct wanted *b_closed = without_rules(1, "ingress");
	struct flow wide = { .src = FAR, .dst = A_PUBLIC, .reply_src = A, .reply_dst = FAR,
			     .protocol = IPPROTO_TCP, .dport = 22 };
	struct flow narrow = plain(A, B, IPPROTO_UDP, 53), ping = plain(A, B, IPPROTO_ICMP, 0);
	struct flow later = narrow;

	ping.icmp_type = 8;
	assert_false(flow_goes_on(*state, a_closed, &wide));
	assert_true(flow_goes_on(*state, b_closed, &narrow));
	assert_true(flow_goes_on(*state, b_closed, &ping));
	/* Once more the same: what goes on although no rule allows it still goes on. */
	assert_true(flow_goes_on(b_closed, b_closed, &narrow));
	assert_false(flow_goes_on(NULL, b_closed, &later));
}

static void a_wide_rule_without_a_way_back_tracks(void **state)
{
	auto_wanted struct wanted *before = without_rules(0, "egress");
	mc_auto_json json_t *doc = document();
	json_t *group = json_array_get(mc_json_arr(doc, "security_groups"), 0);
	auto_wanted struct wanted *after = NULL;
	struct flow f = { .src = FAR, .dst = A_PUBLIC, .reply_src = A, .reply_dst = FAR,
			  .protocol = IPPROTO_TCP, .dport = 22 };

	(void)state;
	json_array_clear(mc_json_arr(group, "ingress"));
	json_array_clear(mc_json_arr(group, "egress"));
	after = parse(doc);
	assert_true(flow_goes_on(before, after, &f));
}

static void another_owner_of_the_address_cuts(void **state)
{
	mc_auto_json json_t *doc = document();
	auto_wanted struct wanted *after = NULL;
	struct flow f = plain(A, B, IPPROTO_UDP, 53);

	json_object_set_new(json_array_get(mc_json_arr(doc, "enis"), 1), "id",
			    json_string("eni-c000000000000000c"));
	after = parse(doc);
	assert_false(flow_goes_on(*state, after, &f));
	assert_true(flow_goes_on(NULL, after, &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_and_groups),
		cmocka_unit_test(egress_counts),
		cmocka_unit_test(icmp_type_and_code),
		cmocka_unit_test(translation_must_stand),
		cmocka_unit_test(gone_addresses),
		cmocka_unit_test(own_services_stay),
		cmocka_unit_test(tracked_goes_on_untracked_is_cut),
		cmocka_unit_test(a_wide_rule_without_a_way_back_tracks),
		cmocka_unit_test(another_owner_of_the_address_cuts),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
