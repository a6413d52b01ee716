#include "api/ami_alias.h"

#include <string.h>

#include "api/describe.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/json.h"

json_t *ami_alias_load(const char *path, mc_err **err)
{
	mc_auto_json json_t *doc = mc_json_load(path, err);
	const char *name;
	json_t *glob;

	if (!doc)
		return NULL;
	if (!json_is_object(doc)) {
		mc_err_set(err, 0, "%s: not an object of {parameter: image name}", path);
		return NULL;
	}
	json_object_foreach(doc, name, glob)
		if (name[0] != '/' || !json_is_string(glob)) {
			mc_err_set(err, 0, "%s: \"%s\" is not a /path with an image name", path, name);
			return NULL;
		}
	return MC_STEAL(doc);
}

const struct resource *ami_alias_image(const struct api *api, struct store_tx *tx, const char *region,
				       const char *path)
{
	const char *glob = mc_json_str(api->aliases, path, NULL);
	struct store_iter it = store_iter(tx, KIND_IMAGE, NULL, region);
	const struct resource *r, *newest = NULL;

	if (!glob)
		return NULL;
	while ((r = store_next(&it)))
		if (r->state == IMAGE_AVAILABLE && describe_glob(glob, mc_json_str(r->doc, "Name", "")))
			newest = r; /* in order of creation: the last one is the newest */
	return newest;
}
