/* What a NAT gateway does with packets, in its own namespace (appliance.h). */
#ifndef NETD_NATGW_H
#define NETD_NATGW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

/* Translate all that is forwarded to addr, and let nothing begin from the other side. */
int natgw_apply(int ns_fd, uint32_t addr, mc_err **err);

/* Is its table there? */
bool natgw_stands(int ns_fd);
/* Somebody else changed its rules: make them anew, in one transaction. */
int natgw_restore(int ns_fd, uint32_t addr, mc_err **err);

/* Its ruleset's skeleton; allocated. For tests too. */
char *natgw_rules(uint32_t addr);

/* Add in_bytes, in_packets, out_bytes, out_packets to the row: from and to the far side. */
int natgw_count(int ns_fd, json_t *row, mc_err **err);

#endif
