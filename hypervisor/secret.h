/* The keys of encrypted disks, as libvirt's secrets: ephemeral (in libvirtd's memory alone) and private (nobody
 * can read them back). libvirt gives them to a QEMU encrypted, never as an argument in clear. They are set again
 * before each start, attachment and switch, since libvirtd forgets them when it ends. */
#ifndef MC_HYPERVISOR_SECRET_H
#define MC_HYPERVISOR_SECRET_H

#include <stdbool.h>

#include "common/fdserver.h"
#include "common/id.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/xml.h"

/* Is it a data key's id, "dk-…"? */
bool secret_key_valid(const char *key);
/* What libvirt calls the secret. */
void secret_uuid(const char *key, char out[MC_UUID_LEN]);
/* The <encryption> element of a source. key NULL: nothing. */
void secret_put_xml(struct xml *x, const char *key);

/* The descriptor socket, {"op": "key", "key": "dk-…"} with a memfd: as mc_fdserver_start(). */
struct mc_fdserver *secret_server_start(struct hypervisor *h, int listen_fd, const uid_t *allowed, mc_err **err);

/* Make libvirtd forget it. Idempotent; an outcome. */
int secret_forget(struct hypervisor *h, const char *key, mc_err **err);

#endif
