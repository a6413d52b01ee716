/* The ruleset of a wanted VPC. */
#ifndef NETD_VPCRULES_H
#define NETD_VPCRULES_H

#include "netd/ruleset.h"
#include "netd/wanted.h"

/* The tables of a VPC's namespace, ended by NULL, and the one with the managed chains. */
extern const char *const vpcrules_tables[];
#define VPCRULES_HOME "ip vpc"

/* New ruleset. */
struct ruleset *vpcrules_build(const struct wanted *wanted);

#endif
