/* Who waits until netd runs a generation of a VPC: suspended requests and
 * queued resources. */
#ifndef MC_API_WAITERS_H
#define MC_API_WAITERS_H

#include <stdbool.h>
#include <stdint.h>

struct waiters;

/* done: applied is true when the generation is in force, false after 20 s
 * without it. Called once, without locks. */
typedef void waiter_fn(void *ctx, bool applied);

struct waiters *waiters_new(void);
void waiters_free(struct waiters *w);

/* The generation in force, 0 where none is known since this start. */
int64_t waiters_applied(struct waiters *w, const char *vpc_id);

/* Call fn when vpc_id has reached generation (at once if it has). */
void waiters_add(struct waiters *w, const char *vpc_id, int64_t generation, waiter_fn *fn, void *ctx);

/* netd has confirmed this generation. */
void waiters_confirm(struct waiters *w, const char *vpc_id, int64_t generation);

/* Forget what is known of the VPC (netd lost it, or it is gone). */
void waiters_forget(struct waiters *w, const char *vpc_id);

/* Answer those whose time is up; the next deadline (boot clock, ns), or INT64_MAX. */
int64_t waiters_expire(struct waiters *w);

#endif
