/* `minicloud env`: what a shell evaluates so that AWS's tools use this cloud. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/transport.h"
#include "common/cleanup.h"
#include "common/json.h"

static const struct {
	const char *variable, *key;
} variables[] = {
	{ "AWS_ENDPOINT_URL", "endpoint" },
	{ "AWS_ACCESS_KEY_ID", "access_key" },
	{ "AWS_SECRET_ACCESS_KEY", "secret_key" },
	{ "AWS_DEFAULT_REGION", "region" },
};

/* The lines are evaluated by a shell, unquoted: nothing it would act on. */
static bool is_shell_safe(const char *text)
{
	return *text && text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					  "0123456789/+=:._-[]")] == '\0';
}

static int check(const json_t *doc)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(variables); i++)
		if (!is_shell_safe(mc_json_str(doc, variables[i].key, ""))) {
			fprintf(stderr, "minicloud: the API named no usable %s\n",
				variables[i].key);
			return CLI_FAILURE;
		}
	return CLI_OK;
}

int command_env(struct cli *cli, int argc, char **argv)
{
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *doc = NULL;

	const struct cli local = { .region = cli->region }; /* only the socket gives keys away */

	if (argc)
		return cli_usage("env", "env takes no arguments, not '%s'", argv[0]);
	if (transport_page(&local, "/v1/credentials", &doc, &err) < 0)
		return cli_failed(err);
	if (check(doc))
		return CLI_FAILURE;
	for (size_t i = 0; i < MC_ARRAY_SIZE(variables); i++)
		printf("export %s=%s\n", variables[i].variable,
		       mc_json_str(doc, variables[i].key, ""));
	/* AWS CLIs before 2.13 do not know AWS_ENDPOINT_URL. */
	puts("aws() { command aws --endpoint-url \"$AWS_ENDPOINT_URL\" \"$@\"; }");
	return CLI_OK;
}
