/* The services that VPC endpoints can be made for (AWS PrivateLink Guide). */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "api/action.h"
#include "api/describe.h"
#include "api/describe_filter.h"
#include "api/vpc_endpoint.h"
#include "api/zone.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

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
	return json_pack("{s:s, s:s, s:[{s:s}, {s:s}], s:s, s:o, s:s, s:[s], s:s, s:[{s:s}], s:b, s:b, s:b, s:s, s:[s], s:[]}", "ServiceName", name,
		"ServiceId", id, "ServiceType", "ServiceType", "Interface", "ServiceType", "Gateway", "ServiceRegion", region, "AvailabilityZones", zones_of(region), "Owner", "amazon",
		"BaseEndpointDnsNames", domain, "PrivateDnsName", private, "PrivateDnsNames", "PrivateDnsName", private,
		"VpcEndpointPolicySupported", 1, "AcceptanceRequired", 0, "ManagesVpcEndpoints", 0, "PrivateDnsNameVerificationState",
		"verified", "SupportedIpAddressTypes", "ipv4", "Tags");
}

static int check_services(struct call *call)
{
	size_t i;
	json_t *name;

	json_array_foreach(mc_json_arr(call->in, "ServiceNames"), i, name)
		if (!vpc_endpoint_service_by_name(call->caller->region, json_string_value(name)))
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

const struct action actions_vpc_endpoint_service[] = {
	{ .service = "ec2", .name = "DescribeVpcEndpointServices", .fn = describe_vpc_endpoint_services },
	{ 0 },
};
