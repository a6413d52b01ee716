#include "api/reach_rule.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "api/association.h"
#include "api/cidr.h"
#include "api/interface.h"
#include "api/network_acl.h"
#include "api/prefix_list.h"
#include "api/route_table.h"
#include "api/security_group.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define FIRST_NUMBER 100 /* where people begin to number an ACL's rules */

/* --- addresses ------------------------------------------------------------ */

uint32_t reach_ip(const char *text)
{
	struct in_addr a = { 0 };

	return text && inet_pton(AF_INET, text, &a) == 1 ? ntohl(a.s_addr) : 0;
}

char *reach_ip_text(uint32_t ip)
{
	return mc_strf("%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
}

static bool in_block(const char *text, uint32_t ip)
{
	struct cidr block;

	return cidr_parse(text, &block) && cidr_contains(block, (struct cidr){ ip, 32 });
}

/* The address on the other side of the slot that has `ip` in `have`. */
static uint32_t across(const struct resource *eni, const char *have, const char *want, uint32_t ip)
{
	for (size_t i = 0; i < interface_slots(eni); i++)
		if (reach_ip(mc_json_str(interface_slot(eni, i), have, NULL)) == ip)
			return reach_ip(mc_json_str(interface_slot(eni, i), want, NULL));
	return 0;
}

uint32_t reach_public_of(const struct resource *eni, uint32_t private_ip)
{
	return across(eni, "ip", "public_ip", private_ip);
}

uint32_t reach_private_of(const struct resource *eni, uint32_t public_ip)
{
	return across(eni, "public_ip", "ip", public_ip);
}

static bool has_address(const struct resource *eni, const char *member, uint32_t ip)
{
	for (size_t i = 0; i < interface_slots(eni); i++)
		if (reach_ip(mc_json_str(interface_slot(eni, i), member, NULL)) == ip)
			return true;
	return false;
}

const struct resource *reach_by_private(struct store_tx *tx, const char *vpc, uint32_t ip)
{
	struct store_iter it = store_pass(tx, KIND_NETWORK_INTERFACE, NULL, NULL, NULL);
	const struct resource *eni;

	while ((eni = store_next_of(&it, vpc)) && !has_address(eni, "ip", ip))
		;
	return eni;
}

const struct resource *reach_by_public(struct store_tx *tx, uint32_t ip)
{
	struct store_iter it = store_pass(tx, KIND_NETWORK_INTERFACE, NULL, NULL, NULL);
	const struct resource *eni;

	while ((eni = store_next(&it)) && !has_address(eni, "public_ip", ip))
		;
	return eni;
}

bool reach_is_private(uint32_t ip)
{
	static const struct { uint32_t base; unsigned bits; } blocks[] = { /* RFC 1918 */
		{ 0x0a000000, 8 }, { 0xac100000, 12 }, { 0xc0a80000, 16 },
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(blocks); i++)
		if (cidr_contains((struct cidr){ blocks[i].base, blocks[i].bits }, (struct cidr){ ip, 32 }))
			return true;
	return false;
}

/* --- security groups ------------------------------------------------------ */

static bool protocol_fits(const char *text, int protocol)
{
	static const struct { const char *name; int number; } names[] = {
		{ "tcp", REACH_TCP }, { "udp", REACH_UDP }, { "icmp", REACH_ICMP },
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(names); i++)
		if (strcmp(text, names[i].name) == 0)
			return protocol == names[i].number;
	return strcmp(text, "-1") == 0 || strtol(text, NULL, 10) == protocol;
}

static bool ports_fit(const json_t *rule, const struct reach_header *h)
{
	int64_t from = mc_json_int(rule, "FromPort", -1), to = mc_json_int(rule, "ToPort", -1);

	if (h->protocol == REACH_ICMP)
		return (from == -1 || from == h->dst_from) && (to == -1 || to == h->dst_to);
	return h->dst_from >= from && h->dst_to <= to;
}

/* Is the address one of an attached member of the group? */
static bool is_member(struct store_tx *tx, const json_t *rule, const struct resource *of, uint32_t ip)
{
	const json_t *info = mc_json_obj(rule, "ReferencedGroupInfo");
	const char *status = permission_peering_status(tx, rule);
	const struct resource *eni = reach_by_private(tx, mc_json_str(info, "VpcId", of->parent), ip);

	return (!status || strcmp(status, "active") == 0) && eni && interface_attached(eni) &&
	       mc_json_has_str(mc_json_arr(eni->spec, "groups"), mc_json_str(info, "GroupId", ""));
}

static bool peer_fits(struct store_tx *tx, const json_t *rule, const struct resource *eni, uint32_t ip)
{
	const char *cidr = mc_json_str(rule, "CidrIpv4", NULL), *list = mc_json_str(rule, "PrefixListId", NULL);
	size_t i;
	json_t *entry;

	if (cidr)
		return in_block(cidr, ip);
	if (!list)
		return is_member(tx, rule, eni, ip);
	json_array_foreach(prefix_list_entries(tx, list), i, entry)
		if (in_block(mc_json_str(entry, "Cidr", NULL), ip))
			return true;
	return false;
}

static bool rule_fits(struct store_tx *tx, const struct resource *rule, const struct resource *eni, bool egress,
		      const struct reach_header *h)
{
	const char *protocol = mc_json_str(rule->doc, "IpProtocol", "-1");
	bool ports = strcmp(protocol, "tcp") == 0 || strcmp(protocol, "udp") == 0 || strcmp(protocol, "icmp") == 0;

	return protocol_fits(protocol, h->protocol) && (!ports || ports_fit(rule->doc, h)) &&
	       peer_fits(tx, rule->doc, eni, egress ? h->dst : h->src);
}

const struct resource *reach_group_rule(struct store_tx *tx, const struct resource *eni, bool egress, const struct reach_header *h,
					bool *ret_any)
{
	const json_t *groups = mc_json_arr(eni->spec, "groups");

	*ret_any = false;
	for (size_t i = 0; i < json_array_size(groups); i++) {
		struct store_iter it = store_iter(tx, KIND_SECURITY_GROUP_RULE, NULL, NULL);
		const struct resource *rule;

		while ((rule = store_next_of(&it, mc_json_at(groups, i)))) {
			if (mc_json_bool(rule->doc, "IsEgress", false) != egress)
				continue;
			*ret_any = true;
			if (rule_fits(tx, rule, eni, egress, h))
				return rule;
		}
	}
	return NULL;
}

/* --- network ACLs --------------------------------------------------------- */

/* Does the entry say anything of this one port (ICMP: of the packet)? */
static bool entry_fits(const json_t *e, bool egress, const struct reach_header *h, int port)
{
	const json_t *ports = mc_json_obj(e, "PortRange"), *icmp = mc_json_obj(e, "IcmpTypeCode");
	int64_t type = mc_json_int(icmp, "Type", -1), code = mc_json_int(icmp, "Code", -1);

	if (mc_json_bool(e, "Egress", false) != egress || !protocol_fits(mc_json_str(e, "Protocol", "-1"), h->protocol) ||
	    !in_block(mc_json_str(e, "CidrBlock", NULL), egress ? h->dst : h->src))
		return false;
	if (strcmp(mc_json_str(e, "Protocol", "-1"), "-1") == 0)
		return true;
	if (h->protocol == REACH_ICMP)
		return (type == -1 || type == h->dst_from) && (code == -1 || code == h->dst_to);
	return !ports || (port >= mc_json_int(ports, "From", 0) && port <= mc_json_int(ports, "To", 65535));
}

/* The entry of the lowest number that says something of it. NULL: none does. */
static const json_t *deciding(const struct resource *acl, bool egress, const struct reach_header *h, int port)
{
	const json_t *best = NULL;
	size_t i;
	json_t *e;

	json_array_foreach(mc_json_arr(acl->doc, "Entries"), i, e)
		if (entry_fits(e, egress, h, port) &&
		    (!best || mc_json_int(e, "RuleNumber", 0) < mc_json_int(best, "RuleNumber", 0)))
			best = e;
	return best;
}

static bool allows_port(const struct resource *acl, bool egress, const struct reach_header *h, int port, const json_t **ret_entry)
{
	*ret_entry = deciding(acl, egress, h, port);
	return *ret_entry && strcmp(mc_json_str(*ret_entry, "RuleAction", ""), "allow") == 0;
}

/* Between the ends of its entries' ranges an ACL says the same of all ports. */
bool reach_acl_allows(const struct resource *acl, bool egress, const struct reach_header *h, const json_t **ret_entry)
{
	const json_t *last;
	size_t i;
	json_t *e;

	if (!allows_port(acl, egress, h, h->dst_from, ret_entry))
		return false;
	if (h->protocol == REACH_ICMP)
		return true;
	json_array_foreach(mc_json_arr(acl->doc, "Entries"), i, e) {
		const json_t *ports = mc_json_obj(e, "PortRange");
		int64_t edges[] = { mc_json_int(ports, "From", -1), mc_json_int(ports, "To", -2) + 1 };

		for (size_t k = 0; k < MC_ARRAY_SIZE(edges); k++) {
			if (edges[k] <= h->dst_from || edges[k] > h->dst_to || allows_port(acl, egress, h, (int)edges[k], &last))
				continue;
			*ret_entry = last;
			return false;
		}
	}
	return true;
}

static bool has_number(const struct resource *acl, bool egress, int number)
{
	size_t i;
	json_t *e;

	json_array_foreach(mc_json_arr(acl->doc, "Entries"), i, e)
		if (mc_json_bool(e, "Egress", false) == egress && mc_json_int(e, "RuleNumber", 0) == number)
			return true;
	return false;
}

int reach_acl_free_number(const struct resource *acl, bool egress, const json_t *entry)
{
	int before = (int)mc_json_int(entry, "RuleNumber", ACL_LAST_RULE);
	int step = before == ACL_LAST_RULE ? 1 : -1, number = step > 0 ? FIRST_NUMBER : before - 1;

	while (number > 0 && number < ACL_LAST_RULE && has_number(acl, egress, number))
		number += step;
	return number < ACL_LAST_RULE ? number : 0;
}

/* --- routes --------------------------------------------------------------- */

const struct resource *reach_table(struct store_tx *tx, const struct resource *subnet)
{
	const struct resource *table = association_of(tx, KIND_ROUTE_TABLE, subnet), *vpc = store_get(tx, subnet->parent);

	return table || !vpc ? table : route_table_main(tx, vpc);
}

/* How narrow the block of the list is that has the address; -1: none has. */
static int list_bits(struct store_tx *tx, const char *list, uint32_t dst)
{
	struct cidr block;
	int best = -1;
	size_t i;
	json_t *entry;

	json_array_foreach(prefix_list_entries(tx, list), i, entry)
		if (cidr_parse(mc_json_str(entry, "Cidr", NULL), &block) && cidr_contains(block, (struct cidr){ dst, 32 }) &&
		    (int)block.bits > best)
			best = (int)block.bits;
	return best;
}

/* Twice the prefix length, and of two equal ones a static route before one by a list. */
static int weight_of(struct store_tx *tx, const json_t *route, uint32_t dst)
{
	const char *list = mc_json_str(route, "DestinationPrefixListId", NULL);
	struct cidr block;
	int bits;

	if (list) {
		bits = list_bits(tx, list, dst);
		return bits < 0 ? -1 : 2 * bits;
	}
	if (!cidr_parse(mc_json_str(route, "DestinationCidrBlock", NULL), &block) || !cidr_contains(block, (struct cidr){ dst, 32 }))
		return -1;
	return 2 * (int)block.bits + 1;
}

json_t *reach_route(struct store_tx *tx, const struct resource *table, uint32_t dst)
{
	mc_auto_json json_t *routes = route_table_routes(tx, table);
	json_t *route, *best = NULL;
	int best_weight = -1;
	size_t i;

	json_array_foreach(routes, i, route) {
		int weight = weight_of(tx, route, dst);

		if (weight > best_weight) {
			best = route;
			best_weight = weight;
		}
	}
	return json_incref(best);
}
