/* Security groups, as netd wants them. */
#include "api/vpc_part.h"

#include <string.h>

#include "common/cleanup.h"
#include "common/json.h"

static const char *netd_protocol(const char *protocol)
{
	return strcmp(protocol, "-1") == 0 ? "all" : protocol;
}

static json_t *rule_document(const struct resource *rule)
{
	json_t *doc = json_pack("{s:s}", "protocol", netd_protocol(mc_json_str(rule->doc, "IpProtocol", "-1")));
	const char *cidr = mc_json_str(rule->doc, "CidrIpv4", NULL);

	if (strcmp(mc_json_str(rule->doc, "IpProtocol", "-1"), "-1") != 0) {
		json_object_set_new(doc, "from", json_integer(mc_json_int(rule->doc, "FromPort", -1)));
		json_object_set_new(doc, "to", json_integer(mc_json_int(rule->doc, "ToPort", -1)));
	}
	if (cidr)
		json_object_set_new(doc, "cidr", json_string(cidr));
	else
		json_object_set_new(doc, "group", json_string(mc_json_str(
			mc_json_obj(rule->doc, "ReferencedGroupInfo"), "GroupId", "")));
	return doc;
}

json_t *vpc_part_groups(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_SECURITY_GROUP, vpc->account, vpc->region);
	const struct resource *r;
	mc_auto_json json_t *by_id = json_object();
	json_t *list = json_array();

	while ((r = store_next(&it)))
		if (strcmp(r->parent, vpc->id) == 0) {
			json_t *g = json_pack("{s:s, s:[], s:[]}", "id", r->id, "ingress", "egress");

			json_object_set(by_id, r->id, g);
			json_array_append_new(list, g);
		}
	it = store_iter(tx, KIND_SECURITY_GROUP_RULE, vpc->account, vpc->region);
	while ((r = store_next(&it))) {
		json_t *g = json_object_get(by_id, r->parent);

		if (g)
			json_array_append_new(json_object_get(g, mc_json_bool(r->doc, "IsEgress", false) ? "egress" : "ingress"),
					      rule_document(r));
	}
	return list;
}
