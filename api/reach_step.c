#include "api/reach_step.h"

#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

void reach_steps_init(struct reach_steps *s)
{
	memset(s, 0, sizeof(*s));
	s->forward = json_array();
	s->back = json_array();
	s->explanations = json_array();
	s->path = s->forward;
}

void reach_steps_turn(struct reach_steps *s)
{
	s->returning = true;
	s->path = s->back;
}

void reach_steps_take(struct reach_steps *s, json_t **ret_forward, json_t **ret_back, json_t **ret_explanations)
{
	*ret_forward = s->forward;
	*ret_back = s->back;
	*ret_explanations = s->explanations;
	memset(s, 0, sizeof(*s));
}

/* --- parts ---------------------------------------------------------------- */

/* AnalysisComponent. New reference. */
static json_t *component(const struct resource *r)
{
	mc_autofree char *arn = resource_arn(r);

	return json_pack("{s:s, s:s, s:s*}", "Id", r->id, "Arn", arn, "Name", mc_json_str(r->tags, "Name", NULL));
}

static json_t *ports(int from, int to)
{
	return json_pack("[{s:i, s:i}]", "From", from, "To", to);
}

/* AnalysisPacketHeader. */
static json_t *header(const struct reach_header *h)
{
	mc_autofree char *src = reach_ip_text(h->src), *dst = reach_ip_text(h->dst);
	mc_autofree char *from = mc_strf("%s/32", src), *to = mc_strf("%s/32", dst);
	json_t *doc;

	doc = json_pack("{s:[s], s:[s], s:s}", "SourceAddresses", from, "DestinationAddresses", to, "Protocol",
			h->protocol == REACH_TCP ? "6" : h->protocol == REACH_UDP ? "17" : "1");
	if (h->protocol != REACH_ICMP) {
		json_object_set_new(doc, "SourcePortRanges", ports(h->src_from, h->src_to));
		json_object_set_new(doc, "DestinationPortRanges", ports(h->dst_from, h->dst_to));
	}
	return doc;
}

/* AnalysisSecurityGroupRule. */
static json_t *group_rule(const struct resource *rule)
{
	static const struct { const char *name, *number; } names[] = { { "tcp", "6" }, { "udp", "17" }, { "icmp", "1" }, { "-1", "all" } };
	const char *protocol = mc_json_str(rule->doc, "IpProtocol", "-1");
	json_t *doc = json_pack("{s:s, s:s*, s:s*, s:s*}", "Direction", mc_json_bool(rule->doc, "IsEgress", false) ? "egress" : "ingress",
				"Cidr", mc_json_str(rule->doc, "CidrIpv4", NULL), "PrefixListId", mc_json_str(rule->doc, "PrefixListId", NULL),
				"SecurityGroupId", mc_json_str(mc_json_obj(rule->doc, "ReferencedGroupInfo"), "GroupId", NULL));

	for (size_t i = 0; i < MC_ARRAY_SIZE(names); i++)
		if (strcmp(names[i].name, protocol) == 0)
			protocol = names[i].number;
	json_object_set_new(doc, "Protocol", json_string(protocol));
	if (strcmp(protocol, "6") == 0 || strcmp(protocol, "17") == 0)
		json_object_set_new(doc, "PortRange", json_pack("{s:O, s:O}", "From", json_object_get(rule->doc, "FromPort"), "To",
								json_object_get(rule->doc, "ToPort")));
	return doc;
}

/* AnalysisAclRule. */
static json_t *acl_rule(const json_t *entry)
{
	json_t *doc = json_pack("{s:O*, s:O, s:O, s:O, s:O}", "Cidr", json_object_get(entry, "CidrBlock"), "Egress",
				json_object_get(entry, "Egress"), "Protocol", json_object_get(entry, "Protocol"), "RuleAction",
				json_object_get(entry, "RuleAction"), "RuleNumber", json_object_get(entry, "RuleNumber"));

	if (mc_json_obj(entry, "PortRange"))
		json_object_set(doc, "PortRange", mc_json_obj(entry, "PortRange"));
	return doc;
}

/* AnalysisRouteTableRoute. */
static json_t *route_doc(const json_t *route)
{
	static const char *const same[] = {
		"DestinationPrefixListId", "GatewayId", "InstanceId", "NatGatewayId", "NetworkInterfaceId", "Origin", "State",
		"VpcPeeringConnectionId",
	};
	json_t *doc = json_object();

	if (json_object_get(route, "DestinationCidrBlock"))
		json_object_set(doc, "DestinationCidr", json_object_get(route, "DestinationCidrBlock"));
	for (size_t i = 0; i < MC_ARRAY_SIZE(same); i++)
		if (json_object_get(route, same[i]))
			json_object_set(doc, same[i], json_object_get(route, same[i]));
	return doc;
}

/* --- steps ---------------------------------------------------------------- */

static json_t *add(struct reach_steps *s, const struct resource *r)
{
	json_t *one = json_pack("{s:i, s:o}", "SequenceNumber", (int)json_array_size(s->path) + 1, "Component", component(r));

	json_array_append_new(s->path, one);
	return one;
}

void reach_step(struct reach_steps *s, const struct resource *r, const struct reach_header *h)
{
	const char *instance = r->kind == KIND_NETWORK_INTERFACE ? mc_json_str(r->spec, "instance", NULL) : NULL;
	json_t *one = add(s, r);

	json_object_set_new(one, json_array_size(s->path) == 1 ? "OutboundHeader" : "InboundHeader", header(h));
	if (instance)
		json_object_set_new(one, "AttachedTo", json_pack("{s:s}", "Id", instance));
}

void reach_step_component(struct reach_steps *s, const char *member, const struct resource *r)
{
	if (r)
		json_object_set_new(json_array_get(s->path, json_array_size(s->path) - 1), member, component(r));
}

void reach_step_group(struct reach_steps *s, const struct resource *group, const struct resource *rule)
{
	json_object_set_new(add(s, group), "SecurityGroupRule", group_rule(rule));
}

void reach_step_acl(struct reach_steps *s, const struct resource *acl, const json_t *entry)
{
	json_t *one = add(s, acl);

	if (entry)
		json_object_set_new(one, "AclRule", acl_rule(entry));
}

void reach_step_route(struct reach_steps *s, const struct resource *table, const json_t *route)
{
	json_object_set_new(add(s, table), "RouteTableRoute", route_doc(route));
}

/* --- explanations --------------------------------------------------------- */

static json_t *last(struct reach_steps *s)
{
	return json_array_get(s->explanations, json_array_size(s->explanations) - 1);
}

bool reach_explain(struct reach_steps *s, const char *code, const char *member, const struct resource *r, const struct resource *eni)
{
	json_t *one = json_pack("{s:s}", "ExplanationCode", code);

	json_array_append_new(s->explanations, one);
	if (s->returning)
		json_object_set_new(one, REACH_RETURNING, json_true());
	if (member && r)
		json_object_set_new(one, member, component(r));
	if (eni)
		json_object_set_new(one, "NetworkInterface", component(eni));
	return false;
}

bool reach_explain_text(struct reach_steps *s, const char *member, const char *text)
{
	json_object_set_new(last(s), member, json_string(text));
	return false;
}

void reach_explain_number(struct reach_steps *s, const char *member, int number)
{
	if (number)
		json_object_set_new(last(s), member, json_integer(number));
}

bool reach_explain_component(struct reach_steps *s, const char *member, const struct resource *r)
{
	if (r)
		json_object_set_new(last(s), member, component(r));
	return false;
}

bool reach_explain_groups(struct reach_steps *s, struct store_tx *tx, const struct resource *eni)
{
	json_t *list = json_array(), *id;
	size_t i;

	json_array_foreach(mc_json_arr(eni->spec, "groups"), i, id) {
		const struct resource *group = store_get(tx, json_string_value(id));

		if (group)
			json_array_append_new(list, component(group));
	}
	json_object_set_new(last(s), "SecurityGroups", list);
	return false;
}

bool reach_explain_entry(struct reach_steps *s, const json_t *entry)
{
	if (entry)
		json_object_set_new(last(s), "AclRule", acl_rule(entry));
	return false;
}

bool reach_explain_route(struct reach_steps *s, const json_t *route)
{
	json_object_set_new(last(s), "RouteTableRoute", route_doc(route));
	return false;
}

bool reach_explain_header(struct reach_steps *s, const struct reach_header *h)
{
	mc_autofree char *src = reach_ip_text(h->src), *dst = reach_ip_text(h->dst);

	json_object_set_new(last(s), REACH_HEADER, json_pack("{s:s, s:s, s:i, s:i, s:i}", "src", src, "dst", dst, "protocol", h->protocol, "from",
							     h->dst_from, "to", h->dst_to));
	return false;
}
