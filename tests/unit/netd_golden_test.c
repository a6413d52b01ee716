/* The ruleset and dnsmasq's files of each tests/golden/netd/NAME.json, against NAME.nft and
 * NAME.dnsmasq; and of each step FROM -> TO, the transaction between. `GOLDEN_UPDATE=1`
 * writes the files anew. Run from the top of the tree, as `make check` does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "netd/dnsmasq.h"
#include "netd/host.h"
#include "netd/natgw.h"
#include "netd/rulediff.h"
#include "netd/vpcrules.h"

#define DIR "tests/golden/netd/"
#define VPC "vpc-0123456789abcdef0"

static const struct cidr pool = { 0xcb007100, 24 };
static const struct flow_sides sides = FLOW_SIDES_INIT;

static json_t *document(const char *name)
{
	mc_autofree char *path = mc_strf(DIR "%s.json", name);
	mc_auto_err mc_err *err = NULL;
	json_t *doc = mc_json_load(path, &err);

	if (!doc)
		fail_msg("%s", mc_err_msg(err));
	return doc;
}

static struct wanted *typed(const json_t *doc)
{
	mc_auto_err mc_err *err = NULL;
	struct wanted *w;

	if (mc_fields_check(wanted_fields, doc, &err) < 0)
		fail_msg("%s", mc_err_msg(err));
	w = wanted_parse(VPC, doc, &pool, &err);
	if (!w)
		fail_msg("%s", mc_err_msg(err));
	return w;
}

static void expect(const char *name, const char *suffix, const char *text)
{
	mc_autofree char *path = mc_strf(DIR "%s.%s", name, suffix);
	mc_autofree char *want = NULL;

	if (getenv("GOLDEN_UPDATE"))
		assert_int_equal(mc_fs_write(path, text, strlen(text), 0644, NULL), 0);
	want = mc_fs_read(path, 1 << 20, NULL, NULL);
	assert_non_null(want);
	assert_string_equal(text, want);
}

static char *transaction(const struct wanted *from, const struct wanted *to, bool *ret_shrinks)
{
	auto_ruleset struct ruleset *present = from ? vpcrules_build(from, &sides) : NULL;
	auto_ruleset struct ruleset *wanted = vpcrules_build(to, &sides);
	auto_rulediff struct rulediff diff = { .n_gone = 0 };

	if (present)
		ruleset_sort(present);
	ruleset_sort(wanted);
	rulediff_make(present, wanted, &diff);
	*ret_shrinks = diff.shrinks;
	return rulediff_text(&diff);
}

static void whole(const char *name)
{
	mc_auto_json json_t *doc = document(name);
	auto_wanted struct wanted *w = typed(doc);
	mc_autofree char *nft = NULL, *again = NULL;
	const struct dnsmasq d = { .dir = "/run/minicloud/netd/" VPC, .pool = pool,
				   .upstream = "127.0.0.1#5300" };
	mc_autofree char *conf = dnsmasq_conf(&d, w);
	mc_autofree char *dhcp = dnsmasq_dhcp_hosts(w), *dns = dnsmasq_dns_hosts(w);
	mc_autofree char *files = mc_strf("# dnsmasq.conf\n%s\n# dhcp-hosts\n%s\n# dns-hosts\n%s",
					  conf, dhcp, dns);
	bool shrinks;

	nft = transaction(NULL, w, &shrinks);
	expect(name, "nft", nft);
	expect(name, "dnsmasq", files);
	again = transaction(w, w, &shrinks);
	assert_string_equal(again, "");
	assert_false(shrinks);
}

static void one(void **state)
{
	(void)state;
	whole("one");
}

static void rules(void **state)
{
	(void)state;
	whole("rules");
}

static void full(void **state)
{
	(void)state;
	whole("full");
}

/* From one.json: a rule taken away, an interface added. */
static void step(void **state)
{
	mc_auto_json json_t *before = document("one"), *after = document("one");
	auto_wanted struct wanted *from = typed(before), *to = NULL;
	mc_autofree char *text = NULL;
	json_t *group = json_array_get(mc_json_arr(after, "security_groups"), 0);
	bool shrinks;

	(void)state;
	json_array_remove(mc_json_arr(group, "ingress"), 0);
	json_array_append_new(mc_json_arr(after, "enis"), json_pack(
		"{s:s, s:s, s:s, s:s, s:[s]}", "id", "eni-90000000000000009", "subnet",
		"subnet-0123456789abcdef0", "mac", "06:00:00:00:00:09", "ip", "172.31.0.9", "groups",
		"sg-0123456789abcdef0"));
	to = typed(after);
	text = transaction(from, to, &shrinks);
	expect("step", "nft", text);
	assert_true(shrinks);
}

static void only_more_shrinks_nothing(void **state)
{
	mc_auto_json json_t *before = document("one"), *after = document("one");
	auto_wanted struct wanted *from = NULL, *to = typed(after);
	mc_autofree char *text = NULL;
	bool shrinks;

	(void)state;
	json_array_clear(mc_json_arr(before, "enis"));
	from = typed(before);
	text = transaction(from, to, &shrinks);
	assert_string_not_equal(text, "");
	assert_false(shrinks);
}

static void host(void **state)
{
	struct host h = { .pool = pool, .uplink = "eth0" };
	auto_ruleset struct ruleset *r = host_rules(&h, true);
	auto_rulediff struct rulediff diff = { .n_gone = 0 };
	mc_autofree char *text = NULL;

	(void)state;
	ruleset_sort(r);
	rulediff_make(NULL, r, &diff);
	text = rulediff_text(&diff);
	expect("host", "nft", text);
}

/* The transaction that makes it where nothing is; it is freed. */
static char *made_anew(struct ruleset *r)
{
	auto_rulediff struct rulediff diff = { .n_gone = 0 };
	char *text;

	ruleset_sort(r);
	rulediff_make(NULL, r, &diff);
	text = rulediff_text(&diff);
	ruleset_free(r);
	return text;
}

static void natgw(void **state)
{
	struct wanted_addr addrs[] = { { .ip = 0x0a000009 }, { .ip = 0x0a00000a }, { .ip = 0x0a00000b, .draining = true } };
	struct wanted_eni one = { .addrs = addrs, .n_addrs = 1 }, three = { .addrs = addrs, .n_addrs = 3 };
	mc_autofree char *alone = made_anew(natgw_rules(&one)), *several = made_anew(natgw_rules(&three));

	(void)state;
	expect("natgw", "nft", alone);
	expect("natgw-several", "nft", several);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one),
		cmocka_unit_test(rules),
		cmocka_unit_test(full),
		cmocka_unit_test(step),
		cmocka_unit_test(only_more_shrinks_nothing),
		cmocka_unit_test(host),
		cmocka_unit_test(natgw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
