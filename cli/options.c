#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/cli.h"
#include "common/cleanup.h"

int cli_usage(const char *hint, const char *fmt, ...)
{
	va_list args;

	fputs("minicloud: error: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputs("\n", stderr);
	if (hint)
		fprintf(stderr, "See: minicloud %s --help\n", hint);
	else
		fputs("See: minicloud help\n", stderr);
	return CLI_USAGE;
}

int cli_failed(const mc_err *err)
{
	fprintf(stderr, "minicloud: %s\n", mc_err_msg(err));
	return CLI_FAILURE;
}

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

const char *cli_output_name(enum cli_output output)
{
	static const char *const names[CLI_OUTPUTS] = {
		[CLI_JSON] = "json", [CLI_TEXT] = "text", [CLI_TABLE] = "table", [CLI_CSV] = "csv", [CLI_YAML] = "yaml",
	};

	return names[output];
}

static int set_output(struct cli *cli, const char *value)
{
	for (int i = 0; i < CLI_OUTPUTS; i++)
		if (strcmp(value, cli_output_name((enum cli_output)i)) == 0) {
			cli->output = (enum cli_output)i;
			return 0;
		}
	return cli_usage(NULL, "--output is json, text, table, csv or yaml, not '%s'", value);
}

static int set_color(struct cli *cli, const char *value)
{
	if (strcmp(value, "on") == 0)
		cli->color = true;
	else if (strcmp(value, "off") == 0)
		cli->color = false;
	else if (strcmp(value, "auto") != 0)
		return cli_usage(NULL, "--color is on, off or auto, not '%s'", value);
	return 0;
}

static int set_region(struct cli *cli, const char *value)
{
	size_t n = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (n == 0 || n > 60 || value[n])
		return cli_usage(NULL, "'%s' cannot be the name of a region", value);
	cli->region = value;
	return 0;
}

static int set_endpoint(struct cli *cli, const char *value)
{
	if (strncasecmp(value, "http://", 7) != 0 && strncasecmp(value, "https://", 8) != 0)
		return cli_usage(NULL, "--endpoint-url must begin with http:// or https://");
	cli->endpoint = value;
	return 0;
}

static int set_query(struct cli *cli, const char *value)
{
	cli->query = value;
	return 0;
}

static int set_no_paginate(struct cli *cli, const char *value)
{
	(void)value;
	cli->paginate = false;
	return 0;
}

static int ignore(struct cli *cli, const char *value)
{
	(void)cli;
	(void)value;
	return 0;
}

static const struct global {
	const char *name;
	bool takes_value;
	int (*set)(struct cli *cli, const char *value);
	const char *value, *help; /* help NULL: for scripts written for the AWS CLI */
} globals[] = {
	{ "--output", true, set_output, "json|text|table|csv|yaml", "The form of the answer: a table on a terminal, else JSON." },
	{ "--query", true, set_query, "EXPRESSION", "Pick from the answer with JMESPath; needs Debian's jp." },
	{ "--region", true, set_region, "NAME", "One of the cloud's regions; AWS_REGION, AWS_DEFAULT_REGION, or us-east-1." },
	{ "--endpoint-url", true, set_endpoint, "URL",
	  "Ask over the network with AWS keys instead of the unix socket; AWS_ENDPOINT_URL." },
	{ "--no-paginate", false, set_no_paginate, "", "Only the first page of a long answer." },
	{ "--color", true, set_color, "on|off|auto", "Colours in tables; NO_COLOR switches them off." },
	{ "--no-cli-pager", false, ignore, "", NULL },
};

bool cli_global_at(size_t i, struct cli_global *ret)
{
	for (size_t k = 0; k < MC_ARRAY_SIZE(globals); k++)
		if (globals[k].help && i-- == 0) {
			*ret = (struct cli_global){ globals[k].name, globals[k].value, globals[k].help };
			return true;
		}
	return false;
}

static const struct global *find_global(const char *word, const char **ret_value)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(globals); i++) {
		size_t len = strlen(globals[i].name);

		if (strncmp(word, globals[i].name, len) != 0)
			continue;
		if (word[len] == '\0' || (word[len] == '=' && globals[i].takes_value)) {
			*ret_value = word[len] ? word + len + 1 : NULL;
			return &globals[i];
		}
	}
	return NULL;
}

static int defaults(struct cli *cli)
{
	const char *region = environment("AWS_REGION");
	const char *endpoint = environment("AWS_ENDPOINT_URL");
	const char *output = environment("AWS_DEFAULT_OUTPUT");
	bool terminal = isatty(STDOUT_FILENO);
	int r = 0;

	*cli = (struct cli){
		.output = terminal ? CLI_TABLE : CLI_JSON,
		.color = terminal && !environment("NO_COLOR"),
		.paginate = true,
		.region = "us-east-1",
	};
	if (!region)
		region = environment("AWS_DEFAULT_REGION");
	if (region)
		r = set_region(cli, region);
	if (!r && endpoint)
		r = set_endpoint(cli, endpoint);
	if (!r && output)
		r = set_output(cli, output);
	return r;
}

int cli_options(struct cli *cli, int *argc, char **argv, bool stop_at_word)
{
	int kept = 0, i = 0, r = cli->region ? 0 : defaults(cli);

	for (; i < *argc && r == 0; i++) {
		const char *value = NULL;
		const struct global *g = find_global(argv[i], &value);

		if (strcmp(argv[i], "--") == 0 || (stop_at_word && !g))
			break;
		if (!g) {
			argv[kept++] = argv[i];
			continue;
		}
		if (g->takes_value && !value) {
			if (i + 1 >= *argc)
				return cli_usage(NULL, "%s expects a value", g->name);
			value = argv[++i];
		}
		r = g->set(cli, value);
	}
	while (i < *argc)
		argv[kept++] = argv[i++];
	argv[kept] = NULL;
	*argc = kept;
	return r;
}
