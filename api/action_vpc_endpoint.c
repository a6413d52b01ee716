/* VPC endpoints and the services they can be made for (AWS PrivateLink Guide). */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "api/action.h"
#include "api/describe.h"
#include "api/describe_filter.h"
#include "api/interface.h"
#include "api/view.h"
#include "api/vpc.h"
#include "api/vpc_endpoint.h"
#include "api/zone.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

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
	json_t *v = view_new(r, "VpcEndpointId", "OwnerId"), *subnets = json_array(), *enis = json_array(), *id;
	char created[MC_ISO8601_LEN];
	const char *subnet;

	json_object_foreach(mc_json_obj(r->spec, "enis"), subnet, id) {
		json_array_append_new(subnets, json_string(subnet));
		json_array_append(enis, id);
	}
	mc_clock_iso8601(r->created, created);
	json_object_update_new(v, json_pack("{s:s, s:o, s:o, s:o, s:o, s:s, s:b, s:[]}", "State", "available", "SubnetIds", subnets,
		"NetworkInterfaceIds", enis, "Groups", groups_view(call, r), "DnsEntries", names_view(call, r), "CreationTimestamp", created,
		"RequesterManaged", 0, "RouteTableIds"));
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

/* --- services ------------------------------------------------------------------- */

static const struct filter service_filters[] = {
	{ "owner", "Owner" },
	{ "service-name", "ServiceName" },
	{ "service-region", "ServiceRegion" },
	{ "service-type", "ServiceType.ServiceType" },
	{ "supported-ip-address-types", "SupportedIpAddressTypes" },
	{ 0 },
};

/* The same for a service each time: 17 digits of its name's digest. */
static void service_id(const char *name, char out[MC_ID_LEN])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	int n = snprintf(out, MC_ID_LEN, "vpce-svc-");

	EVP_Digest(name, strlen(name), md, NULL, EVP_sha256(), NULL);
	for (int i = 0; i < 17; i++)
		n += snprintf(out + n, MC_ID_LEN - (size_t)n, "%x", md[i] & 15);
}

static json_t *zones_of(const char *region)
{
	json_t *list = json_array();
	char *zone;

	for (size_t i = 0; (zone = zone_at(region, i)); i++) {
		json_array_append_new(list, json_string(zone));
		free(zone);
	}
	return list;
}

static json_t *service_view(const char *region, const char *service)
{
	mc_autofree char *name = vpc_endpoint_service_name(region, service);
	mc_autofree char *private = vpc_endpoint_private_name(region, service);
	mc_autofree char *domain = vpc_endpoint_domain(region, service);
	char id[MC_ID_LEN];

	service_id(name, id);
	return json_pack("{s:s, s:s, s:[{s:s}], s:s, s:o, s:s, s:[s], s:s, s:[{s:s}], s:b, s:b, s:b, s:s, s:[s], s:[]}", "ServiceName", name,
		"ServiceId", id, "ServiceType", "ServiceType", "Interface", "ServiceRegion", region, "AvailabilityZones", zones_of(region), "Owner", "amazon",
		"BaseEndpointDnsNames", domain, "PrivateDnsName", private, "PrivateDnsNames", "PrivateDnsName", private,
		"VpcEndpointPolicySupported", 1, "AcceptanceRequired", 0, "ManagesVpcEndpoints", 0, "PrivateDnsNameVerificationState",
		"verified", "SupportedIpAddressTypes", "ipv4", "Tags");
}

/* Is the name one of the services' of the region? Its label, NULL: no. A constant. */
static const char *service_by_name(const char *region, const char *wanted)
{
	const char *service;

	for (size_t i = 0; (service = vpc_endpoint_service_at(i)); i++) {
		mc_autofree char *name = vpc_endpoint_service_name(region, service);

		if (strcmp(name, wanted) == 0)
			return service;
	}
	return NULL;
}

static int check_services(struct call *call)
{
	size_t i;
	json_t *name;

	json_array_foreach(mc_json_arr(call->in, "ServiceNames"), i, name)
		if (!service_by_name(call->caller->region, json_string_value(name)))
			return action_fail(call, API_ENDPOINT_SERVICE, json_string_value(name));
	return 0;
}

static int describe_vpc_endpoint_services(struct call *call)
{
	const json_t *wanted = mc_json_arr(call->in, "ServiceNames");
	mc_auto_json json_t *details = json_array();
	struct clauses clauses;
	json_t *names, *view;
	const char *service;
	size_t i;

	if (clauses_init(call, service_filters, &clauses) || check_services(call))
		return 1;
	for (i = 0; (service = vpc_endpoint_service_at(i)); i++) {
		view = service_view(call->caller->region, service);
		if ((json_array_size(wanted) == 0 || mc_json_has_str(wanted, mc_json_str(view, "ServiceName", ""))) &&
		    clauses_match(&clauses, view, NULL))
			json_array_append(details, view);
		json_decref(view);
	}
	if (describe_answer_page(call, "ServiceDetails", details, 1, 1000))
		return 1;
	names = json_array();
	json_array_foreach(json_object_get(call->out, "ServiceDetails"), i, view)
		json_array_append(names, json_object_get(view, "ServiceName"));
	json_object_set_new(call->out, "ServiceNames", names);
	return 0;
}

/* --- what requests say ------------------------------------------------------------ */

static int check_service(struct call *call)
{
	const char *name = mc_json_str(call->in, "ServiceName", ""), *type = mc_json_str(call->in, "VpcEndpointType", "Gateway");
	mc_autofree char *text = NULL;

	if (!service_by_name(call->caller->region, name) ||
	    strcmp(mc_json_str(call->in, "ServiceRegion", call->caller->region), call->caller->region) != 0)
		return action_fail(call, API_ENDPOINT_SERVICE, name);
	if (strcmp(type, "Interface") == 0)
		return 0;
	text = mc_strf("Endpoint type (%s) does not match available service types ([Interface]).", type);
	return action_fail(call, API_ENDPOINT_PARAMETER, text);
}

static int check_policy(struct call *call, const char *text)
{
	mc_auto_json json_t *policy = text ? json_loads(text, 0, NULL) : NULL;

	return !text || json_object_get(policy, "Statement") ? 0 : action_fail(call, API_POLICY_DOCUMENT);
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

static int check_quota(struct call *call, const struct resource *vpc)
{
	struct store_iter it = store_iter(call->tx, KIND_VPC_ENDPOINT, vpc->account, vpc->region);
	long n = 0;

	while (store_next_of(&it, vpc->id))
		n++;
	return action_check_quota(call, n, call->api->config.quota_endpoints, "VpcEndpointLimitExceeded", "VPC endpoints");
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

/* --- create ------------------------------------------------------------------------------ */

static struct resource *insert(struct call *call, const struct resource *vpc, const json_t *groups, bool private_dns)
{
	struct resource *r = store_insert(call->tx, KIND_VPC_ENDPOINT, vpc->account, vpc->region);
	const char *policy = action_text(call, "PolicyDocument");

	r->parent = mc_strdup(vpc->id);
	json_object_update_new(r->doc, json_pack("{s:s, s:s, s:O, s:s, s:b, s:s, s:{s:s}}", "VpcEndpointType", "Interface", "VpcId", vpc->id,
		"ServiceName", json_object_get(call->in, "ServiceName"), "PolicyDocument", policy ? policy : OPEN_POLICY,
		"PrivateDnsEnabled", private_dns, "IpAddressType", "ipv4", "DnsOptions", "DnsRecordIpType", "ipv4"));
	json_object_update_new(r->spec, json_pack("{s:O, s:{}}", "groups", groups, "enis"));
	return r;
}

static int create_vpc_endpoint(struct call *call)
{
	static const char *const types[] = { "vpc-endpoint", NULL }, *const routes[] = { "RouteTableIds", NULL };
	const struct resource *vpc = action_resource(call, KIND_VPC, mc_json_str(call->in, "VpcId", NULL));
	bool private_dns = mc_json_bool(call->in, "PrivateDnsEnabled", true);
	mc_auto_json json_t *groups = NULL;
	struct resource *r;

	if (!vpc || check_service(call) || check_addresses(call) || check_policy(call, action_text(call, "PolicyDocument")) ||
	    action_refuse_members(call, routes, "an interface endpoint has no routes") || action_check_tag_types(call, types) ||
	    check_quota(call, vpc))
		return 1;
	if (private_dns && check_private_dns(call, vpc, service_by_name(vpc->region, mc_json_str(call->in, "ServiceName", "")), NULL))
		return 1;
	if (interface_read_groups(call, mc_json_arr(call->in, "SecurityGroupIds"), vpc->id, &groups))
		return 1;
	r = insert(call, vpc, groups, private_dns);
	if (add_subnets(call, r, "SubnetIds") || action_apply_tags(call, "vpc-endpoint", r))
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

static int modify_vpc_endpoint(struct call *call)
{
	static const char *const routes[] = { "AddRouteTableIds", "RemoveRouteTableIds", NULL };
	const struct resource *found = action_resource(call, KIND_VPC_ENDPOINT, mc_json_str(call->in, "VpcEndpointId", NULL));
	struct resource *r;

	if (!found || action_refuse_members(call, routes, "an interface endpoint has no routes") || check_addresses(call))
		return 1;
	r = store_edit(call->tx, found->id);
	if (modify_policy(call, r) || modify_private_dns(call, r) || remove_subnets(call, r) || modify_groups(call, r) ||
	    add_subnets(call, r, "AddSubnetIds"))
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
	{ .service = "ec2", .name = "DescribeVpcEndpointServices", .fn = describe_vpc_endpoint_services },
	{ .service = "ec2", .name = "CreateVpcEndpoint", .fn = create_vpc_endpoint, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ModifyVpcEndpoint", .fn = modify_vpc_endpoint, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteVpcEndpoints", .fn = delete_vpc_endpoints, .flags = ACTION_WRITE },
	{ 0 },
};
