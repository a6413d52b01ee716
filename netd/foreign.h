/* Other people's nft rules in the root namespace: would they let a packet between internet
 * gateways pass? A base chain's accept ends that chain alone, so no rule of ours can help. */
#ifndef NETD_FOREIGN_H
#define NETD_FOREIGN_H

#include <jansson.h>

/* The base chains of the forward hook, outside our tables, that drop a new connection which
 * enters and leaves by an interface mi…: [{family, table, chain}]. ruleset: what
 * `nft --json list ruleset` prints. A rule with a condition that we cannot judge is taken not to
 * match. New reference. */
json_t *foreign_forward_drops(const json_t *ruleset);

#endif
