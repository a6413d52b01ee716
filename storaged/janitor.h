/* The thread that merges layers while nobody uses them. It gives way to whoever needs one. */
#ifndef MC_STORAGED_JANITOR_H
#define MC_STORAGED_JANITOR_H

#include "common/error.h"

struct storage;
struct janitor;

/* NULL and *err. The storage must live on until janitor_stop(). */
struct janitor *janitor_start(struct storage *storage, mc_err **err);
void janitor_stop(struct janitor *janitor); /* NULL is fine */

/* Something was deleted, closed, frozen: there may be work. NULL is fine in all of these. */
void janitor_wake(struct janitor *janitor);

/* End what it does now, and keep it from beginning anything until janitor_resume(). */
void janitor_pause(struct janitor *janitor);
void janitor_resume(struct janitor *janitor);

#endif
