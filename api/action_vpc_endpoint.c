/* VPC endpoints (AWS PrivateLink Guide). */
#include <string.h>

#include "api/action.h"
#include "api/describe.h"
#include "api/gateway_endpoint.h"
#include "api/interface.h"
#include "api/route_table.h"
#include "api/view.h"
#include "api/vpc.h"
#include "api/vpc_endpoint.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define GATEWAY "Gateway"
#define INTERFACE "Interface"

/* What AWS gives an endpoint that comes without one. */
#define OPEN_POLICY "{\n  \"Statement\": [\n    {\n      \"Action\": \"*\", \n      \"Effect\": \"Allow\", \n      \"Principal\": \"*\", \n" \
	"      \"Resource\": \"*\"\n    }\n  ]\n}"

/* --- shown -------------------------------------------------------------------- */

static const struct filter filters[] = {
	{ "ip-address-type", "IpAddressType" },
	{ "service-name", "ServiceName" },
	{ "service-region", "ServiceRegion" },
	{ "vpc-endpoint-id", "VpcEndpointId" },
	{ "vpc-endpoint-state", "State" },
	{ "vpc-endpoint-type", "VpcEndpointType" },
	{ "vpc-id", "VpcId" },
	{ 0 },
};

static json_t *groups_view(struct call *call, const struct resource *r)
{
	json_t *list = json_array(), *id;
	size_t i;

	json_array_foreach(mc_json_arr(r->spec, "groups"), i, id) {
		const struct resource *g = store_get(call->tx, json_string_value(id));

		if (g)
			json_array_append_new(list, json_pack("{s:s, s:O}", "GroupId", g->id, "GroupName", json_object_get(g->doc, "GroupName")));
	}
	return list;
}

static void add_name(json_t *list, char *name)
{
	json_array_append_new(list, json_pack("{s:s}", "DnsName", name));
	free(name);
}

static json_t *names_view(struct call *call, const struct resource *r)
{
	json_t *list = json_array(), *id;
	const char *subnet;

	if (gateway_endpoint(r))
		return list;
	add_name(list, vpc_endpoint_own_name(r, NULL));
	json_object_foreach(mc_json_obj(r->spec, "enis"), subnet, id) {
		const struct resource *eni = store_get(call->tx, json_string_value(id));

		if (eni)
			add_name(list, vpc_endpoint_own_name(r, eni->az));
	}
	if (mc_json_bool(r->doc, "PrivateDnsEnabled", false))
		add_name(list, vpc_endpoint_private_name(r->region, vpc_endpoint_service(r)));
	return list;
}

static json_t *endpoint_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "VpcEndpointId", "OwnerId"), *subnets = json_array(), *enis = json_array(), *tables = json_array(), *id;
	char created[MC_ISO8601_LEN];
	const char *subnet, *table;

	json_object_foreach(mc_json_obj(r->spec, "enis"), subnet, id) {
		json_array_append_new(subnets, json_string(subnet));
		json_array_append(enis, id);
	}
	json_object_foreach(mc_json_obj(r->spec, "route_tables"), table, id)
		json_array_append_new(tables, json_string(table));
	mc_clock_iso8601(r->created, created);
	view_default(v, "Tags", json_array());
	json_object_update_new(v, json_pack("{s:s, s:o, s:o, s:o, s:o, s:s, s:b, s:o}", "State", "available", "SubnetIds", subnets,
		"NetworkInterfaceIds", enis, "Groups", groups_view(call, r), "DnsEntries", names_view(call, r), "CreationTimestamp", created,
		"RequesterManaged", 0, "RouteTableIds", tables));
	json_object_set_new(v, "ServiceRegion", json_string(r->region));
	return v;
}

static int describe_vpc_endpoints(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_VPC_ENDPOINT, .list = "VpcEndpoints", .ids = "VpcEndpointIds", .filters = filters,
		.view = endpoint_view, .page_min = 1, .page_max = 1000,
	};

	return describe_run(call, &d);
}

/* --- what requests say ------------------------------------------------------------ */

static int check_service(struct call *call)
{
	const char *name = mc_json_str(call->in, "ServiceName", ""), *type = mc_json_str(call->in, "VpcEndpointType", GATEWAY);
	mc_autofree char *text = NULL;

	if (!vpc_endpoint_service_by_name(call->caller->region, name) ||
	    strcmp(mc_json_str(call->in, "ServiceRegion", call->caller->region), call->caller->region) != 0)
		return action_fail(call, API_ENDPOINT_SERVICE, name);
	if (strcmp(type, INTERFACE) == 0 || strcmp(type, GATEWAY) == 0)
		return 0;
	text = mc_strf("Endpoint type (%s) does not match available service types ([Interface, Gateway]).", type);
	return action_fail(call, API_ENDPOINT_PARAMETER, text);
}

/* A statement says whether, and of what (IAM User Guide, "Grammar of the IAM JSON policy language"). */
static bool is_statement(const json_t *s)
{
	const char *effect = mc_json_str(s, "Effect", "");

	return (strcmp(effect, "Allow") == 0 || strcmp(effect, "Deny") == 0) &&
	       !json_object_get(s, "Action") != !json_object_get(s, "NotAction") &&
	       !json_object_get(s, "Resource") != !json_object_get(s, "NotResource") &&
	       !json_object_get(s, "Principal") != !json_object_get(s, "NotPrincipal");
}

static bool is_policy(const json_t *policy)
{
	const json_t *statements = json_object_get(policy, "Statement"), *one;
	const char *version = mc_json_str(policy, "Version", "2008-10-17");
	size_t i;

	if (strcmp(version, "2012-10-17") != 0 && strcmp(version, "2008-10-17") != 0)
		return false;
	json_array_foreach(statements, i, one)
		if (!is_statement(one))
			return false;
	return json_is_array(statements) || is_statement(statements);
}

static int check_policy(struct call *call, const char *text)
{
	mc_auto_json json_t *policy = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

	return !text || is_policy(policy) ? 0 : action_fail(call, API_POLICY_DOCUMENT);
}

static int check_addresses(struct call *call)
{
	static const char *const others[] = { "SubnetConfigurations", "ServiceNetworkArn", "ResourceConfigurationArn", NULL };
	const char *family = mc_json_str(call->in, "IpAddressType", "ipv4");
	const char *record = mc_json_str(mc_json_obj(call->in, "DnsOptions"), "DnsRecordIpType", "ipv4");

	if (strcmp(family, "ipv4") != 0 || (strcmp(record, "ipv4") != 0 && strcmp(record, "service-defined") != 0))
		return action_fail(call, API_UNSUPPORTED, "Only the IP address type 'ipv4' is supported by this cloud: it has IPv4 only");
	return action_refuse_members(call, others, "endpoints are those of its own services");
}

/* May the name of the service mean this endpoint in the VPC? but: the endpoint itself. 0, or action_fail. */
static int check_private_dns(struct call *call, const struct resource *vpc, const char *service, const char *but)
{
	struct store_iter it = store_iter(call->tx, KIND_VPC_ENDPOINT, vpc->account, vpc->region);
	mc_autofree char *name = vpc_endpoint_private_name(vpc->region, service);
	mc_autofree char *text = NULL;
	const struct resource *r;

	if (!vpc_names_hosts(vpc))
		text = mc_strf("Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for %s", vpc->id);
	while (!text && (r = store_next_of(&it, vpc->id)))
		if ((!but || strcmp(r->id, but) != 0) && mc_json_bool(r->doc, "PrivateDnsEnabled", false) &&
		    strcmp(vpc_endpoint_service(r), service) == 0)
			text = mc_strf("private-dns-enabled cannot be set because there is already a conflicting DNS domain for %s in the VPC %s",
				       name, vpc->id);
	return text ? action_fail(call, API_ENDPOINT_PARAMETER, text) : 0;
}

/* Of interface endpoints a VPC has so many, of gateway endpoints a region (PrivateLink Guide, "Quotas"). */
static int check_quota(struct call *call, const struct resource *vpc, bool gateway)
{
	struct store_iter it = store_iter(call->tx, KIND_VPC_ENDPOINT, vpc->account, vpc->region);
	const struct api_config *c = &call->api->config;
	const struct resource *r;
	long n = 0;

	while ((r = store_next(&it)))
		n += gateway_endpoint(r) == gateway && (gateway || strcmp(r->parent, vpc->id) == 0);
	return action_check_quota(call, n, gateway ? c->quota_gateway_endpoints : c->quota_endpoints, "VpcEndpointLimitExceeded",
				  "VPC endpoints");
}

/* What belongs to the other type of endpoints. */
static int check_members(struct call *call, bool gateway)
{
	static const char *const interface_members[] = {
		"SubnetIds", "AddSubnetIds", "RemoveSubnetIds", "SecurityGroupIds", "AddSecurityGroupIds", "RemoveSecurityGroupIds",
		"PrivateDnsEnabled", NULL,
	};
	static const char *const gateway_members[] = { "RouteTableIds", "AddRouteTableIds", "RemoveRouteTableIds", NULL };
	const char *const *members = gateway ? interface_members : gateway_members;
	mc_autofree char *text = NULL;

	for (; *members; members++) {
		const json_t *value = json_object_get(call->in, *members);

		if (!value || json_is_false(value) || (json_is_array(value) && json_array_size(value) == 0))
			continue;
		text = gateway ? mc_strf("The parameter %s cannot be used with a VPC endpoint of type " GATEWAY, *members)
			       : mc_strdup("Route table IDs are only supported for Gateway type VPC Endpoint.");
		return action_fail(call, API_ENDPOINT_PARAMETER, text);
	}
	return 0;
}

/* --- addresses ------------------------------------------------------------------------ */

static bool zone_taken(struct call *call, const struct resource *r, const char *zone)
{
	const char *subnet;
	json_t *id;

	json_object_foreach(mc_json_obj(r->spec, "enis"), subnet, id) {
		const struct resource *eni = store_get(call->tx, json_string_value(id));

		if (eni && strcmp(eni->az, zone) == 0)
			return true;
	}
	return false;
}

/* An address of the endpoint (store_edit()ed) in the subnet. */
static int add_subnet(struct call *call, struct resource *r, const char *id)
{
	const struct resource *subnet = action_resource(call, KIND_SUBNET, id);
	mc_autofree char *text = mc_strf("VPC Endpoint Interface %s", r->id);
	struct interface_plan p = { .subnet = subnet, .description = text, .groups = mc_json_arr(r->spec, "groups") };
	struct resource *eni;

	if (!subnet)
		return 1;
	if (strcmp(subnet->parent, r->parent) != 0)
		return action_invalid(call, "The subnet %s does not belong to the VPC %s", subnet->id, r->parent);
	if (zone_taken(call, r, subnet->az))
		return action_fail(call, API_ENDPOINT_ZONE, subnet->id);
	eni = interface_insert(call, &p);
	if (!eni || interface_fill(call, eni, &p))
		return 1;
	json_object_update_new(eni->spec, json_pack("{s:s, s:s}", "kind", "endpoint", "requester", r->id));
	json_object_set_new(json_object_get(r->spec, "enis"), subnet->id, json_string(eni->id));
	return 0;
}

static int add_subnets(struct call *call, struct resource *r, const char *member)
{
	size_t i;
	json_t *id;

	json_array_foreach(mc_json_arr(call->in, member), i, id)
		if (add_subnet(call, r, json_string_value(id)))
			return 1;
	return 0;
}

static int remove_subnets(struct call *call, struct resource *r)
{
	json_t *enis = json_object_get(r->spec, "enis"), *id;
	size_t i;

	json_array_foreach(mc_json_arr(call->in, "RemoveSubnetIds"), i, id) {
		const char *subnet = json_string_value(id), *eni = mc_json_str(enis, subnet, NULL);

		if (!eni)
			return action_invalid(call, "The subnet %s is not one of the VPC endpoint %s", subnet, r->id);
		interface_delete(call->tx, eni);
		json_object_del(enis, subnet);
	}
	return 0;
}

/* --- route tables ------------------------------------------------------------------- */

/* From now on the table has the route to the endpoint (store_edit()ed). */
static int add_table(struct call *call, struct resource *r, const char *id)
{
	const struct resource *table = action_resource(call, KIND_ROUTE_TABLE, id);
	const struct resource *list = gateway_endpoint_list(call->tx, r);
	const struct resource *other = table && list ? gateway_endpoint_of(call->tx, table, list->id) : NULL;

	if (!table)
		return 1;
	if (strcmp(table->parent, r->parent) != 0)
		return action_invalid(call, "Route table %s and VPC %s belong to different networks", table->id, r->parent);
	if (other && strcmp(other->id, r->id) == 0)
		return 0;
	if (other || (list && route_table_has_list(table, list->id)))
		return action_refuse(call, "RouteAlreadyExists", "route table %s already has a route with destination-prefix-list-id %s",
				     table->id, list->id);
	json_object_set_new(json_object_get(r->spec, "route_tables"), table->id, json_true());
	return 0;
}

static int add_tables(struct call *call, struct resource *r, const char *member)
{
	size_t i;
	json_t *id;

	json_array_foreach(mc_json_arr(call->in, member), i, id)
		if (add_table(call, r, json_string_value(id)))
			return 1;
	return 0;
}

static int remove_tables(struct call *call, struct resource *r)
{
	json_t *tables = json_object_get(r->spec, "route_tables"), *id;
	size_t i;

	json_array_foreach(mc_json_arr(call->in, "RemoveRouteTableIds"), i, id)
		if (json_object_del(tables, json_string_value(id)) < 0)
			return action_invalid(call, "The route table %s is not one of the VPC endpoint %s", json_string_value(id), r->id);
	return 0;
}

/* --- create ------------------------------------------------------------------------------ */

static struct resource *insert(struct call *call, const struct resource *vpc, const char *type)
{
	struct resource *r = store_insert(call->tx, KIND_VPC_ENDPOINT, vpc->account, vpc->region);
	const char *policy = action_text(call, "PolicyDocument");

	r->parent = mc_strdup(vpc->id);
	json_object_update_new(r->doc, json_pack("{s:s, s:s, s:O, s:s, s:b, s:s, s:{s:s}}", "VpcEndpointType", type, "VpcId", vpc->id,
		"ServiceName", json_object_get(call->in, "ServiceName"), "PolicyDocument", policy ? policy : OPEN_POLICY,
		"PrivateDnsEnabled", 0, "IpAddressType", "ipv4", "DnsOptions", "DnsRecordIpType",
		strcmp(type, GATEWAY) == 0 ? "service-defined" : "ipv4"));
	return r;
}

/* 0 and *ret, or action_fail. */
static int create_interface(struct call *call, const struct resource *vpc, struct resource **ret)
{
	bool private_dns = mc_json_bool(call->in, "PrivateDnsEnabled", true);
	const char *service = vpc_endpoint_service_by_name(vpc->region, mc_json_str(call->in, "ServiceName", ""));
	mc_auto_json json_t *groups = NULL;

	if ((private_dns && check_private_dns(call, vpc, service, NULL)) ||
	    interface_read_groups(call, mc_json_arr(call->in, "SecurityGroupIds"), vpc->id, &groups))
		return 1;
	*ret = insert(call, vpc, INTERFACE);
	json_object_set_new((*ret)->doc, "PrivateDnsEnabled", json_boolean(private_dns));
	json_object_update_new((*ret)->spec, json_pack("{s:O, s:{}}", "groups", groups, "enis"));
	return add_subnets(call, *ret, "SubnetIds");
}

static int create_gateway(struct call *call, const struct resource *vpc, struct resource **ret)
{
	const char *service = vpc_endpoint_service_by_name(vpc->region, mc_json_str(call->in, "ServiceName", ""));
	mc_autofree char *ip = vpc_endpoint_service_ip(service);
	mc_autofree char *block = mc_strf("%s/32", ip);
	struct cidr address;

	if (cidr_parse(block, &address) && vpc_overlaps(vpc, address))
		return action_invalid(call, "The CIDR blocks of the VPC %s hold the address %s of the service", vpc->id, ip);
	*ret = insert(call, vpc, GATEWAY);
	json_object_set_new((*ret)->spec, "route_tables", json_object());
	return add_tables(call, *ret, "RouteTableIds");
}

static int create_vpc_endpoint(struct call *call)
{
	static const char *const types[] = { "vpc-endpoint", NULL };
	const struct resource *vpc = action_resource(call, KIND_VPC, mc_json_str(call->in, "VpcId", NULL));
	bool gateway = strcmp(mc_json_str(call->in, "VpcEndpointType", GATEWAY), GATEWAY) == 0;
	struct resource *r = NULL;

	if (!vpc || check_service(call) || check_addresses(call) || check_policy(call, action_text(call, "PolicyDocument")) ||
	    check_members(call, gateway) || action_check_tag_types(call, types) || check_quota(call, vpc, gateway))
		return 1;
	if ((gateway ? create_gateway : create_interface)(call, vpc, &r) || action_apply_tags(call, "vpc-endpoint", r))
		return 1;
	vpc_change(call, vpc->id);
	call->out = json_pack("{s:o, s:s*}", "VpcEndpoint", endpoint_view(call, r), "ClientToken", action_text(call, "ClientToken"));
	return 0;
}

/* --- modify ------------------------------------------------------------------------------- */

/* The groups after the request: what is there, with and without. 0 and *ret, or action_fail. */
static int changed_groups(struct call *call, const struct resource *r, json_t **ret)
{
	mc_auto_json json_t *ids = json_array();
	const json_t *lists[] = { mc_json_arr(r->spec, "groups"), mc_json_arr(call->in, "AddSecurityGroupIds") };
	const json_t *removed = mc_json_arr(call->in, "RemoveSecurityGroupIds");
	json_t *id;
	size_t i;

	for (size_t n = 0; n < MC_ARRAY_SIZE(lists); n++)
		json_array_foreach(lists[n], i, id)
			if (!mc_json_has_str(removed, json_string_value(id)))
				json_array_append(ids, id);
	if (json_array_size(ids) == 0)
		return action_fail(call, API_ENDPOINT_PARAMETER, "An interface endpoint needs at least one security group");
	return interface_read_groups(call, ids, r->parent, ret);
}

static int modify_groups(struct call *call, struct resource *r)
{
	mc_auto_json json_t *groups = NULL;
	const char *subnet;
	json_t *id;

	if (changed_groups(call, r, &groups))
		return 1;
	json_object_set(r->spec, "groups", groups);
	json_object_foreach(mc_json_obj(r->spec, "enis"), subnet, id)
		json_object_set(store_edit(call->tx, json_string_value(id))->spec, "groups", groups);
	return 0;
}

static int modify_policy(struct call *call, struct resource *r)
{
	const char *policy = action_text(call, "PolicyDocument");

	if (policy && mc_json_bool(call->in, "ResetPolicy", false))
		return action_fail(call, API_PARAMETER_COMBINATION, "Only one of policyDocument and resetPolicy may be specified");
	if (check_policy(call, policy))
		return 1;
	if (policy || mc_json_bool(call->in, "ResetPolicy", false))
		json_object_set_new(r->doc, "PolicyDocument", json_string(policy ? policy : OPEN_POLICY));
	return 0;
}

static int modify_private_dns(struct call *call, struct resource *r)
{
	const json_t *value = json_object_get(call->in, "PrivateDnsEnabled");

	if (json_is_true(value) && check_private_dns(call, store_get(call->tx, r->parent), vpc_endpoint_service(r), r->id))
		return 1;
	if (value)
		json_object_set(r->doc, "PrivateDnsEnabled", (json_t *)value);
	return 0;
}

static int modify_interface(struct call *call, struct resource *r)
{
	return modify_private_dns(call, r) || remove_subnets(call, r) || modify_groups(call, r) || add_subnets(call, r, "AddSubnetIds");
}

static int modify_gateway(struct call *call, struct resource *r)
{
	return remove_tables(call, r) || add_tables(call, r, "AddRouteTableIds");
}

static int modify_vpc_endpoint(struct call *call)
{
	const struct resource *found = action_resource(call, KIND_VPC_ENDPOINT, mc_json_str(call->in, "VpcEndpointId", NULL));
	struct resource *r;

	if (!found || check_members(call, gateway_endpoint(found)) || check_addresses(call))
		return 1;
	r = store_edit(call->tx, found->id);
	if (modify_policy(call, r) || (gateway_endpoint(r) ? modify_gateway : modify_interface)(call, r))
		return 1;
	vpc_change(call, r->parent);
	call->out = json_pack("{s:b}", "Return", 1);
	return 0;
}

/* --- delete -------------------------------------------------------------------------------- */

static void delete_one(struct call *call, const struct resource *r)
{
	const char *subnet;
	json_t *id;

	json_object_foreach(mc_json_obj(r->spec, "enis"), subnet, id)
		interface_delete(call->tx, json_string_value(id));
	vpc_change(call, r->parent);
	store_delete(call->tx, r->id);
}

/* Each by itself: one that is not there does not keep the others. */
static int delete_vpc_endpoints(struct call *call)
{
	json_t *list = json_array(), *id;
	size_t i;

	call->out = json_pack("{s:o}", "Unsuccessful", list);
	json_array_foreach(mc_json_arr(call->in, "VpcEndpointIds"), i, id) {
		const char *text = json_string_value(id);
		const struct resource *r = store_find(call->tx, KIND_VPC_ENDPOINT, call->caller->account, call->caller->region, text);
		mc_autofree char *message = mc_strf("The Vpc Endpoint Id '%s' does not exist", text);

		if (r)
			delete_one(call, r);
		else
			json_array_append_new(list, json_pack("{s:{s:s, s:s}, s:s}", "Error", "Code", kind_info(KIND_VPC_ENDPOINT)->not_found,
							      "Message", message, "ResourceId", text));
	}
	return 0;
}

const struct action actions_vpc_endpoint[] = {
	{ .service = "ec2", .name = "DescribeVpcEndpoints", .fn = describe_vpc_endpoints },
	{ .service = "ec2", .name = "CreateVpcEndpoint", .fn = create_vpc_endpoint, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ModifyVpcEndpoint", .fn = modify_vpc_endpoint, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteVpcEndpoints", .fn = delete_vpc_endpoints, .flags = ACTION_WRITE },
	{ 0 },
};
