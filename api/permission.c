/* IpPermissions: from requests to rules and back. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/peering.h"
#include "api/prefix_list.h"
#include "api/security_group.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define MAX_TEXT 255

bool security_group_text_valid(const char *text)
{
	return strlen(text) <= MAX_TEXT &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._-:/()#,@[]+=&;{}!$*") == strlen(text);
}

/* --- protocols and ports -------------------------------------------------- */

static const struct protocol {
	const char *name, *number, *label;
	bool ports;
} protocols[] = {
	{ "tcp", "6", "TCP", true },
	{ "udp", "17", "UDP", true },
	{ "icmp", "1", "ICMP", true },
	{ "-1", "-1", "ALL", false },
};

/* The row of a protocol's canonical name, or NULL for other numbers. */
static const struct protocol *protocol_find(const char *name)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(protocols); i++)
		if (strcmp(protocols[i].name, name) == 0 || strcmp(protocols[i].number, name) == 0)
			return &protocols[i];
	return NULL;
}

/* "TCP" and "6" -> "tcp", "050" -> "50". NULL where there is no such protocol. Allocated. */
static char *protocol_canonical(const char *text)
{
	mc_autofree char *lower = mc_strdup(text);
	const struct protocol *p;
	size_t n = strlen(text);

	for (char *c = lower; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	p = protocol_find(lower);
	if (p)
		return mc_strdup(p->name);
	if (n == 0 || n > 3 || strspn(text, "0123456789") != n || strtol(text, NULL, 10) > 255)
		return NULL;
	return mc_strf("%ld", strtol(text, NULL, 10));
}

static int check_protocol(struct call *call, const char *text, char **ret)
{
	mc_autofree char *message = NULL;

	if (!text || !*text)
		return action_fail(call, API_MISSING_PARAMETER, "ipProtocol");
	if (strcasecmp(text, "icmpv6") == 0 || strcmp(text, "58") == 0)
		return action_fail(call, API_UNSUPPORTED, "IPv6 is not supported by this cloud yet: protocol icmpv6");
	*ret = protocol_canonical(text);
	if (*ret)
		return 0;
	message = mc_strf("Invalid value '%s' for IP protocol. Unknown protocol.", text);
	return action_fail(call, API_INVALID_PARAMETER, message);
}

static int check_tcp(struct call *call, json_int_t from, json_int_t to)
{
	json_int_t wrong = from < 0 || from > 65535 ? from : to;
	mc_autofree char *message = NULL;

	if (wrong < 0 || wrong > 65535) {
		message = mc_strf("TCP/UDP port (%lld) out of range", (long long)wrong);
		return action_fail(call, API_PERMISSION_MALFORMED, message);
	}
	if (from <= to)
		return 0;
	message = mc_strf("Invalid TCP/UDP port range (%lld:%lld)", (long long)from, (long long)to);
	return action_fail(call, API_INVALID_PARAMETER, message);
}

static int check_icmp(struct call *call, json_int_t type, json_int_t code)
{
	mc_autofree char *message = NULL;

	if (type < -1 || type > 255)
		message = mc_strf("ICMP type (%lld) out of range", (long long)type);
	else if (code < -1 || code > 255 || (type == -1 && code != -1))
		message = mc_strf("ICMP code (%lld) out of range", (long long)code);
	return message ? action_fail(call, API_PERMISSION_MALFORMED, message) : 0;
}

/* Ports, or ICMP type and code, into doc; -1 where the protocol has none. */
static int put_ports(struct call *call, const char *protocol, const struct permission *p, json_t *doc)
{
	const struct protocol *row = protocol_find(protocol);
	bool ports = row && row->ports, icmp = strcmp(protocol, "icmp") == 0;
	json_int_t from = p->from ? json_integer_value(p->from) : -1, to = p->to ? json_integer_value(p->to) : -1;
	mc_autofree char *message = NULL;

	if (ports && (!p->from || !p->to)) {
		message = mc_strf("Invalid value 'Must specify both from and to ports with %s.' for portRange.",
				  icmp ? "ICMP" : "TCP/UDP");
		return action_fail(call, API_INVALID_PARAMETER, message);
	}
	if (ports && (icmp ? check_icmp(call, from, to) : check_tcp(call, from, to)))
		return 1;
	json_object_set_new(doc, "FromPort", json_integer(ports ? from : -1));
	json_object_set_new(doc, "ToPort", json_integer(ports ? to : -1));
	return 0;
}

/* --- sources -------------------------------------------------------------- */

/* "100.68.0.18/18" -> "100.68.0.0/18", as AWS makes CIDR blocks canonical.
 * Allocated; NULL where it is none. */
static char *cidr_canonical(const char *text)
{
	const char *slash = strchr(text, '/');
	char addr[INET_ADDRSTRLEN];
	struct in_addr a;
	long bits;

	if (!slash || slash - text >= (long)sizeof(addr) || !slash[1] || strlen(slash + 1) > 2 ||
	    strspn(slash + 1, "0123456789") != strlen(slash + 1))
		return NULL;
	snprintf(addr, sizeof(addr), "%.*s", (int)(slash - text), text);
	bits = strtol(slash + 1, NULL, 10);
	if (bits > 32 || inet_pton(AF_INET, addr, &a) != 1)
		return NULL;
	a.s_addr &= htonl(bits == 0 ? 0 : UINT32_MAX << (32 - bits));
	inet_ntop(AF_INET, &a, addr, sizeof(addr));
	return mc_strf("%s/%ld", addr, bits);
}

static int put_cidr(struct call *call, const char *text, json_t *doc)
{
	mc_autofree char *cidr = cidr_canonical(text);
	mc_autofree char *message = NULL;

	if (cidr) {
		json_object_set_new(doc, "CidrIpv4", json_string(cidr));
		return 0;
	}
	message = mc_strf("CIDR block %s is malformed", text);
	return action_fail(call, API_INVALID_PARAMETER, message);
}

static const struct resource *no_such_group(struct call *call, const struct permission *p)
{
	mc_autofree char *message = mc_strf("The security group '%s' does not exist", p->group_id ? p->group_id : p->group_name);

	action_fail(call, API_NOT_FOUND, kind_info(KIND_SECURITY_GROUP)->not_found, message);
	return NULL;
}

/* A group of any account and region, that is of the rule's VPC or one peered with it. */
static const struct resource *peer_by_id(struct call *call, const struct resource *group, const struct permission *p)
{
	const struct kind_info *k = kind_info(KIND_SECURITY_GROUP);
	const struct resource *peer = store_find(call->tx, KIND_SECURITY_GROUP, NULL, NULL, p->group_id);
	bool own = peer && strcmp(peer->account, group->account) == 0 && strcmp(peer->region, group->region) == 0;

	if (!mc_id_valid(k->prefix, p->group_id)) {
		action_fail(call, API_MALFORMED_ID, k->malformed, p->group_id, k->prefix);
		return NULL;
	}
	if (!peer || (p->user_id && strcmp(p->user_id, peer->account) != 0))
		return no_such_group(call, p);
	if (strcmp(peer->parent, group->parent) == 0 || peering_between(call->tx, group->parent, peer->parent))
		return peer;
	if (!own)
		return no_such_group(call, p);
	action_fail(call, API_NOT_FOUND, k->not_found, "You have specified two resources that belong to different networks.");
	return NULL;
}

static const struct resource *peer_of(struct call *call, const struct resource *group, const struct permission *p)
{
	const struct resource *peer;

	if (p->group_id)
		return peer_by_id(call, group, p);
	peer = security_group_by_name(call, group->parent, p->group_name);
	return peer && (!p->user_id || strcmp(p->user_id, peer->account) == 0) ? peer : no_such_group(call, p);
}

static int put_peer(struct call *call, const struct resource *group, const struct permission *p, json_t *doc)
{
	const struct resource *peer, *peering;
	json_t *info;

	if (p->revoking && p->group_id) {
		json_object_set_new(doc, "ReferencedGroupInfo", json_pack("{s:s}", "GroupId", p->group_id));
		return 0;
	}
	peer = peer_of(call, group, p);
	if (!peer)
		return 1;
	info = json_pack("{s:s, s:s}", "GroupId", peer->id, "UserId", peer->account);
	json_object_set_new(doc, "ReferencedGroupInfo", info);
	peering = strcmp(peer->parent, group->parent) == 0 ? NULL : peering_between(call->tx, group->parent, peer->parent);
	if (peering)
		json_object_update_new(info, json_pack("{s:s, s:s}", "VpcId", peer->parent, "VpcPeeringConnectionId", peering->id));
	return 0;
}

const char *permission_peering_status(struct store_tx *tx, const json_t *doc)
{
	const json_t *info = mc_json_obj(doc, "ReferencedGroupInfo");
	const char *vpc = mc_json_str(info, "VpcId", NULL);
	const struct resource *group = store_get(tx, mc_json_str(doc, "GroupId", NULL));
	const struct resource *peer = store_get(tx, mc_json_str(info, "GroupId", NULL));

	if (!vpc)
		return NULL;
	return group && peer && peering_between(tx, group->parent, vpc) ? "active" : "deleted";
}

static int put_prefix_list(struct call *call, const char *id, bool revoking, json_t *doc)
{
	if (!revoking && !action_resource(call, KIND_PREFIX_LIST, id))
		return 1;
	json_object_set_new(doc, "PrefixListId", json_string(id));
	return 0;
}

int64_t permission_weight(struct store_tx *tx, const json_t *doc)
{
	const char *list = mc_json_str(doc, "PrefixListId", NULL);

	return list ? prefix_list_weight(tx, list) : 1;
}

/* The rule's other end. */
static int put_source(struct call *call, const struct resource *group, const struct permission *p, json_t *doc)
{
	if (p->cidr)
		return put_cidr(call, p->cidr, doc);
	return p->prefix_list ? put_prefix_list(call, p->prefix_list, p->revoking, doc) : put_peer(call, group, p, doc);
}

/* --- one rule ------------------------------------------------------------- */

static int check_description(struct call *call, const char *text)
{
	if (!text || security_group_text_valid(text))
		return 0;
	return action_fail(call, API_INVALID_PARAMETER, "Invalid rule description. Valid descriptions are strings less than "
			   "256 characters from the following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*");
}

int permission_rule(struct call *call, const struct resource *group, bool egress, const struct permission *p,
		    json_t **ret_doc)
{
	mc_auto_json json_t *doc = json_pack("{s:s, s:b}", "GroupId", group->id, "IsEgress", egress);
	mc_autofree char *protocol = NULL;

	if (check_protocol(call, p->protocol, &protocol) || check_description(call, p->description) ||
	    put_ports(call, protocol, p, doc))
		return 1;
	if (put_source(call, group, p, doc))
		return 1;
	json_object_set_new(doc, "IpProtocol", json_string(protocol));
	if (p->description && *p->description)
		json_object_set_new(doc, "Description", json_string(p->description));
	*ret_doc = MC_STEAL(doc);
	return 0;
}

char *permission_text(const json_t *doc)
{
	const char *protocol = mc_json_str(doc, "IpProtocol", "-1");
	const struct protocol *row = protocol_find(protocol);
	const char *peer = mc_json_str(doc, "CidrIpv4", mc_json_str(doc, "PrefixListId", NULL));
	long long from = mc_json_int(doc, "FromPort", -1), to = mc_json_int(doc, "ToPort", -1);

	if (!peer)
		peer = mc_json_str(mc_json_obj(doc, "ReferencedGroupInfo"), "GroupId", "");
	if (!row)
		return mc_strf("peer: %s, protocol: %s, ALLOW", peer, protocol);
	if (!row->ports)
		return mc_strf("peer: %s, %s, ALLOW", peer, row->label);
	if (strcmp(row->name, "icmp") == 0)
		return mc_strf("peer: %s, ICMP, type: %lld, code: %lld, ALLOW", peer, from, to);
	return mc_strf("peer: %s, %s, from port: %lld, to port: %lld, ALLOW", peer, row->label, from, to);
}

/* --- requests ------------------------------------------------------------- */

struct reading {
	struct call *call;
	const struct resource *group;
	bool egress, revoking;
	json_t *rules, *seen;
	json_t *ipv6; /* collects what is of IPv6, which no group holds; NULL: it is refused */
};

static int add_rule(struct reading *rd, const struct permission *p)
{
	mc_auto_json json_t *doc = NULL;
	mc_autofree char *text = NULL;

	if (permission_rule(rd->call, rd->group, rd->egress, p, &doc))
		return 1;
	text = permission_text(doc);
	if (json_object_get(rd->seen, text))
		return action_fail(rd->call, API_INVALID_PARAMETER, "The same permission must not appear multiple times");
	json_object_set_new(rd->seen, text, json_true());
	json_array_append(rd->rules, doc);
	return 0;
}

/* A rule for each of the list, whose member says what *peer, a part of *p, is. */
static int add_each(struct reading *rd, struct permission *p, const char **peer, const json_t *list, const char *member)
{
	size_t i;
	json_t *one;

	json_array_foreach(list, i, one) {
		*peer = mc_json_str(one, member, "");
		p->description = mc_json_str(one, "Description", NULL);
		if (add_rule(rd, p))
			return 1;
	}
	*peer = NULL;
	return 0;
}

static int add_pairs(struct reading *rd, struct permission p, const json_t *pairs)
{
	size_t i;
	json_t *pair;

	json_array_foreach(pairs, i, pair) {
		p.group_id = mc_json_str(pair, "GroupId", NULL);
		p.group_name = mc_json_str(pair, "GroupName", NULL);
		p.user_id = mc_json_str(pair, "UserId", NULL);
		p.description = mc_json_str(pair, "Description", NULL);
		if (!p.group_id && !p.group_name)
			return action_fail(rd->call, API_MISSING, "Source group ID missing.");
		if (add_rule(rd, &p))
			return 1;
	}
	return 0;
}

/* A permission's sources of IPv6: noted, or refused. */
static int pass_ipv6(struct reading *rd, const json_t *in)
{
	json_t *ranges = mc_json_arr(in, "Ipv6Ranges");

	if (json_array_size(ranges) == 0)
		return 0;
	if (!rd->ipv6)
		return action_fail(rd->call, API_UNSUPPORTED, "IPv6 is not supported by this cloud yet: Ipv6Ranges");
	json_array_append_new(rd->ipv6, json_pack("{s:O*, s:O*, s:O*, s:O, s:[], s:[], s:[]}", "IpProtocol", json_object_get(in, "IpProtocol"),
						  "FromPort", json_object_get(in, "FromPort"), "ToPort", json_object_get(in, "ToPort"),
						  "Ipv6Ranges", ranges, "IpRanges", "PrefixListIds", "UserIdGroupPairs"));
	return 0;
}

static int add_permission(struct reading *rd, const json_t *in)
{
	struct permission p = {
		.protocol = mc_json_str(in, "IpProtocol", NULL),
		.from = json_object_get(in, "FromPort"),
		.to = json_object_get(in, "ToPort"),
		.revoking = rd->revoking,
	};
	const json_t *ranges = mc_json_arr(in, "IpRanges"), *pairs = mc_json_arr(in, "UserIdGroupPairs");
	const json_t *lists = mc_json_arr(in, "PrefixListIds");

	if (pass_ipv6(rd, in))
		return 1;
	if (json_array_size(ranges) + json_array_size(pairs) + json_array_size(lists) + json_array_size(mc_json_arr(in, "Ipv6Ranges")) == 0)
		return action_fail(rd->call, API_MISSING, rd->egress
			? "Missing destination specification: include destination security group or CIDR information"
			: "Missing source specification: include source security group or CIDR information");
	return add_each(rd, &p, &p.cidr, ranges, "CidrIp") || add_each(rd, &p, &p.prefix_list, lists, "PrefixListId") ||
	       add_pairs(rd, p, pairs);
}

/* Full access from a group by its name: EC2 API reference, SourceSecurityGroupName. */
static int add_named_group(struct reading *rd, const char *name)
{
	static const struct {
		const char *protocol;
		int from, to;
	} all[] = { { "tcp", 0, 65535 }, { "udp", 0, 65535 }, { "icmp", -1, -1 } };
	const json_t *in = rd->call->in;

	if (json_object_get(in, "IpProtocol") || json_object_get(in, "CidrIp") || json_object_get(in, "FromPort") ||
	    json_object_get(in, "ToPort"))
		return action_fail(rd->call, API_PARAMETER_COMBINATION, "The parameter sourceSecurityGroupName cannot be used "
				   "with ipProtocol, fromPort, toPort or cidrIp; use ipPermissions");
	for (size_t i = 0; i < MC_ARRAY_SIZE(all); i++) {
		mc_auto_json json_t *from = json_integer(all[i].from), *to = json_integer(all[i].to);
		struct permission p = { .protocol = all[i].protocol, .from = from, .to = to, .group_name = name,
					.user_id = mc_json_str(in, "SourceSecurityGroupOwnerId", NULL) };

		if (add_rule(rd, &p))
			return 1;
	}
	return 0;
}

static int add_flat(struct reading *rd)
{
	const json_t *in = rd->call->in;
	const char *source = mc_json_str(in, "SourceSecurityGroupName", NULL);
	mc_auto_json json_t *one = NULL;

	if (source)
		return add_named_group(rd, source);
	if (!json_object_get(in, "IpProtocol") && !json_object_get(in, "CidrIp"))
		return action_fail(rd->call, API_MISSING_PARAMETER, "ipPermissions");
	one = json_copy((json_t *)in);
	if (json_object_get(in, "CidrIp"))
		json_object_set_new(one, "IpRanges", json_pack("[{s:O}]", "CidrIp", json_object_get(in, "CidrIp")));
	return add_permission(rd, one);
}

static int check_combination(struct call *call)
{
	static const char *const flat[][2] = {
		{ "IpProtocol", "ipProtocol" }, { "FromPort", "fromPort" }, { "ToPort", "toPort" }, { "CidrIp", "cidrIp" },
		{ "SourceSecurityGroupName", "sourceSecurityGroupName" },
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(flat); i++) {
		mc_autofree char *message = NULL;

		if (!json_object_get(call->in, flat[i][0]))
			continue;
		message = mc_strf("The parameter 'ipPermissions' may not be used in combination with '%s'", flat[i][1]);
		return action_fail(call, API_PARAMETER_COMBINATION, message);
	}
	return 0;
}

static int read_rules(struct reading *rd, json_t **ret_rules)
{
	mc_auto_json json_t *rules = json_array(), *seen = json_object();
	const json_t *permissions = mc_json_arr(rd->call->in, "IpPermissions");
	size_t i;
	json_t *in;

	rd->rules = rules;
	rd->seen = seen;
	if (json_array_size(permissions) == 0 && add_flat(rd))
		return 1;
	if (json_array_size(permissions) && check_combination(rd->call))
		return 1;
	json_array_foreach(permissions, i, in)
		if (add_permission(rd, in))
			return 1;
	*ret_rules = MC_STEAL(rules);
	return 0;
}

int permission_rules(struct call *call, const struct resource *group, bool egress, json_t **ret_rules)
{
	struct reading rd = { .call = call, .group = group, .egress = egress };

	return read_rules(&rd, ret_rules);
}

int permission_rules_to_find(struct call *call, const struct resource *group, bool egress, json_t *ipv6, json_t **ret_rules)
{
	struct reading rd = { .call = call, .group = group, .egress = egress, .revoking = true, .ipv6 = ipv6 };

	return read_rules(&rd, ret_rules);
}

/* --- answers -------------------------------------------------------------- */

static bool same_ports(const json_t *permission, const json_t *doc)
{
	const char *protocol = mc_json_str(doc, "IpProtocol", "-1");

	return strcmp(mc_json_str(permission, "IpProtocol", ""), protocol) == 0 &&
	       mc_json_int(permission, "FromPort", -1) == mc_json_int(doc, "FromPort", -1) &&
	       mc_json_int(permission, "ToPort", -1) == mc_json_int(doc, "ToPort", -1);
}

/* The permission of doc's protocol and ports in list, made where there is none. Borrowed. */
static json_t *permission_for(json_t *list, const json_t *doc)
{
	const struct protocol *row = protocol_find(mc_json_str(doc, "IpProtocol", "-1"));
	size_t i;
	json_t *p;

	json_array_foreach(list, i, p)
		if (same_ports(p, doc))
			return p;
	p = json_pack("{s:O, s:[], s:[], s:[], s:[]}", "IpProtocol", json_object_get(doc, "IpProtocol"), "IpRanges",
		      "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs");
	if (row && row->ports) {
		json_object_set(p, "FromPort", json_object_get(doc, "FromPort"));
		json_object_set(p, "ToPort", json_object_get(doc, "ToPort"));
	}
	json_array_append_new(list, p);
	return p;
}

/* What IpRanges, PrefixListIds or UserIdGroupPairs show of the rule's other end; *ret_member
 * says which. New reference. */
static json_t *source_view(struct store_tx *tx, const json_t *doc, const char **ret_member)
{
	json_t *cidr = json_object_get(doc, "CidrIpv4"), *list = json_object_get(doc, "PrefixListId"), *pair;
	const char *status = permission_peering_status(tx, doc);

	*ret_member = cidr ? "IpRanges" : list ? "PrefixListIds" : "UserIdGroupPairs";
	if (cidr || list)
		return json_pack("{s:O}", cidr ? "CidrIp" : "PrefixListId", cidr ? cidr : list);
	pair = json_copy(mc_json_obj(doc, "ReferencedGroupInfo"));
	if (status)
		json_object_set_new(pair, "PeeringStatus", json_string(status));
	return pair;
}

json_t *permission_list(struct store_tx *tx, const json_t *docs)
{
	json_t *list = json_array(), *doc;
	size_t i;

	json_array_foreach(docs, i, doc) {
		const char *member;
		json_t *p = permission_for(list, doc), *source = source_view(tx, doc, &member);

		if (json_object_get(doc, "Description"))
			json_object_set(source, "Description", json_object_get(doc, "Description"));
		json_array_append_new(json_object_get(p, member), source);
	}
	return list;
}
