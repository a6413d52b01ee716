#include "api/ami_alias.h"

#include <string.h>

#include "api/describe.h"
#include "api/image.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/json.h"

static bool is_glob_list(const json_t *v)
{
	for (size_t i = 0; i < json_array_size(v); i++)
		if (!mc_json_at(v, i))
			return false;
	return json_array_size(v) > 0;
}

json_t *ami_alias_load(const char *path, mc_err **err)
{
	mc_auto_json json_t *doc = mc_json_load(path, err);
	const char *name;
	json_t *globs;

	if (!doc)
		return NULL;
	if (!json_is_object(doc)) {
		mc_err_set(err, 0, "%s: not an object of {parameter: image name}", path);
		return NULL;
	}
	json_object_foreach(doc, name, globs)
		if (name[0] != '/' || !(json_is_string(globs) || is_glob_list(globs))) {
			mc_err_set(err, 0, "%s: \"%s\" is not a /path with an image name or a list of them", path, name);
			return NULL;
		}
	return MC_STEAL(doc);
}

static const struct resource *image_of(struct store_tx *tx, const char *region, const char *glob, int64_t version,
				       int64_t *ret_version)
{
	struct store_iter it = store_iter(tx, KIND_IMAGE, NULL, region);
	const struct resource *r, *found = NULL;
	int64_t n = 0;

	while ((r = store_next(&it))) { /* in order of creation: the last one is the newest */
		if (r->state != IMAGE_AVAILABLE || !image_offered(r) || !describe_glob(glob, mc_json_str(r->doc, "Name", "")))
			continue;
		n++;
		if (version == 0 || version == n) {
			found = r;
			*ret_version = n;
		}
	}
	return found;
}

const struct resource *ami_alias_version(const struct api *api, struct store_tx *tx, const char *region,
					 const char *path, int64_t version, int64_t *ret_version)
{
	const json_t *globs = json_object_get(api->aliases, path);
	const struct resource *r = NULL;
	int64_t which = 0;

	if (json_is_string(globs))
		r = image_of(tx, region, json_string_value(globs), version, &which);
	for (size_t i = 0; !r && i < json_array_size(globs); i++) {
		/* A version is one of the images that the newest is of, not of another kind. */
		r = image_of(tx, region, mc_json_at(globs, i), 0, &which);
		if (r && version)
			return image_of(tx, region, mc_json_at(globs, i), version, ret_version ? ret_version : &which);
	}
	if (r && ret_version)
		*ret_version = which;
	return r;
}
