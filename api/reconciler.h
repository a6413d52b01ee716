/* Workers that make the world what the store says. A resource is worked on by
 * one worker at a time; each step is: observe, one idempotent call to a
 * backend, record. */
#ifndef MC_API_RECONCILER_H
#define MC_API_RECONCILER_H

#include "api/api.h"
#include "common/error.h"

enum step_result {
	STEP_DONE,    /* nothing more to do until something changes */
	STEP_AGAIN,   /* changed something: look again at once */
	STEP_NOT_YET, /* look again after *ret_delay, or when it is woken */
	/* negative: failed; tried again with growing pauses */
};

/* The step of one resource. *ret_delay in ns for STEP_NOT_YET. */
typedef int step_fn(struct api *api, const char *id, int64_t *ret_delay, mc_err **err);

struct reconciler *reconciler_start(struct api *api, unsigned workers, mc_err **err);
/* Finish the steps under way and end the workers. */
void reconciler_stop(struct reconciler *r);
/* Look at this resource (now, or after delay ns). r NULL (in tests): nothing. */
void reconciler_wake(struct reconciler *r, const char *id, int64_t delay);
/* Look at everything that has a step, and for what the backends have and the store has not. */
void reconciler_wake_all(struct reconciler *r);
/* fn for each resource whose steps have failed at least `times` times in a row, with the last reason. */
void reconciler_failing(struct reconciler *r, unsigned times, void (*fn)(void *ctx, const char *id, unsigned n, const char *reason),
			void *ctx);
/* Run fn(ctx) on a worker. */
void reconciler_call(struct reconciler *r, void (*fn)(void *ctx), void *ctx);

/* The steps by kind, in step_*.c. */
step_fn step_lifecycle;
step_fn step_transfer;
step_fn step_instance, step_vpc, step_volume, step_snapshot, step_image, step_peering, step_nat_gateway, step_kms_key;
/* Of no resource (step_sweep.c). */
step_fn step_sweep;

/* Of a running instance: bring in and out the interfaces that are on their way
 * (step_interface.c). STEP_DONE: none is. */
step_fn step_interfaces;

/* step_instance.c: where a hypervisor event lands. */
int events_start(struct api *api, mc_err **err);

#endif
