/* RunInstances: from the request to pending rows, in one transaction. */
#ifndef MC_API_RUN_INSTANCES_H
#define MC_API_RUN_INSTANCES_H

#include "api/action.h"

action_fn run_instances, run_instances_replay;

/* Lend the stopped instance a public address again where its subnet gives one. 0 or action_fail. */
int run_instances_lend_public(struct call *call, const struct resource *inst);

#endif
