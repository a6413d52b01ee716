#include "api/vpc_endpoint.h"

#include <string.h>

#include "api/vpc_part.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

/* Their order decides their addresses: new ones come last. */
static const char *const services[] = { "ec2", "ssm", "sts" };

/* Of the block 198.19.0.0/16, which AWS keeps for itself (VPC User Guide, "IPv4 CIDR block association restrictions"). */
#define SERVICE_NETWORK "198.19.255."

const char *vpc_endpoint_service_at(size_t i)
{
	return i < MC_ARRAY_SIZE(services) ? services[i] : NULL;
}

const char *vpc_endpoint_service(const struct resource *endpoint)
{
	const char *name = endpoint ? mc_json_str(endpoint->doc, "ServiceName", NULL) : NULL;

	for (size_t i = 0; name && i < MC_ARRAY_SIZE(services); i++)
		if (strcmp(strrchr(name, '.') + 1, services[i]) == 0)
			return services[i];
	return NULL;
}

char *vpc_endpoint_service_ip(const char *service)
{
	size_t i = 0;

	while (i < MC_ARRAY_SIZE(services) && strcmp(services[i], service) != 0)
		i++;
	return mc_strf(SERVICE_NETWORK "%zu", i + 1);
}

char *vpc_endpoint_service_name(const char *region, const char *service)
{
	return mc_strf("com.amazonaws.%s.%s", region, service);
}

char *vpc_endpoint_private_name(const char *region, const char *service)
{
	return mc_strf("%s.%s.amazonaws.com", service, region);
}

char *vpc_endpoint_domain(const char *region, const char *service)
{
	return mc_strf("%s.%s.vpce.amazonaws.com", service, region);
}

const char *vpc_endpoint_service_by_name(const char *region, const char *wanted)
{
	const char *service;

	for (size_t i = 0; (service = vpc_endpoint_service_at(i)); i++) {
		mc_autofree char *name = vpc_endpoint_service_name(region, service);

		if (strcmp(name, wanted) == 0)
			return service;
	}
	return NULL;
}

/* "vpce-0123…-89abcdef.ec2.us-east-1.vpce.amazonaws.com"; AWS's second part is random, too. */
char *vpc_endpoint_own_name(const struct resource *endpoint, const char *zone)
{
	mc_autofree char *domain = vpc_endpoint_domain(endpoint->region, vpc_endpoint_service(endpoint));
	const char *tail = endpoint->id + strlen(endpoint->id) - 8;

	return zone ? mc_strf("%s-%s-%s.%s", endpoint->id, tail, zone, domain) : mc_strf("%s-%s.%s", endpoint->id, tail, domain);
}

/* --- for netd ------------------------------------------------------------------ */

static json_t *names_of(const struct resource *endpoint, const struct resource *eni)
{
	mc_autofree char *whole = vpc_endpoint_own_name(endpoint, NULL);
	mc_autofree char *zonal = vpc_endpoint_own_name(endpoint, eni->az);
	mc_autofree char *private = vpc_endpoint_private_name(endpoint->region, vpc_endpoint_service(endpoint));
	bool shared = mc_json_bool(endpoint->doc, "PrivateDnsEnabled", false);

	return json_pack("[s, s, s*]", whole, zonal, shared ? private : NULL);
}

static void add_rows(struct store_tx *tx, const struct resource *endpoint, json_t *list)
{
	const char *subnet;
	json_t *id;

	json_object_foreach(mc_json_obj(endpoint->spec, "enis"), subnet, id) {
		const struct resource *eni = store_get(tx, json_string_value(id));

		if (eni)
			json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:O, s:O, s:O, s:o}", "id", endpoint->id, "subnet", subnet, "eni",
				eni->id, "mac", json_object_get(eni->spec, "mac"), "ip", json_object_get(eni->spec, "ip"), "groups",
				json_object_get(eni->spec, "groups"), "names", names_of(endpoint, eni)));
	}
}

json_t *vpc_part_endpoints(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_VPC_ENDPOINT, vpc->account, vpc->region);
	const struct resource *r;
	json_t *list = json_array();

	while ((r = store_next_of(&it, vpc->id)))
		add_rows(tx, r, list);
	return list;
}
