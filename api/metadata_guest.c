#include "api/metadata_guest.h"

#include <stdlib.h>
#include <string.h>

#include "api/interface.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

static const struct resource *nic_of_address(struct store_tx *tx, const char *vpc_id, const char *ip)
{
	const struct resource *r;

	for (struct store_iter it = store_pass(tx, KIND_NETWORK_INTERFACE, NULL, NULL, ip); (r = store_next_of(&it, vpc_id)); )
		if (interface_slot_of(r, ip))
			return r;
	return NULL;
}

/* A list's texts, one a line, kept by found; NULL where there are none. */
static const char *lines(struct metadata_found *found, const json_t *list)
{
	char *text = NULL;
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		char *more = mc_strf("%s%s%s", text ? text : "", text ? "\n" : "", json_string_value(one));

		free(text);
		text = more;
	}
	if (text)
		found->owned[found->n_owned++] = text;
	return text;
}

/* The groups' ids or names, one a line, kept by found; NULL where there are none. */
static const char *group_lines(struct store_tx *tx, struct metadata_found *found, const json_t *groups,
			       bool names)
{
	mc_auto_json json_t *words = json_array();
	json_t *id;
	size_t i;

	json_array_foreach(groups, i, id) {
		const struct resource *group = store_get(tx, json_string_value(id));

		if (group)
			json_array_append(words, names ? json_object_get(group->doc, "GroupName") : id);
	}
	return lines(found, words);
}

static void add_nic(struct store_tx *tx, struct metadata_found *found, const struct resource *eni)
{
	struct metadata_guest *g = &found->guest;
	const struct resource *subnet = store_get(tx, mc_json_str(eni->spec, "subnet", ""));
	const struct resource *vpc = store_get(tx, eni->parent ? eni->parent : "");
	const json_t *groups = mc_json_arr(eni->spec, "groups");
	mc_auto_json json_t *blocks = vpc ? vpc_cidrs(vpc) : NULL;

	if (g->n_nics == METADATA_MAX_NICS)
		return;
	g->nics[g->n_nics++] = (struct metadata_nic){
		.id = eni->id,
		.mac = mc_json_str(eni->spec, "mac", NULL),
		.ip = mc_json_str(eni->spec, "ip", NULL),
		.public_ip = mc_json_str(eni->spec, "public_ip", NULL),
		.owner = eni->account,
		.subnet = subnet ? subnet->id : NULL,
		.subnet_cidr = mc_json_str(subnet ? subnet->doc : NULL, "CidrBlock", NULL),
		.vpc = vpc ? vpc->id : NULL,
		.vpc_cidr = mc_json_str(vpc ? vpc->doc : NULL, "CidrBlock", NULL),
		.vpc_cidrs = lines(found, blocks),
		.public_names = vpc && vpc_names_hosts(vpc),
		.group_ids = group_lines(tx, found, groups, false),
		.group_names = group_lines(tx, found, groups, true),
		.device_index = (int)mc_json_int(eni->spec, "device_index", 0),
	};
}

/* The tags are shown only on demand (InstanceMetadataTags). */
static const json_t *shown_tags(const struct resource *instance, const json_t *options)
{
	bool shown = strcmp(mc_json_str(options, "InstanceMetadataTags", "disabled"), "enabled") == 0;

	return shown ? instance->tags : NULL;
}

static void fill(struct store_tx *tx, struct metadata_found *found, const struct resource *i)
{
	const json_t *options = mc_json_obj(i->spec, "metadata_options");
	const json_t *enis = mc_json_arr(i->spec, "enis");

	found->guest = (struct metadata_guest){
		.instance = i->id,
		.image = mc_json_str(i->doc, "ImageId", NULL),
		.type = mc_json_str(i->doc, "InstanceType", NULL),
		.architecture = mc_json_str(i->doc, "Architecture", "x86_64"),
		.account = i->account,
		.region = i->region,
		.zone = i->az,
		.reservation = mc_json_str(i->spec, "reservation", NULL),
		.root_device = mc_json_str(i->doc, "RootDeviceName", NULL),
		.key_name = mc_json_str(i->doc, "KeyName", NULL),
		.public_key = mc_json_str(i->spec, "public_key", NULL),
		.user_data = mc_json_str(i->spec, "user_data", NULL),
		.launch_time = mc_json_str(i->doc, "LaunchTime", NULL),
		.launch_index = (int)mc_json_int(i->spec, "launch_index", 0),
		.tags = shown_tags(i, options),
		.enabled = strcmp(mc_json_str(options, "HttpEndpoint", "enabled"), "disabled") != 0,
		.tokens_required = strcmp(mc_json_str(options, "HttpTokens", "required"), "optional") != 0,
	};
	for (size_t n = 0; n < json_array_size(enis); n++) {
		const char *id = mc_json_at(enis, n);
		const struct resource *eni = id ? store_get(tx, id) : NULL;

		if (eni && eni->kind == KIND_NETWORK_INTERFACE)
			add_nic(tx, found, eni);
	}
}

bool metadata_guest_find(struct store_tx *tx, const char *vpc_id, const char *ip,
			 struct metadata_found *ret)
{
	const struct resource *eni = nic_of_address(tx, vpc_id, ip);
	const char *id = eni ? mc_json_str(eni->spec, "instance", NULL) : NULL;
	const struct resource *instance = id ? store_get(tx, id) : NULL;

	memset(ret, 0, sizeof(*ret));
	if (!instance || instance->kind != KIND_INSTANCE)
		return false;
	fill(tx, ret, instance);
	return true;
}

void metadata_found_free(struct metadata_found *found)
{
	for (size_t i = 0; i < found->n_owned; i++)
		free(found->owned[i]);
	memset(found, 0, sizeof(*found));
}
