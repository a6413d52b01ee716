#include "api/gateway_endpoint.h"

#include <stdlib.h>
#include <string.h>

#include "api/vpc_endpoint.h"
#include "api/vpc_part.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

bool gateway_endpoint(const struct resource *endpoint)
{
	return strcmp(mc_json_str(endpoint->doc, "VpcEndpointType", ""), "Gateway") == 0;
}

/* --- the services' prefix lists ------------------------------------------------ */

bool gateway_endpoint_owns(const struct resource *list)
{
	return list->kind == KIND_PREFIX_LIST && json_object_get(list->spec, "service");
}

static const struct resource *list_of(struct store_tx *tx, const char *account, const char *region, const char *service)
{
	struct store_iter it = store_iter(tx, KIND_PREFIX_LIST, account, region);
	const struct resource *r;

	while ((r = store_next(&it)) && strcmp(mc_json_str(r->spec, "service", ""), service) != 0)
		;
	return r;
}

const struct resource *gateway_endpoint_list(struct store_tx *tx, const struct resource *endpoint)
{
	return list_of(tx, endpoint->account, endpoint->region, vpc_endpoint_service(endpoint));
}

void gateway_endpoint_offer(struct store_tx *tx, const char *account, const char *region)
{
	const char *service;

	for (size_t i = 0; (service = vpc_endpoint_service_at(i)); i++) {
		mc_autofree char *name = vpc_endpoint_service_name(region, service);
		mc_autofree char *ip = vpc_endpoint_service_ip(service);
		mc_autofree char *block = mc_strf("%s/32", ip);
		struct resource *r;

		if (list_of(tx, account, region, service))
			continue;
		r = store_insert(tx, KIND_PREFIX_LIST, account, region);
		json_object_update_new(r->doc, json_pack("{s:s, s:s, s:s}", "AddressFamily", "IPv4", "PrefixListName", name, "State",
							 "create-complete"));
		json_object_update_new(r->spec, json_pack("{s:s, s:{s:[{s:s}]}}", "service", service, "versions", "1", "Cidr", block));
	}
}

/* --- the tables -------------------------------------------------------------------- */

/* The next gateway endpoint that the table is associated with. */
static const struct resource *next_of(struct store_iter *it, const struct resource *table)
{
	const struct resource *r;

	while ((r = store_next_of(it, table->parent)))
		if (gateway_endpoint(r) && json_object_get(mc_json_obj(r->spec, "route_tables"), table->id))
			return r;
	return NULL;
}

const struct resource *gateway_endpoint_of(struct store_tx *tx, const struct resource *table, const char *list)
{
	struct store_iter it = store_iter(tx, KIND_VPC_ENDPOINT, table->account, table->region);
	const struct resource *r, *own;

	while ((r = next_of(&it, table)))
		if ((own = gateway_endpoint_list(tx, r)) && strcmp(own->id, list) == 0)
			return r;
	return NULL;
}

void gateway_endpoint_forget(struct store_tx *tx, const struct resource *table)
{
	struct store_iter it = store_iter(tx, KIND_VPC_ENDPOINT, table->account, table->region);
	const struct resource *r;

	while ((r = next_of(&it, table)))
		json_object_del(mc_json_obj(store_edit(tx, r->id)->spec, "route_tables"), table->id);
}

json_t *gateway_endpoint_routes(struct store_tx *tx, const struct resource *table)
{
	struct store_iter it = store_iter(tx, KIND_VPC_ENDPOINT, table->account, table->region);
	json_t *list = json_array();
	const struct resource *r, *own;

	while ((r = next_of(&it, table)))
		if ((own = gateway_endpoint_list(tx, r)))
			json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "DestinationPrefixListId", own->id, "GatewayId", r->id,
							      "Origin", "CreateRoute", "State", "active"));
	return list;
}

/* --- for netd ------------------------------------------------------------------------ */

/* Where an interface endpoint has taken the service's name, that one is meant. */
static bool name_taken(struct store_tx *tx, const struct resource *vpc, const char *service)
{
	struct store_iter it = store_iter(tx, KIND_VPC_ENDPOINT, vpc->account, vpc->region);
	const struct resource *r;

	while ((r = store_next_of(&it, vpc->id)))
		if (mc_json_bool(r->doc, "PrivateDnsEnabled", false) && strcmp(vpc_endpoint_service(r), service) == 0)
			return true;
	return false;
}

static bool has_gateway(struct store_tx *tx, const struct resource *vpc, const char *service)
{
	struct store_iter it = store_iter(tx, KIND_VPC_ENDPOINT, vpc->account, vpc->region);
	const struct resource *r;

	while ((r = store_next_of(&it, vpc->id)))
		if (gateway_endpoint(r) && strcmp(vpc_endpoint_service(r), service) == 0)
			return true;
	return false;
}

void gateway_endpoint_names(struct store_tx *tx, const struct resource *vpc, json_t *list)
{
	const char *service;

	for (size_t i = 0; (service = vpc_endpoint_service_at(i)); i++) {
		mc_autofree char *name = vpc_endpoint_private_name(vpc->region, service);
		mc_autofree char *ip = vpc_endpoint_service_ip(service);

		if (has_gateway(tx, vpc, service) && !name_taken(tx, vpc, service))
			json_array_append_new(list, json_pack("{s:s, s:s}", "name", name, "ip", ip));
	}
}

json_t *vpc_part_gateway_endpoints(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_VPC_ENDPOINT, vpc->account, vpc->region);
	const struct resource *r;
	json_t *list = json_array();

	while ((r = store_next_of(&it, vpc->id))) {
		mc_autofree char *ip = vpc_endpoint_service_ip(vpc_endpoint_service(r));

		if (gateway_endpoint(r))
			json_array_append_new(list, json_pack("{s:s, s:s}", "id", r->id, "ip", ip));
	}
	return list;
}
