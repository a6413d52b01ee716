/* Network ACLs, their entries and their associations. */
#include <stdlib.h>
#include <string.h>

#include "api/action.h"
#include "api/association.h"
#include "api/cidr.h"
#include "api/describe.h"
#include "api/network_acl.h"
#include "api/pending.h"
#include "api/view.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

static const struct filter acl_filters[] = {
	{ "association.association-id", "Associations.NetworkAclAssociationId" },
	{ "association.network-acl-id", "Associations.NetworkAclId" },
	{ "association.subnet-id", "Associations.SubnetId" },
	{ "default", "IsDefault" },
	{ "entry.cidr", "Entries.CidrBlock" },
	{ "entry.egress", "Entries.Egress" },
	{ "entry.icmp.code", "Entries.IcmpTypeCode.Code" },
	{ "entry.icmp.type", "Entries.IcmpTypeCode.Type" },
	{ "entry.ipv6-cidr", "Entries.Ipv6CidrBlock" },
	{ "entry.port-range.from", "Entries.PortRange.From" },
	{ "entry.port-range.to", "Entries.PortRange.To" },
	{ "entry.protocol", "Entries.Protocol" },
	{ "entry.rule-action", "Entries.RuleAction" },
	{ "entry.rule-number", "Entries.RuleNumber" },
	{ "network-acl-id", "NetworkAclId" },
	{ "owner-id", "OwnerId" },
	{ "vpc-id", "VpcId" },
	{ 0 },
};

static json_t *acl_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "NetworkAclId", "OwnerId");

	(void)call;
	view_default(v, "Tags", json_array());
	return v;
}

static int describe_network_acls(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_NETWORK_ACL, .list = "NetworkAcls", .ids = "NetworkAclIds", .filters = acl_filters,
		.view = acl_view, .page_min = 5, .page_max = 1000,
	};

	return describe_run(call, &d);
}

/* --- life ------------------------------------------------------------------- */

static int check_quota(struct call *call, const struct resource *vpc)
{
	long n = store_count(call->tx, KIND_NETWORK_ACL, vpc->account, vpc->region, vpc->id);

	return action_check_quota(call, n, call->api->config.quota_acls, "NetworkAclLimitExceeded", "network ACLs");
}

static int create_network_acl(struct call *call)
{
	static const char *const types[] = { "network-acl", NULL };
	const struct resource *vpc = action_resource(call, KIND_VPC, mc_json_str(call->in, "VpcId", NULL));
	struct resource *acl;

	if (!vpc || action_check_tag_types(call, types) || check_quota(call, vpc))
		return 1;
	acl = network_acl_insert(call->tx, vpc, false);
	if (action_apply_tags(call, "network-acl", acl))
		return 1;
	call->out = json_pack("{s:o, s:s*}", "NetworkAcl", acl_view(call, acl), "ClientToken", action_text(call, "ClientToken"));
	return 0;
}

static const struct resource *acl_of_request(struct call *call)
{
	return action_resource(call, KIND_NETWORK_ACL, mc_json_str(call->in, "NetworkAclId", NULL));
}

static int delete_network_acl(struct call *call)
{
	const struct resource *acl = acl_of_request(call);

	if (!acl)
		return 1;
	if (mc_json_bool(acl->doc, "IsDefault", false))
		return action_invalid(call, "cannot delete default network ACL %s", acl->id);
	if (json_array_size(mc_json_arr(acl->doc, "Associations")))
		return action_fail(call, API_HAS_DEPENDENCIES, "networkAcl", acl->id);
	store_delete(call->tx, acl->id);
	return 0;
}

/* --- entries ------------------------------------------------------------------ */

/* EC2 API reference, NetworkAclEntry: numbers are shown, a few names are taken. */
static const struct {
	const char *name, *number;
} protocols[] = { { "all", "-1" }, { "tcp", "6" }, { "udp", "17" }, { "icmp", "1" } };

/* "6" for "tcp", NULL where there is no such protocol. Borrowed. */
static const char *protocol_number(const char *text)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(protocols); i++)
		if (strcasecmp(protocols[i].name, text) == 0 || strcmp(protocols[i].number, text) == 0)
			return protocols[i].number;
	if (!*text || strlen(text) > 3 || strspn(text, "0123456789") != strlen(text) || strtol(text, NULL, 10) > 255)
		return NULL;
	return text;
}

static int put_ports(struct call *call, json_t *entry)
{
	const json_t *range = mc_json_obj(call->in, "PortRange");
	int64_t from = mc_json_int(range, "From", -1), to = mc_json_int(range, "To", -1);

	if (!range)
		return action_fail(call, API_MISSING_PARAMETER, "PortRange");
	if (from < 0 || to > 65535 || from > to)
		return action_invalid(call, "Invalid port range (%lld to %lld)", (long long)from, (long long)to);
	json_object_set_new(entry, "PortRange", json_pack("{s:I, s:I}", "From", (json_int_t)from, "To", (json_int_t)to));
	return 0;
}

static int put_icmp(struct call *call, json_t *entry)
{
	const json_t *icmp = mc_json_obj(call->in, "IcmpTypeCode");
	int64_t type = mc_json_int(icmp, "Type", -1), code = mc_json_int(icmp, "Code", -1);

	if (!icmp)
		return action_fail(call, API_MISSING_PARAMETER, "IcmpTypeCode");
	if (type < -1 || type > 255 || code < -1 || code > 255 || (type == -1 && code != -1))
		return action_invalid(call, "Invalid ICMP type and code (%lld, %lld)", (long long)type, (long long)code);
	json_object_set_new(entry, "IcmpTypeCode", json_pack("{s:I, s:I}", "Code", (json_int_t)code, "Type", (json_int_t)type));
	return 0;
}

static int put_protocol(struct call *call, json_t *entry)
{
	const char *text = mc_json_str(call->in, "Protocol", ""), *number = protocol_number(text);

	if (!number)
		return action_invalid(call, "Value (%s) for parameter protocol is invalid. Invalid protocol.", text);
	json_object_set_new(entry, "Protocol", json_string(number));
	if (strcmp(number, "6") == 0 || strcmp(number, "17") == 0)
		return put_ports(call, entry);
	return strcmp(number, "1") == 0 ? put_icmp(call, entry) : 0;
}

/* Number and direction: what an entry is known by. */
static int read_place(struct call *call, int64_t *ret_number, bool *ret_egress)
{
	int64_t number = mc_json_int(call->in, "RuleNumber", 0);

	if (number < 1 || number >= ACL_LAST_RULE)
		return action_invalid(call, "Value (%lld) for parameter ruleNumber is invalid. Rule numbers are from 1 to %d.",
				      (long long)number, ACL_LAST_RULE - 1);
	*ret_number = number;
	*ret_egress = mc_json_bool(call->in, "Egress", false);
	return 0;
}

/* The entry the request describes, checked: 0 and *ret (new reference), or action_fail. */
static int read_entry(struct call *call, json_t **ret)
{
	static const char *const ipv6[] = { "Ipv6CidrBlock", NULL };
	const char *text = action_text(call, "CidrBlock");
	mc_auto_json json_t *entry = NULL;
	mc_autofree char *block = NULL;
	struct cidr cidr;
	int64_t number;
	bool egress;

	if (read_place(call, &number, &egress) || action_refuse_members(call, ipv6, "it has IPv4 only"))
		return 1;
	if (!text)
		return action_fail(call, API_MISSING_PARAMETER, "cidrBlock");
	if (!cidr_parse(text, &cidr))
		return action_invalid(call, "Value (%s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", text);
	block = cidr_text(cidr);
	entry = json_pack("{s:s, s:b, s:s, s:I}", "CidrBlock", block, "Egress", egress, "RuleAction",
			  mc_json_str(call->in, "RuleAction", ""), "RuleNumber", (json_int_t)number);
	if (put_protocol(call, entry))
		return 1;
	*ret = MC_STEAL(entry);
	return 0;
}

/* Its place among the entries; -1: there is none. */
static int place_of(const struct resource *acl, int64_t number, bool egress)
{
	size_t i;
	json_t *e;

	json_array_foreach(mc_json_arr(acl->doc, "Entries"), i, e)
		if (mc_json_int(e, "RuleNumber", 0) == number && mc_json_bool(e, "Egress", false) == egress)
			return (int)i;
	return -1;
}

/* Where a new one belongs: egress first, then by number. */
static size_t place_for(const struct resource *acl, int64_t number, bool egress)
{
	size_t i;
	json_t *e;

	json_array_foreach(mc_json_arr(acl->doc, "Entries"), i, e)
		if (mc_json_bool(e, "Egress", false) == egress ? mc_json_int(e, "RuleNumber", 0) > number : egress)
			break;
	return i;
}

/* The last rule, which nobody has made, counts: VPC User Guide, "Amazon VPC quotas". */
static long count_entries(const struct resource *acl, bool egress)
{
	long n = 0;
	size_t i;
	json_t *e;

	json_array_foreach(mc_json_arr(acl->doc, "Entries"), i, e)
		n += mc_json_bool(e, "Egress", false) == egress;
	return n;
}

static char *note_of(const char *verb, const json_t *entry)
{
	mc_autofree char *text = json_dumps(entry, JSON_COMPACT | JSON_SORT_KEYS);

	return mc_strf("%s %s", verb, text);
}

static int create_network_acl_entry(struct call *call)
{
	const struct resource *acl = acl_of_request(call);
	mc_auto_json json_t *entry = NULL;
	mc_autofree char *note = NULL;
	struct resource *edited;
	int64_t number;
	bool egress;

	if (!acl || read_entry(call, &entry))
		return 1;
	number = mc_json_int(entry, "RuleNumber", 0);
	egress = mc_json_bool(entry, "Egress", false);
	note = note_of("create", entry);
	if (place_of(acl, number, egress) >= 0)
		return pending_join(call, acl, acl->parent, note) ? 0 : action_fail(call, API_ACL_ENTRY_EXISTS, (int)number);
	if (action_check_quota(call, count_entries(acl, egress), call->api->config.quota_acl_entries, "NetworkAclEntryLimitExceeded",
			       "network ACL entries"))
		return 1;
	edited = store_edit(call->tx, acl->id);
	json_array_insert(mc_json_arr(edited->doc, "Entries"), place_for(edited, number, egress), entry);
	pending_note(call, edited, acl->parent, note, vpc_change(call, acl->parent));
	return 0;
}

static int replace_network_acl_entry(struct call *call)
{
	const struct resource *acl = acl_of_request(call);
	mc_auto_json json_t *entry = NULL;
	int64_t number;
	int place;

	if (!acl || read_entry(call, &entry))
		return 1;
	number = mc_json_int(entry, "RuleNumber", 0);
	place = place_of(acl, number, mc_json_bool(entry, "Egress", false));
	if (place < 0)
		return action_fail(call, API_ACL_ENTRY_NOT_FOUND, (int)number);
	json_array_set(mc_json_arr(store_edit(call->tx, acl->id)->doc, "Entries"), (size_t)place, entry);
	vpc_change(call, acl->parent);
	return 0;
}

static int delete_network_acl_entry(struct call *call)
{
	const struct resource *acl = acl_of_request(call);
	mc_autofree char *note = NULL;
	struct resource *edited;
	int64_t number;
	bool egress;
	int place;

	if (!acl || read_place(call, &number, &egress))
		return 1;
	note = mc_strf("delete %s %lld", egress ? "egress" : "ingress", (long long)number);
	place = place_of(acl, number, egress);
	if (place < 0)
		return pending_join(call, acl, acl->parent, note) ? 0 : action_fail(call, API_ACL_ENTRY_NOT_FOUND, (int)number);
	edited = store_edit(call->tx, acl->id);
	json_array_remove(mc_json_arr(edited->doc, "Entries"), (size_t)place);
	pending_note(call, edited, acl->parent, note, vpc_change(call, acl->parent));
	return 0;
}

/* --- associations ------------------------------------------------------------- */

/* The subnet whose association this is; NULL after action_fail. */
static const struct resource *subnet_of_association(struct call *call, const char *id)
{
	struct store_iter it = store_iter(call->tx, KIND_NETWORK_ACL, call->caller->account, call->caller->region);
	const struct resource *acl;
	size_t i;
	json_t *a;

	while ((acl = store_next(&it)))
		json_array_foreach(mc_json_arr(acl->doc, "Associations"), i, a)
			if (strcmp(mc_json_str(a, "NetworkAclAssociationId", ""), id) == 0)
				return store_get(call->tx, mc_json_str(a, "SubnetId", NULL));
	action_fail(call, API_ASSOCIATION_NOT_FOUND, id);
	return NULL;
}

static int replace_network_acl_association(struct call *call)
{
	const struct resource *subnet = subnet_of_association(call, mc_json_str(call->in, "AssociationId", "")), *acl;

	if (!subnet)
		return 1;
	acl = acl_of_request(call);
	if (!acl)
		return 1;
	if (strcmp(acl->parent, subnet->parent) != 0)
		return action_invalid(call, "Network ACL %s and subnet %s belong to different networks", acl->id, subnet->id);
	association_forget(call->tx, KIND_NETWORK_ACL, subnet);
	call->out = json_pack("{s:s}", "NewAssociationId", network_acl_associate(store_edit(call->tx, acl->id), subnet->id));
	vpc_change(call, acl->parent);
	return 0;
}

const struct action actions_network_acl[] = {
	{ .service = "ec2", .name = "DescribeNetworkAcls", .fn = describe_network_acls },
	{ .service = "ec2", .name = "CreateNetworkAcl", .fn = create_network_acl, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteNetworkAcl", .fn = delete_network_acl, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "CreateNetworkAclEntry", .fn = create_network_acl_entry, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ReplaceNetworkAclEntry", .fn = replace_network_acl_entry, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteNetworkAclEntry", .fn = delete_network_acl_entry, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ReplaceNetworkAclAssociation", .fn = replace_network_acl_association, .flags = ACTION_WRITE },
	{ 0 },
};
