/* Snapshots made of blocks that a client sends (EBS direct APIs): a volume of storaged's that no
 * client sees takes them until the snapshot is taken of it. */
#ifndef MC_API_UPLOAD_H
#define MC_API_UPLOAD_H

#include "api/action.h"

struct upload_wanted {
	int64_t size_gib, timeout_min;
	const struct resource *parent; /* NULL: it begins empty */
	const char *description;       /* may be NULL */
	char *kms_key;                 /* its ARN, allocated; NULL: not encrypted */
};

/* A new row, pending. Owned by the transaction. */
struct resource *upload_make(struct call *call, const struct upload_wanted *wanted);

/* The upload of a snapshot's spec: {volume, parent?, timeout_min, ready?, complete?, blocks?}; NULL: it is of a volume. */
const json_t *upload_of(const struct resource *r);

/* Is it still to be made of this snapshot? */
bool upload_needs(const struct resource *r, const char *parent);

/* The step of one that is pending; as step_snapshot(). */
int upload_step(struct api *api, const struct resource *r, int64_t *ret_delay, mc_err **err);

#endif
