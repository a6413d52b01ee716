/* The API's operations as sub-commands. */
#ifndef MC_CLI_OPERATION_H
#define MC_CLI_OPERATION_H

#include <jansson.h>

#include "api/model/model.h"
#include "cli/cli.h"

/* Run an operation from its command line (argv after its name). An exit code. */
int operation_run(struct cli *cli, const struct model_operation *op, int argc, char **argv);

/* Ask an EC2 operation, following its pages. 0 and *ret_doc, or an exit code with
 * the message printed. */
int operation_ask(const struct cli *cli, const struct model_operation *op, json_t *doc,
		  json_t **ret_doc);

#endif
