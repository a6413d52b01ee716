/* minicloud: the client. A command is an operation of the API or a row of command.c. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/name.h"
#include "cli/operation.h"
#include "common/cleanup.h"

/* The nearest name in the service; EC2's for NULL. */
static int unknown_operation(const struct model_service *service, const char *given)
{
	const struct model_service *in = service ? service : model_service("ec2");
	const char *of = service ? model_service_name(service) : "";
	char best[NAME_MAX_LEN] = "";
	size_t distance = 3;

	for (size_t i = 0; i < model_service_operations(in); i++) {
		char name[NAME_MAX_LEN];
		size_t d;

		name_kebab(model_operation_name(model_operation_at(in, i)), name);
		d = name_distance(given, name);
		if (d < distance) {
			distance = d;
			memcpy(best, name, strlen(name) + 1);
		}
	}
	if (*best)
		return cli_usage(NULL, "there is no command '%s%s%s' (did you mean %s?)", of, *of ? " " : "", given, best);
	return cli_usage(NULL, "there is no command '%s%s%s'", of, *of ? " " : "", given);
}

static int unknown_command(const char *given)
{
	mc_autofree char *services = name_services(given);
	int first = (int)strcspn(services, ",");

	if (*services)
		return cli_usage(NULL, "%s is an operation of several services (%s): say which, as in minicloud %.*s %s", given, services,
				 first, services, given);
	return unknown_operation(NULL, given);
}

/* "ec2 run-instances" works as "run-instances" does. */
static int run_operation(struct cli *cli, int argc, char **argv)
{
	const struct model_service *service = argc > 1 ? model_service(argv[0]) : NULL;
	const struct model_operation *op = service ? name_operation(service, argv[1]) : name_any_operation(argv[0]);
	int words = service ? 2 : 1;

	if (op)
		return operation_run(cli, op, argc - words, argv + words);
	return service ? unknown_operation(service, argv[1]) : unknown_command(argv[0]);
}

/* Not what the program that ssh starts is told, nor what `wait` leaves to its condition. */
static bool asks_help(const struct command *command, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
		if ((command->own_options && *argv[i] != '-') || command->run == command_wait)
			return strcmp(argv[i], "help") == 0;
	}
	return false;
}

static int run(struct cli *cli, int argc, char **argv)
{
	const struct command *command;
	int code, rest;

	if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
		return command_help(cli, 0, NULL);
	if (strcmp(argv[0], "--version") == 0)
		return command_version(cli, 0, NULL);
	command = command_find(argv[0]);
	rest = argc - 1;
	code = cli_options(cli, &rest, argv + 1, command && command->own_options);
	if (code)
		return code;
	argc = rest + 1;
	if (command && asks_help(command, argc - 1, argv + 1))
		return command_help(cli, 1, argv);
	if (command)
		return command->run(cli, argc - 1, argv + 1);
	if (model_service(argv[0]) && (argc == 1 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0))
		return command_help(cli, 1, argv);
	return run_operation(cli, argc, argv);
}

int main(int argc, char **argv)
{
	struct cli cli = { 0 };
	int code;

	setlocale(LC_CTYPE, "");
	argc--;
	argv++;
	code = cli_options(&cli, &argc, argv, true);
	if (code)
		return code;
	if (argc == 0) {
		command_help(&cli, 0, NULL);
		return CLI_USAGE;
	}
	return run(&cli, argc, argv);
}
