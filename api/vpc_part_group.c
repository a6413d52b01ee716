/* Security groups, as netd wants them. */
#include "api/vpc_part.h"

#include <string.h>

#include "api/prefix_list.h"
#include "api/security_group.h"
#include "common/cleanup.h"
#include "common/json.h"

static const char *netd_protocol(const char *protocol)
{
	return strcmp(protocol, "-1") == 0 ? "all" : protocol;
}

/* One of netd's rules without its other end. */
static json_t *head_of(const struct resource *rule)
{
	json_t *doc = json_pack("{s:s}", "protocol", netd_protocol(mc_json_str(rule->doc, "IpProtocol", "-1")));

	if (strcmp(mc_json_str(rule->doc, "IpProtocol", "-1"), "-1") != 0) {
		json_object_set_new(doc, "from", json_integer(mc_json_int(rule->doc, "FromPort", -1)));
		json_object_set_new(doc, "to", json_integer(mc_json_int(rule->doc, "ToPort", -1)));
	}
	return doc;
}

static void add_rule(json_t *list, const struct resource *rule, const char *member, const char *other_end)
{
	json_t *doc = head_of(rule);

	json_object_set_new(doc, member, json_string(other_end));
	json_array_append_new(list, doc);
}

/* netd knows blocks and groups: a prefix list is its entries, a stale rule nothing. */
static void add_rules(struct store_tx *tx, json_t *list, const struct resource *rule)
{
	const char *cidr = mc_json_str(rule->doc, "CidrIpv4", NULL), *prefixes = mc_json_str(rule->doc, "PrefixListId", NULL);
	const char *status = permission_peering_status(tx, rule->doc);
	size_t i;
	json_t *entry;

	if (cidr)
		add_rule(list, rule, "cidr", cidr);
	else if (!prefixes && (!status || strcmp(status, "active") == 0))
		add_rule(list, rule, "group", mc_json_str(mc_json_obj(rule->doc, "ReferencedGroupInfo"), "GroupId", ""));
	json_array_foreach(prefixes ? prefix_list_entries(tx, prefixes) : NULL, i, entry)
		add_rule(list, rule, "cidr", mc_json_str(entry, "Cidr", ""));
}

json_t *vpc_part_rule_change(const struct resource *rule, const char *operation)
{
	const json_t *peer = mc_json_obj(rule->doc, "ReferencedGroupInfo");
	const char *cidr = mc_json_str(rule->doc, "CidrIpv4", NULL), *group = mc_json_str(peer, "GroupId", NULL);
	const char *direction = mc_json_bool(rule->doc, "IsEgress", false) ? "egress" : "ingress";
	json_t *head;

	/* A prefix list is many, and a group elsewhere depends on its peering. */
	if (!cidr == !group || json_object_get(peer, "VpcId"))
		return NULL;
	head = head_of(rule);
	json_object_set_new(head, cidr ? "cidr" : "group", json_string(cidr ? cidr : group));
	return json_pack("{s:s, s:s, s:s, s:o}", "operation", operation, "group", rule->parent, "direction", direction, "rule", head);
}

json_t *vpc_part_groups(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_SECURITY_GROUP, vpc->account, vpc->region);
	const struct resource *r;
	mc_auto_json json_t *by_id = json_object();
	json_t *list = json_array();

	while ((r = store_next_bare(&it)))
		if (strcmp(r->parent, vpc->id) == 0) {
			json_t *g = json_pack("{s:s, s:[], s:[]}", "id", r->id, "ingress", "egress");

			json_object_set(by_id, r->id, g);
			json_array_append_new(list, g);
		}
	it = store_iter(tx, KIND_SECURITY_GROUP_RULE, vpc->account, vpc->region);
	while ((r = store_next_bare(&it))) {
		json_t *g = json_object_get(by_id, r->parent);

		if (g && (r = store_load(tx, r)))
			add_rules(tx, json_object_get(g, mc_json_bool(r->doc, "IsEgress", false) ? "egress" : "ingress"), r);
	}
	return list;
}
