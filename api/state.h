/* State machines as tables of legal transitions, and the one setter. */
#ifndef MC_API_STATE_H
#define MC_API_STATE_H

#include "api/resource.h"
#include "api/store.h"

enum instance_state {
	INSTANCE_PENDING, INSTANCE_RUNNING, INSTANCE_SHUTTING_DOWN, INSTANCE_TERMINATED,
	INSTANCE_STOPPING, INSTANCE_STOPPED, INSTANCE_STATE_MAX
};
enum volume_state { VOLUME_CREATING, VOLUME_AVAILABLE, VOLUME_IN_USE, VOLUME_DELETING, VOLUME_ERROR, VOLUME_STATE_MAX };
/* "deleting" is not shown: the row goes when storaged has let it go. */
enum snapshot_state {
	SNAPSHOT_PENDING, SNAPSHOT_COMPLETED, SNAPSHOT_ERROR, SNAPSHOT_RECOVERABLE, SNAPSHOT_RECOVERING, SNAPSHOT_DELETING,
	SNAPSHOT_STATE_MAX
};
/* "recoverable" is not shown: it is in the recycle bin. */
enum image_state { IMAGE_PENDING, IMAGE_AVAILABLE, IMAGE_FAILED, IMAGE_DEREGISTERED, IMAGE_DISABLED, IMAGE_RECOVERABLE, IMAGE_STATE_MAX };
/* Imports and exports; a failed one is "deleted", with a message. */
enum transfer_state { TRANSFER_ACTIVE, TRANSFER_DELETING, TRANSFER_DELETED, TRANSFER_COMPLETED, TRANSFER_STATE_MAX };
enum nat_gateway_state {
	NAT_GATEWAY_PENDING, NAT_GATEWAY_AVAILABLE, NAT_GATEWAY_DELETING, NAT_GATEWAY_DELETED, NAT_GATEWAY_FAILED, NAT_GATEWAY_STATE_MAX
};

enum peering_state {
	PEERING_INITIATING, PEERING_PENDING, PEERING_ACTIVE, PEERING_REJECTED, PEERING_FAILED, PEERING_EXPIRED,
	PEERING_DELETED, PEERING_STATE_MAX
};

enum kms_key_state { KMS_KEY_ENABLED, KMS_KEY_DISABLED, KMS_KEY_PENDING_DELETION, KMS_KEY_STATE_MAX };

struct state_machine {
	const char *noun;
	const char *const *names; /* by state */
	const int *codes;         /* AWS's State.Code; NULL: none */
	int n;
	const unsigned *legal;    /* bit j of legal[i]: i -> j */
};

extern const struct state_machine state_transfer;
extern const struct state_machine state_instance, state_volume, state_image, state_nat_gateway, state_peering;
extern const struct state_machine state_snapshot, state_kms_key;

const char *state_name(const struct resource *r);
/* -1 for an unknown word. */
int state_parse(const struct state_machine *machine, const char *name);

/* The setter: r is store_edit()ed or store_insert()ed. Logs "i-… pending ->
 * running" and stamps the time; tx's commit writes the usage records (api/billing/usage.h). An illegal
 * transition is refused: -1 (a bug in the caller, logged). Setting the same state is 0. */
int state_set(struct store_tx *tx, struct resource *r, int state);
/* Stamp the first state of a new resource. */
void state_init(struct resource *r, int state);
/* Wall clock ns at which the present state was entered. */
int64_t state_since(const struct resource *r);

#endif
