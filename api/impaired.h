/* A guest that QEMU has stopped since a disk of its could not be written (the store is full) or read at all. It goes
 * on by itself when there is room again; one whose disk fails only where the volume has autoEnableIO, or
 * when EnableVolumeIO is called (Amazon EBS User Guide, "Amazon EBS volume status checks"). Meanwhile the status
 * calls say "impaired". Its instance's spec has `impaired`: {since, tried (ns), volumes {id: "no-space" or "failed"},
 * enabled {id: true}}. */
#ifndef MC_API_IMPAIRED_H
#define MC_API_IMPAIRED_H

#include "api/api.h"
#include "common/clock.h"

/* Did QEMU stop it for that, by the hypervisor's words for its state? */
bool impaired_by(const char *state, const char *reason);
bool impaired_is(const struct resource *instance);

/* A step of such a running instance, `disks` are the hypervisor's: STEP_NOT_YET with *ret_delay until it may go on,
 * STEP_DONE when it should be tried. */
int impaired_step(struct api *api, const struct resource *instance, const json_t *disks, int64_t *ret_delay, mc_err **err);
/* It runs again, and is impaired no more once it has for a moment: STEP_NOT_YET, STEP_AGAIN, or -1 and *err. */
int impaired_over(struct api *api, const struct resource *instance, int64_t *ret_delay, mc_err **err);

/* The volume's I/O is wanted again, whatever was wrong: the guests that wait for it are tried. */
void impaired_enable(struct store_tx *tx, const struct resource *volume);

/* A check of DescribeInstanceStatus of a running instance. New reference. */
json_t *impaired_check_doc(const struct resource *instance);
/* The first instance that waits for this volume, or NULL; *ret_error: "no-space" or "failed", *ret_since: ISO 8601. */
const struct resource *impaired_by_volume(struct store_tx *tx, const struct resource *volume, const char **ret_error,
					  char ret_since[static MC_ISO8601_LEN]);

/* A finding (common/finding.h) about those that wait, or that there are none. */
void impaired_find(struct api *api, json_t *findings);

#endif
