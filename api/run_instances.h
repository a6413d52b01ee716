/* RunInstances: from the request to pending rows, in one transaction. */
#ifndef MC_API_RUN_INSTANCES_H
#define MC_API_RUN_INSTANCES_H

#include "api/action.h"

action_fn run_instances, run_instances_replay;

#endif
