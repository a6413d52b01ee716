/* The ruleset of a wanted VPC. */
#ifndef NETD_VPCRULES_H
#define NETD_VPCRULES_H

#include "netd/flowrules.h"
#include "netd/ruleset.h"
#include "netd/wanted.h"

/* The tables of a VPC's namespace, ended by NULL, and the one with the managed chains. */
extern const char *const vpcrules_tables[];
#define VPCRULES_HOME "ip vpc"

/* New ruleset; flow logs count on these sides. */
struct ruleset *vpcrules_build(const struct wanted *wanted, const struct flow_sides *sides);

#endif
