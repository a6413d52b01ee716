/* storaged's descriptor socket: the keys of open volumes, in sealed memfds (docs/ipc.md). */
#ifndef MC_STORAGED_FDSERVER_H
#define MC_STORAGED_FDSERVER_H

#include "common/fdserver.h"
#include "storaged/storage.h"

/* As mc_fdserver_start(). */
struct mc_fdserver *fdserver_start(struct storage *storage, int listen_fd, const uid_t *allowed, mc_err **err);

#endif
