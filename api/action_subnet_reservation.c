/* Subnet CIDR reservations: ranges of a subnet out of which this cloud gives no address by itself (VPC User Guide, "Subnet CIDR
 * reservations"). Who names an address gets it all the same; prefixes are not given at all. */
#include <string.h>

#include "api/action.h"
#include "api/cidr.h"
#include "api/describe.h"
#include "api/view.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

static json_t *reservation_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "SubnetCidrReservationId", "OwnerId");

	(void)call;
	json_object_set_new(v, "SubnetId", json_string(r->parent));
	view_default(v, "Tags", json_array());
	return v;
}

/* --- create and delete ------------------------------------------------------ */

/* Does another one lie in its way? */
static bool overlapping(struct call *call, const struct resource *subnet, struct cidr block)
{
	struct store_iter it = store_iter(call->tx, KIND_SUBNET_RESERVATION, subnet->account, subnet->region);
	const struct resource *other;
	struct cidr theirs;

	while ((other = store_next_of(&it, subnet->id)))
		if (cidr_parse(mc_json_str(other->doc, "Cidr", NULL), &theirs) && cidr_overlaps(theirs, block))
			return true;
	return false;
}

static int read_block(struct call *call, const struct resource *subnet, struct cidr *ret)
{
	const char *text = mc_json_str(call->in, "Cidr", "");
	struct cidr own;

	if (strchr(text, ':'))
		return action_fail(call, API_UNSUPPORTED, "IPv6 is not supported by this cloud");
	if (!cidr_parse(text, ret))
		return action_invalid(call, "Value (%s) for parameter cidr is invalid. This is not a valid CIDR block.", text);
	if (!cidr_parse(mc_json_str(subnet->doc, "CidrBlock", NULL), &own) || !cidr_contains(own, *ret))
		return action_invalid(call, "The CIDR '%s' is not within the subnet '%s'.", text, subnet->id);
	return overlapping(call, subnet, *ret) ? action_invalid(call, "Reservation CIDR %s has overlap with existing reserved CIDR block", text)
					       : 0;
}

static int create_reservation(struct call *call)
{
	static const char *const types[] = { "subnet-cidr-reservation", NULL };
	const struct resource *subnet = action_resource(call, KIND_SUBNET, action_text(call, "SubnetId"));
	mc_autofree char *text = NULL;
	struct resource *r;
	struct cidr block;

	if (!subnet || action_check_tag_types(call, types) || read_block(call, subnet, &block))
		return 1;
	text = cidr_text(block);
	r = store_insert(call->tx, KIND_SUBNET_RESERVATION, subnet->account, subnet->region);
	r->parent = mc_strdup(subnet->id);
	json_object_update_new(r->doc, json_pack("{s:s, s:O, s:O*}", "Cidr", text, "ReservationType",
		json_object_get(call->in, "ReservationType"), "Description", json_object_get(call->in, "Description")));
	if (action_apply_tags(call, "subnet-cidr-reservation", r))
		return 1;
	call->out = json_pack("{s:o}", "SubnetCidrReservation", reservation_view(call, r));
	return 0;
}

static int delete_reservation(struct call *call)
{
	const struct resource *r = action_resource(call, KIND_SUBNET_RESERVATION, action_text(call, "SubnetCidrReservationId"));

	if (!r)
		return 1;
	call->out = json_pack("{s:o}", "DeletedSubnetCidrReservation", reservation_view(call, r));
	store_delete(call->tx, r->id);
	return 0;
}

void subnet_reservations_forget(struct store_tx *tx, const struct resource *subnet)
{
	struct store_iter it = store_iter(tx, KIND_SUBNET_RESERVATION, subnet->account, subnet->region);
	const struct resource *r;

	while ((r = store_next_of(&it, subnet->id)))
		store_delete(tx, r->id);
}

/* --- describe --------------------------------------------------------------- */

static json_t *view_of_subnet(struct call *call, const struct resource *r)
{
	return strcmp(r->parent, mc_json_str(call->in, "SubnetId", "")) == 0 ? reservation_view(call, r) : NULL;
}

static int get_reservations(struct call *call)
{
	static const struct filter filters[] = { { "reservationType", "ReservationType" }, { "subnet-id", "SubnetId" }, { 0 } };
	static const struct describe d = {
		.kind = KIND_SUBNET_RESERVATION, .list = "SubnetIpv4CidrReservations", .filters = filters, .view = view_of_subnet,
		.page_min = 5, .page_max = 1000,
	};

	if (!action_resource(call, KIND_SUBNET, action_text(call, "SubnetId")) || describe_run(call, &d))
		return 1;
	json_object_set_new(call->out, "SubnetIpv6CidrReservations", json_array());
	return 0;
}

const struct action actions_subnet_reservation[] = {
	{ .service = "ec2", .name = "CreateSubnetCidrReservation", .fn = create_reservation, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteSubnetCidrReservation", .fn = delete_reservation, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "GetSubnetCidrReservations", .fn = get_reservations },
	{ 0 },
};
