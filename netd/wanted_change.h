/* Single rules of security groups, added to a wanted VPC and taken away: what the caller says
 * instead of the whole document (docs/ipc.md), and what stands behind the document in its file. */
#ifndef NETD_WANTED_CHANGE_H
#define NETD_WANTED_CHANGE_H

#include <jansson.h>
#include <stdbool.h>

#include "common/error.h"
#include "netd/wanted.h"

struct wanted_changed_rule {
	size_t group; /* index into groups */
	enum wanted_direction direction;
	bool added;   /* else taken away */
	struct wanted_rule rule;
};

struct wanted_change {
	struct wanted *wanted;
	struct wanted before; /* as it was; shares everything with *wanted but the rules that changed */
	struct wanted_changed_rule *rules;
	size_t n_rules;
};

/* Change *wanted by a body that passed wanted_change_fields; the pointer must stay good. Free with
 * wanted_change_keep() or wanted_change_undo(). NULL and *err, with nothing changed, where the
 * body does not follow from what *wanted is: another generation, a group or a rule that is
 * not there, a malformed one, too many. */
struct wanted_change *wanted_change_new(struct wanted *wanted, const json_t *doc, mc_err **err);

/* The change is for good / never was. Both take NULL. */
void wanted_change_keep(struct wanted_change *change);
void wanted_change_undo(struct wanted_change *change);

/* The same rule, whatever words it was said in? */
bool wanted_rule_same(const struct wanted_rule *a, const struct wanted_rule *b);

static inline void wanted_change_cleanup(struct wanted_change **c)
{
	wanted_change_undo(*c);
}
#define auto_wanted_change __attribute__((cleanup(wanted_change_cleanup)))

#endif
