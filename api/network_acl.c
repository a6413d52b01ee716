#include "api/network_acl.h"

#include <string.h>

#include "api/vpc_part.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

static json_t *entry(bool egress, int number, const char *action)
{
	return json_pack("{s:s, s:b, s:s, s:s, s:i}", "CidrBlock", "0.0.0.0/0", "Egress", egress, "Protocol", "-1",
			 "RuleAction", action, "RuleNumber", number);
}

struct resource *network_acl_insert(struct store_tx *tx, const struct resource *vpc, bool is_default)
{
	struct resource *acl = store_insert(tx, KIND_NETWORK_ACL, vpc->account, vpc->region);
	json_t *entries = json_array();

	acl->parent = mc_strdup(vpc->id);
	for (int egress = 1; egress >= 0; egress--) {
		if (is_default)
			json_array_append_new(entries, entry(egress, 100, "allow"));
		json_array_append_new(entries, entry(egress, ACL_LAST_RULE, "deny"));
	}
	json_object_update_new(acl->doc, json_pack("{s:s, s:b, s:o, s:[]}", "VpcId", vpc->id, "IsDefault", is_default,
						   "Entries", entries, "Associations"));
	return acl;
}

const struct resource *network_acl_default(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_NETWORK_ACL, vpc->account, vpc->region);
	const struct resource *acl;

	while ((acl = store_next_of(&it, vpc->id)) && !mc_json_bool(acl->doc, "IsDefault", false))
		;
	return acl;
}

const char *network_acl_associate(struct resource *acl, const char *subnet)
{
	json_t *association;
	char id[MC_ID_LEN];

	mc_id_new("aclassoc", id);
	association = json_pack("{s:s, s:s, s:s}", "NetworkAclAssociationId", id, "NetworkAclId", acl->id, "SubnetId", subnet);
	json_array_append_new(mc_json_arr(acl->doc, "Associations"), association);
	return mc_json_str(association, "NetworkAclAssociationId", "");
}

/* --- for netd ------------------------------------------------------------------ */

/* Does it let everything pass, as a default one that nobody touched? Then netd need
 * not know it: packets are not taken through rules for nothing. */
static bool is_open(const struct resource *acl, bool egress)
{
	size_t i;
	json_t *e;

	json_array_foreach(mc_json_arr(acl->doc, "Entries"), i, e)
		if (mc_json_bool(e, "Egress", false) == egress) /* the first one decides: they are by number */
			return strcmp(mc_json_str(e, "Protocol", ""), "-1") == 0 &&
			       strcmp(mc_json_str(e, "CidrBlock", ""), "0.0.0.0/0") == 0 &&
			       strcmp(mc_json_str(e, "RuleAction", ""), "allow") == 0;
	return false;
}

bool network_acl_filters(const struct resource *acl)
{
	return acl && !(is_open(acl, true) && is_open(acl, false));
}

static json_t *entry_document(const json_t *e)
{
	const json_t *ports = mc_json_obj(e, "PortRange"), *icmp = mc_json_obj(e, "IcmpTypeCode");
	json_t *doc = json_pack("{s:O, s:O, s:s, s:O}", "number", json_object_get(e, "RuleNumber"), "action",
				json_object_get(e, "RuleAction"), "protocol", mc_json_str(e, "Protocol", "-1"), "cidr",
				json_object_get(e, "CidrBlock"));

	if (ports || icmp) {
		json_object_set(doc, "from", json_object_get(ports ? ports : icmp, ports ? "From" : "Type"));
		json_object_set(doc, "to", json_object_get(ports ? ports : icmp, ports ? "To" : "Code"));
	}
	return doc;
}

static json_t *acl_document(const struct resource *acl)
{
	json_t *doc = json_pack("{s:s, s:[], s:[]}", "id", acl->id, "ingress", "egress"), *e;
	size_t i;

	/* That the last rule denies is netd's own. */
	json_array_foreach(mc_json_arr(acl->doc, "Entries"), i, e)
		if (mc_json_int(e, "RuleNumber", 0) != ACL_LAST_RULE)
			json_array_append_new(json_object_get(doc, mc_json_bool(e, "Egress", false) ? "egress" : "ingress"),
					      entry_document(e));
	return doc;
}

json_t *vpc_part_acls(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_NETWORK_ACL, vpc->account, vpc->region);
	const struct resource *acl;
	json_t *list = json_array();

	while ((acl = store_next_of(&it, vpc->id)))
		if (network_acl_filters(acl) && json_array_size(mc_json_arr(acl->doc, "Associations")))
			json_array_append_new(list, acl_document(acl));
	return list;
}
