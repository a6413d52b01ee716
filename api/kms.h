/* KMS keys: who they are, which names lead to them, what state they are in (AWS KMS API reference).
 * Their material is storaged's alone. spec: {key_id, description, manager, policy, aliases: {name:
 * {created, updated}}, tags, delete_at}. */
#ifndef MC_API_KMS_H
#define MC_API_KMS_H

#include "api/action.h"

#define KMS_ALIAS_EBS "alias/aws/ebs"

/* The UUID, borrowed; the ARN, allocated. */
const char *kms_key_id(const struct resource *key);
char *kms_key_arn(const struct resource *key);

/* The key that a text means: its id, its ARN, an alias or an alias's ARN of this account and region.
 * NULL where there is none. */
const struct resource *kms_key_find(struct store_tx *tx, const char *account, const char *region, const char *text);
/* The key of this UUID in any account of the region; NULL. */
const struct resource *kms_key_by_id(struct store_tx *tx, const char *region, const char *key_id);

/* A new key in a write transaction, to be described by the caller. manager: "CUSTOMER" or "AWS". */
struct resource *kms_key_make(struct store_tx *tx, const char *account, const char *region, const char *manager);
/* The account's key for EBS in the region, alias/aws/ebs, made where it is missing. */
const struct resource *kms_key_default(struct store_tx *tx, const char *account, const char *region);
/* Let a name lead to this key (edited by the caller's transaction). */
void kms_alias_set(struct resource *key, const char *name);

/* --- for the actions of the service: 0, or the outcome noted; NULL after it ------------------- */

enum kms_need {
	KMS_ANY,      /* whatever its state is */
	KMS_ENABLED,  /* it encrypts and decrypts */
	KMS_CHANGED,  /* a customer's, and not about to be deleted */
};
/* The key that the member names. aliases: may it be an alias? */
const struct resource *kms_key_named(struct call *call, const char *member, bool aliases, enum kms_need need);
int kms_check(struct call *call, const struct resource *key, enum kms_need need);
int kms_refuse_unknown(struct call *call, const char *text);
/* DryRun, when all else has been checked: 0 where it is not asked for, else the outcome that says that it would be done. */
int kms_check_dry_run(struct call *call);
/* The part of `items` that Limit and Marker ask for, as `member` of the answer, with Truncated and NextMarker. */
int kms_answer_page(struct call *call, const char *member, const json_t *items, int64_t def);
json_t *kms_key_metadata(const struct resource *key);

/* --- ciphertext: which key it is of, and what storaged made of it, both in base64 outside ------ */

/* Allocated; NULL where the inner text is no base64. */
char *kms_blob_wrap(const char *key_id, const char *inner);
/* *ret_inner: allocated. -1: it is none of ours. */
int kms_blob_unwrap(const char *blob, char ret_key_id[MC_UUID_LEN], char **ret_inner);

#endif
