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

/* Does one of this id answer the call? One on its way does: MC_IPC_OK and *ret {id, state: "copying", percent}; so does one that failed, which
 * nobody has been told of yet: its outcome, or -1, and *err. It is forgotten by that, as is one that is done, which answers nothing: what
 * it has made is there to be looked at. */
bool copying_answers(struct storage *storage, const char *id, int *ret_outcome, json_t **ret, mc_err **err);

/* Is one of this id on its way? Then *ret, unless ret is NULL, as above. */
bool copying_is_under_way(struct storage *storage, const char *id, json_t **ret);

/* Begin it, with a copy of these `size` bytes of arg: an outcome as above; MC_IPC_OK without *ret where it is done already. */
int copying_begin(struct storage *storage, const char *id, copying_fn *fn, const void *arg, size_t size, json_t **ret, mc_err **err);

/* MC_IPC_OK, or MC_IPC_UNAVAILABLE while there is one of this id on its way. */
int copying_check_none(struct storage *storage, const char *id, mc_err **err);

/* End it, and forget what came of it; what is done stays. Fine where there is none. */
void copying_end(struct storage *storage, const char *id);

#endif
