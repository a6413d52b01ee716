/* What actions and steps share about instances. */
#ifndef MC_API_INSTANCE_H
#define MC_API_INSTANCE_H

#include "api/action.h"
#include "api/describe.h"

/* StateReason {Code, "Code: message"} (EC2 API reference, StateReason). */
void instance_set_reason(struct resource *r, const char *code, const char *message);
/* StateTransitionReason "User initiated (2026-11-21 04:00:00 GMT)". */
void instance_set_transition(struct resource *r, const char *who);

/* Of DescribeInstances; ends with a NULL name. */
extern const struct filter instance_filters[];
/* The Instance of DescribeInstances. New reference. */
json_t *instance_view(struct call *call, const struct resource *r);
/* What it shows besides of things that change often (struct describe). */
uint64_t instance_aside(struct call *call, const struct resource *r);
/* What RunInstances says of CPU credits into a new instance. 0, or action_fail. */
int instance_credit_apply(struct call *call, struct resource *r);
/* {Code, Name} of a state. New reference. */
json_t *instance_state_doc(int state);

#endif
