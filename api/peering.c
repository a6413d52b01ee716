#include "api/peering.h"

#include <string.h>

#include "api/dns_name.h"
#include "api/interface.h"
#include "api/vpc.h"
#include "api/vpc_part.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

/* --- ends --------------------------------------------------------------------- */

const json_t *peering_requester(const struct resource *r)
{
	return mc_json_obj(r->spec, "requester");
}

const json_t *peering_accepter(const struct resource *r)
{
	return mc_json_obj(r->spec, "accepter");
}

static bool is_end(const json_t *end, const char *vpc)
{
	return strcmp(mc_json_str(end, "vpc", ""), vpc) == 0;
}

const json_t *peering_end(const struct resource *r, const char *vpc)
{
	return is_end(peering_requester(r), vpc) ? peering_requester(r) : is_end(peering_accepter(r), vpc) ? peering_accepter(r) : NULL;
}

const json_t *peering_other_end(const struct resource *r, const char *vpc)
{
	return is_end(peering_requester(r), vpc) ? peering_accepter(r) : is_end(peering_accepter(r), vpc) ? peering_requester(r) : NULL;
}

static bool belongs(const struct call *call, const json_t *end)
{
	return strcmp(mc_json_str(end, "account", ""), call->caller->account) == 0 &&
	       strcmp(mc_json_str(end, "region", ""), call->caller->region) == 0;
}

bool peering_visible(struct call *call, const struct resource *r)
{
	return belongs(call, peering_requester(r)) || belongs(call, peering_accepter(r));
}

const struct resource *peering_find(struct call *call, const char *id)
{
	const struct kind_info *k = kind_info(KIND_VPC_PEERING);
	const struct resource *r = store_find(call->tx, KIND_VPC_PEERING, NULL, NULL, id);
	mc_autofree char *text = mc_strf("The %s '%s' does not exist", k->noun, id);

	if (r && peering_visible(call, r))
		return r;
	if (mc_id_valid(k->prefix, id))
		action_fail(call, API_NOT_FOUND, k->not_found, text);
	else
		action_fail(call, API_MALFORMED_ID, k->malformed, id, k->prefix);
	return NULL;
}

const struct resource *peering_of_request(struct call *call)
{
	return peering_find(call, mc_json_str(call->in, "VpcPeeringConnectionId", ""));
}

/* --- active ones ---------------------------------------------------------------- */

const struct resource *peering_next_active(struct store_iter *it, const char *vpc)
{
	const struct resource *r;

	while ((r = store_next(it)))
		if (r->state == PEERING_ACTIVE && peering_end(r, vpc))
			return r;
	return NULL;
}

const struct resource *peering_between(struct store_tx *tx, const char *vpc, const char *other)
{
	struct store_iter it = store_iter(tx, KIND_VPC_PEERING, NULL, NULL);
	const struct resource *r;

	while ((r = peering_next_active(&it, vpc)))
		if (is_end(peering_other_end(r, vpc), other))
			return r;
	return NULL;
}

/* The group of the other VPC that the rule names, NULL: none of its. */
static const char *names_group_of(struct store_tx *tx, const struct resource *rule, const char *other)
{
	const char *id = mc_json_str(mc_json_obj(rule->doc, "ReferencedGroupInfo"), "GroupId", NULL);
	const struct resource *group = store_get(tx, id);

	return group && strcmp(group->parent, other) == 0 ? group->id : NULL;
}

static bool is_of_vpc(struct store_tx *tx, const struct resource *rule, const char *vpc)
{
	const struct resource *group = store_get(tx, rule->parent);

	return group && strcmp(group->parent, vpc) == 0;
}

bool peering_depends(struct store_tx *tx, const struct resource *peering, const char *vpc, const char *other)
{
	struct store_iter it = store_pass(tx, KIND_SECURITY_GROUP_RULE, NULL, NULL, NULL);
	const struct resource *rule;

	if (mc_json_bool(peering_end(peering, other), "dns", false))
		return true;
	while ((rule = store_next(&it)))
		if (names_group_of(tx, rule, other) && is_of_vpc(tx, rule, vpc))
			return true;
	return false;
}

/* --- life ------------------------------------------------------------------------- */

void peering_settle(struct store_tx *tx, struct resource *r)
{
	const json_t *from = peering_requester(r), *to = peering_accepter(r);
	const struct resource *a = store_find(tx, KIND_VPC, mc_json_str(from, "account", ""), mc_json_str(from, "region", ""),
					      mc_json_str(from, "vpc", ""));
	const struct resource *b = store_find(tx, KIND_VPC, mc_json_str(to, "account", ""), mc_json_str(to, "region", ""),
					      mc_json_str(to, "vpc", ""));
	mc_auto_json json_t *blocks = b ? vpc_cidrs(b) : NULL;
	bool good = a && b && a != b;
	struct cidr cidr;
	size_t i;
	json_t *block;

	if (r->state != PEERING_INITIATING)
		return;
	json_array_foreach(blocks, i, block)
		if (good && cidr_parse(json_string_value(block), &cidr) && vpc_overlaps(a, cidr))
			good = false;
	if (!json_object_get(r->spec, "expires")) /* of an earlier version */
		json_object_set_new(r->spec, "expires", json_integer(mc_clock_wall() + PEERING_LIFE));
	state_set(tx, r, good ? PEERING_PENDING : PEERING_FAILED);
}

void peering_end_by(struct store_tx *tx, struct resource *r, enum peering_state state, const char *account)
{
	bool active = r->state == PEERING_ACTIVE;

	json_object_set_new(r->spec, "by", json_string(account));
	state_set(tx, r, state);
	if (!active)
		return;
	vpc_touch(tx, mc_json_str(peering_requester(r), "vpc", ""));
	vpc_touch(tx, mc_json_str(peering_accepter(r), "vpc", ""));
}

void peering_forget_vpc(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_VPC_PEERING, NULL, NULL);
	const struct resource *r;

	while ((r = store_next(&it)))
		if (peering_end(r, vpc->id) && r->state <= PEERING_ACTIVE)
			peering_end_by(tx, store_edit(tx, r->id), PEERING_DELETED, vpc->account);
}

/* --- for netd ----------------------------------------------------------------------- */

json_t *vpc_part_peerings(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_VPC_PEERING, NULL, NULL);
	const struct resource *r;
	json_t *list = json_array();

	while ((r = peering_next_active(&it, vpc->id))) {
		const struct resource *other = store_get(tx, mc_json_str(peering_other_end(r, vpc->id), "vpc", NULL));

		if (other)
			json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "id", r->id, "vpc", other->id, "cidrs", vpc_cidrs(other)));
	}
	return list;
}

/* The private addresses of the group's members. */
static json_t *members_of(struct store_tx *tx, const char *group)
{
	struct store_iter it = store_pass(tx, KIND_NETWORK_INTERFACE, NULL, NULL, group);
	const struct resource *eni;
	json_t *list = json_array();

	while ((eni = store_next(&it))) {
		if (!interface_attached(eni) || !mc_json_has_str(mc_json_arr(eni->spec, "groups"), group))
			continue;
		for (size_t i = 0; i < interface_slots(eni); i++)
			json_array_append(list, json_object_get(interface_slot(eni, i), "ip"));
	}
	return list;
}

/* The groups of this peer that rules of the VPC name, as {id: members}. */
static void add_groups(struct store_tx *tx, const struct resource *vpc, const char *other, json_t *groups)
{
	struct store_iter it = store_pass(tx, KIND_SECURITY_GROUP_RULE, vpc->account, vpc->region, NULL);
	const struct resource *rule;

	while ((rule = store_next(&it))) {
		const char *group = names_group_of(tx, rule, other);

		if (group && !json_object_get(groups, group) && is_of_vpc(tx, rule, vpc->id))
			json_object_set_new(groups, group, members_of(tx, group));
	}
}

json_t *vpc_part_foreign_groups(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_VPC_PEERING, NULL, NULL);
	mc_auto_json json_t *groups = json_object();
	json_t *list = json_array(), *members;
	const struct resource *r;
	const char *id;

	while ((r = peering_next_active(&it, vpc->id)))
		add_groups(tx, vpc, mc_json_str(peering_other_end(r, vpc->id), "vpc", ""), groups);
	json_object_foreach(groups, id, members)
		json_array_append_new(list, json_pack("{s:s, s:O}", "id", id, "members", members));
	return list;
}

/* The public names in one VPC, with the private addresses they have for its peers. */
static void add_names(struct store_tx *tx, const struct resource *vpc, json_t *list)
{
	struct store_iter it = store_pass(tx, KIND_NETWORK_INTERFACE, vpc->account, vpc->region, "\"public_ip\"");
	const struct resource *eni;

	while ((eni = store_next_of(&it, vpc->id)))
		for (size_t i = 0; interface_attached(eni) && i < interface_slots(eni); i++) {
			const json_t *slot = interface_slot(eni, i);
			const char *public_ip = mc_json_str(slot, "public_ip", NULL);
			mc_autofree char *name = public_ip ? dns_name_public(vpc->region, public_ip) : NULL;

			if (name)
				json_array_append_new(list, json_pack("{s:s, s:O}", "name", name, "ip", json_object_get(slot, "ip")));
		}
}

json_t *peering_names(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_VPC_PEERING, NULL, NULL);
	const struct resource *r;
	json_t *list = json_array();

	while ((r = peering_next_active(&it, vpc->id))) {
		const json_t *end = peering_other_end(r, vpc->id);
		const struct resource *other = store_get(tx, mc_json_str(end, "vpc", NULL));

		if (other && mc_json_bool(end, "dns", false))
			add_names(tx, other, list);
	}
	return list;
}
