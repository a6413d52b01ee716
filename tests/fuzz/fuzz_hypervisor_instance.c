/* Any bytes as the body of each of hypervisor's calls; an instance that is accepted
 * becomes a domain. */
#include "common/cleanup.h"
#include "hypervisor/domain.h"
#include "hypervisor/routes.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_xml.h"

static const struct domain_settings settings = {
	.machine = "q35", .console_log = "/c/i-0123456789abcdef0.log", .hotplug_slots = 2,
	.dac_label = "+990:+991",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mc_auto_json json_t *doc = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	mc_auto_err mc_err *err = NULL;

	if (!doc)
		return 0;
	for (const struct mc_ipc_route *r = hypervisor_routes; r->method; r++)
		if (r->fields && mc_fields_check(r->fields, doc, &err) < 0)
			FUZZ_CHECK(err != NULL);
	mc_err_clear(&err);
	if (mc_fields_check(domain_fields, doc, NULL) < 0)
		return 0;
	if (domain_check(doc, "/store,/var/lib/minicloud/store", &err) < 0) {
		FUZZ_CHECK(err != NULL);
		return 0;
	}
	mc_autofree char *xml = domain_xml("i-0123456789abcdef0", doc, &settings);

	FUZZ_CHECK(fuzz_xml_well_formed(xml));
	return 0;
}
