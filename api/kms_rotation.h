/* Rotation of keys: their material is replaced every so many days, or when somebody asks for it; what it was goes on
 * decrypting (KMS developer guide, "Rotate AWS KMS keys"). A key's spec.rotation is {days (absent: it is off), next (wall
 * clock ns), asked (ns: it was asked for and is not done), log: [{at ns, type}],
 * charged: how many of them cost something}. */
#ifndef MC_API_KMS_ROTATION_H
#define MC_API_KMS_ROTATION_H

#include "api/resource.h"
#include "api/store.h"

/* When it is to be rotated: 0: at once, INT64_MAX: never. Disabled keys, and those about to be deleted, are not. */
int64_t kms_rotation_due(const struct resource *key);

/* How many times its material will have been replaced after the next rotation. */
int64_t kms_rotation_number(const struct resource *key);

/* storaged has done it, this number of times: note it, and when the next one is due. key: edited. */
void kms_rotation_done(struct resource *key, int64_t number, int64_t now);

#endif
