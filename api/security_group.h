/* Security groups and the rules inside them, as requests write them. */
#ifndef MC_API_SECURITY_GROUP_H
#define MC_API_SECURITY_GROUP_H

#include <stdbool.h>

#include "api/action.h"

/* The caller's default VPC in the region, or NULL. */
const struct resource *vpc_default(struct call *call);

/* The group of this name in the VPC, or NULL. */
const struct resource *security_group_by_name(struct call *call, const char *vpc, const char *name);

/* The group that GroupId or GroupName (of the default VPC) of call->in mean, or
 * NULL after action_fail. */
const struct resource *security_group_of_request(struct call *call);

/* Text that AWS accepts in names and descriptions: at most 255 of its characters. */
bool security_group_text_valid(const char *text);

/* --- rules ---------------------------------------------------------------- */

/* The doc of a rule of `group` (docs/resources.md) from what one source of one
 * IpPermission says, checked and made canonical. */
struct permission {
	const char *protocol;         /* as sent; NULL: missing */
	const json_t *from, *to;      /* NULL: missing */
	const char *cidr, *group_id, *group_name, *user_id, *prefix_list; /* one of cidr, group_id, group_name, prefix_list */
	const char *description;
	bool revoking;                /* groups and lists need not be there any more */
};
/* 0 and *ret_doc (new reference), or action_fail. */
int permission_rule(struct call *call, const struct resource *group, bool egress, const struct permission *p,
		    json_t **ret_doc);

/* Every rule that IpPermissions, or the older flat parameters, of call->in ask
 * for: an array of docs. 0 and *ret_rules (new reference), or action_fail. Where they are
 * to be found and not made, what they name may be gone, and IpPermissions with what they have of
 * IPv6, which cannot be found, are appended to ipv6 (NULL: it is refused). */
int permission_rules(struct call *call, const struct resource *group, bool egress, json_t **ret_rules);
int permission_rules_to_find(struct call *call, const struct resource *group, bool egress, json_t *ipv6, json_t **ret_rules);

/* What makes two rules of a group the same, as AWS words it: "peer: 0.0.0.0/0,
 * TCP, from port: 22, to port: 22, ALLOW". Allocated. */
char *permission_text(const json_t *doc);

/* Rule docs as IpPermissions show them: one per protocol and ports. New reference. */
json_t *permission_list(struct store_tx *tx, const json_t *docs);

/* A rule for a group of a peered VPC counts while that group is there and the peering is
 * active; afterwards it is stale (VPC Peering Guide, "Reference peer security groups").
 * The words are AWS's: "active", "deleted"; NULL where the rule is for no such group. */
const char *permission_peering_status(struct store_tx *tx, const json_t *doc);

/* What the rule counts for in its group's limit: its prefix list's most entries, or one. */
int64_t permission_weight(struct store_tx *tx, const json_t *doc);

/* Actions on rules, for the table in action_security_group.c. */
action_fn rule_authorize_ingress, rule_authorize_egress, rule_revoke_ingress, rule_revoke_egress,
	rule_modify, rule_describe, rule_describe_ingress, rule_describe_egress;

#endif
