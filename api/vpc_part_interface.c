/* Network interfaces, as netd wants them. */
#include "api/vpc_part.h"

#include <string.h>

#include "api/dns_name.h"
#include "api/interface.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/json.h"

/* The public address that leads to a slot, and the name it has then. */
static void add_public(json_t *doc, const struct resource *eni, const json_t *slot, bool named)
{
	const char *ip = mc_json_str(slot, "public_ip", NULL);
	mc_autofree char *name = ip && named ? dns_name_public(eni->region, ip) : NULL;

	if (ip)
		json_object_set(doc, "public_ip", json_object_get(slot, "public_ip"));
	if (name)
		json_object_set_new(doc, "public_name", json_string(name));
}

static json_t *secondary_document(const struct resource *eni, bool named)
{
	json_t *list = json_array();

	for (size_t i = 1; i < interface_slots(eni); i++) {
		const json_t *slot = interface_slot(eni, i);
		json_t *doc = json_pack("{s:O}", "ip", json_object_get(slot, "ip"));

		add_public(doc, eni, slot, named);
		json_array_append_new(list, doc);
	}
	return list;
}

static json_t *eni_document(const struct resource *eni, bool named)
{
	mc_autofree char *host = dns_name_host(mc_json_str(eni->spec, "ip", ""));
	json_t *doc;

	doc = json_pack("{s:s, s:s, s:s, s:s, s:O, s:b, s:s}", "id", eni->id, "subnet", mc_json_str(eni->spec, "subnet", ""),
			"mac", mc_json_str(eni->spec, "mac", ""), "ip", mc_json_str(eni->spec, "ip", ""), "groups",
			json_object_get(eni->spec, "groups"), "source_dest_check",
			mc_json_bool(eni->spec, "source_dest_check", true), "hostname", host);
	add_public(doc, eni, eni->spec, named);
	if (interface_slots(eni) > 1)
		json_object_set_new(doc, "secondary", secondary_document(eni, named));
	return doc;
}

json_t *vpc_part_interfaces(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_pass(tx, KIND_NETWORK_INTERFACE, vpc->account, vpc->region, NULL);
	const struct resource *eni;
	json_t *list = json_array();

	while ((eni = store_next_of(&it, vpc->id)))
		if (interface_attached(eni) && !mc_json_bool(eni->spec, "forced", false))
			json_array_append_new(list, eni_document(eni, vpc_names_hosts(vpc)));
	return list;
}
