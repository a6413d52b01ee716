/* What every sub-command gets, and how it ends. */
#ifndef MC_CLI_CLI_H
#define MC_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

/* Exit codes, as the AWS CLI has them. */
enum cli_exit {
	CLI_OK = 0,
	CLI_USAGE = 252,   /* the command line is wrong */
	CLI_API = 254,     /* the service answered an error */
	CLI_FAILURE = 255, /* anything else: no connection, a file, a wait in vain */
};

enum cli_output { CLI_JSON, CLI_TEXT, CLI_TABLE, CLI_CSV, CLI_YAML };
#define CLI_OUTPUTS 5

/* "json", "text", "table", "csv", "yaml". */
const char *cli_output_name(enum cli_output output);

struct cli {
	const char *region;
	const char *endpoint; /* URL; NULL: the unix socket */
	const char *query;    /* JMESPath or NULL */
	enum cli_output output;
	bool color;
	bool paginate;
};

/* Read the environment, then take the global options (--region, --output ...) out of
 * argv, which keeps the rest in order. With stop_at_word only those before the first
 * word that is no option are taken. 0, or CLI_USAGE with the message printed. */
int cli_options(struct cli *cli, int *argc, char **argv, bool stop_at_word);

/* Print "minicloud: error: ..." and where to look; CLI_USAGE. */
int cli_usage(const char *hint, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Print an internal failure; CLI_FAILURE. */
int cli_failed(const mc_err *err);

/* The i-th global option, for help and completion. False: there are no more. */
struct cli_global {
	const char *name, *value, *help;
};
bool cli_global_at(size_t i, struct cli_global *ret);

#endif
