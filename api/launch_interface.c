#include "api/launch_interface.h"

#include <string.h>

#include "api/security_group.h"
#include "api/vpc.h"
#include "api/zone.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

/* Terraform sends "" for what is not set. */
static const char *given(const json_t *in, const char *key)
{
	const char *text = mc_json_str(in, key, NULL);

	return text && *text ? text : NULL;
}

/* --- subnets -------------------------------------------------------------- */

static const struct resource *default_subnet(struct call *call, const char *az)
{
	struct store_iter it = store_iter(call->tx, KIND_SUBNET, call->caller->account, call->caller->region);
	const struct resource *r;

	while ((r = store_next(&it)))
		if (mc_json_bool(r->doc, "DefaultForAz", false) && (!az || strcmp(r->az, az) == 0))
			return r;
	return NULL;
}

static void fail_default_subnet(struct call *call, const char *az)
{
	const struct resource *vpc = vpc_default(call);

	if (!vpc)
		action_fail(call, API_VPC_UNSPECIFIED);
	else if (az && default_subnet(call, NULL))
		action_refuse(call, "MissingInput", "No default subnet for availability zone: '%s'.", az);
	else
		action_refuse(call, "MissingInput", "No subnets found for the default VPC '%s'. Please specify a subnet.", vpc->id);
}

/* The subnet of one interface; NULL after action_fail. */
static const struct resource *subnet_of(struct call *call, const char *id)
{
	const char *az = given(mc_json_obj(call->in, "Placement"), "AvailabilityZone");
	mc_autofree char *zone = az ? zone_by_name(call->caller->region, az) : NULL;
	const struct resource *subnet;

	if (az && !zone) {
		action_fail(call, API_INVALID_ZONE, az);
		return NULL;
	}
	subnet = id ? action_resource(call, KIND_SUBNET, id) : default_subnet(call, az);
	if (!subnet && !id)
		fail_default_subnet(call, zone);
	if (subnet && az && strcmp(az, subnet->az) != 0) {
		action_fail(call, API_PARAMETER_COMBINATION, "The subnet and the availability zone do not fit together.");
		return NULL;
	}
	return subnet;
}

/* --- one interface -------------------------------------------------------- */

static int read_existing(struct call *call, const json_t *in, const char *type, int64_t count, struct launch_interface *ret)
{
	static const char *const members[] = {
		"SubnetId", "Groups", "PrivateIpAddress", "PrivateIpAddresses", "SecondaryPrivateIpAddressCount", "Description",
		"AssociatePublicIpAddress",
	};
	const struct resource *eni = action_resource(call, KIND_NETWORK_INTERFACE, given(in, "NetworkInterfaceId"));

	if (!eni)
		return 1;
	for (size_t i = 0; i < MC_ARRAY_SIZE(members); i++) {
		mc_autofree char *text = NULL;

		if (!json_object_get(in, members[i]) || (json_is_string(json_object_get(in, members[i])) && !given(in, members[i])))
			continue;
		text = mc_strf("A network interface may not specify both a network interface ID and %c%s", members[i][0] | 0x20, members[i] + 1);
		return action_fail(call, API_PARAMETER_COMBINATION, text);
	}
	if (mc_json_bool(in, "DeleteOnTermination", false))
		return action_fail(call, API_PARAMETER_COMBINATION,
				   "A network interface may not specify a network interface ID and delete on termination as true");
	if (count > 1)
		return action_fail(call, API_PARAMETER_COMBINATION, "A network interface ID may not be specified for more than one instance.");
	ret->existing = eni;
	return interface_check_attach(call, eni, type);
}

static int check_type_addresses(struct call *call, const struct interface_plan *p, const char *type)
{
	size_t n = 1 + (size_t)p->more + json_array_size(p->secondary);

	return n > (size_t)interface_type_limit(call->api, type, "Ipv4AddressesPerInterface") ?
		       action_fail(call, API_TYPE_ADDRESSES_LIMIT) : 0;
}

static int check_networks(struct call *call, const json_t *groups, const struct resource *subnet)
{
	size_t i;
	json_t *id;

	json_array_foreach(groups, i, id) {
		const struct resource *g = action_resource(call, KIND_SECURITY_GROUP, json_string_value(id));

		if (!g)
			return 1;
		if (strcmp(g->parent, subnet->parent) != 0)
			return action_refuse(call, "InvalidParameter", "Security group %s and subnet %s belong to different networks.", g->id, subnet->id);
	}
	return 0;
}

static int read_new(struct call *call, const json_t *in, const char *type, int64_t count, struct launch_interface *ret)
{
	const struct resource *subnet = subnet_of(call, given(in, "SubnetId"));

	if (!subnet || check_networks(call, mc_json_arr(in, "Groups"), subnet) || interface_plan_read(call, in, subnet, &ret->plan))
		return 1;
	if (count > 1 && (ret->plan.primary || json_array_size(ret->plan.secondary)))
		return action_fail(call, API_PARAMETER_COMBINATION, "A private IP address cannot be given for more than one instance.");
	ret->delete_with = mc_json_bool(in, "DeleteOnTermination", true);
	ret->lend = mc_json_bool(in, "AssociatePublicIpAddress", mc_json_bool(subnet->doc, "MapPublicIpOnLaunch", false));
	return check_type_addresses(call, &ret->plan, type);
}

/* --- all of them ---------------------------------------------------------- */

/* The older parameters as one interface: a new reference, NULL after action_fail. */
static json_t *flat_interface(struct call *call)
{
	mc_auto_json json_t *groups = json_array();
	const char *id = given(call->in, "SubnetId");
	/* The request's own text: the plan borrows it. */
	json_t *ip = given(call->in, "PrivateIpAddress") ? json_object_get(call->in, "PrivateIpAddress") : NULL;
	const struct resource *subnet = subnet_of(call, id);
	size_t i;
	json_t *one;

	if (!subnet)
		return NULL;
	if (id && json_array_size(mc_json_arr(call->in, "SecurityGroups"))) {
		action_fail(call, API_PARAMETER_COMBINATION, "The parameter groupName cannot be used with the parameter subnet");
		return NULL;
	}
	json_array_extend(groups, mc_json_arr(call->in, "SecurityGroupIds"));
	json_array_foreach(mc_json_arr(call->in, "SecurityGroups"), i, one) {
		const struct resource *g = security_group_by_name(call, subnet->parent, json_string_value(one));
		mc_autofree char *text = NULL;

		if (g) {
			json_array_append_new(groups, json_string(g->id));
			continue;
		}
		text = mc_strf("The security group '%s' does not exist in default VPC '%s'", json_string_value(one), subnet->parent);
		action_fail(call, API_NOT_FOUND, "InvalidGroup.NotFound", text);
		return NULL;
	}
	return json_pack("[{s:i, s:s, s:O, s:O*, s:O*, s:O*}]", "DeviceIndex", 0, "SubnetId", subnet->id, "Groups", groups, "PrivateIpAddress",
			 ip, "Ipv6AddressCount", json_object_get(call->in, "Ipv6AddressCount"), "Ipv6Addresses",
			 json_object_get(call->in, "Ipv6Addresses"));
}

static int check_flat(struct call *call)
{
	const char *what = NULL;
	mc_autofree char *text = NULL;

	if (given(call->in, "SubnetId"))
		what = "subnet ID";
	else if (given(call->in, "PrivateIpAddress"))
		what = "private IP address";
	else if (json_array_size(mc_json_arr(call->in, "SecurityGroupIds")) || json_array_size(mc_json_arr(call->in, "SecurityGroups")))
		what = "security groups";
	if (!what)
		return 0;
	text = mc_strf("Network interfaces and an instance-level %s may not be specified on the same request", what);
	return action_fail(call, API_PARAMETER_COMBINATION, text);
}

static int check_index(struct call *call, const struct launch_interfaces *l, const json_t *in)
{
	int64_t device_index = mc_json_int(in, "DeviceIndex", -1);

	if (!json_object_get(in, "DeviceIndex"))
		return action_fail(call, API_MISSING, "Each network interface requires a device index.");
	if (device_index < 0 || mc_json_int(in, "NetworkCardIndex", 0) != 0)
		return action_invalid(call, "Invalid value for deviceIndex or networkCardIndex.");
	for (size_t i = 0; i < l->n; i++)
		if (l->at[i].device_index == device_index)
			return action_invalid(call, "Each network interface requires a unique device index.");
	return 0;
}

static const struct resource *place_of(struct call *call, const struct launch_interface *one)
{
	return one->existing ? store_get(call->tx, mc_json_str(one->existing->spec, "subnet", "")) : one->plan.subnet;
}

/* By device index, the primary one first. */
static void insert_sorted(struct launch_interfaces *l, struct launch_interface one)
{
	size_t at = l->n++;

	for (; at > 0 && l->at[at - 1].device_index > one.device_index; at--)
		l->at[at] = l->at[at - 1];
	l->at[at] = one;
}

static int read_one(struct call *call, const json_t *in, const char *type, int64_t count, struct launch_interfaces *l)
{
	struct launch_interface one = { .device_index = mc_json_int(in, "DeviceIndex", 0) };
	int failed = check_index(call, l, in);

	if (!failed)
		failed = given(in, "NetworkInterfaceId") ? read_existing(call, in, type, count, &one) : read_new(call, in, type, count, &one);
	insert_sorted(l, one); /* its plan is freed with the others */
	return failed;
}

static int check_together(struct call *call, const json_t *list, struct launch_interfaces *l)
{
	size_t i;
	json_t *in;

	if (l->at[0].device_index != 0)
		return action_invalid(call, "When specifying network interfaces, you must include a device at index 0.");
	l->subnet = place_of(call, &l->at[0]);
	for (i = 1; i < l->n; i++)
		if (strcmp(place_of(call, &l->at[i])->az, l->subnet->az) != 0)
			return action_fail(call, API_PARAMETER_COMBINATION, "All network interfaces of an instance must be in the same availability zone.");
	if (l->n == 1)
		return 0;
	json_array_foreach(list, i, in)
		if (mc_json_bool(in, "AssociatePublicIpAddress", false))
			return action_fail(call, API_PARAMETER_COMBINATION, "The associatePublicIPAddress parameter cannot be specified when "
					   "launching with multiple network interfaces.");
	for (i = 0; i < l->n; i++)
		l->at[i].lend = false;
	return 0;
}

int launch_interfaces_read(struct call *call, const char *type, int64_t count, struct launch_interfaces *ret)
{
	json_t *asked = mc_json_arr(call->in, "NetworkInterfaces"), *in;
	mc_auto_json json_t *list = json_array_size(asked) ? json_incref(asked) : flat_interface(call);
	size_t i;

	memset(ret, 0, sizeof(*ret));
	if (!list || (json_array_size(asked) && check_flat(call)) || interface_check_type(call, type, json_array_size(list)))
		return 1;
	if (json_array_size(list) > LAUNCH_MAX_INTERFACES)
		return action_fail(call, API_ATTACHMENT_LIMIT, (long long)json_array_size(list), type);
	json_array_foreach(list, i, in)
		if (read_one(call, in, type, count, ret))
			return 1;
	return check_together(call, list, ret);
}

void launch_interfaces_deinit(struct launch_interfaces *l)
{
	for (size_t i = 0; i < l->n; i++)
		interface_plan_deinit(&l->at[i].plan);
	l->n = 0;
}

/* --- making --------------------------------------------------------------- */

/* How many new addresses of the subnet one instance takes. */
static int64_t need_of(const struct launch_interfaces *l, const struct resource *subnet)
{
	int64_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (!l->at[i].existing && l->at[i].plan.subnet == subnet)
			n += 1 + l->at[i].plan.more + (int64_t)json_array_size(l->at[i].plan.secondary);
	return n;
}

int64_t launch_interfaces_room(struct call *call, const struct launch_interfaces *l)
{
	int64_t room = INT64_MAX;

	for (size_t i = 0; i < l->n; i++) {
		const struct resource *subnet = l->at[i].plan.subnet;
		int64_t n = l->at[i].existing ? INT64_MAX : address_count_free(call->tx, subnet) / need_of(l, subnet);

		room = n < room ? n : room;
	}
	return room;
}

static int fill(struct call *call, const struct launch_interface *one, struct resource *eni)
{
	json_object_set_new(eni->spec, "auto_public", json_boolean(one->lend));
	if (interface_fill(call, eni, &one->plan) || (one->lend && interface_lend(call, eni)))
		return 1;
	return action_apply_tags(call, "network-interface", eni);
}

int launch_interfaces_make(struct call *call, const struct launch_interfaces *l, struct resource *inst)
{
	struct resource *made[LAUNCH_MAX_INTERFACES];

	for (size_t i = 0; i < l->n; i++) {
		const struct launch_interface *one = &l->at[i];

		made[i] = one->existing ? store_edit(call->tx, one->existing->id) : interface_insert(call, &one->plan);
		if (!made[i])
			return 1;
		interface_attach(call->tx, made[i], inst, one->device_index, one->delete_with);
	}
	for (size_t i = 0; i < l->n; i++) {
		if (!l->at[i].existing && fill(call, &l->at[i], made[i]))
			return 1;
		interface_touch(call->tx, made[i]);
	}
	return 0;
}
