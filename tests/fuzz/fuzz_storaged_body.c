/* Any bytes as the body of each of storaged's calls. */
#include "common/cleanup.h"
#include "storaged/routes.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mc_auto_json json_t *doc = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);

	if (!doc)
		return 0;
	for (const struct mc_ipc_route *r = storaged_routes; r->method; r++) {
		mc_auto_err mc_err *err = NULL;

		if (r->fields && mc_fields_check(r->fields, doc, &err) == 0)
			FUZZ_CHECK(json_is_object(doc) && !err);
		else if (r->fields)
			FUZZ_CHECK(err != NULL);
	}
	return 0;
}
