/* What a NAT gateway does with packets, in its own namespace (appliance.h). */
#ifndef NETD_NATGW_H
#define NETD_NATGW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "netd/ruleset.h"
#include "netd/wanted.h"

/* Translate all that is forwarded to its addresses, and let nothing begin from the other side. What
 * begins is spread over those that are not draining. */
int natgw_apply(int ns_fd, const struct wanted_eni *eni, mc_err **err);

/* Is its table there? */
bool natgw_stands(int ns_fd);
/* Somebody else changed its rules: make them anew, in one transaction. */
int natgw_restore(int ns_fd, const struct wanted_eni *eni, mc_err **err);

/* Its wanted ruleset. For tests too. */
struct ruleset *natgw_rules(const struct wanted_eni *eni);

/* {ip, connections} for each address that is draining, appended to rows. */
int natgw_draining(int ns_fd, const struct wanted_eni *eni, json_t *rows, mc_err **err);

/* Add in_bytes, in_packets, out_bytes, out_packets to the row: from and to the far side. */
int natgw_count(int ns_fd, json_t *row, mc_err **err);

#endif
