#include "api/vpc.h"

#include <stdlib.h>
#include <string.h>

#include "api/association.h"
#include "api/dns_name.h"
#include "api/network_acl.h"
#include "api/peering.h"
#include "api/route_table.h"
#include "api/vpc_part.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define CHANGES "changes" /* of the spec: [{generation, changes}], what rules the last generations changed and nothing else */
#define GENERATIONS_KEPT 16
#define CHANGES_AT_ONCE 64 /* more of them are told as a whole document */

int64_t vpc_generation(struct store_tx *tx, const char *vpc_id)
{
	const struct resource *vpc = store_get(tx, vpc_id);

	return vpc ? mc_json_int(vpc->spec, "generation", 0) : 0;
}

static int64_t touch_one(struct store_tx *tx, const char *vpc_id)
{
	struct resource *vpc = store_edit(tx, vpc_id);
	int64_t next;

	if (!vpc)
		return 0;
	next = mc_json_int(vpc->spec, "generation", 0) + 1;
	json_object_set_new(vpc->spec, "generation", json_integer(next));
	json_object_del(vpc->spec, CHANGES);
	return next;
}

/* What is told of peers may name what is in this VPC. call NULL: nobody waits. */
static void touch_peers(struct store_tx *tx, const char *vpc_id, struct call *call)
{
	struct store_iter it = store_iter(tx, KIND_VPC_PEERING, NULL, NULL);
	const struct resource *r;

	while ((r = peering_next_active(&it, vpc_id))) {
		const char *other = mc_json_str(peering_other_end(r, vpc_id), "vpc", "");
		int64_t generation = peering_depends(tx, r, other, vpc_id) ? touch_one(tx, other) : 0;

		if (generation && call)
			action_wait(call, other, generation);
	}
}

int64_t vpc_touch(struct store_tx *tx, const char *vpc_id)
{
	int64_t generation = touch_one(tx, vpc_id);

	touch_peers(tx, vpc_id, NULL);
	return generation;
}

int64_t vpc_touch_rules(struct store_tx *tx, const char *vpc_id)
{
	const struct resource *vpc = store_get(tx, vpc_id);
	mc_auto_json json_t *changes = vpc ? json_incref(json_object_get(vpc->spec, CHANGES)) : NULL;
	int64_t generation = vpc_touch(tx, vpc_id);

	if (generation && changes)
		json_object_set(store_edit(tx, vpc_id)->spec, CHANGES, changes);
	return generation;
}

void vpc_note_rules(struct store_tx *tx, const char *vpc_id, int64_t generation, json_t *changes)
{
	struct resource *vpc = store_edit(tx, vpc_id);
	json_t *kept = vpc ? json_copy(mc_json_arr(vpc->spec, CHANGES)) : NULL;

	if (!vpc || json_array_size(changes) > CHANGES_AT_ONCE) {
		json_decref(changes);
		json_decref(kept);
		return;
	}
	kept = kept ? kept : json_array();
	json_array_append_new(kept, json_pack("{s:I, s:o}", "generation", (json_int_t)generation, "changes", changes));
	while (json_array_size(kept) > GENERATIONS_KEPT)
		json_array_remove(kept, 0);
	json_object_set_new(vpc->spec, CHANGES, kept);
}

json_t *vpc_changes(struct store_tx *tx, const char *vpc_id, int64_t base)
{
	const struct resource *vpc = store_get(tx, vpc_id);
	mc_auto_json json_t *all = json_array();
	int64_t reached = base, generation = vpc_generation(tx, vpc_id);
	size_t i;
	json_t *one;

	json_array_foreach(vpc ? mc_json_arr(vpc->spec, CHANGES) : NULL, i, one)
		if (mc_json_int(one, "generation", 0) == reached + 1) {
			json_array_extend(all, json_object_get(one, "changes"));
			reached++;
		}
	if (reached != generation || json_array_size(all) == 0 || json_array_size(all) > CHANGES_AT_ONCE)
		return NULL;
	return json_pack("{s:I, s:I, s:O}", "base", (json_int_t)base, "generation", (json_int_t)generation, "changes", all);
}

int64_t vpc_change(struct call *call, const char *vpc_id)
{
	int64_t generation = touch_one(call->tx, vpc_id);

	action_wait(call, vpc_id, generation);
	touch_peers(call->tx, vpc_id, call);
	return generation;
}

void vpc_change_blocks(struct call *call, const char *vpc_id)
{
	struct store_iter it = store_iter(call->tx, KIND_VPC_PEERING, NULL, NULL);
	const struct resource *r;

	vpc_change(call, vpc_id);
	while ((r = peering_next_active(&it, vpc_id)))
		vpc_change(call, mc_json_str(peering_other_end(r, vpc_id), "vpc", ""));
}

json_t *vpc_cidrs(const struct resource *vpc)
{
	json_t *list = json_array(), *association;
	size_t i;

	json_array_foreach(mc_json_arr(vpc->doc, "CidrBlockAssociationSet"), i, association)
		json_array_append(list, json_object_get(association, "CidrBlock"));
	return list;
}

bool vpc_names_hosts(const struct resource *vpc)
{
	return mc_json_bool(vpc->spec, "enable_dns_support", true) && mc_json_bool(vpc->spec, "enable_dns_hostnames", false);
}

static bool any_block(const struct resource *vpc, struct cidr cidr, bool (*test)(struct cidr block, struct cidr cidr))
{
	size_t i;
	json_t *association;
	struct cidr block;

	json_array_foreach(mc_json_arr(vpc->doc, "CidrBlockAssociationSet"), i, association)
		if (cidr_parse(mc_json_str(association, "CidrBlock", NULL), &block) && test(block, cidr))
			return true;
	return false;
}

bool vpc_contains(const struct resource *vpc, struct cidr cidr)
{
	return any_block(vpc, cidr, cidr_contains);
}

bool vpc_overlaps(const struct resource *vpc, struct cidr cidr)
{
	return any_block(vpc, cidr, cidr_overlaps);
}

/* --- the wanted document -------------------------------------------------- */

static json_t *subnet_document(struct store_tx *tx, const struct resource *subnet)
{
	const struct resource *acl = association_of(tx, KIND_NETWORK_ACL, subnet);

	return json_pack("{s:s, s:s, s:s*, s:o}", "id", subnet->id, "cidr", mc_json_str(subnet->doc, "CidrBlock", ""), "acl",
			 network_acl_filters(acl) ? acl->id : NULL, "routes", route_table_document(tx, subnet));
}

static json_t *subnets_of(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_SUBNET, vpc->account, vpc->region);
	const struct resource *s;
	json_t *list = json_array();

	while ((s = store_next_of(&it, vpc->id)))
		json_array_append_new(list, subnet_document(tx, s));
	return list;
}

static bool has_gateway(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_INTERNET_GATEWAY, vpc->account, vpc->region);

	return store_next_of(&it, vpc->id) != NULL;
}

/* The members that are made by a noun's own file. */
static const struct {
	const char *member;
	json_t *(*make)(struct store_tx *tx, const struct resource *vpc);
} parts[] = {
	{ "dns", vpc_part_dns },
	{ "dhcp", vpc_part_dhcp },
	{ "acls", vpc_part_acls },
	{ "subnets", subnets_of },
	{ "igw_routes", vpc_part_igw_routes },
	{ "security_groups", vpc_part_groups },
	{ "enis", vpc_part_interfaces },
	{ "peerings", vpc_part_peerings },
	{ "endpoints", vpc_part_endpoints },
	{ "gateway_endpoints", vpc_part_gateway_endpoints },
	{ "foreign_groups", vpc_part_foreign_groups },
	{ "nat_gateways", vpc_part_nat_gateways },
	{ "flow_logs", vpc_part_flow_logs },
};

json_t *vpc_document(struct store_tx *tx, const char *vpc_id)
{
	const struct resource *vpc = store_find(tx, KIND_VPC, NULL, NULL, vpc_id);
	mc_autofree char *domain = NULL;
	json_t *doc;

	if (!vpc)
		return NULL;
	domain = dns_name_domain(vpc->region);
	doc = json_pack("{s:I, s:o, s:s, s:b}", "generation", (json_int_t)mc_json_int(vpc->spec, "generation", 0), "cidrs",
			vpc_cidrs(vpc), "domain", domain, "igw", has_gateway(tx, vpc));
	for (size_t i = 0; i < MC_ARRAY_SIZE(parts); i++)
		json_object_set_new(doc, parts[i].member, parts[i].make(tx, vpc));
	return doc;
}
