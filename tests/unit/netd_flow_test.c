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

static int setup(void **state)
{
	const struct cidr pool = { 0xcb007100, 24 };
	mc_auto_json json_t *doc = NULL;
	char text[sizeof(doc_text)];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = doc_text[i] == '\'' ? '"' : doc_text[i];
	doc = json_loads(text, 0, NULL);
	*state = doc && mc_fields_check(wanted_fields, doc, NULL) == 0
			 ? wanted_parse("vpc-00000000000000001", doc, &pool, NULL) : NULL;
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

static bool allowed(void **state, struct flow f)
{
	return flow_allowed(*state, &f);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_and_groups),
		cmocka_unit_test(egress_counts),
		cmocka_unit_test(icmp_type_and_code),
		cmocka_unit_test(translation_must_stand),
		cmocka_unit_test(gone_addresses),
		cmocka_unit_test(own_services_stay),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
