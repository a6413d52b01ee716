/* What netd finds wrong with its host: `findings` of GET /v1/host (common/finding.h). */
#ifndef NETD_DOCTOR_H
#define NETD_DOCTOR_H

#include <jansson.h>

#include "common/error.h"
#include "netd/netd.h"

/* {forwarding, public_pool, findings}: everything looked at, with what is good as "ok". Takes
 * netd's lock. New reference; NULL and *err. */
json_t *doctor_report(struct netd *netd, mc_err **err);

#endif
