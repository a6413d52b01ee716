#include "api/state.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"

#define BIT(s) (1u << (s))

static const char *const instance_names[] = {
	[INSTANCE_PENDING] = "pending", [INSTANCE_RUNNING] = "running",
	[INSTANCE_SHUTTING_DOWN] = "shutting-down", [INSTANCE_TERMINATED] = "terminated",
	[INSTANCE_STOPPING] = "stopping", [INSTANCE_STOPPED] = "stopped",
};
/* InstanceState of the EC2 API reference. */
static const int instance_codes[] = {
	[INSTANCE_PENDING] = 0, [INSTANCE_RUNNING] = 16, [INSTANCE_SHUTTING_DOWN] = 32,
	[INSTANCE_TERMINATED] = 48, [INSTANCE_STOPPING] = 64, [INSTANCE_STOPPED] = 80,
};
static const unsigned instance_legal[] = {
	/* pending -> stopped: a start that failed; -> terminated: a launch that failed */
	[INSTANCE_PENDING] = BIT(INSTANCE_RUNNING) | BIT(INSTANCE_SHUTTING_DOWN) | BIT(INSTANCE_TERMINATED) |
			     BIT(INSTANCE_STOPPING) | BIT(INSTANCE_STOPPED),
	[INSTANCE_RUNNING] = BIT(INSTANCE_STOPPING) | BIT(INSTANCE_SHUTTING_DOWN) | BIT(INSTANCE_STOPPED),
	[INSTANCE_STOPPING] = BIT(INSTANCE_STOPPED) | BIT(INSTANCE_SHUTTING_DOWN),
	[INSTANCE_STOPPED] = BIT(INSTANCE_PENDING) | BIT(INSTANCE_SHUTTING_DOWN) | BIT(INSTANCE_TERMINATED),
	[INSTANCE_SHUTTING_DOWN] = BIT(INSTANCE_TERMINATED),
	[INSTANCE_TERMINATED] = 0,
};
const struct state_machine state_instance = { "instance", instance_names, instance_codes, INSTANCE_STATE_MAX, instance_legal };

static const char *const volume_names[] = {
	[VOLUME_CREATING] = "creating", [VOLUME_AVAILABLE] = "available", [VOLUME_IN_USE] = "in-use",
	[VOLUME_DELETING] = "deleting", [VOLUME_ERROR] = "error",
};
static const unsigned volume_legal[] = {
	[VOLUME_CREATING] = BIT(VOLUME_AVAILABLE) | BIT(VOLUME_IN_USE) | BIT(VOLUME_ERROR) | BIT(VOLUME_DELETING),
	[VOLUME_AVAILABLE] = BIT(VOLUME_IN_USE) | BIT(VOLUME_DELETING) | BIT(VOLUME_ERROR),
	[VOLUME_IN_USE] = BIT(VOLUME_AVAILABLE) | BIT(VOLUME_DELETING) | BIT(VOLUME_ERROR),
	[VOLUME_DELETING] = BIT(VOLUME_ERROR),
	[VOLUME_ERROR] = BIT(VOLUME_DELETING),
};
const struct state_machine state_volume = { "volume", volume_names, NULL, VOLUME_STATE_MAX, volume_legal };

static const char *const snapshot_names[] = {
	[SNAPSHOT_PENDING] = "pending", [SNAPSHOT_COMPLETED] = "completed", [SNAPSHOT_ERROR] = "error",
	[SNAPSHOT_RECOVERABLE] = "recoverable", [SNAPSHOT_RECOVERING] = "recovering", [SNAPSHOT_DELETING] = "deleting",
};
static const unsigned snapshot_legal[] = {
	[SNAPSHOT_PENDING] = BIT(SNAPSHOT_COMPLETED) | BIT(SNAPSHOT_ERROR) | BIT(SNAPSHOT_DELETING),
	[SNAPSHOT_COMPLETED] = BIT(SNAPSHOT_RECOVERABLE) | BIT(SNAPSHOT_DELETING),
	[SNAPSHOT_ERROR] = BIT(SNAPSHOT_DELETING),
	[SNAPSHOT_RECOVERABLE] = BIT(SNAPSHOT_COMPLETED) | BIT(SNAPSHOT_RECOVERING) | BIT(SNAPSHOT_DELETING),
	[SNAPSHOT_RECOVERING] = BIT(SNAPSHOT_COMPLETED),
	[SNAPSHOT_DELETING] = 0,
};
const struct state_machine state_snapshot = { "snapshot", snapshot_names, NULL, SNAPSHOT_STATE_MAX, snapshot_legal };

static const char *const image_names[] = {
	[IMAGE_PENDING] = "pending", [IMAGE_AVAILABLE] = "available", [IMAGE_FAILED] = "failed",
	[IMAGE_DEREGISTERED] = "deregistered", [IMAGE_DISABLED] = "disabled",
	[IMAGE_RECOVERABLE] = "recoverable",
};
static const unsigned image_legal[] = {
	[IMAGE_PENDING] = BIT(IMAGE_AVAILABLE) | BIT(IMAGE_FAILED) | BIT(IMAGE_DEREGISTERED),
	[IMAGE_AVAILABLE] = BIT(IMAGE_DEREGISTERED) | BIT(IMAGE_FAILED) | BIT(IMAGE_DISABLED) |
			    BIT(IMAGE_RECOVERABLE),
	[IMAGE_FAILED] = BIT(IMAGE_AVAILABLE) | BIT(IMAGE_DEREGISTERED),
	[IMAGE_DEREGISTERED] = 0,
	[IMAGE_DISABLED] = BIT(IMAGE_AVAILABLE) | BIT(IMAGE_DEREGISTERED) | BIT(IMAGE_RECOVERABLE),
	[IMAGE_RECOVERABLE] = BIT(IMAGE_AVAILABLE) | BIT(IMAGE_DISABLED),
};
const struct state_machine state_image = { "image", image_names, NULL, IMAGE_STATE_MAX, image_legal };

static const char *const transfer_names[] = {
	[TRANSFER_ACTIVE] = "active", [TRANSFER_DELETING] = "deleting", [TRANSFER_DELETED] = "deleted", [TRANSFER_COMPLETED] = "completed",
};
static const unsigned transfer_legal[] = {
	[TRANSFER_ACTIVE] = BIT(TRANSFER_DELETING) | BIT(TRANSFER_DELETED) | BIT(TRANSFER_COMPLETED),
	[TRANSFER_DELETING] = BIT(TRANSFER_DELETED),
	[TRANSFER_DELETED] = 0,
	[TRANSFER_COMPLETED] = 0,
};
const struct state_machine state_transfer = { "transfer", transfer_names, NULL, TRANSFER_STATE_MAX, transfer_legal };

static const char *const nat_gateway_names[] = {
	[NAT_GATEWAY_PENDING] = "pending", [NAT_GATEWAY_AVAILABLE] = "available", [NAT_GATEWAY_DELETING] = "deleting",
	[NAT_GATEWAY_DELETED] = "deleted", [NAT_GATEWAY_FAILED] = "failed",
};
static const unsigned nat_gateway_legal[] = {
	[NAT_GATEWAY_PENDING] = BIT(NAT_GATEWAY_AVAILABLE) | BIT(NAT_GATEWAY_FAILED) | BIT(NAT_GATEWAY_DELETING),
	[NAT_GATEWAY_AVAILABLE] = BIT(NAT_GATEWAY_DELETING),
	[NAT_GATEWAY_DELETING] = BIT(NAT_GATEWAY_DELETED),
	[NAT_GATEWAY_DELETED] = 0,
	[NAT_GATEWAY_FAILED] = BIT(NAT_GATEWAY_DELETING) | BIT(NAT_GATEWAY_DELETED),
};
const struct state_machine state_nat_gateway = { "NAT gateway", nat_gateway_names, NULL, NAT_GATEWAY_STATE_MAX, nat_gateway_legal };

/* VPC Peering Guide, "VPC peering connection lifecycle". */
static const char *const peering_names[] = {
	[PEERING_INITIATING] = "initiating-request", [PEERING_PENDING] = "pending-acceptance", [PEERING_ACTIVE] = "active",
	[PEERING_REJECTED] = "rejected", [PEERING_FAILED] = "failed", [PEERING_EXPIRED] = "expired", [PEERING_DELETED] = "deleted",
};
static const unsigned peering_legal[] = {
	[PEERING_INITIATING] = BIT(PEERING_PENDING) | BIT(PEERING_FAILED) | BIT(PEERING_DELETED),
	[PEERING_PENDING] = BIT(PEERING_ACTIVE) | BIT(PEERING_REJECTED) | BIT(PEERING_EXPIRED) | BIT(PEERING_DELETED),
	[PEERING_ACTIVE] = BIT(PEERING_DELETED),
	[PEERING_REJECTED] = 0,
	[PEERING_FAILED] = 0,
	[PEERING_EXPIRED] = 0,
	[PEERING_DELETED] = 0,
};
const struct state_machine state_peering = { "peering", peering_names, NULL, PEERING_STATE_MAX, peering_legal };

/* KMS developer guide, "Key states of AWS KMS keys". */
static const char *const kms_key_names[] = {
	[KMS_KEY_ENABLED] = "Enabled", [KMS_KEY_DISABLED] = "Disabled", [KMS_KEY_PENDING_DELETION] = "PendingDeletion",
};
static const unsigned kms_key_legal[] = {
	[KMS_KEY_ENABLED] = BIT(KMS_KEY_DISABLED) | BIT(KMS_KEY_PENDING_DELETION),
	[KMS_KEY_DISABLED] = BIT(KMS_KEY_ENABLED) | BIT(KMS_KEY_PENDING_DELETION),
	[KMS_KEY_PENDING_DELETION] = BIT(KMS_KEY_DISABLED),
};
const struct state_machine state_kms_key = { "KMS key", kms_key_names, NULL, KMS_KEY_STATE_MAX, kms_key_legal };

const char *state_name(const struct resource *r)
{
	const struct state_machine *m = kind_info(r->kind)->machine;

	return m ? m->names[r->state] : "";
}

int state_parse(const struct state_machine *machine, const char *name)
{
	for (int i = 0; i < machine->n; i++)
		if (strcmp(machine->names[i], name) == 0)
			return i;
	return -1;
}

void state_init(struct resource *r, int state)
{
	r->state = state;
	json_object_set_new(r->spec, "since",
			    json_pack("{s:I, s:I, s:s}", "wall", (json_int_t)mc_clock_wall(), "boot",
				      (json_int_t)mc_clock_boot(), "boot_id", mc_clock_boot_id()));
}

int64_t state_since(const struct resource *r)
{
	return mc_json_int(mc_json_obj(r->spec, "since"), "wall", r->created);
}

int state_set(struct store_tx *tx, struct resource *r, int state)
{
	const struct state_machine *m = kind_info(r->kind)->machine;

	(void)tx; /* its commit opens and closes what is billed: api/billing/usage.h */
	if (r->state == state)
		return 0;
	if (!(m->legal[r->state] & BIT(state))) {
		mc_log(MC_LOG_ERROR, "state", "illegal transition refused", "id", r->id, "from",
		       m->names[r->state], "to", m->names[state], NULL);
		return -1;
	}
	mc_logf(MC_LOG_INFO, "state", "%s %s -> %s", r->id, m->names[r->state], m->names[state]);
	state_init(r, state);
	return 0;
}
