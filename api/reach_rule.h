/* What single rules say of a packet: for the walk in api/reach.c alone. */
#ifndef MC_API_REACH_RULE_H
#define MC_API_REACH_RULE_H

#include "api/reach.h"

/* In host byte order. Ports lie between from and to, both included; of ICMP, from is the
 * type and to the code. */
struct reach_header {
	uint32_t src, dst;
	int protocol;
	int src_from, src_to, dst_from, dst_to;
};

/* The rule of one of the interface's groups that lets the packet out (in); NULL: none does.
 * *ret_any: is there any rule of the direction at all? */
const struct resource *reach_group_rule(struct store_tx *tx, const struct resource *eni, bool egress, const struct reach_header *h,
					bool *ret_any);

/* Does the ACL let the whole packet out (in)? *ret_entry: the entry that decided, NULL where
 * the last one did, that denies all. Borrowed. */
bool reach_acl_allows(const struct resource *acl, bool egress, const struct reach_header *h, const json_t **ret_entry);

/* A number of this direction that no entry has, for one that is to count before `entry` (NULL: before the last one). 0: none
 * is left. */
int reach_acl_free_number(const struct resource *acl, bool egress, const json_t *entry);

/* The table that serves the subnet. Borrowed. */
const struct resource *reach_table(struct store_tx *tx, const struct resource *subnet);
/* The route of the table that the address takes, as route_table_routes() shows it: a new
 * reference, NULL where there is none. */
json_t *reach_route(struct store_tx *tx, const struct resource *table, uint32_t dst);

/* The interface, attached or not, that has this private address in the VPC; this public one. */
const struct resource *reach_by_private(struct store_tx *tx, const char *vpc, uint32_t ip);
const struct resource *reach_by_public(struct store_tx *tx, uint32_t ip);
/* The public address that leads to / is led to by a private one of the interface; 0: none. */
uint32_t reach_public_of(const struct resource *eni, uint32_t private_ip);
uint32_t reach_private_of(const struct resource *eni, uint32_t public_ip);

uint32_t reach_ip(const char *text); /* 0 where it is none */
bool reach_is_private(uint32_t ip);    /* of RFC 1918 */

#endif
