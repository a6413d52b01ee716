/* DHCP options sets. */
#include <arpa/inet.h>
#include <string.h>

#include "api/action.h"
#include "api/describe.h"
#include "api/dns_name.h"
#include "api/view.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

static const struct filter dhcp_filters[] = {
	{ "dhcp-options-id", "DhcpOptionsId" },
	{ "key", "DhcpConfigurations.Key" },
	{ "owner-id", "OwnerId" },
	{ "value", "DhcpConfigurations.Values.Value" },
	{ 0 },
};

static json_t *dhcp_view(struct call *call, const struct resource *r)
{
	(void)call;
	return view_new(r, "DhcpOptionsId", "OwnerId");
}

static int describe_dhcp_options(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_DHCP_OPTIONS, .list = "DhcpOptions", .ids = "DhcpOptionsIds", .filters = dhcp_filters,
		.view = dhcp_view, .page_min = 5, .page_max = 1000,
	};

	return describe_run(call, &d);
}

/* --- options ------------------------------------------------------------------ */

#define DOMAIN_MAX 253 /* of all names together: one DHCP option has them */

typedef bool check_fn(const char *text);

static bool check_domain(const char *text)
{
	/* Several names apart by spaces are taken by some guests: EC2 API reference, CreateDhcpOptions. What has
	 * no letter would be taken for an address. */
	mc_autofree char *copy = dns_name_lower(text);
	char *save = NULL, *word = strtok_r(copy, " ", &save);

	if (!word || strlen(text) > DOMAIN_MAX)
		return false;
	for (; word; word = strtok_r(NULL, " ", &save))
		if (!mc_check_hostname(word) || !word[strcspn(word, "abcdefghijklmnopqrstuvwxyz")])
			return false;
	return true;
}

static bool check_server(const char *text)
{
	return strcmp(text, "AmazonProvidedDNS") == 0 || mc_check_ipv4(text);
}

static bool check_node_type(const char *text)
{
	return strlen(text) == 1 && strchr("1248", *text);
}

static const struct option {
	const char *key;
	size_t max;      /* values */
	check_fn *check;
} options[] = {
	{ "domain-name", 1, check_domain },
	{ "domain-name-servers", 4, check_server },
	{ "ntp-servers", 4, mc_check_ipv4 },
	{ "netbios-name-servers", 4, mc_check_ipv4 },
	{ "netbios-node-type", 1, check_node_type },
};

static const struct option *option_of(const char *key)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(options); i++)
		if (strcmp(options[i].key, key) == 0)
			return &options[i];
	return NULL;
}

static int read_values(struct call *call, const struct option *o, const json_t *in, json_t **ret)
{
	mc_auto_json json_t *list = json_array();
	struct in6_addr v6;
	size_t i;
	json_t *value;

	if (json_array_size(in) == 0 || json_array_size(in) > o->max)
		return action_invalid(call, "The DHCP option %s must have from 1 to %zu values", o->key, o->max);
	json_array_foreach(in, i, value) {
		const char *text = json_is_string(value) ? json_string_value(value) : "";

		if (strchr(text, ':') && inet_pton(AF_INET6, text, &v6) == 1)
			return action_fail(call, API_UNSUPPORTED, "IPv6 addresses in DHCP options are not supported by this cloud: it has IPv4 only");
		if (!o->check(text))
			return action_invalid(call, "Value (%s) for parameter %s is invalid", text, o->key);
		json_array_append_new(list, json_pack("{s:s}", "Value", text));
	}
	*ret = MC_STEAL(list);
	return 0;
}

/* DhcpConfigurations as they are shown: 0 and *ret (new reference), or action_fail. */
static int read_options(struct call *call, json_t **ret)
{
	mc_auto_json json_t *list = json_array(), *seen = json_object();
	const json_t *in = mc_json_arr(call->in, "DhcpConfigurations");
	size_t i;
	json_t *one;

	if (json_array_size(in) == 0)
		return action_fail(call, API_MISSING_PARAMETER, "dhcpConfiguration");
	json_array_foreach(in, i, one) {
		const char *key = mc_json_str(one, "Key", "");
		const struct option *o = option_of(key);
		json_t *values = NULL;

		if (strncmp(key, "ipv6-", 5) == 0)
			return action_fail(call, API_UNSUPPORTED, "IPv6 DHCP options are not supported by this cloud: it has IPv4 only");
		if (!o || json_object_get(seen, key))
			return action_invalid(call, "Value (%s) for parameter key is invalid. %s", key, o ? "It is there twice." : "Unknown DHCP option.");
		if (read_values(call, o, mc_json_arr(one, "Values"), &values))
			return 1;
		json_object_set_new(seen, key, json_true());
		json_array_append_new(list, json_pack("{s:s, s:o}", "Key", key, "Values", values));
	}
	*ret = MC_STEAL(list);
	return 0;
}

/* --- life --------------------------------------------------------------------- */

static int create_dhcp_options(struct call *call)
{
	static const char *const types[] = { "dhcp-options", NULL };
	mc_auto_json json_t *list = NULL;
	struct resource *d;

	if (action_check_tag_types(call, types) || read_options(call, &list))
		return 1;
	d = store_insert(call->tx, KIND_DHCP_OPTIONS, call->caller->account, call->caller->region);
	json_object_set(d->doc, "DhcpConfigurations", list);
	if (action_apply_tags(call, "dhcp-options", d))
		return 1;
	call->out = json_pack("{s:o}", "DhcpOptions", dhcp_view(call, d));
	return 0;
}

static bool in_use(struct call *call, const struct resource *d)
{
	struct store_iter it = store_iter(call->tx, KIND_VPC, d->account, d->region);
	const struct resource *vpc;

	while ((vpc = store_next(&it)))
		if (strcmp(mc_json_str(vpc->doc, "DhcpOptionsId", ""), d->id) == 0)
			return true;
	return false;
}

static int delete_dhcp_options(struct call *call)
{
	const struct resource *d = action_resource(call, KIND_DHCP_OPTIONS, mc_json_str(call->in, "DhcpOptionsId", NULL));

	if (!d)
		return 1;
	if (in_use(call, d))
		return action_fail(call, API_HAS_DEPENDENCIES, "dhcpOptions", d->id);
	store_delete(call->tx, d->id);
	return 0;
}

/* "default" stands for no set: guests are then told nothing but their address. */
static int associate_dhcp_options(struct call *call)
{
	const char *id = mc_json_str(call->in, "DhcpOptionsId", "");
	const struct resource *vpc;

	if (strcmp(id, "default") != 0 && !action_resource(call, KIND_DHCP_OPTIONS, id))
		return 1;
	vpc = action_resource(call, KIND_VPC, mc_json_str(call->in, "VpcId", NULL));
	if (!vpc)
		return 1;
	json_object_set_new(store_edit(call->tx, vpc->id)->doc, "DhcpOptionsId", json_string(id));
	vpc_change(call, vpc->id);
	return 0;
}

const struct action actions_dhcp_options[] = {
	{ .service = "ec2", .name = "DescribeDhcpOptions", .fn = describe_dhcp_options },
	{ .service = "ec2", .name = "CreateDhcpOptions", .fn = create_dhcp_options, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteDhcpOptions", .fn = delete_dhcp_options, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "AssociateDhcpOptions", .fn = associate_dhcp_options, .flags = ACTION_WRITE },
	{ 0 },
};
