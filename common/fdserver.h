/* A descriptor socket: one JSON line in, one JSON line out, and at most one descriptor with each (common/fdpass.h).
 * The answer is {"ok": true}, or {"ok": false, "outcome": "<word>", "message": "<text>"} (common/ipc.h). */
#ifndef MC_COMMON_FDSERVER_H
#define MC_COMMON_FDSERVER_H

#include <jansson.h>
#include <sys/types.h>

#include "common/error.h"
#include "common/json.h"

struct mc_fdserver;

/* fd: what came with the request, -1: nothing; the server's, closed when this returns. *ret_fd: what goes out, taken
 * over. Returns MC_IPC_OK, a documented outcome with *err, or -1 and *err. */
typedef int mc_fd_handler(void *ctx, const json_t *request, int fd, int *ret_fd, mc_err **err);

/* Serve on an already listening socket (which stays the caller's), in an own thread, requests that fit the table.
 * allowed ends with (uid_t)-1; root and our own uid are always allowed. NULL and *err. */
struct mc_fdserver *mc_fdserver_start(int listen_fd, const struct mc_field *fields, mc_fd_handler *handler, void *ctx,
				      const uid_t *allowed, mc_err **err);
/* NULL is fine. */
void mc_fdserver_stop(struct mc_fdserver *server);

/* The other end: send doc, and fd unless it is -1, and take the answer apart. Returns as mc_ipc_call(); *ret_fd is -1 or
 * a CLOEXEC descriptor, the caller's; NULL: none is expected. */
int mc_fdserver_call(const char *socket_path, const json_t *doc, int fd, int *ret_fd, mc_err **err);

#endif
