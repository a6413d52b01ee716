/* Instances: the verbs of docs/ipc.md on libvirt domains. Each returns an
 * enum mc_ipc_outcome with *err for the caller where it is not MC_IPC_OK, or -1 and *err on
 * an internal failure. *ret is the instance's document, a new reference. Requests for one
 * instance follow each other; no lock is held that another instance's request needs. */
#ifndef MC_HYPERVISOR_INSTANCE_H
#define MC_HYPERVISOR_INSTANCE_H

#include <jansson.h>

#include "common/error.h"
#include "hypervisor/hypervisor.h"

/* Make the state of a document that domain_fields passed so, idempotently. */
int instance_put(struct hypervisor *h, const char *id, const json_t *doc, json_t **ret, mc_err **err);

int instance_get(struct hypervisor *h, const char *id, json_t **ret, mc_err **err);

/* {instances: [...]}; without pids. */
int instance_list(struct hypervisor *h, json_t **ret, mc_err **err);

/* Destroy without asking, undefine, remove the console log; OK also where there is none. */
int instance_delete(struct hypervisor *h, const char *id, mc_err **err);

/* Ask the guest by its power button to reboot, or reset it (hard). */
int instance_reboot(struct hypervisor *h, const char *id, bool hard, json_t **ret, mc_err **err);

#endif
