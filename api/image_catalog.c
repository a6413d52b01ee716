#include "api/image_catalog.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "api/gateway_endpoint.h"
#include "api/state.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

static const struct mc_field manifest_fields[] = {
	{ .name = "name", .type = MC_FIELD_STRING, .required = true, .min = 3, .max = 128 },
	{ .name = "description", .type = MC_FIELD_STRING, .max = 255 },
	{ .name = "architecture", .type = MC_FIELD_STRING, .required = true },
	{ .name = "virtual_size", .type = MC_FIELD_INTEGER, .required = true, .min = 1, .max = INT64_MAX },
	{ .name = "sha256", .type = MC_FIELD_STRING, .required = true, .min = 64, .max = 64 },
	{ .name = "root_device", .type = MC_FIELD_STRING, .required = true },
	{ .name = "boot_mode", .type = MC_FIELD_STRING },
	{ .name = "default_user", .type = MC_FIELD_STRING },
	{ .name = "virtualization_type", .type = MC_FIELD_STRING },
	{ .name = "file", .type = MC_FIELD_STRING },
	{ .name = "format", .type = MC_FIELD_STRING },
	{ .name = "size", .type = MC_FIELD_INTEGER },
	{ .name = "build", .type = MC_FIELD_STRING },
	{ .name = "min_memory_mib", .type = MC_FIELD_INTEGER, .min = 1, .max = 1 << 20 },
	{ 0 },
};

/* The image of this checksum: in this region, or (region NULL) its first row anywhere. */
static const struct resource *known(struct store_tx *tx, const char *region, const char *sha256)
{
	struct store_iter it = store_iter(tx, KIND_IMAGE, NULL, region);
	const struct resource *r;

	while ((r = store_next(&it)))
		if (strcmp(mc_json_str(r->spec, "sha256", ""), sha256) == 0)
			return r;
	return NULL;
}

static void describe_image(struct resource *r, const json_t *m)
{
	char now[MC_ISO8601_LEN];
	mc_autofree char *location = mc_strf("minicloud/%s", mc_json_str(m, "name", ""));
	int64_t gib = (mc_json_int(m, "virtual_size", 0) + (1 << 30) - 1) >> 30;

	mc_clock_iso8601(r->created, now);
	json_object_update_new(r->doc, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b}",
		"Name", mc_json_str(m, "name", ""), "Description", mc_json_str(m, "description", ""),
		"Architecture", mc_json_str(m, "architecture", "x86_64"), "RootDeviceName", mc_json_str(m, "root_device", "/dev/xvda"),
		"CreationDate", now, "ImageLocation", location, "ImageType", "machine", "RootDeviceType", "ebs",
		"VirtualizationType", "hvm", "Hypervisor", "xen", "EnaSupport", 0, "Public", 1));
	/* What the operator offers is found where examples look: --owners amazon. */
	json_object_set_new(r->doc, "ImageOwnerAlias", json_string("amazon"));
	json_object_set_new(r->doc, "PlatformDetails", json_string("Linux/UNIX"));
	json_object_set_new(r->doc, "UsageOperation", json_string("RunInstances"));
	json_object_set_new(r->doc, "BlockDeviceMappings", json_pack("[{s:s, s:{s:b, s:I, s:s, s:b}}]", "DeviceName",
		mc_json_str(m, "root_device", "/dev/xvda"), "Ebs", "DeleteOnTermination", 1, "VolumeSize", (json_int_t)gib,
		"VolumeType", "gp2", "Encrypted", 0));
}

static void offer_one(struct api *api, struct store_tx *tx, const char *region, const char *file, const json_t *m)
{
	const char *sha256 = mc_json_str(m, "sha256", "");
	const struct resource *first = known(tx, NULL, sha256);
	struct resource *r;

	if (known(tx, region, sha256))
		return;
	r = store_insert(tx, KIND_IMAGE, api->config.account, region);
	describe_image(r, m);
	/* All regions of this host stand on one stored copy. */
	json_object_update_new(r->spec, json_pack("{s:s, s:s, s:s, s:I, s:I}", "source", file, "sha256", sha256, "stored",
		first ? mc_json_str(first->spec, "stored", first->id) : r->id, "virtual_bytes",
		(json_int_t)mc_json_int(m, "virtual_size", 0), "min_memory_mib", (json_int_t)mc_json_int(m, "min_memory_mib", 0)));
	/* What is stored already is there in a region's first answer. */
	state_init(r, first && first->state == IMAGE_AVAILABLE ? IMAGE_AVAILABLE : IMAGE_PENDING);
}

static void offer_file(struct api *api, struct store_tx *tx, const char *region, const char *name)
{
	mc_autofree char *stem = strndup(name, strlen(name) - strlen(".json"));
	mc_autofree char *path = mc_strf("%s/%s", api->config.images_dir, name);
	mc_autofree char *file = mc_strf("%s/%s.qcow2", api->config.images_dir, stem);
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *m = mc_json_load(path, &err);

	if (!m || mc_fields_check(manifest_fields, m, &err) < 0 || access(file, R_OK) < 0) {
		mc_log(MC_LOG_WARNING, "image", "manifest skipped", "file", path, "reason",
		       err ? err->msg : "there is no image file beside it that can be read", NULL);
		return;
	}
	offer_one(api, tx, region, file, m);
}

void image_catalog_offer(struct api *api, struct store_tx *tx, const char *region)
{
	DIR *dir = opendir(api->config.images_dir);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		size_t n = strlen(e->d_name);

		if (n > 5 && e->d_name[0] != '.' && strcmp(e->d_name + n - 5, ".json") == 0)
			offer_file(api, tx, region, e->d_name);
	}
	if (dir)
		closedir(dir);
}

static bool region_used(struct store_tx *tx, const char *region)
{
	struct store_iter it = store_iter(tx, KIND_VPC, NULL, region);

	return store_next(&it) != NULL;
}

int image_catalog_refresh(struct api *api, mc_err **err)
{
	mc_autofree char *copy = mc_strdup(api->config.regions);
	struct store_tx *tx = store_write(api->store);
	char *save = NULL;

	for (char *r = strtok_r(copy, ", ", &save); r; r = strtok_r(NULL, ", ", &save))
		if (region_used(tx, r))
			image_catalog_offer(api, tx, r);
	return store_commit(tx, err);
}

bool api_region_known(const struct api *api, const char *region)
{
	mc_autofree char *copy = mc_strdup(api->config.regions);
	char *save = NULL;

	for (char *r = strtok_r(copy, ", ", &save); r; r = strtok_r(NULL, ", ", &save))
		if (strcmp(r, region) == 0)
			return true;
	return false;
}

/* An older daemon's region lacks what came later. */
static bool is_made(struct store_tx *tx, const char *fact)
{
	const char *value = store_fact(tx, fact);

	return value && strcmp(value, REGION_MADE) == 0;
}

int region_ensure(struct api *api, const char *account, const char *region, mc_err **err)
{
	mc_autofree char *fact = mc_strf("region/%s/%s", account, region);
	struct store_tx *tx = store_read(api->store);
	bool known_region = is_made(tx, fact);

	store_end(tx);
	if (known_region)
		return 0;
	tx = store_write(api->store);
	if (is_made(tx, fact)) { /* another request was first */
		store_end(tx);
		return 0;
	}
	if (!store_fact(tx, fact)) {
		vpc_create_default(tx, account, region);
		image_catalog_offer(api, tx, region);
	}
	gateway_endpoint_offer(tx, account, region);
	store_set_fact(tx, fact, REGION_MADE);
	return store_commit(tx, err);
}
