/* What volumes may do above their baseline: a credit that is spent by use and earned with time, full at
 * the beginning (Amazon EBS User Guide, "General Purpose SSD volumes", "HDD volumes"). A QEMU keeps it while it
 * runs; here it is kept from QEMU to QEMU, by what their counters have shown. */
#ifndef MC_API_BURST_H
#define MC_API_BURST_H

#include <sqlite3.h>

#include "api/api.h"
#include "api/volume_type.h"
#include "common/error.h"

/* Table of api/store_db.c. credits: operations or bytes at `at` (wall clock, ns); given: what its QEMU was told;
 * operations and bytes: its QEMU's counters at that time. */
#define BURST_SCHEMA \
	"CREATE TABLE burst (volume TEXT PRIMARY KEY, credits INTEGER NOT NULL, at INTEGER NOT NULL, given INTEGER NOT NULL," \
	" operations INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;"

struct burst_rule {
	int64_t earned; /* a second */
	int64_t top;    /* a second, while there is credit */
	int64_t cap;
	bool bytes;     /* it counts bytes, not operations */
};
/* Of a type's limits; false: there is no burst. */
bool burst_rule(const json_t *limits, struct burst_rule *ret);

struct burst_use {
	int64_t operations, bytes; /* since the last time */
	int64_t passed;            /* ns */
};
/* The credit after that. An operation is at most 256 KiB. */
int64_t burst_after(const struct burst_rule *rule, int64_t credits, const struct burst_use *use);

/* The limits of a volume for a QEMU, with the credit that is left; noted as given. fresh: a QEMU that
 * has not had the volume yet. New reference. */
json_t *burst_limits(struct api *api, const char *volume, const struct volume_shape *shape, bool fresh);

/* Take in a disk's counters (docs/ipc.md), in a SQL transaction of the store. 1: *ret_percent is what is left, and
 * *ret_renew whether so much was earned that its QEMU should be told; 0: it has no burst; -1 and *err. */
int burst_take(sqlite3 *db, const struct resource *vol, const json_t *disk, double *ret_percent, bool *ret_renew, mc_err **err);

/* Forget volumes that are no more, in the same transaction. 0, or -1 and *err. */
int burst_tidy(sqlite3 *db, mc_err **err);

/* Tell the instance's QEMU what the volume may do now. */
void burst_renew(struct api *api, const char *instance, const char *volume);

#endif
