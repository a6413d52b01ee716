/* The API inside VPCs: what answers at the addresses of VPC endpoints. Each service has a
 * server of its own, started when the first endpoint of it appears. */
#ifndef MC_API_ENDPOINT_SERVER_H
#define MC_API_ENDPOINT_SERVER_H

#include <jansson.h>

#include "api/api.h"
#include "common/error.h"

struct endpoint_servers;

struct endpoint_servers *endpoint_servers_new(struct api *api);

/* Answer at all the endpoints of the VPC that its wanted document (docs/ipc.md) has, which netd
 * runs. 0, or -1 and *err. */
int endpoint_servers_open(struct endpoint_servers *s, const char *vpc, const json_t *doc, mc_err **err);
/* Answer no more at those that this document has not (NULL: at none), before netd takes
 * their addresses away. */
void endpoint_servers_close(struct endpoint_servers *s, const char *vpc, const json_t *doc);

#endif
