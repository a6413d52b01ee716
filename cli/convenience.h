/* Options that the model does not have, for everyday use: the AWS CLI's (--count,
 * --protocol, --port, --cidr ...) and our own (--save). */
#ifndef MC_CLI_CONVENIENCE_H
#define MC_CLI_CONVENIENCE_H

#include <stddef.h>

#include "cli/request.h"
#include "common/error.h"

struct convenience {
	const char *operation; /* kebab-case; a '*' at the end stands for the rest */
	const char *option;    /* without dashes */
	int min, max;          /* words it takes */
	/* 0, or -1 and *err. */
	int (*set)(struct request *request, char *const *words, size_t n, mc_err **err);
	const char *value, *help;
};

/* The row for an option of this operation, or NULL. */
const struct convenience *convenience_find(const char *operation, const char *option);

/* All rows, ended by a NULL operation; convenience_applies: is one the operation's? */
const struct convenience *convenience_rows(void);
bool convenience_applies(const struct convenience *c, const char *operation);

/* Is this input member set by a convenience of the operation rather than by its own
 * option (MinCount, by --count)? Help leaves it out, and it is not asked for. */
bool convenience_covers(const char *operation, const char *member);

/* What is left to do with a finished document: default counts, base64 of user data,
 * one place for the network options. 0, or -1 and *err. */
int convenience_finish(struct request *request, mc_err **err);

#endif
