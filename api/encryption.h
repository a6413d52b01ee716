/* Encryption of volumes and snapshots: which KMS key they get, whether that can be used, and how the data key comes
 * from storaged to the hypervisor without being seen here. */
#ifndef MC_API_ENCRYPTION_H
#define MC_API_ENCRYPTION_H

#include "api/action.h"

/* Of a new volume or snapshot: the ARN of its KMS key, allocated, NULL: it is not encrypted. wish: the request's Encrypted and
 * KmsKeyId; source: the snapshot that it is made of, or NULL. 0, or action_fail. A write transaction: EBS's default
 * key is made at first use. */
int encryption_choose(struct call *call, const json_t *wish, const struct resource *source, char **ret_arn);

/* Show it in a volume's or snapshot's doc. */
void encryption_show(json_t *doc, const char *arn);

/* The UUID in a doc's KmsKeyId, NULL where it is not encrypted. Borrowed. */
const char *encryption_key_id(const json_t *doc);

/* May the volume's key be used? True where it is not encrypted. */
bool encryption_usable(struct store_tx *tx, const struct resource *volume);

/* The same from a step. MC_IPC_OK; MC_IPC_DENIED with *err where it may not be used. */
int encryption_check(struct api *api, const char *volume, mc_err **err);

/* Let the hypervisor have the data key of an open volume: a memfd goes through here and is not read. Returns as
 * mc_ipc_call(). */
int encryption_hand_over(struct api *api, const char *volume, const char *key, mc_err **err);

#endif
