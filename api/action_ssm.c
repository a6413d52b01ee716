/* Systems Manager's public parameters for images, so that the look-ups of
 * Terraform and boto3 examples work. Nothing can be put here. */
#include <stdlib.h>
#include <string.h>

#include "api/ami_alias.h"
#include "api/action.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define PAGE_MAX 10

/* A full ARN names the same parameter: arn:aws:ssm:us-east-1::parameter/aws/service/... */
static const char *path_of(const char *name)
{
	const char *mark = strncmp(name, "arn:", 4) == 0 ? strstr(name, ":parameter/") : NULL;

	return mark ? mark + strlen(":parameter") : name;
}

static json_t *parameter_view(struct call *call, const char *name)
{
	const char *path = path_of(name), *region = call->caller->region;
	const struct resource *image = ami_alias_image(call->api, call->tx, region, path);
	mc_autofree char *arn = NULL;

	if (!image)
		return NULL;
	arn = mc_strf("arn:aws:ssm:%s::parameter%s", region, path);
	return json_pack("{s:s, s:s, s:s, s:i, s:f, s:s, s:s}", "Name", path, "Type", "String", "Value", image->id, "Version", 1,
			 "LastModifiedDate", (double)(image->created / MC_MS) / 1000, "ARN", arn, "DataType", "text");
}

static int get_parameter(struct call *call)
{
	json_t *view = parameter_view(call, mc_json_str(call->in, "Name", ""));

	if (!view)
		return action_fail(call, API_PARAMETER_NOT_FOUND);
	call->out = json_pack("{s:o}", "Parameter", view);
	return 0;
}

static int get_parameters(struct call *call)
{
	json_t *found = json_array(), *missing = json_array(), *name;
	size_t i;

	call->out = json_pack("{s:o, s:o}", "Parameters", found, "InvalidParameters", missing);
	json_array_foreach(mc_json_arr(call->in, "Names"), i, name) {
		json_t *view = parameter_view(call, json_string_value(name));

		if (view)
			json_array_append_new(found, view);
		else
			json_array_append(missing, name);
	}
	return 0;
}

struct walk {
	struct call *call;
	const char *path;
	bool recursive;
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
	json_t *view = below(w, path) ? parameter_view(w->call, path) : NULL;

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

static int get_parameters_by_path(struct call *call)
{
	const char *token = mc_json_str(call->in, "NextToken", "0");
	struct walk w = { .call = call, .path = mc_json_str(call->in, "Path", ""),
			  .recursive = mc_json_bool(call->in, "Recursive", false),
			  .limit = (size_t)mc_json_int(call->in, "MaxResults", PAGE_MAX) };
	mc_autofree char *next = NULL;
	const char *name;
	json_t *unused;

	if (w.path[0] != '/')
		return action_fail(call, API_NOT_FOUND, "ValidationException", "The parameter path must begin with a slash.");
	if (strspn(token, "0123456789") != strlen(token) || strlen(token) > 6)
		return action_fail(call, API_INVALID_NEXT_TOKEN, token);
	w.skip = strtoul(token, NULL, 10);
	w.list = json_array();
	call->out = json_pack("{s:o}", "Parameters", w.list);
	json_object_foreach(call->api->aliases, name, unused)
		if (visit(&w, name))
			break;
	if (w.more) {
		next = mc_strf("%zu", strtoul(token, NULL, 10) + w.limit);
		json_object_set_new(call->out, "NextToken", json_string(next));
	}
	return 0;
}

const struct action actions_ssm[] = {
	{ .service = "ssm", .name = "GetParameter", .fn = get_parameter },
	{ .service = "ssm", .name = "GetParameters", .fn = get_parameters },
	{ .service = "ssm", .name = "GetParametersByPath", .fn = get_parameters_by_path },
	{ 0 },
};
