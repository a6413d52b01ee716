#ifndef MC_STORAGED_ROUTES_H
#define MC_STORAGED_ROUTES_H

#include "common/ipc.h"

/* storaged's IPC; the handlers' ctx is a struct storage. */
extern const struct mc_ipc_route storaged_routes[];

#endif
