/* The field tables of the wanted VPC: what a message may hold at all. */
#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "netd/wanted_parse.h"

#define MAX_ENIS 8192 /* far above what one bridge's 1,024 ports per subnet allow */
#define MAX_RULES WANTED_MAX_RULES
#define MAX_CHANGES 256

#define CHECK_ID(name, prefix)                                                                     \
	static bool check_##name##_id(const char *text)                                            \
	{                                                                                          \
		return mc_id_valid(prefix, text);                                                  \
	}
CHECK_ID(vpc, "vpc")
CHECK_ID(subnet, "subnet")
CHECK_ID(sg, "sg")
CHECK_ID(eni, "eni")
CHECK_ID(acl, "acl")
CHECK_ID(nat, "nat")
CHECK_ID(peering, "pcx")
CHECK_ID(endpoint, "vpce")
CHECK_ID(flow_log, "fl")

struct target {
	const char *word; /* the whole text, or an id's prefix */
	bool is_id;
};

static const struct target targets[WANTED_TARGET_MAX] = {
	[WANTED_TARGET_IGW] = { "igw", false },
	[WANTED_TARGET_BLACKHOLE] = { "blackhole", false },
	[WANTED_TARGET_LOCAL] = { "local", false },
	[WANTED_TARGET_NAT] = { "nat", true },
	[WANTED_TARGET_PEERING] = { "pcx", true },
	[WANTED_TARGET_GATEWAY] = { "vpce", true },
	[WANTED_TARGET_ENI] = { "eni", true },
};

enum wanted_target wanted_target(const char *text)
{
	for (int i = 0; i < WANTED_TARGET_MAX; i++)
		if (targets[i].is_id ? mc_id_valid(targets[i].word, text)
				     : strcmp(targets[i].word, text) == 0)
			return (enum wanted_target)i;
	return WANTED_TARGET_INVALID;
}

static bool check_target(const char *text)
{
	return wanted_target(text) != WANTED_TARGET_INVALID;
}

struct protocol {
	const char *name;
	int number;
};

static const struct protocol protocols[] = {
	{ "all", WANTED_ALL },
	{ "-1", WANTED_ALL },
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{ "icmp", IPPROTO_ICMP },
};

bool wanted_protocol(const char *text, int *ret_number)
{
	unsigned long n;

	for (size_t i = 0; i < MC_ARRAY_SIZE(protocols); i++)
		if (strcmp(text, protocols[i].name) == 0) {
			*ret_number = protocols[i].number;
			return true;
		}
	if (strspn(text, "0123456789") != strlen(text) || !*text || strlen(text) > 3)
		return false;
	n = strtoul(text, NULL, 10);
	if (n > 255)
		return false;
	*ret_number = (int)n;
	return true;
}

static bool check_protocol(const char *text)
{
	int n;

	return wanted_protocol(text, &n);
}

static bool check_label(const char *text)
{
	return mc_check_hostname(text) && !strchr(text, '.');
}

static bool check_action(const char *text)
{
	return strcmp(text, "allow") == 0 || strcmp(text, "deny") == 0;
}

static bool check_kind(const char *text)
{
	return strcmp(text, "instance") == 0 || strcmp(text, "nat") == 0 ||
	       strcmp(text, "endpoint") == 0;
}

static bool check_traffic(const char *text)
{
	return strcmp(text, "all") == 0 || strcmp(text, "accept") == 0 ||
	       strcmp(text, "reject") == 0;
}

static bool check_account(const char *text)
{
	return strlen(text) == 12 && strspn(text, "0123456789") == 12;
}

/* A file's name, no path: it goes below a directory of ours. */
static bool check_file(const char *text)
{
	for (const char *p = text; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			return false;
	return *text && *text != '.';
}

static bool check_name_server(const char *text)
{
	return strcmp(text, "AmazonProvidedDNS") == 0 || mc_check_ipv4(text);
}

/* Names as DHCP gives them out: several by spaces are as good as AWS's. dnsmasq takes what
 * has no letter for a number or an address. */
static bool check_domain_names(const char *text)
{
	bool letter = false;

	for (const char *p = text; *p; p++) {
		letter = letter || isalpha((unsigned char)*p);
		if (!isalnum((unsigned char)*p) && !strchr(".-_ ", *p))
			return false;
	}
	return *text != ' ' && (letter || !*text);
}

/* A name, or "*." and a name. */
static bool check_endpoint_name(const char *text)
{
	return mc_check_hostname(strncmp(text, "*.", 2) == 0 ? text + 2 : text) &&
	       strlen(text) < WANTED_DOMAIN_LEN;
}

static const struct mc_field route_fields[] = {
	{ "destination", MC_FIELD_STRING, true, 0, 0, mc_check_cidr4, NULL },
	{ "target", MC_FIELD_STRING, true, 0, 0, check_target, NULL },
	{ .name = NULL },
};

static const struct mc_field subnet_fields[] = {
	{ "id", MC_FIELD_STRING, true, 0, 0, check_subnet_id, NULL },
	{ "cidr", MC_FIELD_STRING, true, 0, 0, mc_check_cidr4, NULL },
	{ "acl", MC_FIELD_STRING, false, 0, 0, check_acl_id, NULL },
	{ "routes", MC_FIELD_OBJECTS, false, 0, 1000, NULL, route_fields },
	{ .name = NULL },
};

static const struct mc_field rule_fields[] = {
	{ "protocol", MC_FIELD_STRING, true, 0, 0, check_protocol, NULL },
	{ "from", MC_FIELD_INTEGER, false, -1, 65535, NULL, NULL },
	{ "to", MC_FIELD_INTEGER, false, -1, 65535, NULL, NULL },
	{ "cidr", MC_FIELD_STRING, false, 0, 0, mc_check_cidr4, NULL },
	{ "group", MC_FIELD_STRING, false, 0, 0, check_sg_id, NULL },
	{ .name = NULL },
};

static const struct mc_field group_fields[] = {
	{ "id", MC_FIELD_STRING, true, 0, 0, check_sg_id, NULL },
	{ "ingress", MC_FIELD_OBJECTS, false, 0, MAX_RULES, NULL, rule_fields },
	{ "egress", MC_FIELD_OBJECTS, false, 0, MAX_RULES, NULL, rule_fields },
	{ .name = NULL },
};

/* --- a change of single rules --- */

static bool check_operation(const char *text)
{
	return strcmp(text, "add") == 0 || strcmp(text, "remove") == 0;
}

static bool check_direction(const char *text)
{
	return strcmp(text, "ingress") == 0 || strcmp(text, "egress") == 0;
}

static const struct mc_field one_change_fields[] = {
	{ "operation", MC_FIELD_STRING, true, 0, 0, check_operation, NULL },
	{ "group", MC_FIELD_STRING, true, 0, 0, check_sg_id, NULL },
	{ "direction", MC_FIELD_STRING, true, 0, 0, check_direction, NULL },
	{ "rule", MC_FIELD_OBJECT, true, 0, 0, NULL, rule_fields },
	{ .name = NULL },
};

const struct mc_field wanted_change_fields[] = {
	{ "base", MC_FIELD_INTEGER, true, 1, INT64_MAX, NULL, NULL },
	{ "generation", MC_FIELD_INTEGER, true, 2, INT64_MAX, NULL, NULL },
	{ "changes", MC_FIELD_OBJECTS, true, 1, MAX_CHANGES, NULL, one_change_fields },
	{ .name = NULL },
};

static const struct mc_field foreign_fields[] = {
	{ "id", MC_FIELD_STRING, true, 0, 0, check_sg_id, NULL },
	{ "members", MC_FIELD_STRINGS, true, 0, MAX_ENIS, mc_check_ipv4, NULL },
	{ .name = NULL },
};

static const struct mc_field acl_entry_fields[] = {
	{ "number", MC_FIELD_INTEGER, true, 1, 32766, NULL, NULL },
	{ "action", MC_FIELD_STRING, true, 0, 0, check_action, NULL },
	{ "protocol", MC_FIELD_STRING, true, 0, 0, check_protocol, NULL },
	{ "from", MC_FIELD_INTEGER, false, -1, 65535, NULL, NULL },
	{ "to", MC_FIELD_INTEGER, false, -1, 65535, NULL, NULL },
	{ "cidr", MC_FIELD_STRING, true, 0, 0, mc_check_cidr4, NULL },
	{ .name = NULL },
};

static const struct mc_field acl_fields[] = {
	{ "id", MC_FIELD_STRING, true, 0, 0, check_acl_id, NULL },
	{ "ingress", MC_FIELD_OBJECTS, false, 0, MAX_RULES, NULL, acl_entry_fields },
	{ "egress", MC_FIELD_OBJECTS, false, 0, MAX_RULES, NULL, acl_entry_fields },
	{ .name = NULL },
};

static const struct mc_field secondary_fields[] = {
	{ "ip", MC_FIELD_STRING, true, 0, 0, mc_check_ipv4, NULL },
	{ "public_ip", MC_FIELD_STRING, false, 0, 0, mc_check_ipv4, NULL },
	{ "public_name", MC_FIELD_STRING, false, 1, WANTED_DOMAIN_LEN - 1, mc_check_hostname, NULL },
	{ .name = NULL },
};

static const struct mc_field eni_fields[] = {
	{ "id", MC_FIELD_STRING, true, 0, 0, check_eni_id, NULL },
	{ "kind", MC_FIELD_STRING, false, 0, 0, check_kind, NULL },
	{ "subnet", MC_FIELD_STRING, true, 0, 0, check_subnet_id, NULL },
	{ "mac", MC_FIELD_STRING, true, 0, 0, mc_check_mac, NULL },
	{ "ip", MC_FIELD_STRING, true, 0, 0, mc_check_ipv4, NULL },
	{ "public_ip", MC_FIELD_STRING, false, 0, 0, mc_check_ipv4, NULL },
	{ "public_name", MC_FIELD_STRING, false, 1, WANTED_DOMAIN_LEN - 1, mc_check_hostname, NULL },
	{ "secondary", MC_FIELD_OBJECTS, false, 0, 255, NULL, secondary_fields },
	{ "groups", MC_FIELD_STRINGS, false, 0, 16, check_sg_id, NULL },
	{ "source_dest_check", MC_FIELD_BOOLEAN, false, 0, 0, NULL, NULL },
	{ "hostname", MC_FIELD_STRING, false, 1, WANTED_HOSTNAME_LEN - 1, check_label, NULL },
	{ .name = NULL },
};

static const struct mc_field nat_secondary_fields[] = {
	{ "ip", MC_FIELD_STRING, true, 0, 0, mc_check_ipv4, NULL },
	{ "public_ip", MC_FIELD_STRING, false, 0, 0, mc_check_ipv4, NULL },
	{ "draining", MC_FIELD_BOOLEAN, false, 0, 0, NULL, NULL },
	{ .name = NULL },
};

static const struct mc_field nat_fields[] = {
	{ "id", MC_FIELD_STRING, true, 0, 0, check_nat_id, NULL },
	{ "subnet", MC_FIELD_STRING, true, 0, 0, check_subnet_id, NULL },
	{ "eni", MC_FIELD_STRING, true, 0, 0, check_eni_id, NULL },
	{ "mac", MC_FIELD_STRING, true, 0, 0, mc_check_mac, NULL },
	{ "ip", MC_FIELD_STRING, true, 0, 0, mc_check_ipv4, NULL },
	{ "public_ip", MC_FIELD_STRING, false, 0, 0, mc_check_ipv4, NULL },
	{ "public_name", MC_FIELD_STRING, false, 1, WANTED_DOMAIN_LEN - 1, mc_check_hostname, NULL },
	{ "secondary", MC_FIELD_OBJECTS, false, 0, 63, NULL, nat_secondary_fields },
	{ .name = NULL },
};

static const struct mc_field peering_fields[] = {
	{ "id", MC_FIELD_STRING, true, 0, 0, check_peering_id, NULL },
	{ "vpc", MC_FIELD_STRING, true, 0, 0, check_vpc_id, NULL },
	{ "cidrs", MC_FIELD_STRINGS, true, 1, 16, mc_check_cidr4, NULL },
	{ .name = NULL },
};

static const struct mc_field endpoint_fields[] = {
	{ "id", MC_FIELD_STRING, true, 0, 0, check_endpoint_id, NULL },
	{ "subnet", MC_FIELD_STRING, true, 0, 0, check_subnet_id, NULL },
	{ "eni", MC_FIELD_STRING, true, 0, 0, check_eni_id, NULL },
	{ "mac", MC_FIELD_STRING, false, 0, 0, mc_check_mac, NULL },
	{ "ip", MC_FIELD_STRING, true, 0, 0, mc_check_ipv4, NULL },
	{ "groups", MC_FIELD_STRINGS, false, 0, 16, check_sg_id, NULL },
	{ "names", MC_FIELD_STRINGS, false, 0, 64, check_endpoint_name, NULL },
	{ .name = NULL },
};

static const struct mc_field gateway_fields[] = {
	{ "id", MC_FIELD_STRING, true, 0, 0, check_endpoint_id, NULL },
	{ "ip", MC_FIELD_STRING, true, 0, 0, mc_check_ipv4, NULL },
	{ .name = NULL },
};

static const struct mc_field flow_log_fields[] = {
	{ "id", MC_FIELD_STRING, true, 0, 0, check_flow_log_id, NULL },
	{ "enis", MC_FIELD_STRINGS, true, 0, MAX_ENIS, check_eni_id, NULL },
	{ "traffic", MC_FIELD_STRING, true, 0, 0, check_traffic, NULL },
	{ "interval", MC_FIELD_INTEGER, true, 60, 600, NULL, NULL },
	{ "account", MC_FIELD_STRING, true, 0, 0, check_account, NULL },
	{ "file", MC_FIELD_STRING, true, 1, WANTED_FILE_LEN - 1, check_file, NULL },
	{ .name = NULL },
};

static const struct mc_field name_fields[] = {
	{ "name", MC_FIELD_STRING, true, 1, WANTED_DOMAIN_LEN - 1, mc_check_hostname, NULL },
	{ "ip", MC_FIELD_STRING, true, 0, 0, mc_check_ipv4, NULL },
	{ .name = NULL },
};

static const struct mc_field dns_fields[] = {
	{ "support", MC_FIELD_BOOLEAN, false, 0, 0, NULL, NULL },
	{ "hostnames", MC_FIELD_BOOLEAN, false, 0, 0, NULL, NULL },
	{ "public_domain", MC_FIELD_STRING, false, 1, WANTED_DOMAIN_LEN - 1, mc_check_hostname,
	  NULL },
	{ "names", MC_FIELD_OBJECTS, false, 0, MAX_ENIS, NULL, name_fields },
	{ .name = NULL },
};

static const struct mc_field dhcp_fields[] = {
	{ "domain_name", MC_FIELD_STRING, false, 0, WANTED_DOMAIN_LEN - 1, check_domain_names,
	  NULL },
	{ "domain_name_servers", MC_FIELD_STRINGS, false, 0, WANTED_SERVERS_MAX, check_name_server,
	  NULL },
	{ "ntp_servers", MC_FIELD_STRINGS, false, 0, WANTED_SERVERS_MAX, mc_check_ipv4, NULL },
	{ "netbios_name_servers", MC_FIELD_STRINGS, false, 0, WANTED_SERVERS_MAX, mc_check_ipv4,
	  NULL },
	{ "netbios_node_type", MC_FIELD_INTEGER, false, 1, 8, NULL, NULL },
	{ .name = NULL },
};

const struct mc_field wanted_fields[] = {
	{ "generation", MC_FIELD_INTEGER, true, 0, INT64_MAX, NULL, NULL },
	{ "cidrs", MC_FIELD_STRINGS, true, 1, 16, mc_check_cidr4, NULL },
	{ "domain", MC_FIELD_STRING, false, 1, WANTED_DOMAIN_LEN - 1, mc_check_hostname, NULL },
	{ "dns", MC_FIELD_OBJECT, false, 0, 0, NULL, dns_fields },
	{ "dhcp", MC_FIELD_OBJECT, false, 0, 0, NULL, dhcp_fields },
	{ "igw", MC_FIELD_BOOLEAN, false, 0, 0, NULL, NULL },
	{ "acls", MC_FIELD_OBJECTS, false, 0, 200, NULL, acl_fields },
	{ "subnets", MC_FIELD_OBJECTS, false, 0, 200, NULL, subnet_fields },
	{ "igw_routes", MC_FIELD_OBJECTS, false, 0, 1000, NULL, route_fields },
	{ "security_groups", MC_FIELD_OBJECTS, false, 0, 2500, NULL, group_fields },
	{ "foreign_groups", MC_FIELD_OBJECTS, false, 0, 2500, NULL, foreign_fields },
	{ "enis", MC_FIELD_OBJECTS, false, 0, MAX_ENIS, NULL, eni_fields },
	{ "nat_gateways", MC_FIELD_OBJECTS, false, 0, 100, NULL, nat_fields },
	{ "peerings", MC_FIELD_OBJECTS, false, 0, 125, NULL, peering_fields },
	{ "endpoints", MC_FIELD_OBJECTS, false, 0, 1000, NULL, endpoint_fields },
	{ "gateway_endpoints", MC_FIELD_OBJECTS, false, 0, 100, NULL, gateway_fields },
	{ "flow_logs", MC_FIELD_OBJECTS, false, 0, 1000, NULL, flow_log_fields },
	{ .name = NULL },
};
