/* Authorize, revoke, modify and describe rules. Every change waits until netd
 * runs the VPC's generation that holds it. A retry after the patience ended finds
 * its own change done but not in force: it joins the wait. */
#include <string.h>

#include "api/describe.h"
#include "api/security_group.h"
#include "api/view.h"
#include "api/vpc.h"
#include "api/vpc_part.h"
#include "api/waiters.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

/* --- what waiting needs ---------------------------------------------------- */

/* Join the wait for a change made before. Touching the VPC has it queued again,
 * should nobody be about to bring that generation in force. */
static void join(struct call *call, const char *vpc, int64_t generation)
{
	store_edit(call->tx, vpc);
	action_wait(call, vpc, generation);
}

static bool in_force(struct call *call, const char *vpc, int64_t generation)
{
	return generation <= waiters_applied(call->api->waiters, vpc);
}

/* --- finding -------------------------------------------------------------- */

static bool of_group(const struct resource *rule, const struct resource *group, bool egress)
{
	return strcmp(rule->parent, group->id) == 0 && mc_json_bool(rule->doc, "IsEgress", false) == egress;
}

static const struct resource *rule_like(struct call *call, const struct resource *group, bool egress, const json_t *doc)
{
	struct store_iter it = store_pass(call->tx, KIND_SECURITY_GROUP_RULE, group->account, group->region, NULL);
	mc_autofree char *wanted = permission_text(doc);
	const struct resource *rule;

	while ((rule = store_next_of(&it, group->id))) {
		mc_autofree char *text = of_group(rule, group, egress) ? permission_text(rule->doc) : NULL;

		if (text && strcmp(text, wanted) == 0)
			return rule;
	}
	return NULL;
}

/* All rules of the direction, by what they count for. */
static int64_t weigh_rules(struct call *call, const struct resource *group, bool egress)
{
	struct store_iter it = store_pass(call->tx, KIND_SECURITY_GROUP_RULE, group->account, group->region, NULL);
	const struct resource *rule;
	int64_t n = 0;

	while ((rule = store_next_of(&it, group->id)))
		n += of_group(rule, group, egress) ? permission_weight(call->tx, rule->doc) : 0;
	return n;
}

static json_t *rule_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "SecurityGroupRuleId", "GroupOwnerId"), *info;
	const char *status = permission_peering_status(call->tx, r->doc);
	mc_autofree char *arn = resource_arn(r);

	if (status) {
		info = json_copy(mc_json_obj(r->doc, "ReferencedGroupInfo"));
		json_object_set_new(info, "PeeringStatus", json_string(status));
		json_object_set_new(v, "ReferencedGroupInfo", info);
	}
	json_object_set_new(v, "SecurityGroupRuleArn", json_string(arn));
	return v;
}

/* --- authorize ------------------------------------------------------------ */

/* The rules that are there already: all their own retry's, or a duplicate. 0 and
 * *ret_existing = {text: id}, or action_fail. */
static int check_existing(struct call *call, const struct resource *group, bool egress, const json_t *docs,
			  json_t **ret_existing)
{
	mc_auto_json json_t *existing = json_object();
	int64_t more = 0;
	size_t i;
	json_t *doc;

	json_array_foreach(docs, i, doc) {
		const struct resource *rule = rule_like(call, group, egress, doc);
		mc_autofree char *text = permission_text(doc);
		int64_t generation = rule ? mc_json_int(rule->spec, "generation", 0) : 0;

		more += rule ? 0 : permission_weight(call->tx, doc);
		if (!rule)
			continue;
		if (in_force(call, group->parent, generation))
			return action_fail(call, API_PERMISSION_DUPLICATE, text);
		join(call, group->parent, generation);
		json_object_set_new(existing, text, json_string(rule->id));
	}
	if (more && call->api->config.quota_rules && weigh_rules(call, group, egress) + more > call->api->config.quota_rules)
		return action_fail(call, API_RULES_LIMIT);
	*ret_existing = MC_STEAL(existing);
	return 0;
}

static struct resource *insert_rule(struct call *call, const struct resource *group, const json_t *doc, int64_t generation)
{
	struct resource *rule = store_insert(call->tx, KIND_SECURITY_GROUP_RULE, group->account, group->region);

	rule->parent = mc_strdup(group->id);
	json_object_update(rule->doc, (json_t *)doc);
	json_object_set_new(rule->spec, "generation", json_integer(generation));
	return rule;
}

/* *changes becomes NULL, for good, with a rule that only the whole document can tell. */
static void add_change(json_t **changes, const struct resource *rule, const char *operation)
{
	json_t *change = *changes ? vpc_part_rule_change(rule, operation) : NULL;

	if (change) {
		json_array_append_new(*changes, change);
		return;
	}
	json_decref(*changes);
	*changes = NULL;
}

static void note_changes(struct call *call, const struct resource *group, int64_t generation, json_t **changes)
{
	if (*changes && json_array_size(*changes) > 0)
		vpc_note_rules(call->tx, group->parent, generation, MC_STEAL(*changes));
}

static int insert_rules(struct call *call, const struct resource *group, const json_t *docs, const json_t *existing)
{
	json_t *shown = json_array(), *doc;
	mc_auto_json json_t *changes = json_array();
	int64_t generation = 0;
	size_t i;

	call->out = json_pack("{s:b, s:o}", "Return", 1, "SecurityGroupRules", shown);
	json_array_foreach(docs, i, doc) {
		mc_autofree char *text = permission_text(doc);
		const char *id = mc_json_str(existing, text, NULL);
		const struct resource *rule = store_get(call->tx, id);

		if (!rule) {
			struct resource *made;

			generation = generation ? generation : vpc_touch_rules(call->tx, group->parent);
			made = insert_rule(call, group, doc, generation);
			add_change(&changes, made, "add");
			if (action_apply_tags(call, "security-group-rule", made))
				return 1;
			rule = made;
		}
		json_array_append_new(shown, rule_view(call, rule));
	}
	note_changes(call, group, generation, &changes);
	action_wait(call, group->parent, generation);
	return 0;
}

static int authorize_rules(struct call *call, bool egress)
{
	static const char *const types[] = { "security-group-rule", NULL };
	const struct resource *group = security_group_of_request(call);
	mc_auto_json json_t *docs = NULL, *existing = NULL;

	if (!group || action_check_tag_types(call, types) || permission_rules(call, group, egress, &docs) ||
	    check_existing(call, group, egress, docs, &existing))
		return 1;
	return insert_rules(call, group, docs, existing);
}

int rule_authorize_ingress(struct call *call)
{
	return authorize_rules(call, false);
}

int rule_authorize_egress(struct call *call)
{
	return authorize_rules(call, true);
}

/* --- revoke --------------------------------------------------------------- */

/* Revoked rules are remembered in the group until their end is in force:
 * {"<id>": generation, "<direction> <text>": generation}. */
static char *revoked_key(bool egress, const json_t *doc)
{
	mc_autofree char *text = permission_text(doc);

	return mc_strf("%s %s", egress ? "egress" : "ingress", text);
}

static bool joins_revoke(struct call *call, const struct resource *group, const char *key)
{
	int64_t generation = mc_json_int(mc_json_obj(group->spec, "revoked"), key, 0);

	if (!generation || in_force(call, group->parent, generation))
		return false;
	join(call, group->parent, generation);
	return true;
}

/* The rules to go, as {id: true}. 0, or action_fail. */
static int find_by_ids(struct call *call, const struct resource *group, bool egress, json_t *found)
{
	size_t i;
	json_t *id;

	json_array_foreach(mc_json_arr(call->in, "SecurityGroupRuleIds"), i, id) {
		const char *text = json_is_string(id) ? json_string_value(id) : "";
		const struct kind_info *k = kind_info(KIND_SECURITY_GROUP_RULE);
		const struct resource *rule;
		mc_autofree char *message = NULL;

		if (joins_revoke(call, group, text))
			continue;
		rule = action_resource(call, KIND_SECURITY_GROUP_RULE, text);
		if (!rule)
			return 1;
		if (!of_group(rule, group, egress)) {
			message = mc_strf("The %s '%s' does not exist", k->noun, text);
			return action_fail(call, API_NOT_FOUND, k->not_found, message);
		}
		json_object_set_new(found, rule->id, json_true());
	}
	return 0;
}

static bool in_default_vpc(struct call *call, const struct resource *group)
{
	const struct resource *vpc = store_get(call->tx, group->parent);

	return vpc && mc_json_bool(vpc->doc, "IsDefault", false);
}

/* What is not there is an error, and shown in *ret_unknown where the group is of a default VPC (EC2 API reference,
 * RevokeSecurityGroupIngress). Rules over IPv6 are refused at authorize, so none can be found: Terraform revokes the
 * IPv6 default rule it expects and takes NotFound for done. */
static int find_by_permissions(struct call *call, const struct resource *group, bool egress, json_t *found, json_t **ret_unknown)
{
	mc_auto_json json_t *docs = NULL, *ipv6 = json_array(), *unknown = json_array();
	size_t i;
	json_t *doc;

	if (permission_rules_to_find(call, group, egress, ipv6, &docs))
		return 1;
	json_array_foreach(docs, i, doc) {
		const struct resource *rule = rule_like(call, group, egress, doc);
		mc_autofree char *key = revoked_key(egress, doc);

		if (rule)
			json_object_set_new(found, rule->id, json_true());
		else if (!joins_revoke(call, group, key))
			json_array_append(unknown, doc);
	}
	if (json_array_size(unknown) + json_array_size(ipv6) == 0)
		return 0;
	if (!in_default_vpc(call, group))
		return action_fail(call, API_PERMISSION_NOT_FOUND);
	*ret_unknown = permission_list(call->tx, unknown);
	json_array_extend(*ret_unknown, ipv6);
	return 0;
}

/* What RevokedSecurityGroupRules shows of it. */
static json_t *revoked_view(const struct resource *rule)
{
	json_t *v = json_copy(rule->doc);
	const char *peer = mc_json_str(mc_json_obj(v, "ReferencedGroupInfo"), "GroupId", NULL);

	json_object_set_new(v, "SecurityGroupRuleId", json_string(rule->id));
	if (peer)
		json_object_set_new(v, "ReferencedGroupId", json_string(peer));
	json_object_del(v, "ReferencedGroupInfo");
	return v;
}

/* What is still to be remembered: the rest is in force. */
static json_t *pending_revokes(struct call *call, const struct resource *group)
{
	json_t *kept = json_object(), *generation;
	const char *key;

	json_object_foreach(mc_json_obj(group->spec, "revoked"), key, generation)
		if (!in_force(call, group->parent, json_integer_value(generation)))
			json_object_set(kept, key, generation);
	return kept;
}

static json_t *delete_rules(struct call *call, const struct resource *group, const json_t *found)
{
	json_t *shown = json_array(), *revoked = pending_revokes(call, group), *unused;
	mc_auto_json json_t *changes = json_array();
	int64_t generation = vpc_touch_rules(call->tx, group->parent);
	struct resource *edited = store_edit(call->tx, group->id);
	const char *id;

	json_object_foreach((json_t *)found, id, unused) {
		const struct resource *rule = store_get(call->tx, id);
		mc_autofree char *key = revoked_key(mc_json_bool(rule->doc, "IsEgress", false), rule->doc);

		json_array_append_new(shown, revoked_view(rule));
		json_object_set_new(revoked, id, json_integer(generation));
		json_object_set_new(revoked, key, json_integer(generation));
		add_change(&changes, rule, "remove");
		store_delete(call->tx, id);
	}
	note_changes(call, group, generation, &changes);
	json_object_set_new(edited->spec, "revoked", revoked);
	action_wait(call, group->parent, generation);
	return shown;
}

static int revoke_rules(struct call *call, bool egress)
{
	const struct resource *group = security_group_of_request(call);
	mc_auto_json json_t *found = json_object(), *unknown = NULL;
	bool by_ids = json_array_size(mc_json_arr(call->in, "SecurityGroupRuleIds")) > 0;

	if (!group)
		return 1;
	if (by_ids && json_object_get(call->in, "IpPermissions"))
		return action_fail(call, API_PARAMETER_COMBINATION,
				   "The parameter 'securityGroupRuleIds' may not be used in combination with 'ipPermissions'");
	if (by_ids ? find_by_ids(call, group, egress, found) : find_by_permissions(call, group, egress, found, &unknown))
		return 1;
	call->out = json_pack("{s:b, s:o, s:O*}", "Return", 1, "RevokedSecurityGroupRules",
			      json_object_size(found) ? delete_rules(call, group, found) : json_array(), "UnknownIpPermissions", unknown);
	return 0;
}

int rule_revoke_ingress(struct call *call)
{
	return revoke_rules(call, false);
}

int rule_revoke_egress(struct call *call)
{
	return revoke_rules(call, true);
}

/* --- modify --------------------------------------------------------------- */

static int read_update(struct call *call, const struct resource *group, const struct resource *rule, const json_t *in,
		       json_t **ret_doc)
{
	struct permission p = {
		.protocol = mc_json_str(in, "IpProtocol", NULL),
		.from = json_object_get(in, "FromPort"),
		.to = json_object_get(in, "ToPort"),
		.cidr = mc_json_str(in, "CidrIpv4", NULL),
		.group_id = mc_json_str(in, "ReferencedGroupId", NULL),
		.prefix_list = mc_json_str(in, "PrefixListId", NULL),
		.description = mc_json_str(in, "Description", NULL),
	};

	if (json_object_get(in, "CidrIpv6"))
		return action_fail(call, API_UNSUPPORTED, "IPv6 is not supported by this cloud yet: CidrIpv6");
	if ((p.cidr != NULL) + (p.group_id != NULL) + (p.prefix_list != NULL) != 1)
		return action_invalid(call, "A rule needs exactly one of CidrIpv4, PrefixListId and ReferencedGroupId");
	return permission_rule(call, group, mc_json_bool(rule->doc, "IsEgress", false), &p, ret_doc);
}

static int modify_one(struct call *call, const struct resource *group, const json_t *update, int64_t generation)
{
	const struct resource *rule, *same;
	struct resource *edited;
	mc_auto_json json_t *doc = NULL;
	bool egress;

	rule = action_resource(call, KIND_SECURITY_GROUP_RULE, mc_json_str(update, "SecurityGroupRuleId", NULL));
	if (!rule)
		return 1;
	egress = mc_json_bool(rule->doc, "IsEgress", false);
	if (!of_group(rule, group, egress))
		return action_fail(call, API_PERMISSION_NOT_FOUND);
	if (read_update(call, group, rule, mc_json_obj(update, "SecurityGroupRule"), &doc))
		return 1;
	same = rule_like(call, group, egress, doc);
	if (same && strcmp(same->id, rule->id) != 0) {
		mc_autofree char *text = permission_text(doc);

		return action_fail(call, API_PERMISSION_DUPLICATE, text);
	}
	edited = store_edit(call->tx, rule->id);
	json_decref(edited->doc);
	edited->doc = MC_STEAL(doc);
	json_object_set_new(edited->spec, "generation", json_integer(generation));
	return 0;
}

int rule_modify(struct call *call)
{
	const struct resource *group = security_group_of_request(call);
	int64_t generation;
	size_t i;
	json_t *update;

	if (!group)
		return 1;
	generation = vpc_touch(call->tx, group->parent);
	json_array_foreach(mc_json_arr(call->in, "SecurityGroupRules"), i, update)
		if (modify_one(call, group, update, generation))
			return 1;
	action_wait(call, group->parent, generation);
	call->out = json_pack("{s:b}", "Return", 1);
	return 0;
}

/* --- descriptions --------------------------------------------------------- */

/* They change nothing for packets: nobody waits. */
static int describe_rule_as(struct call *call, const struct resource *rule, const char *text)
{
	struct resource *edited;

	if (text && !security_group_text_valid(text))
		return action_invalid(call, "Invalid rule description. Valid descriptions are strings less than 256 characters from the "
				      "following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*");
	edited = store_edit(call->tx, rule->id);
	if (text && *text)
		json_object_set_new(edited->doc, "Description", json_string(text));
	else
		json_object_del(edited->doc, "Description");
	return 0;
}

static int describe_by_ids(struct call *call, const struct resource *group, bool egress, const json_t *list)
{
	size_t i;
	json_t *one;

	json_array_foreach(list, i, one) {
		const struct resource *rule = action_resource(call, KIND_SECURITY_GROUP_RULE, mc_json_str(one, "SecurityGroupRuleId", NULL));

		if (!rule)
			return 1;
		if (!of_group(rule, group, egress))
			return action_fail(call, API_PERMISSION_NOT_FOUND);
		if (describe_rule_as(call, rule, mc_json_str(one, "Description", NULL)))
			return 1;
	}
	return 0;
}

static int describe_by_permissions(struct call *call, const struct resource *group, bool egress)
{
	mc_auto_json json_t *docs = NULL;
	size_t i;
	json_t *doc;

	if (permission_rules_to_find(call, group, egress, NULL, &docs))
		return 1;
	json_array_foreach(docs, i, doc) {
		const struct resource *rule = rule_like(call, group, egress, doc);

		if (!rule)
			return action_fail(call, API_PERMISSION_NOT_FOUND);
		if (describe_rule_as(call, rule, mc_json_str(doc, "Description", NULL)))
			return 1;
	}
	return 0;
}

static int describe_rules(struct call *call, bool egress)
{
	const struct resource *group = security_group_of_request(call);
	const json_t *list = mc_json_arr(call->in, "SecurityGroupRuleDescriptions");
	bool permissions = json_array_size(mc_json_arr(call->in, "IpPermissions")) > 0;

	if (!group)
		return 1;
	if (permissions == (json_array_size(list) > 0))
		return action_fail(call, API_PARAMETER_COMBINATION,
				   "Exactly one of 'ipPermissions' and 'securityGroupRuleDescriptions' must be specified");
	if (permissions ? describe_by_permissions(call, group, egress) : describe_by_ids(call, group, egress, list))
		return 1;
	call->out = json_pack("{s:b}", "Return", 1);
	return 0;
}

int rule_describe_ingress(struct call *call)
{
	return describe_rules(call, false);
}

int rule_describe_egress(struct call *call)
{
	return describe_rules(call, true);
}

/* --- describe ------------------------------------------------------------- */

static const struct filter rule_filters[] = {
	{ "group-id", "GroupId" }, { "security-group-rule-id", "SecurityGroupRuleId" }, { 0 },
};

int rule_describe(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_SECURITY_GROUP_RULE, .list = "SecurityGroupRules", .ids = "SecurityGroupRuleIds",
		.filters = rule_filters, .view = rule_view, .page_min = 5, .page_max = 1000,
	};

	return describe_run(call, &d);
}
