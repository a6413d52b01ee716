/* The parts of the wanted VPC (docs/ipc.md), each in a file by its noun. All are
 * new references; arrays unless said otherwise. */
#ifndef MC_API_VPC_PART_H
#define MC_API_VPC_PART_H

#include <jansson.h>

#include "api/store.h"

/* `acls`: those that may drop something (see network_acl_filters). */
json_t *vpc_part_acls(struct store_tx *tx, const struct resource *vpc);

/* `dhcp` and `dns`: objects. */
json_t *vpc_part_dhcp(struct store_tx *tx, const struct resource *vpc);
json_t *vpc_part_dns(struct store_tx *tx, const struct resource *vpc);

/* `security_groups`: every group of the VPC with its rules. */
json_t *vpc_part_groups(struct store_tx *tx, const struct resource *vpc);

/* `igw_routes`: those of the route table of its internet gateway. */
json_t *vpc_part_igw_routes(struct store_tx *tx, const struct resource *vpc);

/* One of a group's rules that comes ("add") or goes ("remove"), as a row of netd's `changes`. NULL: the rule is more, or
 * less, than one rule of netd's. */
json_t *vpc_part_rule_change(const struct resource *rule, const char *operation);

/* `enis`: every interface that is attached to something, and not cut off. */
json_t *vpc_part_interfaces(struct store_tx *tx, const struct resource *vpc);
/* `peerings`: the active ones; `foreign_groups`: those of peered VPCs that rules here name. */
json_t *vpc_part_peerings(struct store_tx *tx, const struct resource *vpc);
json_t *vpc_part_foreign_groups(struct store_tx *tx, const struct resource *vpc);

/* `nat_gateways`. */
json_t *vpc_part_nat_gateways(struct store_tx *tx, const struct resource *vpc);
/* `endpoints`: a row for each address of each. */
json_t *vpc_part_endpoints(struct store_tx *tx, const struct resource *vpc);
/* `gateway_endpoints`. */
json_t *vpc_part_gateway_endpoints(struct store_tx *tx, const struct resource *vpc);

/* `flow_logs`. */
json_t *vpc_part_flow_logs(struct store_tx *tx, const struct resource *vpc);

#endif
