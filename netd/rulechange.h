/* What a change of single rules (wanted_change.h) does to the tables: the elements that go and come, without
 * building the whole ruleset of the VPC anew. */
#ifndef NETD_RULECHANGE_H
#define NETD_RULECHANGE_H

#include "netd/rulediff.h"
#include "netd/ruleset.h"
#include "netd/wanted_change.h"

struct rulechange {
	struct ruleset *touched; /* what the diff's elements are of: sets by name, without the present one's other elements */
	struct rulediff diff;
};

/* present is what the tables were for change->before, and must outlive *ret_change. false: chains or sets must change, too, or
 * present is not in line: the whole ruleset must be compared. A set whose last element goes stays as it is, empty, and with
 * the rule that looks into it. */
bool rulechange_make(const struct ruleset *present, const struct wanted_change *change,
		     struct rulechange *ret_change);
/* It was done: so is present now. */
void rulechange_note(const struct rulechange *change, struct ruleset *present);
void rulechange_free(struct rulechange *change);

#define auto_rulechange __attribute__((cleanup(rulechange_free)))

#endif
