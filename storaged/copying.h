/* Calls that copy whole files: the work is a task (storaged/task.h) of the id that the call is about, and the call, repeated,
 * tells how far it is. When storaged ends meanwhile the next call begins it anew; what was written until then is nobody's, and
 * collected at the start. */
#ifndef MC_STORAGED_COPYING_H
#define MC_STORAGED_COPYING_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "storaged/qemu_img.h"
#include "storaged/storage.h"

/* In the task's thread, not under the lock of its id unless it takes that: an outcome with *err unless it is OK, or -1 and *err. It
 * may have been done already. */
typedef int copying_fn(struct storage *storage, const char *id, const void *arg, const struct qemu_img_watch *watch, mc_err **err);

/* Is there one of this id on its way, or has come to an end that nobody has asked for yet? *ret: {id, state: "copying", percent} of the
 * former, NULL of one that is done; one that failed gives its outcome. Both of the latter are forgotten by that. 1 where none is known. */
int copying_look(struct storage *storage, const char *id, json_t **ret, mc_err **err);

/* Begin it, with a copy of these `size` bytes of arg; returns as copying_look(). */
int copying_begin(struct storage *storage, const char *id, copying_fn *fn, const void *arg, size_t size, json_t **ret, mc_err **err);

/* MC_IPC_OK, or MC_IPC_UNAVAILABLE while there is one of this id on its way. */
int copying_check_none(struct storage *storage, const char *id, mc_err **err);

/* End it, and forget what came of it; what is done stays. Fine where there is none. */
void copying_end(struct storage *storage, const char *id);

#endif
