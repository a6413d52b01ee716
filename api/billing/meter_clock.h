/* The meters' own time.
 *
 * Two counts, both in ns: `meter`, by which durations are measured, runs on CLOCK_BOOTTIME (times the
 * time scale) while the host is up, through restarts of the daemon, and stands still while the host is
 * down; `label`, the wall time that a moment is filed under. A label is the meter's count plus an
 * offset, which follows the wall clock when that is set: durations never jump with it.
 * The anchor that ties them to the boot clock is a row of the database, renewed with every heartbeat. */
#ifndef MC_API_BILLING_METER_CLOCK_H
#define MC_API_BILLING_METER_CLOCK_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

struct meter_clock {
	char boot_id[40];
	int64_t boot;   /* the boot clock at the anchor */
	int64_t meter;  /* the meter's count at the anchor: the last heartbeat */
	int64_t offset; /* label - meter */
	int64_t set;    /* wall - boot, as last taken over into the offset */
	int64_t scale;
};

struct meter_instant {
	int64_t meter, label;
};

/* A clock that begins now. */
void meter_clock_init(struct meter_clock *c, int64_t scale);
/* The anchor kept in the database. 1: read, 0: there is none, -1 and *err. */
int meter_clock_load(struct meter_clock *c, sqlite3 *db, mc_err **err);
int meter_clock_save(const struct meter_clock *c, sqlite3 *db, mc_err **err);

/* Is the anchor of this boot of the host? */
bool meter_clock_same_boot(const struct meter_clock *c);

struct meter_instant meter_clock_now(const struct meter_clock *c);

/* Has the wall clock been set by a second or more since the offset was taken? */
bool meter_clock_was_set(const struct meter_clock *c);
/* A new anchor at this moment, labels by the wall clock as it is now, the scale from now on. */
void meter_clock_anchor(struct meter_clock *c, int64_t scale);
/* The same after the host was down: the count goes on from where it was last seen. */
void meter_clock_resume(struct meter_clock *c, int64_t scale);

/* How far labels are ahead of the wall clock, by time scales used so far. */
int64_t meter_clock_lead(const struct meter_clock *c);

#endif
