/* Completion of command lines in shells: what may come next. */
#ifndef MC_CLI_COMPLETE_H
#define MC_CLI_COMPLETE_H

#include "cli/cli.h"

struct completion {
	const struct cli *cli;
	const char *prefix; /* "--output=", which stands before each candidate; "" */
	const char *begun;  /* what a candidate begins with */
};

/* Print a candidate that begins as it should: "value<TAB>description" and a newline. */
void complete_offer(const struct completion *c, const char *value, const char *description);

/* Offer the ids (names, types) that there are in the cloud for a member of a request, "VpcIds" or
 * "KeyName"; nothing where nobody knows, or nobody answers. */
void complete_ids(const struct completion *c, const char *member);

#endif
