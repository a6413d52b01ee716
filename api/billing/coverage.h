/* What reservations and savings plans do to an hour of instances. */
#ifndef MC_API_BILLING_COVERAGE_H
#define MC_API_BILLING_COVERAGE_H

#include <stddef.h>
#include <stdint.h>

#include "api/billing/money.h"

struct coverage_use { /* instances of one type that run in the hour */
	int64_t running;
	int64_t on_demand;  /* nano-units an instance-hour */
	int64_t reserved;   /* how many are reserved ... */
	int64_t reserved_price;
	int64_t plan_price; /* under the savings plan; 0: it does not cover them */
};

struct coverage { /* nano-units; sums of hours may be added up */
	int64_t reserved;   /* for what is reserved, used or not */
	int64_t plan;       /* the commitment, used or not */
	int64_t unused;     /* of both, what nothing ran for */
	int64_t on_demand;  /* for the rest */
};

/* One hour: reservations first, then the plan where it saves most, up to its commitment (nano-units an
 * hour), then on-demand. (EC2 User Guide "How Reserved Instances are applied", Savings Plans User Guide
 * "Understanding how Savings Plans apply".) What is left of an instance-hour by the commitment's end is
 * rounded once. Adds to *sum. */
void coverage_hour(const struct coverage_use *uses, size_t n, int64_t commitment, struct coverage *sum);

#endif
