/* minicloud: the client. A command is an operation of the API or a row of command.c. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/name.h"
#include "cli/operation.h"

static int unknown_command(const char *given)
{
	const struct model_service *ec2 = model_service("ec2");
	char best[NAME_MAX_LEN] = "";
	size_t distance = 3;

	for (size_t i = 0; i < model_service_operations(ec2); i++) {
		char name[NAME_MAX_LEN];
		size_t d;

		name_kebab(model_operation_name(model_operation_at(ec2, i)), name);
		d = name_distance(given, name);
		if (d < distance) {
			distance = d;
			memcpy(best, name, strlen(name) + 1);
		}
	}
	if (*best)
		return cli_usage(NULL, "there is no command '%s' (did you mean %s?)", given, best);
	return cli_usage(NULL, "there is no command '%s'", given);
}

/* "ec2 run-instances" works as "run-instances" does. */
static const struct model_operation *find_operation(int *argc, char ***argv)
{
	const struct model_service *service = *argc > 1 ? model_service((*argv)[0]) : NULL;

	if (!service)
		return name_any_operation((*argv)[0]);
	(*argc)--;
	(*argv)++;
	return name_operation(service, (*argv)[0]);
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
	const struct model_operation *op;
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
	op = find_operation(&argc, &argv);
	if (!op)
		return unknown_command(argv[0]);
	return operation_run(cli, op, argc - 1, argv + 1);
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
