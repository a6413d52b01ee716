/* An image being made of an instance that runs and is not to (CreateImage without NoReboot): the
 * instance's spec.imaging {image, since, down?}. Its snapshots wait until its QEMU has ended;
 * it starts again when they are taken. Whatever ends or stops the instance meanwhile goes first. */
#ifndef MC_API_IMAGING_H
#define MC_API_IMAGING_H

#include "api/api.h"
#include "common/error.h"

/* Is one under way? Of an instance in state running. */
bool imaging_under_way(const struct resource *inst);
/* Has its QEMU ended for it? */
bool imaging_is_down(const struct resource *inst);
/* When the guest was first asked to end: for the image, else `other` (wall clock ns). */
int64_t imaging_since(const struct resource *inst, int64_t other);

/* Its QEMU has ended: tell storaged, and let the snapshots be taken. A step's result, or -1. */
int imaging_now_down(struct api *api, const struct resource *inst, mc_err **err);
/* Are its snapshots still to be taken? Then they are looked at. */
bool imaging_waits(struct api *api, const struct resource *inst);

/* Must this snapshot wait for an instance to go down? */
bool imaging_holds(struct api *api, const struct resource *snapshot);

#endif
