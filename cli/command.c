#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "cli/name.h"
#include "cli/request.h"
#include "common/cleanup.h"
#include "common/daemon.h"

static const struct command rows[] = {
	{ "ssh", "INSTANCE [-l USER] [-i KEYFILE] [COMMAND ...]",
	  "Log in to an instance, with the key file of its key pair.", command_ssh, true },
	{ "console", "INSTANCE [--force]",
	  "The instance's serial console on this terminal; Ctrl-] leaves it. One session has it; --force takes it over.",
	  command_console, false },
	{ "bill", "[--by WHAT] [--month YYYY-MM] [--watch | --explain] | simulate PLAN.json | invoice FILE",
	  "What this month has cost so far, what it costs now and will cost; \"bill --help\" says more.", command_bill, false },
	{ "billing", "reprice --month YYYY-MM [--prices FILE] [--dry-run]",
	  "What another price list would have billed.", command_billing, false },
	{ "env", "", "Print the settings for aws, boto3 and others: eval \"$(minicloud env)\"",
	  command_env, false },
	{ "wait", "CONDITION [options]", "Wait until something is so: wait instance-running ...",
	  command_wait, false },
	{ "top", "[--once | --batch [--count N]] [--delay SECONDS]",
	  "What the instances do just now: state, processor, memory, network, disk. Keys: q, c, m, n, d, a.",
	  command_top, false },
	{ "why", "SOURCE DEST[:PORT[/udp]]",
	  "May SOURCE reach DEST, and if not, why not? Each is an instance's id or Name tag, an address, or \"internet\".", command_why, false },
	{ "doctor", "",
	  "Look for what is wrong with the cloud's host: KVM, libvirt, kernel, firewalls, disk, clock. Ends with 1 where something does not work.",
	  command_doctor, false },
	{ "version", "", "Print the version.", command_version, false },
	{ "help", "[COMMAND]", "Explain a command.", command_help, false },
	{ 0 },
};

/* What people start with, in the order they need it. */
static const char *const everyday[] = {
	"run-instances", "describe-instances", "stop-instances", "start-instances",
	"reboot-instances", "terminate-instances", "get-console-output", "describe-images",
	"describe-instance-types", "create-key-pair", "describe-key-pairs",
	"describe-security-groups", "authorize-security-group-ingress", "describe-volumes",
	"describe-vpcs", "describe-subnets", "create-tags",
};

const struct command *command_rows(void)
{
	return rows;
}

const struct command *command_find(const char *name)
{
	for (const struct command *c = rows; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

int command_version(struct cli *cli, int argc, char **argv)
{
	(void)cli;
	(void)argv;
	if (argc)
		return cli_usage("version", "version takes no arguments");
	puts("minicloud " MC_VERSION);
	return CLI_OK;
}

static void print_overview(void)
{
	printf("minicloud COMMAND [options]        your own EC2\n\n");
	for (const struct command *c = rows; c->name; c++)
		printf("  %s %s\n      %s\n", c->name, c->arguments, c->help);
	printf("\nand all operations of EC2, named and used as in \"aws ec2\":\n");
	for (size_t i = 0; i < MC_ARRAY_SIZE(everyday); i++)
		printf("  %s\n", everyday[i]);
	printf("\n\"minicloud help operations\" lists them all, \"minicloud COMMAND --help\" "
	       "explains one.\n\nFor all commands:\n%s", cli_options_help);
}

static void print_operations(void)
{
	for (size_t s = 0; s < model_service_count(); s++) {
		const struct model_service *service = model_service_at(s);

		printf("%s\n", model_service_name(service));
		for (size_t i = 0; i < model_service_operations(service); i++) {
			char name[NAME_MAX_LEN];

			name_kebab(model_operation_name(model_operation_at(service, i)), name);
			printf("  %s\n", name);
		}
	}
}

int command_help(struct cli *cli, int argc, char **argv)
{
	const struct model_operation *op = argc ? name_any_operation(argv[0]) : NULL;
	const struct command *c = argc ? command_find(argv[0]) : NULL;
	char *ask[] = { (char *)"--help", NULL };

	if (argc == 0 || (c && c->run == command_help))
		print_overview();
	else if (strcmp(argv[0], "operations") == 0)
		print_operations();
	else if (c && (c->run == command_wait || c->run == command_bill || c->run == command_billing))
		return c->run(cli, 1, ask);
	else if (c)
		printf("minicloud %s %s\n\n%s\n", c->name, c->arguments, c->help);
	else if (op)
		request_help(op, stdout);
	else
		return cli_usage(NULL, "there is no command '%s'", argv[0]);
	return CLI_OK;
}
