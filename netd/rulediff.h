/* The difference of two rulesets (ruleset.h), and its text for nft. */
#ifndef NETD_RULEDIFF_H
#define NETD_RULEDIFF_H

#include "netd/ruleset.h"

struct rulediff_element {
	const struct ruleset_set *set;
	const struct ruleset_element *element;
};

/* Points into both rulesets, which must outlive it. */
struct rulediff {
	const struct ruleset *present, *wanted; /* present NULL: nothing there */
	bool rebuild;    /* a table is missing or from another skeleton: all are made anew, counters carried over */
	bool structural; /* chains, rules or sets differ, too, not elements alone */
	bool shrinks;    /* something that could have allowed a packet goes or changes */
	struct rulediff_element *gone, *fresh; /* elements; a changed one is in both */
	size_t n_gone, n_fresh;
};

/* Both must be sorted. present may be NULL. */
void rulediff_make(const struct ruleset *present, const struct ruleset *wanted,
		   struct rulediff *ret_diff);
void rulediff_free(struct rulediff *diff);

/* One transaction for nft; allocated, "" when nothing differs. */
char *rulediff_text(const struct rulediff *diff);

#define auto_rulediff __attribute__((cleanup(rulediff_free)))

#endif
