/* The API inside VPCs: what answers at the addresses of interface endpoints. Each service
 * has a server of its own, started when the first endpoint of it appears. */
#ifndef MC_API_ENDPOINT_SERVER_H
#define MC_API_ENDPOINT_SERVER_H

#include <jansson.h>

#include "api/api.h"
#include "common/error.h"

struct endpoint_servers;

struct endpoint_servers *endpoint_servers_new(struct api *api);

/* Answer at all the endpoints of the VPC, as its wanted document has them (docs/ipc.md):
 * netd runs it. 0, or -1 and *err. */
int endpoint_servers_open(struct endpoint_servers *s, const char *vpc, const json_t *endpoints, mc_err **err);
/* Answer no more at those that are not in this list (NULL: at none), before netd takes
 * their addresses away. */
void endpoint_servers_close(struct endpoint_servers *s, const char *vpc, const json_t *endpoints);

#endif
