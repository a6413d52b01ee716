/* Volumes of instances. An attachment is an entry of its instance's spec.volumes:
 * {id, device, delete_on_termination, attached, state, since?, force?}, the volume's spec.instances
 * lists the other side. An instance-store disk is an entry with `ephemeral` (its size in GiB)
 * and no volume row: storaged's volume of that id comes and goes with the instance's runs. */
#ifndef MC_API_ATTACHMENT_H
#define MC_API_ATTACHMENT_H

#include "api/api.h"
#include "api/store.h"
#include "common/error.h"

/* Is this a name that a volume may be attached by ("/dev/sdf", "xvdf")? */
bool attachment_device_valid(const char *device);

/* The entry of this volume, or by this device (sdf and xvdf are the same one), or NULL. Of an
 * edited instance it may be changed. Borrowed. */
json_t *attachment_entry(const struct resource *inst, const char *volume_id);
json_t *attachment_by_device(const struct resource *inst, const char *device);
/* The one that the instance boots from. */
json_t *attachment_root(const struct resource *inst);

/* Note it on both sides (edited or inserted); state: "attaching", "attached". The new entry, borrowed. */
json_t *attachment_add(struct resource *inst, struct resource *vol, const char *device, const char *state,
		       bool delete_on_termination);
/* Take it off both sides; a volume that nobody has any more is available. */
void attachment_remove(struct store_tx *tx, struct resource *inst, const char *volume_id);

/* VolumeAttachment of the API (EC2 API reference). State "busy" where a guest does not let go. New reference. */
json_t *attachment_view(const struct resource *inst, const json_t *entry);
/* What the view calls its state. */
const char *attachment_state(const json_t *entry);
/* All of a volume's. New reference. */
json_t *attachment_views(struct store_tx *tx, const struct resource *vol);

/* --- for the steps of an instance (step_attachment.c) ---------------------- */

/* Tell storaged that the instance, which is off, opens its volumes, and before that that its last QEMU is gone, which may have died
 * with a snapshot or a merge half-done; *ret: the hypervisor's `disks`. An outcome, or -1. */
int attachments_open(struct api *api, const struct resource *inst, json_t **ret, mc_err **err);
/* Tell it that its QEMU is gone, instance-store disks with it. 0 or -1. */
int attachments_close(struct api *api, const struct resource *inst, mc_err **err);
/* The same for a while: instance-store disks keep what they hold. 0 or -1. */
int attachments_pause(struct api *api, const struct resource *inst, mc_err **err);
/* Finish what is attaching or detaching; running: in a guest that runs. A step's result. */
int attachments_step(struct api *api, const struct resource *inst, bool running, int64_t *ret_delay, mc_err **err);

#endif
