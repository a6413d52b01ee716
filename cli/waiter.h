/* The model's waiters, judged on an answer of their operation. */
#ifndef MC_CLI_WAITER_H
#define MC_CLI_WAITER_H

#include <jansson.h>

#include "api/model/model.h"
#include "common/error.h"

/* The waiter of a kebab-case name ("instance-running"), EC2's first; NULL: there is none. */
const struct model_waiter *waiter_find(const char *name);

/* What the answer means: status 200 and its document, or an error's status and {"code", "message"}.
 * *ret_why (may be NULL before; allocated) says why it is MODEL_WAITER_FAILURE. A waiter's first
 * acceptor that holds decides; an error that none is for is a failure. -1 and *err where an
 * expression cannot be evaluated. */
int waiter_judge(const struct model_waiter *w, bool answered, const json_t *doc, char **ret_why, mc_err **err);

#endif
