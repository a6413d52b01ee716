/* What becomes of new instances, on a terminal, until they run. */
#ifndef MC_CLI_PROGRESS_H
#define MC_CLI_PROGRESS_H

#include <jansson.h>

#include "cli/cli.h"

/* Is there somebody to show it to: are standard output and error both terminals? */
bool progress_wanted(void);

/* Follow the instances of an answer of RunInstances on standard error. CLI_OK when they run, or
 * CLI_FAILURE where one does not get there. */
int progress_follow(const struct cli *cli, const json_t *answer);

#endif
