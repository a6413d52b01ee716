/* The interactive serial console: bytes between a connection and a guest's serial port. */
#ifndef MC_HYPERVISOR_SERIAL_H
#define MC_HYPERVISOR_SERIAL_H

#include <stdbool.h>

#include "common/error.h"
#include "common/ipc.h"
#include "hypervisor/hypervisor.h"

/* Who has which instance's port. */
struct serials;
struct serials *serials_new(void);
void serials_free(struct serials *s); /* after the server's end */

/* Open the port of a running instance, accept, and pass bytes on until either side ends; a last
 * line says why. A guest that talks faster than its reader reads is not held up: what does not
 * fit is lost. One session has the port: MC_IPC_IN_USE, or with force the other one is ended.
 * As an upgrade handler otherwise. */
int serial_run(struct hypervisor *h, const char *instance_id, bool force, struct mc_ipc_upgrade *upgrade, mc_err **err);

#endif
