#include "api/vpc.h"

#include <stdlib.h>
#include <string.h>

#include "api/dns_name.h"
#include "api/vpc_part.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

int64_t vpc_generation(struct store_tx *tx, const char *vpc_id)
{
	const struct resource *vpc = store_get(tx, vpc_id);

	return vpc ? mc_json_int(vpc->spec, "generation", 0) : 0;
}

int64_t vpc_touch(struct store_tx *tx, const char *vpc_id)
{
	struct resource *vpc = store_edit(tx, vpc_id);
	int64_t next;

	if (!vpc)
		return 0;
	next = mc_json_int(vpc->spec, "generation", 0) + 1;
	json_object_set_new(vpc->spec, "generation", json_integer(next));
	return next;
}

int64_t vpc_change(struct call *call, const char *vpc_id)
{
	int64_t generation = vpc_touch(call->tx, vpc_id);

	action_wait(call, vpc_id, generation);
	return generation;
}

/* --- the wanted document -------------------------------------------------- */

static bool table_serves(const struct resource *table, const char *subnet, bool explicit_only)
{
	json_t *assoc;
	size_t i;

	json_array_foreach(mc_json_arr(table->doc, "Associations"), i, assoc) {
		if (explicit_only && strcmp(mc_json_str(assoc, "SubnetId", ""), subnet) == 0)
			return true;
		if (!explicit_only && mc_json_bool(assoc, "Main", false))
			return true;
	}
	return false;
}

/* The subnet's own route table, else the VPC's main one. */
static const struct resource *route_table_of(struct store_tx *tx, const struct resource *subnet)
{
	for (int explicit_only = 1; explicit_only >= 0; explicit_only--) {
		struct store_iter it = store_iter(tx, KIND_ROUTE_TABLE, subnet->account, subnet->region);
		const struct resource *t;

		while ((t = store_next(&it)))
			if (strcmp(t->parent, subnet->parent) == 0 && table_serves(t, subnet->id, explicit_only))
				return t;
	}
	return NULL;
}

static json_t *routes_of(struct store_tx *tx, const struct resource *subnet)
{
	const struct resource *table = route_table_of(tx, subnet);
	json_t *list = json_array(), *route;
	size_t i;

	if (!table)
		return list;
	json_array_foreach(mc_json_arr(table->doc, "Routes"), i, route)
		if (mc_id_valid("igw", mc_json_str(route, "GatewayId", "")))
			json_array_append_new(list, json_pack("{s:s, s:s}", "destination",
				mc_json_str(route, "DestinationCidrBlock", "0.0.0.0/0"), "target", "igw"));
	return list;
}

static json_t *subnets_of(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_SUBNET, vpc->account, vpc->region);
	const struct resource *s;
	json_t *list = json_array();

	while ((s = store_next(&it)))
		if (strcmp(s->parent, vpc->id) == 0)
			json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "id", s->id, "cidr",
				mc_json_str(s->doc, "CidrBlock", ""), "routes", routes_of(tx, s)));
	return list;
}

static bool has_gateway(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_INTERNET_GATEWAY, vpc->account, vpc->region);
	const struct resource *igw;

	while ((igw = store_next(&it)))
		if (igw->parent && strcmp(igw->parent, vpc->id) == 0)
			return true;
	return false;
}

json_t *vpc_document(struct store_tx *tx, const char *vpc_id)
{
	const struct resource *vpc = store_find(tx, KIND_VPC, NULL, NULL, vpc_id);
	mc_autofree char *domain = NULL;

	if (!vpc)
		return NULL;
	domain = dns_name_domain(vpc->region);
	return json_pack("{s:I, s:[s], s:s, s:b, s:o, s:o, s:o}", "generation",
			 (json_int_t)mc_json_int(vpc->spec, "generation", 0), "cidrs",
			 mc_json_str(vpc->doc, "CidrBlock", ""), "domain", domain, "igw", has_gateway(tx, vpc),
			 "subnets", subnets_of(tx, vpc), "security_groups", vpc_part_groups(tx, vpc), "enis", vpc_part_interfaces(tx, vpc));
}
