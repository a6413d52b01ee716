#include "api/elastic_address.h"

#include <stdio.h>
#include <string.h>

#include "api/interface.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

int64_t elastic_address_unbind(struct store_tx *tx, const char *id, char ret_vpc[MC_ID_LEN])
{
	struct resource *eip = id ? store_edit(tx, id) : NULL, *eni;
	const char *bound = eip ? mc_json_str(eip->spec, "eni", NULL) : NULL;
	int64_t generation = 0;
	json_t *slot;

	if (!bound)
		return 0;
	eni = store_edit(tx, bound);
	slot = eni ? interface_slot_of(eni, mc_json_str(eip->spec, "private_ip", NULL)) : NULL;
	if (slot) {
		json_object_del(slot, "public_ip");
		json_object_del(slot, "allocation");
		generation = interface_touch(tx, eni);
		if (ret_vpc)
			snprintf(ret_vpc, MC_ID_LEN, "%s", eni->parent);
	}
	json_object_del(eip->spec, "eni");
	json_object_del(eip->spec, "private_ip");
	json_object_del(eip->spec, "association");
	return generation;
}

static void unbind_and_wait(struct call *call, const char *id)
{
	char vpc[MC_ID_LEN];
	int64_t generation = elastic_address_unbind(call->tx, id, vpc);

	if (generation)
		action_wait(call, vpc, generation);
}

void elastic_address_bind(struct call *call, const char *id, const struct resource *eni, const char *private_ip)
{
	struct resource *eip, *edited;
	char association[MC_ID_LEN];
	json_t *slot;

	unbind_and_wait(call, id);
	edited = store_edit(call->tx, eni->id);
	slot = interface_slot_of(edited, private_ip);
	unbind_and_wait(call, mc_json_str(slot, "allocation", NULL));
	eip = store_edit(call->tx, id);
	mc_id_new("eipassoc", association);
	json_object_update_new(eip->spec, json_pack("{s:s, s:O, s:s}", "eni", edited->id, "private_ip", json_object_get(slot, "ip"),
						    "association", association));
	json_object_set(slot, "public_ip", json_object_get(eip->doc, "PublicIp"));
	json_object_set_new(slot, "allocation", json_string(id));
	interface_change(call, edited);
}

static const struct resource *by_public_ip(struct call *call, const char *ip)
{
	struct store_iter it = store_iter(call->tx, KIND_ELASTIC_IP, call->caller->account, call->caller->region);
	const struct resource *eip;
	mc_autofree char *text = NULL;

	while ((eip = store_next(&it)))
		if (strcmp(mc_json_str(eip->doc, "PublicIp", ""), ip) == 0)
			return eip;
	text = mc_strf("Address '%s' not found.", ip);
	action_fail(call, API_NOT_FOUND, "InvalidAddress.NotFound", text);
	return NULL;
}

const struct resource *elastic_address_of_request(struct call *call)
{
	const char *id = mc_json_str(call->in, "AllocationId", NULL), *ip = mc_json_str(call->in, "PublicIp", NULL);

	if (id && ip)
		action_fail(call, API_PARAMETER_COMBINATION, "You may specify public IP or allocation id, but not both in the same call");
	else if (id)
		return action_resource(call, KIND_ELASTIC_IP, id);
	else if (ip)
		return by_public_ip(call, ip);
	else
		action_fail(call, API_MISSING, "Either public IP or allocation id must be specified");
	return NULL;
}
