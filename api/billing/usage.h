/* Usage records: what was used from when to when. All functions write to the database of record
 * inside a SQL transaction that the caller holds.
 *
 *   usage_line    what is used: resource, meter, type, quantity, tags ...; once for all its records
 *   usage_open    a line that runs now, at most one per resource and meter
 *   usage_record  a piece of time, never changed again; none reaches over a UTC midnight
 *   usage_day     the records' sums by line and UTC day, kept with every record
 *
 * A *run* is the time a meter of a resource is on without a break: records that end because a tag or
 * a size changed, or a day did, are of one run. What a run is billed at least (api/billing/meter.h) is
 * put on its last record as `extra`. */
#ifndef MC_API_BILLING_USAGE_H
#define MC_API_BILLING_USAGE_H

#include <sqlite3.h>
#include <stdint.h>

#include "api/billing/meter.h"
#include "api/billing/meter_clock.h"
#include "common/error.h"

#define USAGE_NOW INT64_MAX

/* A resource changes from before to after (NULL: is not there): close what ended, open what began,
 * both at this instant. What ends for good ends at the count `known` where that is earlier: the last
 * moment at which the resource was known to be so. 0, or -1 and *err. */
int usage_change(sqlite3 *db, const struct resource *before, const struct resource *after,
		 const struct meter_instant *now, int64_t known, mc_err **err);

/* Make what is open equal to what the resource is, whatever was open: after a crash of an older
 * version, or with a new row of meters. */
int usage_settle(sqlite3 *db, const struct resource *r, const struct meter_instant *now, mc_err **err);
/* End what is open of a resource that is no more. */
int usage_drop(sqlite3 *db, const char *resource, const struct meter_instant *now, mc_err **err);

/* End all open records (those whose label is before `before`) at one instant and open them again at
 * another: the day or the wall clock has changed, or the host was down between them. */
int usage_turn(sqlite3 *db, int64_t before, const struct meter_instant *end, const struct meter_instant *begin,
	       mc_err **err);

/* Of what an amount is counted; all texts there, "" for none. */
struct usage_counted {
	const char *account, *region, *az, *resource, *type;
	const char *tags; /* meter_tags() */
	const struct meter *meter;
};

/* Count an amount (bytes, ns of processor) of a counted meter at a label. */
int usage_count(sqlite3 *db, const struct usage_counted *c, int64_t amount, int64_t label, mc_err **err);

#endif
