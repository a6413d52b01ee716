/* help and version. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "cli/help.h"
#include "cli/name.h"
#include "cli/transport.h"
#include "cli/waiter.h"
#include "common/cleanup.h"
#include "common/daemon.h"
#include "common/json.h"

int command_version(struct cli *cli, int argc, char **argv)
{
	(void)cli;
	(void)argv;
	if (argc)
		return cli_usage("version", "version takes no arguments");
	puts("minicloud " MC_VERSION);
	return CLI_OK;
}

/* The operations of a service, but those that the list (NULL: nobody knows) does not have. How many are left out. */
static size_t print_service(const struct model_service *service, const json_t *built)
{
	size_t left_out = 0;

	printf("%s\n", model_service_name(service));
	for (size_t i = 0; i < model_service_operations(service); i++) {
		const char *operation = model_operation_name(model_operation_at(service, i));
		char name[NAME_MAX_LEN];

		if (built && !mc_json_has_str(built, operation)) {
			left_out++;
			continue;
		}
		name_kebab(operation, name);
		printf("  %s\n", name);
	}
	return left_out;
}

/* What the running cloud has; without one, all that AWS's model knows. */
static void print_operations(const struct cli *cli, const struct model_service *only)
{
	mc_auto_json json_t *built = NULL;
	size_t left_out = 0;

	if (transport_page(cli, "/v1/operations", &built, NULL) < 0)
		built = NULL;
	for (size_t s = 0; s < model_service_count(); s++) {
		const struct model_service *service = model_service_at(s);
		mc_auto_json json_t *none = json_array();
		const json_t *list = mc_json_arr(built, model_service_name(service));

		if (!only || only == service)
			left_out += print_service(service, !built ? NULL : list ? list : none);
	}
	if (left_out)
		printf("\n%zu more are known and answer UnsupportedOperation: this cloud has not built them.\n", left_out);
}

static int explain(struct cli *cli, const char *service, const char *name)
{
	const struct manual m = { .out = stdout };
	const struct command *c = command_find(name);
	const struct model_operation *op = service ? name_operation(model_service(service), name) : name_any_operation(name);
	mc_autofree char *services = name_services(name);

	if (service && op)
		help_operation(&m, op);
	else if (c && c->help)
		help_command(&m, c);
	else if (strcmp(name, "operations") == 0)
		print_operations(cli, NULL);
	else if (model_service(name))
		print_operations(cli, model_service(name));
	else if (op)
		help_operation(&m, op);
	else if (waiter_find(name))
		help_waiter(&m, waiter_find(name));
	else if (*services && !service)
		return cli_usage(NULL, "several services have it (%s): say which, as in help SERVICE %s", services, name);
	else
		return cli_usage(NULL, "there is no command '%s'", name);
	return CLI_OK;
}

int command_help(struct cli *cli, int argc, char **argv)
{
	bool wait = argc == 2 && strcmp(argv[0], "wait") == 0;

	if (argc > 1 && !wait && !model_service(argv[0]))
		return cli_usage(NULL, "one command at a time");
	if (argc)
		return explain(cli, argc > 1 && !wait ? argv[0] : NULL, argv[argc - 1]);
	help_overview(&(struct manual){ .out = stdout });
	return CLI_OK;
}
