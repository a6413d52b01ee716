/* Any bytes as the body of each of netd's calls; a wanted VPC that is accepted
 * becomes rules and dnsmasq's files. */
#include "common/cleanup.h"
#include "netd/dnsmasq.h"
#include "netd/routes.h"
#include "netd/rulediff.h"
#include "netd/vpcrules.h"
#include "netd/wanted.h"
#include "tests/fuzz/fuzz.h"

#define VPC "vpc-0123456789abcdef0"
#define MAX_CONF 65536

static const struct cidr pool = { 0xcb007100, 24 };
static const struct flow_sides sides = FLOW_SIDES_INIT;

/* As many lines as there is room for by what was wanted: no value has brought a line of its own. */
static size_t lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void build(const struct wanted *w)
{
	auto_ruleset struct ruleset *rules = vpcrules_build(w, &sides);
	auto_rulediff struct rulediff diff = { .n_gone = 0 };
	mc_autofree char *text = NULL;
	const struct dnsmasq d = { .dir = "/run/minicloud/netd/" VPC, .pool = pool, .upstream = "" };
	mc_autofree char *conf = dnsmasq_conf(&d, w);
	mc_autofree char *dhcp = dnsmasq_dhcp_hosts(w), *dns = dnsmasq_dns_hosts(w);

	ruleset_sort(rules);
	rulediff_make(NULL, rules, &diff);
	text = rulediff_text(&diff);
	FUZZ_CHECK(*text && strlen(conf) < MAX_CONF);
	FUZZ_CHECK(lines(dhcp) <= 1 + w->n_enis && lines(dns) <= 2 + 2 * w->n_places + w->dns.n_names + 64 * w->n_endpoints);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mc_auto_json json_t *doc = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	mc_auto_err mc_err *err = NULL;

	if (!doc)
		return 0;
	for (const struct mc_ipc_route *r = netd_routes; r->method; r++)
		if (r->fields && mc_fields_check(r->fields, doc, &err) < 0)
			FUZZ_CHECK(err != NULL);
	mc_err_clear(&err);
	if (mc_fields_check(wanted_fields, doc, NULL) < 0)
		return 0;

	auto_wanted struct wanted *w = wanted_parse(VPC, doc, &pool, &err);

	FUZZ_CHECK(w || err);
	if (w)
		build(w);
	return 0;
}
