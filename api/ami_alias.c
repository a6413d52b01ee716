#include "api/ami_alias.h"

#include <stdlib.h>
#include <string.h>

#include "api/describe.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

/* Entries are "/path=name glob", with commas between. */
static int each_entry(const char *config, int (*fn)(void *ctx, const char *path, const char *glob), void *ctx)
{
	mc_autofree char *copy = mc_strdup(config);
	char *save = NULL;

	for (char *entry = strtok_r(copy, ", \t", &save); entry; entry = strtok_r(NULL, ", \t", &save)) {
		char *equals = strchr(entry, '=');
		int r;

		if (equals)
			*equals = '\0';
		r = fn(ctx, entry, equals ? equals + 1 : "");
		if (r)
			return r;
	}
	return 0;
}

struct finding {
	const char *path;
	char *glob;
};

static int find_entry(void *ctx, const char *path, const char *glob)
{
	struct finding *f = ctx;

	if (strcmp(path, f->path) != 0)
		return 0;
	f->glob = mc_strdup(glob);
	return 1;
}

const struct resource *ami_alias_image(const struct api *api, struct store_tx *tx, const char *region,
				       const char *path)
{
	struct finding f = { .path = path };
	struct store_iter it = store_iter(tx, KIND_IMAGE, NULL, region);
	const struct resource *r, *newest = NULL;
	mc_autofree char *glob = NULL;

	if (!each_entry(api->config.ami_aliases, find_entry, &f))
		return NULL;
	glob = f.glob;
	while ((r = store_next(&it)))
		if (r->state == IMAGE_AVAILABLE && describe_glob(glob, mc_json_str(r->doc, "Name", "")))
			newest = r; /* in order of creation: the last one is the newest */
	return newest;
}

struct visiting {
	int (*fn)(void *ctx, const char *path);
	void *ctx;
};

static int visit(void *ctx, const char *path, const char *glob)
{
	struct visiting *v = ctx;

	(void)glob;
	return v->fn(v->ctx, path);
}

int ami_alias_each(const struct api *api, int (*fn)(void *ctx, const char *path), void *ctx)
{
	struct visiting v = { fn, ctx };

	return each_entry(api->config.ami_aliases, visit, &v);
}

static int check_entry(void *ctx, const char *path, const char *glob)
{
	if (path[0] == '/' && *glob)
		return 0;
	mc_err_set(ctx, 0, "ami_aliases: \"%s\" is not /path=image-name", path);
	return 1;
}

int ami_alias_check(const char *config, mc_err **err)
{
	return each_entry(config, check_entry, err) ? -1 : 0;
}
