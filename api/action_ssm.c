/* Systems Manager's public parameters for images, so that the look-ups of
 * Terraform and boto3 examples work. Nothing can be put here. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/ami_alias.h"
#include "api/action.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define PAGE_MAX 10

/* "/path", "/path:3" or a full ARN, arn:aws:ssm:us-east-1::parameter/path:3 (API reference, GetParameter). */
struct name {
	char *path;
	const char *selector; /* ":3"; "" for the newest */
	int64_t version;      /* 0: the newest; -1: none has this one (labels are not given to public parameters) */
};

static void name_deinit(struct name *n)
{
	free(n->path);
}
#define auto_name __attribute__((cleanup(name_deinit))) struct name

static void name_init(struct name *n, const char *text)
{
	const char *mark = strncmp(text, "arn:", 4) == 0 ? strstr(text, ":parameter/") : NULL;
	const char *path = mark ? mark + strlen(":parameter") : text;
	size_t len = strcspn(path, ":");
	const char *digits = path + len + (path[len] == ':');

	*n = (struct name){ .path = mc_strf("%.*s", (int)len, path), .selector = path + len };
	if (*n->selector && (strspn(digits, "0123456789") != strlen(digits) || strlen(digits) > 9 || !*digits ||
			     (n->version = strtoll(digits, NULL, 10)) == 0))
		n->version = -1;
}

static json_t *parameter_view(struct call *call, const struct name *name)
{
	const char *region = call->caller->region;
	const struct resource *image = NULL;
	mc_autofree char *arn = NULL;
	int64_t version = 0;

	if (name->version >= 0)
		image = ami_alias_version(call->api, call->tx, region, name->path, name->version, &version);
	if (!image)
		return NULL;
	arn = mc_strf("arn:aws:ssm:%s::parameter%s", region, name->path);
	return json_pack("{s:s, s:s, s:s, s:I, s:s*, s:f, s:s, s:s}", "Name", name->path, "Type", "String", "Value", image->id,
			 "Version", (json_int_t)version, "Selector", *name->selector ? name->selector : NULL,
			 "LastModifiedDate", (double)(image->created / MC_MS) / 1000, "ARN", arn, "DataType", "text");
}

static int get_parameter(struct call *call)
{
	auto_name name;
	json_t *view;

	name_init(&name, mc_json_str(call->in, "Name", ""));
	view = parameter_view(call, &name);
	if (!view && *name.selector && ami_alias_image(call->api, call->tx, call->caller->region, name.path))
		return action_fail(call, API_PARAMETER_VERSION, name.selector + 1, name.path);
	if (!view)
		return action_fail(call, API_PARAMETER_NOT_FOUND);
	call->out = json_pack("{s:o}", "Parameter", view);
	return 0;
}

static int get_parameters(struct call *call)
{
	json_t *found = json_array(), *missing = json_array(), *text;
	size_t i;

	call->out = json_pack("{s:o, s:o}", "Parameters", found, "InvalidParameters", missing);
	json_array_foreach(mc_json_arr(call->in, "Names"), i, text) {
		auto_name name;
		json_t *view;

		name_init(&name, json_string_value(text));
		view = parameter_view(call, &name);
		if (view)
			json_array_append_new(found, view);
		else
			json_array_append(missing, text);
	}
	return 0;
}

/* --- by path --------------------------------------------------------------- */

struct walk {
	struct call *call;
	const char *path;
	bool recursive, nothing;
	json_t *list;
	size_t skip, limit;
	bool more;
};

static bool below(const struct walk *w, const char *path)
{
	size_t n = strlen(w->path);

	while (n > 0 && w->path[n - 1] == '/')
		n--;
	if (strncmp(path, w->path, n) != 0 || path[n] != '/')
		return false;
	return w->recursive || !strchr(path + n + 1, '/');
}

/* Non-zero: the page is full and there is more. */
static int visit(struct walk *w, const char *path)
{
	auto_name name;
	json_t *view;

	name_init(&name, path);
	view = below(w, path) ? parameter_view(w->call, &name) : NULL;
	if (!view)
		return 0;
	if (w->skip > 0) {
		w->skip--;
		json_decref(view);
		return 0;
	}
	w->more = json_array_size(w->list) == w->limit;
	if (w->more)
		json_decref(view);
	else
		json_array_append_new(w->list, view);
	return w->more;
}

/* All parameters are plain strings without labels and keys: a filter passes all or none. */
static int check_filters(struct walk *w)
{
	json_t *filter;
	size_t i;

	json_array_foreach(mc_json_arr(w->call->in, "ParameterFilters"), i, filter) {
		const char *key = mc_json_str(filter, "Key", ""), *option = mc_json_str(filter, "Option", "Equals");

		if (strcmp(key, "Type") != 0 && strcmp(key, "KeyId") != 0 && strcmp(key, "Label") != 0)
			return action_fail(w->call, API_FILTER_KEY, key);
		if (strcmp(option, "Equals") != 0 && strcmp(option, "BeginsWith") != 0)
			return action_fail(w->call, API_FILTER_OPTION, option);
		if (strcmp(key, "Type") != 0 || !mc_json_has_str(mc_json_arr(filter, "Values"), "String"))
			w->nothing = true;
	}
	return 0;
}

static int walk_init(struct walk *w, struct call *call)
{
	const char *token = mc_json_str(call->in, "NextToken", "0");
	int64_t limit = mc_json_int(call->in, "MaxResults", PAGE_MAX);

	*w = (struct walk){ .call = call, .path = mc_json_str(call->in, "Path", ""), .limit = (size_t)limit,
			    .recursive = mc_json_bool(call->in, "Recursive", false) };
	if (w->path[0] != '/')
		return action_fail(call, API_PARAMETER_PATH);
	if (strspn(token, "0123456789") != strlen(token) || strlen(token) > 6)
		return action_fail(call, API_INVALID_NEXT_TOKEN, token);
	w->skip = strtoul(token, NULL, 10);
	return check_filters(w);
}

static int get_parameters_by_path(struct call *call)
{
	struct walk w;
	int r = walk_init(&w, call);
	size_t end = w.skip + w.limit;
	const char *name;
	json_t *unused;

	if (r)
		return r;
	w.list = json_array();
	call->out = json_pack("{s:o}", "Parameters", w.list);
	json_object_foreach(call->api->aliases, name, unused)
		if (w.nothing || visit(&w, name))
			break;
	if (w.more)
		json_object_set_new(call->out, "NextToken", json_sprintf("%zu", end));
	return 0;
}

const struct action actions_ssm[] = {
	{ .service = "ssm", .name = "GetParameter", .fn = get_parameter },
	{ .service = "ssm", .name = "GetParameters", .fn = get_parameters },
	{ .service = "ssm", .name = "GetParametersByPath", .fn = get_parameters_by_path },
	{ 0 },
};
