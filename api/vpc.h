/* VPCs: their generation, their default furniture, the document netd wants. */
#ifndef MC_API_VPC_H
#define MC_API_VPC_H

#include "api/action.h"
#include "api/api.h"
#include "api/cidr.h"
#include "api/store.h"

/* Something that netd must know changed: the next generation, also of peers that are
 * told what is in this VPC. */
int64_t vpc_touch(struct store_tx *tx, const char *vpc_id);
/* The same, and the answer of the call waits until netd runs it (action_wait). */
int64_t vpc_change(struct call *call, const char *vpc_id);
/* The VPC's blocks changed: its peers must know, too. */
void vpc_change_blocks(struct call *call, const char *vpc_id);
int64_t vpc_generation(struct store_tx *tx, const char *vpc_id);

/* As vpc_touch(), where nothing but rules of the VPC's groups changes; vpc_note_rules() says then what these are:
 * rows of vpc_part_rule_change(), the list is taken over. Not called, nothing but the whole document tells it. */
int64_t vpc_touch_rules(struct store_tx *tx, const char *vpc_id);
void vpc_note_rules(struct store_tx *tx, const char *vpc_id, int64_t generation, json_t *changes);
/* How the VPC follows from that generation by rules alone: the body that netd takes for it (docs/ipc.md). New reference, or
 * NULL where only the whole document says it. */
json_t *vpc_changes(struct store_tx *tx, const char *vpc_id, int64_t base);

/* The whole wanted VPC of docs/ipc.md, from the store. NULL where the VPC is unknown. New reference. */
json_t *vpc_document(struct store_tx *tx, const char *vpc_id);

/* Are the names that AWS derives from addresses in use there? */
bool vpc_names_hosts(const struct resource *vpc);
/* Is the block inside one of the VPC's / does it share an address with one of them? */
bool vpc_contains(const struct resource *vpc, struct cidr cidr);
bool vpc_overlaps(const struct resource *vpc, struct cidr cidr);
/* The VPC's blocks as texts, the first one first. New reference. */
json_t *vpc_cidrs(const struct resource *vpc);
/* A member of CidrBlockAssociationSet under a new id. New reference. */
json_t *vpc_cidr_association(const char *cidr);

/* A VPC with all that every one is born with: main route table, default ACL, default
 * group, DHCP options. Owned by the transaction. */
struct resource *vpc_insert(struct store_tx *tx, const char *account, const char *region, const char *cidr, bool is_default);
/* A subnet of it, in its default ACL. is_default: the zone's default subnet. Owned by the transaction. */
struct resource *subnet_insert(struct store_tx *tx, const struct resource *vpc, const char *zone, const char *cidr,
			       bool is_default);
/* Attach the gateway (store_edit()ed) to the VPC; NULL: to none. */
void internet_gateway_attach(struct resource *igw, const char *vpc);
/* A default VPC with all AWS gives it: besides the above a default subnet per zone and
 * the way into the internet. Borrowed. */
const struct resource *vpc_create_default(struct store_tx *tx, const char *account, const char *region);

/* Make the region's default VPC and images if this account was never here. 0, or -1 and *err. */
#define REGION_MADE "2" /* the fact region/ACCOUNT/REGION, where it has all that a new one gets */
int region_ensure(struct api *api, const char *account, const char *region, mc_err **err);

/* With the subnet go the ranges of it that were reserved. */
void subnet_reservations_forget(struct store_tx *tx, const struct resource *subnet);

/* A free private address of the subnet, out of none of its reservations / a free public one of the pool (the next
 * after the last one given: needs a write transaction): allocated text, NULL
 * where there is none. */
char *address_free_private(struct store_tx *tx, const struct resource *subnet);
char *address_free_public(struct store_tx *tx, const char *pool);
/* How many addresses of the subnet are free (five are reserved). */
int64_t address_count_free(struct store_tx *tx, const struct resource *subnet);
/* May this private address of the subnet be given to an interface? */
enum address_fit { ADDRESS_FREE, ADDRESS_MALFORMED, ADDRESS_OUTSIDE, ADDRESS_RESERVED, ADDRESS_TAKEN };
enum address_fit address_check_private(struct store_tx *tx, const struct resource *subnet, const char *ip);
/* Is this one of the pool's addresses, and nobody's? */
bool address_public_free(struct store_tx *tx, const char *pool, const char *ip);

#endif
