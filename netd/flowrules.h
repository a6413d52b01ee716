/* Flow logs in the data path: the kernel counts packets and bytes by 5-tuple in hash sets, of
 * which there are two sides. Packets go to one, while the other is read and emptied. */
#ifndef NETD_FLOWRULES_H
#define NETD_FLOWRULES_H

#include <stdbool.h>

#include "netd/ruleset.h"
#include "netd/wanted.h"

#define FLOW_SET_SIZE 65536 /* flows of a VPC in an interval, of a direction, verdict and protocol */

enum flow_interval { FLOW_MINUTE, FLOW_TEN_MINUTES, FLOW_INTERVAL_MAX };
enum flow_verdict { FLOW_ACCEPT, FLOW_REJECT, FLOW_VERDICT_MAX };
enum flow_class { FLOW_TCP, FLOW_UDP, FLOW_OTHER, FLOW_CLASS_MAX };

/* The side of each interval that packets go to, 'a' or 'b'. */
struct flow_sides {
	char of[FLOW_INTERVAL_MAX];
};
#define FLOW_SIDES_INIT { { 'a', 'a' } }

int flowrules_seconds(enum flow_interval interval);
/* Does some flow log of the VPC have this interval? */
bool flowrules_used(const struct wanted *wanted, enum flow_interval interval);

/* Sets and chains of all flow logs. */
void flowrules_add_all(struct ruleset *rs, const struct wanted *wanted,
		       const struct flow_sides *sides);

/* The rule, with its newline, that has packets counted on a path; "" where nobody asks. */
const char *flowrules_jump(const struct wanted *wanted, enum wanted_direction direction,
			   enum flow_verdict verdict);

/* The name of a set, without its table; allocated. Its elements are an interface's MAC (out) or
 * next hop (in), source, destination, and two ports or a protocol. */
char *flowrules_set(enum flow_interval interval, char side, enum wanted_direction direction,
		    enum flow_verdict verdict, enum flow_class class);

#endif
