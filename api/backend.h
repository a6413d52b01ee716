/* Calls to the three lower daemons, in the words of docs/ipc.md. Each returns an
 * enum mc_ipc_outcome (>= 0) or -1, as mc_ipc_call does. */
#ifndef MC_API_BACKEND_H
#define MC_API_BACKEND_H

#include <jansson.h>

#include "api/api.h"
#include "common/error.h"
#include "common/ipc.h"

enum backend { BACKEND_HYPERVISOR, BACKEND_NETD, BACKEND_STORAGED };

/* path: a printf format and its arguments last. body may be NULL and is borrowed. */
int backend_call(struct api *api, enum backend b, const char *method, const json_t *body,
		 json_t **ret_answer, mc_err **err, const char *path, ...)
	__attribute__((format(printf, 7, 8)));

/* Is it worth trying the same call again later? */
bool backend_transient(int outcome);

/* Does storaged's answer say that it is on its way: data are being copied (`percent`)? NULL is fine. */
bool backend_copies(const json_t *answer);

#endif
