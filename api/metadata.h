/* The instance metadata service: 169.254.169.254 inside every VPC, on sockets
 * that netd opens in the VPC's namespace. The guest is known by (VPC, source
 * address); headers are never believed. EC2 User Guide, "Instance metadata". */
#ifndef MC_API_METADATA_H
#define MC_API_METADATA_H

#include "api/api.h"
#include "common/error.h"

/* The service with its HTTP threads, without sockets yet. NULL and *err on failure. */
struct metadata *metadata_start(struct api *api, mc_err **err);
/* Make sure the VPC's socket is served (asks netd's descriptor socket once). 0, or -1 and *err. */
int metadata_open(struct metadata *m, const char *vpc_id, mc_err **err);
/* Stop serving the VPC and close its socket: before its namespace goes. */
void metadata_close(struct metadata *m, const char *vpc_id);
void metadata_stop(struct metadata *m);

#endif
