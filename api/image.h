/* What actions and steps share about images. An image is a row that names snapshots by device; one
 * that the operator offers (api/image_catalog.h) stands on a stored file instead, for every account. */
#ifndef MC_API_IMAGE_H
#define MC_API_IMAGE_H

#include "api/action.h"

#define IMAGE_NAME_MIN 3 /* EC2 API reference, CreateImage */
#define IMAGE_NAME_MAX 128

/* May this account launch it? Its owner may, whom it was shared with, and everybody a public one. */
bool image_allowed(const struct resource *r, const char *account);

/* Is it there for anybody? Not one that was deregistered, in the recycle bin or not. */
bool image_shown(const struct resource *r);

/* One of the caller's region that it may see, or NULL after action_fail. */
const struct resource *image_find(struct call *call, const char *id);
/* The same, the caller's own: AuthFailure for another's. What the operator offers belongs to nobody. */
const struct resource *image_own(struct call *call, const char *id);
/* The same as image_find(), available. */
const struct resource *image_available(struct call *call, const char *id);

/* Is it one that the operator offers? */
bool image_offered(const struct resource *r);

/* A name that AWS takes, and that no other image of the caller has in its region: 0 or action_fail. */
int image_check_name(struct call *call, const char *name);

/* The members by which an image differs from another one. */
struct image_shape {
	const char *name, *description, *architecture, *virtualization, *boot_mode, *root_device;
	bool ena;
};

/* A new row of the caller with these mappings (a new reference is taken) in this state. Owned by the transaction. */
struct resource *image_make(struct call *call, const struct image_shape *shape, json_t *mappings, int state);

/* The Image of DescribeImages. New reference. */
json_t *image_view(struct call *call, const struct resource *r);

/* The image that keeps this snapshot from being deleted, NULL: none does. `except` may be NULL. */
const struct resource *image_of_snapshot(struct store_tx *tx, const char *snapshot, const struct resource *except);

/* fn for each snapshot that it names, in the order of its mappings. */
void image_snapshots(const struct resource *r, void (*fn)(void *ctx, const char *snapshot), void *ctx);

/* Deregister it: for good, or into the recycle bin. */
void image_remove(struct api *api, struct store_tx *tx, const struct resource *r);

/* Can an instance of this type start from it? 0 or action_fail. */
int image_check_type(struct call *call, const struct resource *image, const char *type);

/* Note that it was launched now (LastLaunchedTime). */
void image_note_launch(struct call *call, const struct resource *image);

#endif
