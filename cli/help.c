#include "cli/help.h"

#include <stdlib.h>
#include <string.h>

#include "api/protocol/buffer.h"
#include "cli/cli.h"
#include "cli/convenience.h"
#include "cli/name.h"
#include "cli/option.h"
#include "cli/value.h"
#include "cli/waiter.h"
#include "common/cleanup.h"
#include "common/fs.h"

#define MAX_VALUES 16 /* of an enumeration that are shown */

/* --- operations ----------------------------------------------------------------------- */

static const char *type_name(const struct model_shape *shape)
{
	static const char *const names[MODEL_TYPE_MAX] = {
		[MODEL_STRUCTURE] = "Key=Value,...|JSON", [MODEL_MAP] = "JSON",
		[MODEL_STRING] = "TEXT",	[MODEL_INTEGER] = "N",
		[MODEL_LONG] = "N",		[MODEL_BOOLEAN] = "true|false",
		[MODEL_FLOAT] = "NUMBER",	[MODEL_DOUBLE] = "NUMBER",
		[MODEL_TIMESTAMP] = "TIME",	[MODEL_BLOB] = "fileb://PATH|TEXT",
	};
	const struct model_shape *wrapped = value_wrapped(shape);

	return names[model_shape_type(wrapped ? wrapped : shape)];
}

static void add_keys(struct buffer *out, const struct model_shape *shape)
{
	buffer_text(out, "keys:");
	for (size_t i = 0; i < model_shape_members(shape); i++)
		buffer_texts(out, i ? ", " : " ", model_member_name(model_shape_member(shape, i)), NULL);
}

static void add_values(struct buffer *out, const struct model_shape *shape)
{
	size_t n = model_shape_enums(shape);

	if (n == 0)
		return;
	buffer_text(out, out->len ? "; one of:" : "one of:");
	for (size_t i = 0; i < n && i < MAX_VALUES; i++)
		buffer_texts(out, " ", model_shape_enum(shape, i), NULL);
	if (n > MAX_VALUES)
		buffer_text(out, " ...");
}

/* What may stand in a value. Allocated. */
static char *choices(const struct model_shape *shape)
{
	const struct model_shape *element = model_shape_element(shape);
	struct buffer out = { 0 };

	if (element && model_shape_members(element))
		add_keys(&out, element);
	else if (model_shape_members(shape) && !value_wrapped(shape))
		add_keys(&out, shape);
	add_values(&out, element ? element : shape);
	return buffer_take(&out, NULL);
}

static char *term_of(const struct model_member *m)
{
	const struct model_shape *shape = model_member_shape(m), *element = model_shape_element(shape);
	const char *required = model_member_required(m) && !model_member_token(m) ? "  (required)" : "";
	char name[NAME_MAX_LEN], no[NAME_MAX_LEN];

	option_name(m, false, name);
	option_name(m, true, no);
	if (option_is_switch(m))
		return mc_strf("--%s | --%s%s", name, no, required);
	if (model_shape_type(shape) == MODEL_LIST)
		return mc_strf("--%s %s ...%s", name, type_name(element), required);
	return mc_strf("--%s %s%s", name, type_name(shape), required);
}

static void show_member(const struct manual *m, const struct model_member *member)
{
	mc_autofree char *term = term_of(member), *more = choices(model_member_shape(member));

	manual_item(m, term, model_member_doc(member), more);
}

static void show_conveniences(const struct manual *m, const char *operation)
{
	for (const struct convenience *c = convenience_rows(); c->operation; c++) {
		mc_autofree char *term = mc_strf("--%s%s%s", c->option, *c->value ? " " : "", c->value);

		if (convenience_applies(c, operation))
			manual_item(m, term, c->help, NULL);
	}
}

static void show_globals(const struct manual *m)
{
	struct cli_global g;

	manual_heading(m, "For all commands");
	for (size_t i = 0; cli_global_at(i, &g); i++) {
		mc_autofree char *term = mc_strf("%s%s%s", g.name, *g.value ? " " : "", g.value);

		manual_item(m, term, g.help, NULL);
	}
	manual_item(m, "--help", "Explain the command.", NULL);
}

static void show_operation_options(const struct manual *m, const struct model_operation *op)
{
	const struct model_shape *input = model_operation_input(op);
	char name[NAME_MAX_LEN];

	name_kebab(model_operation_name(op), name);
	manual_heading(m, "Options");
	show_conveniences(m, name);
	for (size_t i = 0; i < model_shape_members(input); i++) {
		const struct model_member *member = model_shape_member(input, i);

		if (!convenience_covers(name, model_member_name(member)))
			show_member(m, member);
	}
	manual_item(m, "--cli-input-json JSON", "The whole request as a JSON document.", NULL);
	manual_text(m, "A value may be file://PATH (text) or fileb://PATH (bytes).");
}

void help_operation(const struct manual *m, const struct model_operation *op)
{
	char name[NAME_MAX_LEN];
	mc_autofree char *synopsis = NULL;

	name_words(op, name);
	synopsis = mc_strf("minicloud %s [options]", name);
	manual_title(m, name, synopsis, model_operation_doc(op));
	if (m->roff)
		manual_text(m, model_operation_doc(op));
	show_operation_options(m, op);
	show_globals(m);
	manual_heading(m, "Exit status");
	manual_text(m, "0; 252 for a wrong command line, 254 where the service refuses, 255 for anything else.");
}

/* --- waiters ---------------------------------------------------------------------------- */

static void show_waiters(const struct manual *m, const struct model_service *service)
{
	for (size_t i = 0; i < model_service_waiters(service); i++) {
		const struct model_waiter *w = model_waiter_at(service, i);
		char name[NAME_MAX_LEN], operation[NAME_MAX_LEN];
		mc_autofree char *text = NULL;

		name_kebab(model_waiter_name(w), name);
		name_kebab(model_operation_name(model_waiter_operation(w)), operation);
		text = mc_strf("With the options of %s; up to %u seconds.", operation, model_waiter_delay(w) * model_waiter_attempts(w));
		manual_item(m, name, text, NULL);
	}
}

void help_waiters(const struct manual *m)
{
	manual_heading(m, "Conditions");
	for (size_t s = 0; s < model_service_count(); s++)
		show_waiters(m, model_service_at(s));
}

void help_waiter(const struct manual *m, const struct model_waiter *w)
{
	char name[NAME_MAX_LEN];
	mc_autofree char *synopsis = NULL, *text = NULL;

	name_kebab(model_waiter_name(w), name);
	synopsis = mc_strf("minicloud wait %s [options]", name);
	text = mc_strf("It waits for up to %u seconds, and ends with 0 when it is so, with 255 when it cannot come about any more or "
		       "did not in that time.", model_waiter_delay(w) * model_waiter_attempts(w));
	manual_title(m, name, synopsis, "");
	manual_text(m, text);
	show_operation_options(m, model_waiter_operation(w));
	show_globals(m);
}

/* --- our own commands ---------------------------------------------------------------------- */

void help_command(const struct manual *m, const struct command *c)
{
	mc_autofree char *synopsis = mc_strf("minicloud %s%s%s", c->name, *c->arguments ? " " : "", c->arguments);

	manual_title(m, c->name, synopsis, c->help);
	if (m->roff)
		manual_text(m, c->help);
	manual_text(m, c->details);
	if (c->options)
		manual_heading(m, "Options");
	for (const struct command_option *o = c->options; o && o->name; o++) {
		mc_autofree char *term = mc_strf("%s%s%s", o->name, *o->value ? " " : "", o->value);

		manual_item(m, term, o->help, NULL);
	}
	if (c->more)
		c->more(m);
	show_globals(m);
}

/* What people start with, in the order they need it. */
static const char *const everyday[] = {
	"run-instances", "describe-instances", "stop-instances", "start-instances",
	"reboot-instances", "terminate-instances", "get-console-output", "describe-images",
	"describe-instance-types", "create-key-pair", "describe-key-pairs",
	"describe-security-groups", "authorize-security-group-ingress", "describe-volumes",
	"describe-vpcs", "describe-subnets", "create-tags",
};

static void show_files(const struct manual *m)
{
	manual_heading(m, "Environment");
	manual_item(m, "MINICLOUD_RUN", "Where the cloud's unix socket minicloud.sock is; /run/minicloud.", NULL);
	manual_item(m, "MINICLOUD_KEYS", "Where private keys are kept; ~/.minicloud/keys.", NULL);
	manual_item(m, "AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_DEFAULT_OUTPUT",
		    "As for the AWS CLI. With an endpoint the cloud is asked over the network.", NULL);
	manual_item(m, "NO_COLOR", "No colours.", NULL);
	manual_heading(m, "Exit status");
	manual_text(m, "0; 252 for a wrong command line, 254 where the service refuses, 255 for anything else; what ssh ended with; 1 "
		       "where doctor or why found something.");
	manual_heading(m, "See also");
	manual_text(m, "minicloud-COMMAND(1) for each command and operation, minicloud-api(8), minicloud-hypervisor(8), "
		       "minicloud-netd(8), minicloud-storaged(8)");
}

void help_overview(const struct manual *m)
{
	manual_title(m, NULL, "minicloud COMMAND [options]", "your own EC2 on one Linux box");
	manual_heading(m, "Commands");
	for (const struct command *c = command_rows(); c->name; c++) {
		mc_autofree char *term = mc_strf("%s %s", c->name, c->arguments);

		if (c->help)
			manual_item(m, term, c->help, NULL);
	}
	manual_heading(m, "Operations");
	manual_text(m, "All operations of EC2, named and used as in \"aws ec2\". The everyday ones:");
	if (!m->roff)
		fputc('\n', m->out);
	for (size_t i = 0; i < MC_ARRAY_SIZE(everyday); i++)
		manual_example(m, everyday[i]);
	manual_text(m, "\"minicloud help operations\" lists them all, \"minicloud COMMAND --help\" explains one. An operation of another "
		       "service, and one whose name several have, with it before: \"minicloud kms tag-resource\"; \"minicloud help kms\" "
		       "lists them.");
	show_globals(m);
	if (m->roff)
		show_files(m);
}
