/* `minicloud __complete N WORD...`: what may stand at word N (the program's name is word 0), for
 * the shells' completions in deploy/completion. */
#include "cli/complete.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/convenience.h"
#include "cli/name.h"
#include "cli/option.h"
#include "cli/waiter.h"
#include "common/cleanup.h"
#include "common/fs.h"

#define PATIENCE_S 3 /* for the cloud's answer; a shell must not hang */

struct line {
	char **words; /* behind the program's name, without "=" of their own */
	int n;        /* before the one that is completed */
};

void complete_offer(const struct completion *c, const char *value, const char *description)
{
	if (strncmp(value, c->begun, strlen(c->begun)) == 0)
		printf("%s%s\t%.*s\n", c->prefix, value, (int)strcspn(description, "\t\n"), description);
}

/* --- names ------------------------------------------------------------------------------- */

static void offer_operations(const struct completion *c, const struct model_service *service)
{
	for (size_t i = 0; i < model_service_operations(service); i++) {
		const struct model_operation *op = model_operation_at(service, i);
		char name[NAME_MAX_LEN];

		name_kebab(model_operation_name(op), name);
		complete_offer(c, name, model_operation_doc(op));
	}
}

static void offer_commands(const struct completion *c)
{
	for (const struct command *k = command_rows(); k->name; k++)
		if (k->help)
			complete_offer(c, k->name, k->help);
	for (size_t i = 0; i < model_service_count(); i++) {
		complete_offer(c, model_service_name(model_service_at(i)), "An operation of this service.");
		offer_operations(c, model_service_at(i));
	}
}

static void offer_waiters(const struct completion *c)
{
	for (size_t s = 0; s < model_service_count(); s++)
		for (size_t i = 0; i < model_service_waiters(model_service_at(s)); i++) {
			const struct model_waiter *w = model_waiter_at(model_service_at(s), i);
			char name[NAME_MAX_LEN];

			name_kebab(model_waiter_name(w), name);
			complete_offer(c, name, model_operation_name(model_waiter_operation(w)));
		}
}

static void offer_globals(const struct completion *c)
{
	struct cli_global g;

	for (size_t i = 0; cli_global_at(i, &g); i++)
		complete_offer(c, g.name, g.help);
	complete_offer(c, "--help", "Explain the command.");
}

/* --- values ------------------------------------------------------------------------------ */

/* The words of "tcp|udp|NUMBER" that are meant as they stand. */
static void offer_alternatives(const struct completion *c, const char *value)
{
	mc_autofree char *copy = mc_strdup(value);
	char *save = NULL;

	for (char *word = strtok_r(copy, "|", &save); word; word = strtok_r(NULL, "|", &save))
		if (word[strspn(word, "abcdefghijklmnopqrstuvwxyz-")] == '\0')
			complete_offer(c, word, "");
}

static void offer_member_values(const struct completion *c, const struct model_member *m)
{
	const struct model_shape *shape = model_member_shape(m), *element = model_shape_element(shape);
	const struct model_shape *one = element ? element : shape;

	/* Of an open list (instance types) the cloud knows its own. */
	for (size_t i = 0; !model_shape_enum_open(one) && i < model_shape_enums(one); i++)
		complete_offer(c, model_shape_enum(one, i), "");
	if (model_shape_type(one) == MODEL_BOOLEAN)
		offer_alternatives(c, "true|false");
	if (model_shape_enums(one) == 0 || model_shape_enum_open(one))
		complete_ids(c, model_member_name(m));
}

/* The global option of this name. */
static bool find_global(const char *word, struct cli_global *ret)
{
	for (size_t i = 0; cli_global_at(i, ret); i++)
		if (strcmp(ret->name, word) == 0)
			return true;
	return false;
}

/* True when the option is one of the global ones and takes a value, which is then offered. */
static bool offer_global_values(const struct completion *c, const char *option)
{
	struct cli_global g;

	if (!find_global(option, &g) || !*g.value)
		return false;
	if (strcmp(option, "--region") == 0)
		complete_ids(c, "RegionName");
	else
		offer_alternatives(c, g.value);
	return true;
}

/* --- operations ---------------------------------------------------------------------------- */

static void offer_member_option(const struct completion *c, const struct model_member *m)
{
	for (int no = 0; no <= option_is_switch(m); no++) {
		char name[NAME_MAX_LEN];
		mc_autofree char *dashed = NULL;

		option_name(m, no, name);
		dashed = mc_strf("--%s", name);
		complete_offer(c, dashed, model_member_doc(m));
	}
}

static void offer_operation_options(const struct completion *c, const struct model_operation *op, const char *name)
{
	const struct model_shape *input = model_operation_input(op);

	for (const struct convenience *k = convenience_rows(); k->operation; k++) {
		mc_autofree char *dashed = mc_strf("--%s", k->option);

		if (convenience_applies(k, name))
			complete_offer(c, dashed, k->help);
	}
	for (size_t i = 0; i < model_shape_members(input); i++)
		if (!convenience_covers(name, model_member_name(model_shape_member(input, i))))
			offer_member_option(c, model_shape_member(input, i));
	offer_globals(c);
}

/* The values of an option with `given` words behind it already. False: it takes no more. */
static bool offer_option_values(const struct completion *c, const struct model_operation *op, const char *name,
				const char *option, int given)
{
	const struct convenience *k = convenience_find(name, option + 2);
	struct option_match match;

	if (k && given < k->max) {
		offer_alternatives(c, k->value);
		if (strcmp(k->option, "source-group") == 0)
			complete_ids(c, "GroupId");
		return true;
	}
	if (given == 0 && offer_global_values(c, option))
		return true;
	if (k || !option_find(model_operation_input(op), option + 2, &match) || match.is_switch)
		return false;
	if (given > 0 && model_shape_type(model_member_shape(match.member)) != MODEL_LIST)
		return false;
	offer_member_values(c, match.member);
	return true;
}

/* words: behind the operation's name. */
static void complete_operation(const struct completion *c, const struct model_operation *op, const struct line *l)
{
	char name[NAME_MAX_LEN];
	int option = l->n - 1;

	name_kebab(model_operation_name(op), name);
	while (option >= 0 && strncmp(l->words[option], "--", 2) != 0)
		option--;
	if (*c->begun != '-' && option >= 0 && offer_option_values(c, op, name, l->words[option], l->n - 1 - option))
		return;
	offer_operation_options(c, op, name);
}

/* --- our own commands ------------------------------------------------------------------------ */

static void complete_command(const struct completion *c, const struct command *command, const struct line *l)
{
	const char *before = l->n ? l->words[l->n - 1] : "";

	if (offer_global_values(c, before))
		return;
	for (const struct command_option *o = command->options; o && o->name; o++)
		if (strcmp(o->name, before) == 0 && *o->value)
			return; /* anything */
	if (command->words && *c->begun != '-')
		complete_ids(c, command->words);
	for (const struct command_option *o = command->options; o && o->name; o++)
		complete_offer(c, o->name, o->help);
	if (*c->begun == '-')
		offer_globals(c);
	if (command->run == command_help && l->n && model_service(before))
		offer_operations(c, model_service(before));
	else if (command->run == command_help)
		offer_commands(c);
}

static void complete_wait(const struct completion *c, const struct line *l)
{
	const struct model_waiter *w = l->n ? waiter_find(l->words[0]) : NULL;
	const struct line rest = { l->words + 1, l->n - 1 };

	if (w)
		complete_operation(c, model_waiter_operation(w), &rest);
	else if (l->n == 0)
		offer_waiters(c);
}

/* --- the line -------------------------------------------------------------------------------- */

/* Where the command stands: behind global options and their values. */
static int find_command(const struct line *l)
{
	struct cli_global g;
	int i = 0;

	while (i < l->n && strncmp(l->words[i], "--", 2) == 0)
		i += find_global(l->words[i], &g) && *g.value ? 2 : 1;
	return i;
}

static void complete(const struct completion *c, const struct line *l)
{
	int at = find_command(l);
	const char *before = l->n ? l->words[l->n - 1] : "";
	struct line rest = { l->words + at + 1, l->n - at - 1 };
	const struct model_service *service;
	const struct model_operation *op;
	const struct command *command;

	if (at >= l->n) { /* the command itself is to come, or a global option's value */
		if (at > l->n) {
			offer_global_values(c, before);
			return;
		}
		offer_commands(c);
		offer_globals(c);
		return;
	}
	service = model_service(l->words[at]);
	if (service && rest.n == 0) {
		offer_operations(c, service);
		return;
	}
	if (service)
		rest = (struct line){ rest.words + 1, rest.n - 1 };
	command = command_find(l->words[at]);
	op = service ? name_operation(service, l->words[at + 1]) : name_any_operation(l->words[at]);
	if (command && command->run == command_wait)
		complete_wait(c, &rest);
	else if (command)
		complete_command(c, command, &rest);
	else if (op)
		complete_operation(c, op, &rest);
}

/* bash makes words of the "=" in --output=json. */
static void drop_equals(struct line *l)
{
	int kept = 0;

	for (int i = 0; i < l->n; i++)
		if (strcmp(l->words[i], "=") != 0)
			l->words[kept++] = l->words[i];
	l->n = kept;
}

/* The settings that the line itself has, for asking the cloud. */
static void take_settings(struct cli *cli, const struct line *l)
{
	for (int i = 0; i + 1 < l->n; i++) {
		if (strcmp(l->words[i], "--region") == 0)
			cli->region = l->words[i + 1];
		if (strcmp(l->words[i], "--endpoint-url") == 0)
			cli->endpoint = l->words[i + 1];
	}
}

int command_complete(struct cli *cli, int argc, char **argv)
{
	int index = argc > 0 ? (int)strtol(argv[0], NULL, 10) : 0;
	struct line l = { argv + 2, index - 1 };
	struct completion c = { .cli = cli, .prefix = "", .begun = "" };
	mc_autofree char *option = NULL, *prefix = NULL;
	const char *equals;

	if (index < 1 || argc < index + 1)
		return cli_usage(NULL, "__complete N WORD...");
	alarm(PATIENCE_S);
	c.begun = index + 1 < argc ? argv[index + 1] : "";
	drop_equals(&l);
	take_settings(cli, &l);
	if (strcmp(c.begun, "=") == 0)
		c.begun = "";
	equals = strncmp(c.begun, "--", 2) == 0 ? strchr(c.begun, '=') : NULL;
	if (equals) { /* as one word, as zsh has it */
		option = mc_strf("%.*s", (int)(equals - c.begun), c.begun);
		c.prefix = prefix = mc_strf("%s=", option);
		l.words[l.n++] = option;
		c.begun = equals + 1;
	}
	complete(&c, &l);
	return CLI_OK;
}
