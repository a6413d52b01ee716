/* The command line of an operation becomes its request document. */
#ifndef MC_CLI_REQUEST_H
#define MC_CLI_REQUEST_H

#include <jansson.h>
#include <stdbool.h>

#include "api/model/model.h"
#include "cli/name.h"
#include "common/error.h"

struct request {
	const struct model_operation *op;
	char name[NAME_MAX_LEN]; /* "run-instances" */
	json_t *doc;
	bool save;               /* create-key-pair --save */
	bool estimate;           /* run-instances --estimate */
	bool no_wait;            /* run-instances --no-wait */
	bool help;               /* --help was asked for: nothing else counts */
};

/* Read argv (after the operation's name). 0 and *ret, or CLI_USAGE with the
 * message printed. Release with request_deinit(). */
int request_parse(const struct model_operation *op, int argc, char **argv, struct request *ret);
void request_deinit(struct request *request);

#endif
