#include <stdlib.h>
#include <string.h>

#include "api/reach_rule.h"
#include "api/why.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define EPHEMERAL "1024-65535"

/* --- parts ---------------------------------------------------------------------- */

static const char *id_of(const json_t *explanation, const char *member)
{
	return mc_json_str(mc_json_obj(explanation, member), "Id", "?");
}

/* "eni-… (web)"; allocated. */
static char *name_of(const json_t *component)
{
	const char *name = mc_json_str(component, "Name", NULL), *id = mc_json_str(component, "Id", "?");

	return name ? mc_strf("%s (%s)", id, name) : mc_strdup(id);
}

static const char *protocol_name(int64_t number)
{
	return number == REACH_TCP ? "TCP" : number == REACH_UDP ? "UDP" : "ICMP";
}

/* "TCP port 22", "TCP ports 32768 to 60999", "ping". */
static char *traffic_of(const json_t *header)
{
	int64_t protocol = mc_json_int(header, "protocol", 0);
	long long from = mc_json_int(header, "from", 0), to = mc_json_int(header, "to", 0);

	if (protocol == REACH_ICMP)
		return mc_strdup(from == 8 ? "ping" : "answers to ping");
	if (from == to)
		return mc_strf("%s port %lld", protocol_name(protocol), from);
	return mc_strf("%s ports %lld to %lld", protocol_name(protocol), from, to);
}

static char *groups_of(const json_t *explanation)
{
	char *text = mc_strdup("");
	size_t i;
	json_t *one;

	json_array_foreach(mc_json_arr(explanation, "SecurityGroups"), i, one) {
		mc_autofree char *name = name_of(one);
		char *longer = mc_strf("%s%s%s", text, i ? ", " : "", name);

		free(text);
		text = longer;
	}
	return text;
}

static bool is_egress(const json_t *explanation)
{
	return strcmp(mc_json_str(explanation, "Direction", ""), "egress") == 0;
}

static const json_t *header_of(const json_t *explanation)
{
	return mc_json_obj(explanation, REACH_HEADER);
}

/* The address of the packet ("src" or "dst"), where it stands for nobody in particular NULL. */
static const char *known(const struct reach_question *q, const json_t *explanation, const char *member)
{
	const char *ip = mc_json_str(header_of(explanation), member, "?");
	bool named = q->source_ip == REACH_SOMEBODY || q->destination_ip == REACH_SOMEBODY;

	return reach_ip(ip) == REACH_SOMEBODY && !named ? NULL : ip;
}

static const char *who(const struct reach_question *q, const json_t *explanation, const char *member)
{
	const char *ip = known(q, explanation, member);

	return ip ? ip : "the internet";
}

/* For a rule that is to let it pass; allocated. */
static char *block_of(const struct reach_question *q, const json_t *explanation, const char *member)
{
	const char *ip = known(q, explanation, member);

	return ip ? mc_strf("%s/32", ip) : mc_strdup("0.0.0.0/0");
}

/* --- sentences -------------------------------------------------------------------- */

typedef char *writer(const struct reach_question *q, const json_t *e);

static char *t_group(const struct reach_question *q, const json_t *e)
{
	mc_autofree char *groups = groups_of(e), *traffic = traffic_of(header_of(e)), *eni = name_of(mc_json_obj(e, "NetworkInterface"));
	bool none = strcmp(mc_json_str(e, "ExplanationCode", ""), "SG_HAS_NO_RULES") == 0, egress = is_egress(e);

	return mc_strf("The security groups of %s (%s) have no %s rule %s%s%s %s.", eni, groups, egress ? "outbound" : "inbound",
		       none ? "at all, so none for " : "for ", traffic, egress ? " to" : " from", who(q, e, egress ? "dst" : "src"));
}

static char *t_acl(const struct reach_question *q, const json_t *e)
{
	mc_autofree char *traffic = traffic_of(header_of(e)), *acl = name_of(mc_json_obj(e, "Acl"));
	long long number = mc_json_int(mc_json_obj(e, "AclRule"), "RuleNumber", 32767);
	mc_autofree char *rule = number == 32767 ? mc_strdup("no rule allows it") : mc_strf("rule %lld denies it", number);
	bool egress = is_egress(e);

	return mc_strf("The network ACL %s does not let %s %s %s %s the subnet %s: %s.%s", acl, traffic, egress ? "to" : "from",
		       who(q, e, egress ? "dst" : "src"), egress ? "out of" : "into", id_of(e, "Subnet"), rule,
		       mc_json_bool(e, REACH_RETURNING, false) ? " An ACL does not know connections: answers need a rule of their own." : "");
}

static char *t_no_route(const struct reach_question *q, const json_t *e)
{
	mc_autofree char *table = name_of(mc_json_obj(e, "RouteTable"));

	return mc_strf("The route table %s of the subnet %s has no route to %s.", table, id_of(e, "Subnet"), who(q, e, "dst"));
}

static char *t_bad_route(const struct reach_question *q, const json_t *e)
{
	static const char *const targets[] = { "GatewayId", "NatGatewayId", "NetworkInterfaceId", "VpcPeeringConnectionId" };
	const json_t *route = mc_json_obj(e, "RouteTableRoute");
	const char *target = "its target";

	(void)q;
	for (size_t i = 0; i < MC_ARRAY_SIZE(targets); i++)
		target = mc_json_str(route, targets[i], target);
	return mc_strf("The route to %s in the route table %s is a black hole: %s is gone or does not work.",
		       mc_json_str(route, "DestinationCidr", mc_json_str(route, "DestinationPrefixListId", "?")), id_of(e, "RouteTable"), target);
}

static char *t_state(const struct reach_question *q, const json_t *e)
{
	mc_autofree char *name = name_of(mc_json_obj(e, "Component"));

	(void)q;
	return mc_strf("%s is %s.", name, mc_json_str(e, "State", "not running"));
}

static char *t_attachment(const struct reach_question *q, const json_t *e)
{
	(void)q;
	if (mc_json_obj(e, "Vpc"))
		return mc_strf("The VPC %s has no internet gateway.", id_of(e, "Vpc"));
	return mc_strf("The network interface %s is not attached to an instance.", id_of(e, "NetworkInterface"));
}

static char *t_check(const struct reach_question *q, const json_t *e)
{
	(void)q;
	return mc_strf("The network interface %s drops what is not from or to its own addresses (%s is not): its source/destination check is on.",
		       id_of(e, "NetworkInterface"), mc_json_str(e, "Address", "?"));
}

static char *t_no_public(const struct reach_question *q, const json_t *e)
{
	(void)q;
	return mc_strf("The network interface %s has no public address, and the internet gateway carries nothing else.", id_of(e, "NetworkInterface"));
}

static char *t_nobody(const struct reach_question *q, const json_t *e)
{
	(void)q;
	if (mc_json_obj(e, "NetworkInterface"))
		return mc_strf("The network interface %s has no public address: from the internet nobody can mean it.", id_of(e, "NetworkInterface"));
	return mc_strf("The public address %s belongs to no network interface.", mc_json_str(e, "Address", "?"));
}

static char *t_rfc1918(const struct reach_question *q, const json_t *e)
{
	(void)q;
	return mc_strf("%s is a private address: its packets went to the internet gateway %s, and the internet has no way to it. "
		       "Only a peering and routes to it lead to another VPC.", mc_json_str(e, "Address", "?"), id_of(e, "InternetGateway"));
}

static char *t_nat_source(const struct reach_question *q, const json_t *e)
{
	(void)q;
	return mc_strf("The NAT gateway %s carries packets from its own VPC alone.", id_of(e, "NatGateway"));
}

static char *t_peering(const struct reach_question *q, const json_t *e)
{
	(void)q;
	return mc_strf("The peering %s carries packets between addresses of its two VPCs alone; it leads no further.", id_of(e, "VpcPeeringConnection"));
}

static char *t_service(const struct reach_question *q, const json_t *e)
{
	return mc_strf("The service behind the gateway endpoint %s speaks TCP alone, and does not answer %s.", id_of(e, "VpcEndpoint"),
		       protocol_name(q->protocol));
}

static char *t_no_destination(const struct reach_question *q, const json_t *e)
{
	(void)q;
	if (mc_json_obj(e, "NatGateway"))
		return mc_strf(mc_json_bool(e, REACH_RETURNING, false)
				       ? "The answers would go by the NAT gateway %s, which does not know the connection and drops them."
				       : "The NAT gateway %s lets answers in, and nobody who comes by himself.", id_of(e, "NatGateway"));
	if (mc_json_obj(e, "DestinationVpc"))
		return mc_strf("The network interface %s is in another VPC, %s: in %s its address is somebody else's. Such VPCs cannot be "
			       "peered; only public addresses lead from one to the other.", id_of(e, "NetworkInterface"),
			       id_of(e, "DestinationVpc"), id_of(e, "SourceVpc"));
	if (mc_json_obj(e, "Vpc"))
		return mc_strf("No network interface in %s has the address %s.", id_of(e, "Vpc"), mc_json_str(e, "Address", "?"));
	return mc_strdup("The packets end up somewhere else.");
}

/* --- what to do ------------------------------------------------------------------- */

static char *r_group(const struct reach_question *q, const json_t *e)
{
	const char *group = mc_json_str(json_array_get(mc_json_arr(e, "SecurityGroups"), 0), "Id", "?");
	bool egress = is_egress(e);
	const char *way = egress ? "egress" : "ingress";
	mc_autofree char *peer = block_of(q, e, egress ? "dst" : "src");

	if (q->protocol == REACH_ICMP)
		return mc_strf("minicloud authorize-security-group-%s --group-id %s --ip-permissions "
			       "'IpProtocol=icmp,FromPort=8,ToPort=-1,IpRanges=[{CidrIp=%s}]'", way, group, peer);
	return mc_strf("minicloud authorize-security-group-%s --group-id %s --ip-permissions "
		       "'IpProtocol=%s,FromPort=%d,ToPort=%d,IpRanges=[{CidrIp=%s}]'", way, group, q->protocol == REACH_TCP ? "tcp" : "udp",
		       q->port, q->port, peer);
}

/* A rule before the one that denies it; where no number is left before that, without it. */
static char *r_acl(const struct reach_question *q, const json_t *e)
{
	long long number = mc_json_int(e, REACH_NUMBER, 0), denied = mc_json_int(mc_json_obj(e, "AclRule"), "RuleNumber", 0);
	const json_t *h = header_of(e);
	const char *acl = id_of(e, "Acl"), *way = is_egress(e) ? "--egress" : "--ingress";
	long long from = mc_json_int(h, "from", 0), to = mc_json_int(h, "to", 0);
	mc_autofree char *ports = from != to ? mc_strdup("From=1024,To=65535") : mc_strf("From=%lld,To=%lld", from, to);
	mc_autofree char *block = block_of(q, e, is_egress(e) ? "dst" : "src");

	if (!number)
		return mc_strf("minicloud delete-network-acl-entry --network-acl-id %s --rule-number %lld %s", acl, denied, way);
	return mc_strf("minicloud create-network-acl-entry --network-acl-id %s --rule-number %lld %s --rule-action allow --cidr-block %s "
		       "--protocol %d %s%s", acl, number, way, block, (int)q->protocol,
		       q->protocol == REACH_ICMP ? "--icmp-type-code Type=-1,Code=-1" : "--port-range ", q->protocol == REACH_ICMP ? "" : ports);
}

static char *r_no_route(const struct reach_question *q, const json_t *e)
{
	const char *dst = mc_json_str(header_of(e), "dst", ""), *table = id_of(e, "RouteTable");
	const char *gateway = mc_json_str(e, REACH_GATEWAY, "igw-…");

	(void)q;
	if (reach_is_private(reach_ip(dst)))
		return mc_strf("minicloud create-route --route-table-id %s --destination-cidr-block %s/32 --vpc-peering-connection-id pcx-…", table, dst);
	if (json_object_get(e, REACH_PRIVATE))
		return mc_strf("minicloud create-route --route-table-id %s --destination-cidr-block 0.0.0.0/0 --nat-gateway-id nat-… (a NAT gateway "
			       "in a subnet that has a route to an internet gateway; with a public address: --gateway-id %s)", table, gateway);
	return mc_strf("minicloud create-route --route-table-id %s --destination-cidr-block 0.0.0.0/0 --gateway-id %s", table, gateway);
}

/* To a target of the same kind, or to what the place suggests. */
static char *r_bad_route(const struct reach_question *q, const json_t *e)
{
	static const char *const targets[][2] = {
		{ "NatGatewayId", "--nat-gateway-id nat-…" }, { "VpcPeeringConnectionId", "--vpc-peering-connection-id pcx-…" },
	};
	const json_t *route = mc_json_obj(e, "RouteTableRoute");
	const char *block = mc_json_str(route, "DestinationCidr", NULL), *target = "--gateway-id igw-…";

	(void)q;
	for (size_t i = 0; i < MC_ARRAY_SIZE(targets); i++)
		target = json_object_get(route, targets[i][0]) ? targets[i][1] : target;
	return mc_strf("minicloud replace-route --route-table-id %s --destination-%s %s %s", id_of(e, "RouteTable"), block ? "cidr-block" :
		       "prefix-list-id", block ? block : mc_json_str(route, "DestinationPrefixListId", "?"), target);
}

static char *r_state(const struct reach_question *q, const json_t *e)
{
	(void)q;
	return strcmp(mc_json_str(e, "State", ""), "stopped") == 0 ? mc_strf("minicloud start-instances --instance-ids %s", id_of(e, "Component")) : NULL;
}

static char *r_attachment(const struct reach_question *q, const json_t *e)
{
	(void)q;
	if (mc_json_obj(e, "Vpc"))
		return mc_strf("minicloud create-internet-gateway, then: minicloud attach-internet-gateway --internet-gateway-id igw-… --vpc-id %s", id_of(e, "Vpc"));
	return mc_strf("minicloud attach-network-interface --network-interface-id %s --instance-id i-… --device-index 1", id_of(e, "NetworkInterface"));
}

static char *r_check(const struct reach_question *q, const json_t *e)
{
	(void)q;
	return mc_strf("minicloud modify-network-interface-attribute --network-interface-id %s --no-source-dest-check", id_of(e, "NetworkInterface"));
}

static char *r_no_public(const struct reach_question *q, const json_t *e)
{
	(void)q;
	if (!mc_json_obj(e, "NetworkInterface"))
		return NULL;
	return mc_strf("minicloud allocate-address, then: minicloud associate-address --allocation-id eipalloc-… --network-interface-id %s",
		       id_of(e, "NetworkInterface"));
}

/* By code; a code without a row is shown as it is. */
static const struct {
	const char *code;
	writer *text, *remedy;
} writers[] = {
	{ "ENI_SG_RULES_MISMATCH", t_group, r_group },
	{ "SG_HAS_NO_RULES", t_group, r_group },
	{ "SUBNET_ACL_RESTRICTION", t_acl, r_acl },
	{ "NO_ROUTE_TO_DESTINATION", t_no_route, r_no_route },
	{ "BAD_STATE_ROUTE", t_bad_route, r_bad_route },
	{ "BAD_STATE", t_state, r_state },
	{ "BAD_STATE_ATTACHMENT", t_attachment, r_attachment },
	{ "ENI_SOURCE_DEST_CHECK_RESTRICTION", t_check, r_check },
	{ "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS", t_no_public, r_no_public },
	{ "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS", t_nobody, r_no_public },
	{ "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS", t_rfc1918, NULL },
	{ "NGW_REQUIRES_SOURCE_IN_VPC", t_nat_source, NULL },
	{ "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR", t_peering, NULL },
	{ "VPCE_GATEWAY_PROTOCOL_RESTRICTION", t_service, NULL },
	{ "NO_POSSIBLE_DESTINATION", t_no_destination, NULL },
};

char *why_text(const struct reach_question *q, const json_t *e)
{
	const char *code = mc_json_str(e, "ExplanationCode", "");
	mc_autofree char *text = NULL;

	for (size_t i = 0; i < MC_ARRAY_SIZE(writers); i++)
		if (strcmp(writers[i].code, code) == 0)
			text = writers[i].text(q, e);
	if (!text)
		text = mc_strdup(code);
	return mc_json_bool(e, REACH_RETURNING, false) ? mc_strf("The answers do not come back. %s", text) : MC_STEAL(text);
}

char *why_remedy(const struct reach_question *q, const json_t *e)
{
	const char *code = mc_json_str(e, "ExplanationCode", "");

	for (size_t i = 0; i < MC_ARRAY_SIZE(writers); i++)
		if (strcmp(writers[i].code, code) == 0)
			return writers[i].remedy ? writers[i].remedy(q, e) : NULL;
	return NULL;
}

/* --- paths ---------------------------------------------------------------------- */

static char *range_text(const json_t *range)
{
	long long from = mc_json_int(range, "From", -1), to = mc_json_int(range, "To", -1);

	if (!range || from < 0)
		return mc_strdup("");
	return from == to ? mc_strf(" port %lld", from) : mc_strf(" ports %lld-%lld", from, to);
}

static const char *protocol_text(const char *number)
{
	static const char *const names[][2] = { { "6", "TCP" }, { "17", "UDP" }, { "1", "ICMP" }, { "-1", "all" }, { "all", "all" } };

	for (size_t i = 0; i < MC_ARRAY_SIZE(names); i++)
		if (strcmp(names[i][0], number) == 0)
			return names[i][1];
	return number;
}

/* What decided at the component; "" where nothing had to. Allocated. */
static char *decision(const json_t *c)
{
	const json_t *group = mc_json_obj(c, "SecurityGroupRule"), *acl = mc_json_obj(c, "AclRule"), *route = mc_json_obj(c, "RouteTableRoute");
	mc_autofree char *range = range_text(mc_json_obj(group ? group : acl, "PortRange"));

	if (group)
		return mc_strf(": %s%s %s %s", protocol_text(mc_json_str(group, "Protocol", "")), range,
			       strcmp(mc_json_str(group, "Direction", ""), "egress") == 0 ? "to" : "from",
			       mc_json_str(group, "Cidr", mc_json_str(group, "PrefixListId", mc_json_str(group, "SecurityGroupId", "?"))));
	if (acl)
		return mc_strf(": rule %lld, %s %s%s %s %s", (long long)mc_json_int(acl, "RuleNumber", 0), mc_json_str(acl, "RuleAction", ""),
			       protocol_text(mc_json_str(acl, "Protocol", "")), range, mc_json_bool(acl, "Egress", false) ? "to" : "from",
			       mc_json_str(acl, "Cidr", "?"));
	if (route)
		return mc_strf(": %s to %s", mc_json_str(route, "DestinationCidr", mc_json_str(route, "DestinationPrefixListId", "?")),
			       mc_json_str(route, "GatewayId", mc_json_str(route, "NatGatewayId", mc_json_str(route, "NetworkInterfaceId",
				mc_json_str(route, "VpcPeeringConnectionId", "?")))));
	return mc_strdup("");
}

json_t *why_path(const json_t *components)
{
	json_t *list = json_array(), *c;
	size_t i;

	json_array_foreach(components, i, c) {
		mc_autofree char *name = name_of(mc_json_obj(c, "Component")), *what = decision(c);
		const char *instance = mc_json_str(mc_json_obj(c, "AttachedTo"), "Id", NULL);
		mc_autofree char *line = mc_strf("%s%s%s%s", name, instance ? " of " : "", instance ? instance : "", what);

		json_array_append_new(list, json_string(line));
	}
	return list;
}
