/* The IPC surface: docs/ipc.md as a table. */
#ifndef NETD_ROUTES_H
#define NETD_ROUTES_H

#include "common/ipc.h"

/* Ended by a NULL method; the handlers' ctx is a struct netd. */
extern const struct mc_ipc_route netd_routes[];

#endif
