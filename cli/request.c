#include "cli/request.h"

#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/convenience.h"
#include "cli/option.h"
#include "cli/value.h"
#include "common/cleanup.h"
#include "common/id.h"

#define FAR 1000

struct nearest {
	char name[NAME_MAX_LEN];
	size_t distance;
};

static void consider(struct nearest *best, const char *given, const char *name)
{
	size_t distance = name_distance(given, name);

	if (distance >= best->distance)
		return;
	best->distance = distance;
	memcpy(best->name, name, strlen(name) + 1);
}

static int unknown_option(const struct request *r, const char *given)
{
	const struct model_shape *input = model_operation_input(r->op);
	struct nearest best = { .distance = FAR };
	char name[NAME_MAX_LEN];

	for (size_t i = 0; i < model_shape_members(input); i++) {
		option_name(model_shape_member(input, i), false, name);
		consider(&best, given, name);
	}
	for (const struct convenience *c = convenience_rows(); c->operation; c++)
		if (convenience_applies(c, r->name))
			consider(&best, given, c->option);
	if (best.distance <= 2 + strlen(given) / 5)
		return cli_usage(r->name, "unknown option --%s (did you mean --%s?)", given,
				 best.name);
	return cli_usage(r->name, "unknown option --%s", given);
}

/* How many words from here on are values: up to the next "--option". */
static int count_words(int argc, char **argv)
{
	int n = 0;

	while (n < argc && strncmp(argv[n], "--", 2) != 0)
		n++;
	return n;
}

struct words {
	const char *option; /* without dashes */
	char **v;
	int n;        /* words that may be its values */
	bool inlined; /* --option=value: exactly one */
};

static int set_convenience(struct request *r, const struct convenience *c, const struct words *w)
{
	mc_auto_err mc_err *err = NULL;
	int n = w->n < c->max ? w->n : c->max;

	if (n < c->min || (c->max == 0 && w->inlined))
		return cli_usage(r->name, "--%s expects %s", c->option,
				 c->max ? "a value" : "no value");
	if (c->set(r, w->v, (size_t)n, &err) < 0)
		return cli_usage(r->name, "--%s: %s", c->option, mc_err_msg(err));
	return -n;
}

static json_t *switch_value(const struct model_member *m, bool value)
{
	if (model_shape_type(model_member_shape(m)) == MODEL_BOOLEAN)
		return json_boolean(value);
	return json_pack("{s:b}", "Value", value);
}

static int set_member(struct request *r, const struct option_match *o, const struct words *w)
{
	mc_auto_err mc_err *err = NULL;
	const char *key = model_member_name(o->member);
	const struct model_shape *shape = model_member_shape(o->member);
	bool list = model_shape_type(shape) == MODEL_LIST;
	int n = list ? w->n : w->n > 0;

	if (o->is_switch) {
		if (w->inlined)
			return cli_usage(r->name, "--%s expects no value", w->option);
		json_object_set_new(r->doc, key, switch_value(o->member, o->value));
		return 0;
	}
	if (n == 0 && !list)
		return cli_usage(r->name, "--%s expects a value", w->option);

	json_t *value = value_parse(shape, w->v, (size_t)n, &err);

	if (!value)
		return cli_usage(r->name, "--%s: %s", w->option, mc_err_msg(err));
	json_object_set_new(r->doc, key, value);
	return -n;
}

static int set_document(struct request *r, const struct words *w)
{
	mc_auto_err mc_err *err = NULL;
	json_error_t where;
	size_t len;
	mc_autofree char *text = w->n ? value_bytes(w->v[0], &len, &err) : NULL;
	mc_auto_json json_t *doc = text ? json_loads(text, JSON_REJECT_DUPLICATES, &where) : NULL;

	if (!text)
		return cli_usage(r->name, "--cli-input-json: %s",
				 err ? mc_err_msg(err) : "expects a value");
	if (!json_is_object(doc))
		return cli_usage(r->name, "--cli-input-json: no JSON object");
	/* What the command line says counts more. */
	json_object_update_missing(r->doc, doc);
	return -1;
}

/* One option and its words. Minus the number of words used, or an exit code. */
static int set_option(struct request *r, const struct words *w)
{
	const struct convenience *c = convenience_find(r->name, w->option);
	struct option_match match;

	if (strcmp(w->option, "cli-input-json") == 0)
		return set_document(r, w);
	if (c)
		return set_convenience(r, c, w);
	if (option_find(model_operation_input(r->op), w->option, &match))
		return set_member(r, &match, w);
	return unknown_option(r, w->option);
}

static int parse_word(struct request *r, int argc, char **argv)
{
	mc_autofree char *name = strdup(argv[0] + 2);
	char *equals = strchr(name, '='), *value = NULL;
	struct words w = { .option = name };

	if (equals) {
		*equals = '\0';
		value = equals + 1;
		w.v = &value;
		w.n = 1;
		w.inlined = true;
	} else {
		w.v = argv + 1;
		w.n = count_words(argc - 1, argv + 1);
	}

	int used = set_option(r, &w);

	return used > 0 ? used : equals ? 0 : used;
}

static bool asks_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
	       strcmp(word, "help") == 0;
}

static int parse_words(struct request *r, int argc, char **argv)
{
	for (int i = 0; i < argc;) {
		if (asks_help(argv[i])) {
			r->help = true;
			return 0;
		}
		if (strncmp(argv[i], "--", 2) != 0 || !argv[i][2])
			return cli_usage(r->name, "'%s' does not belong to an option", argv[i]);

		int used = parse_word(r, argc - i, argv + i);

		if (used > 0)
			return used;
		i += 1 - used;
	}
	return 0;
}

static int check_required(const struct request *r)
{
	const struct model_shape *input = model_operation_input(r->op);
	char name[NAME_MAX_LEN], missing[512] = "";
	size_t len = 0;

	for (size_t i = 0; i < model_shape_members(input); i++) {
		const struct model_member *m = model_shape_member(input, i);

		if (!model_member_required(m) || model_member_token(m) ||
		    json_object_get(r->doc, model_member_name(m)))
			continue;
		option_name(m, false, name);
		int n = snprintf(missing + len, sizeof(missing) - len, "%s--%s", len ? ", " : "",
				 name);

		len += len + (size_t)n < sizeof(missing) ? (size_t)n : 0;
	}
	if (len)
		return cli_usage(r->name, "these options are required: %s", missing);
	return 0;
}

/* A token of our own makes it safe to send the request again. */
static void add_token(struct request *r)
{
	const struct model_member *m = model_operation_token(r->op);
	char uuid[MC_UUID_LEN];

	if (!m || !model_member_token(m) || json_object_get(r->doc, model_member_name(m)))
		return;
	mc_random_uuid(uuid);
	json_object_set_new(r->doc, model_member_name(m), json_string(uuid));
}

int request_parse(const struct model_operation *op, int argc, char **argv, struct request *ret)
{
	mc_auto_err mc_err *err = NULL;
	struct request r = { .op = op, .doc = json_object() };
	int code;

	name_words(op, r.name);
	code = parse_words(&r, argc, argv);
	if (code == 0 && !r.help) {
		if (convenience_finish(&r, &err) < 0)
			code = cli_usage(r.name, "%s", mc_err_msg(err));
		else
			code = check_required(&r);
		add_token(&r);
	}
	if (code) {
		json_decref(r.doc);
		return code;
	}
	*ret = r;
	return 0;
}

void request_deinit(struct request *request)
{
	json_decref(request->doc);
	request->doc = NULL;
}
