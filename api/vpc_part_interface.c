/* Network interfaces, as netd wants them. */
#include "api/vpc_part.h"

#include <string.h>

#include "api/dns_name.h"
#include "api/interface.h"
#include "common/cleanup.h"
#include "common/json.h"

static json_t *secondary_document(const struct resource *eni)
{
	json_t *list = json_array();

	for (size_t i = 1; i < interface_slots(eni); i++) {
		const json_t *slot = interface_slot(eni, i);

		json_array_append_new(list, json_pack("{s:O, s:O*}", "ip", json_object_get(slot, "ip"), "public_ip",
						      json_object_get(slot, "public_ip")));
	}
	return list;
}

static json_t *eni_document(const struct resource *eni)
{
	mc_autofree char *host = dns_name_host(mc_json_str(eni->spec, "ip", ""));
	json_t *doc;

	doc = json_pack("{s:s, s:s, s:s, s:s, s:O, s:b, s:s}", "id", eni->id, "subnet", mc_json_str(eni->spec, "subnet", ""),
			"mac", mc_json_str(eni->spec, "mac", ""), "ip", mc_json_str(eni->spec, "ip", ""), "groups",
			json_object_get(eni->spec, "groups"), "source_dest_check",
			mc_json_bool(eni->spec, "source_dest_check", true), "hostname", host);
	if (mc_json_str(eni->spec, "public_ip", NULL))
		json_object_set(doc, "public_ip", json_object_get(eni->spec, "public_ip"));
	if (interface_slots(eni) > 1)
		json_object_set_new(doc, "secondary", secondary_document(eni));
	return doc;
}

json_t *vpc_part_interfaces(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_NETWORK_INTERFACE, vpc->account, vpc->region);
	const struct resource *eni;
	json_t *list = json_array();

	while ((eni = store_next(&it)))
		if (strcmp(eni->parent, vpc->id) == 0 && interface_attached(eni))
			json_array_append_new(list, eni_document(eni));
	return list;
}
