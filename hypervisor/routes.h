/* The IPC surface (docs/ipc.md). */
#ifndef MC_HYPERVISOR_ROUTES_H
#define MC_HYPERVISOR_ROUTES_H

#include "common/ipc.h"

/* Their context is a struct hypervisor. Ends with a NULL method. */
extern const struct mc_ipc_route hypervisor_routes[];

#endif
