/* What guests are told by DHCP, and what the resolver answers, as netd wants it. */
#include "api/vpc_part.h"

#include <stdlib.h>
#include <string.h>

#include "api/dns_name.h"
#include "api/gateway_endpoint.h"
#include "api/peering.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

/* [{"Value": "a"}, …] as ["a", …]. New reference. */
static json_t *texts(const json_t *values)
{
	json_t *list = json_array(), *one;
	size_t i;

	json_array_foreach(values, i, one)
		json_array_append(list, json_object_get(one, "Value"));
	return list;
}

/* How netd calls the options that are lists. */
static const struct {
	const char *key, *member;
} lists[] = {
	{ "domain-name-servers", "domain_name_servers" },
	{ "ntp-servers", "ntp_servers" },
	{ "netbios-name-servers", "netbios_name_servers" },
};

/* All names, one space between them: guests that know one alone take the first. New reference. */
static json_t *domains(const char *names)
{
	mc_autofree char *lower = dns_name_lower(names), *list = mc_strdup("");
	char *save = NULL;

	for (char *word = strtok_r(lower, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char *longer = mc_strf("%s%s%s", list, *list ? " " : "", word);

		free(list);
		list = longer;
	}
	return json_string(list);
}

static void add_option(json_t *doc, const char *key, const json_t *values)
{
	const char *first = mc_json_str(json_array_get(values, 0), "Value", "");

	for (size_t i = 0; i < MC_ARRAY_SIZE(lists); i++)
		if (strcmp(lists[i].key, key) == 0)
			json_object_set_new(doc, lists[i].member, texts(values));
	if (strcmp(key, "domain-name") == 0)
		json_object_set_new(doc, "domain_name", domains(first));
	else if (strcmp(key, "netbios-node-type") == 0)
		json_object_set_new(doc, "netbios_node_type", json_integer(strtol(first, NULL, 10)));
}

json_t *vpc_part_dhcp(struct store_tx *tx, const struct resource *vpc)
{
	const struct resource *options = store_get(tx, mc_json_str(vpc->doc, "DhcpOptionsId", NULL));
	json_t *doc = json_object(), *one;
	size_t i;

	json_array_foreach(options ? mc_json_arr(options->doc, "DhcpConfigurations") : NULL, i, one)
		add_option(doc, mc_json_str(one, "Key", ""), mc_json_arr(one, "Values"));
	return doc;
}

json_t *vpc_part_dns(struct store_tx *tx, const struct resource *vpc)
{
	mc_autofree char *domain = dns_name_public_domain(vpc->region);
	json_t *names = peering_names(tx, vpc);

	gateway_endpoint_names(tx, vpc, names);
	return json_pack("{s:b, s:b, s:s, s:o}", "support", mc_json_bool(vpc->spec, "enable_dns_support", true), "hostnames",
			 mc_json_bool(vpc->spec, "enable_dns_hostnames", false), "public_domain", domain,
			 "names", names);
}
