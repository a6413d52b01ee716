/* Security groups as nft chains and hash sets.
 *
 * A rule becomes elements, one for each way it can be looked up: a layer is a peer (a prefix
 * length, or a group) with a class (all, protocol, ICMP type, type and code, ports by a prefix
 * of their number). A packet is looked up once in each layer that a group has, however many
 * rules are in it; rules may overlap as they like; and adding or taking away a rule is
 * adding or taking away elements of hash sets. */
#ifndef NETD_GROUP_H
#define NETD_GROUP_H

#include "netd/ruleset.h"
#include "netd/wanted.h"

/* Chains sg_…_in and sg_…_out of every group, which return at once, with the packet's mark set,
 * with what they allow, their sets, and the sets of groups' members. */
void group_add_all(struct ruleset *rs, const struct wanted *wanted);

/* The sets, with their elements, that one rule of the group is looked up by. None: it is in the
 * group's chain itself. */
void group_add_elements(struct ruleset *rs, const struct wanted_group *group,
			enum wanted_direction direction, const struct wanted_rule *rule);

/* The part of an id behind its prefix, of which names are made. */
const char *group_tail(const char *id);

#endif
