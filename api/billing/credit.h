/* CPU credits of burstable instances, from the processor time that they really took: earned with time,
 * spent by use, and in unlimited mode owed (surplus) and billed (meter cpu-credits). (EC2 User Guide,
 * "Key concepts for burstable performance instances", "Unlimited mode concepts".)
 *
 * In standard mode who has no credits left gets what it earns, and no more: api/throttle.h tells its QEMU.
 *
 * Inside, a credit is the processor time that it buys: a minute of one processor. */
#ifndef MC_API_BILLING_CREDIT_H
#define MC_API_BILLING_CREDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "api/store.h"
#include "common/clock.h"
#include "common/error.h"

#define CREDIT_NS (60 * MC_SECOND) /* of one processor */

/* Table of api/store_db.c. `at` is a count of the meters' clock. */
#define CREDIT_SCHEMA \
	"CREATE TABLE credit (instance TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, az TEXT NOT NULL," \
	" type TEXT NOT NULL, tags TEXT NOT NULL, launched TEXT NOT NULL, at INTEGER NOT NULL, cpu INTEGER NOT NULL," \
	" balance INTEGER NOT NULL, surplus INTEGER NOT NULL, rest INTEGER NOT NULL) WITHOUT ROWID;"

#define CREDIT_SCHEMA_QUOTA "ALTER TABLE credit ADD COLUMN quota INTEGER NOT NULL DEFAULT 0;"

struct credit_account { /* all in ns of a processor */
	int64_t balance, surplus;
	int64_t rest;    /* what was earned and is less than one, in 1/3600000000000 */
};

struct credit_rules {
	int64_t per_hour; /* ns earned an hour */
	int64_t max;      /* what a balance holds, and a surplus before it is billed */
	int64_t launch;   /* had at the start of the first run */
	bool unlimited;
	bool kept;        /* a balance outlives a stop */
	int processors;
};

/* false: a type without credits. mode: "unlimited", "standard", or NULL: as the family begins. */
bool credit_rules(const char *type, const char *mode, struct credit_rules *ret);

/* So much time passed, so much processor time was used. Returns what is to be billed. */
int64_t credit_advance(struct credit_account *a, const struct credit_rules *rules, int64_t passed, int64_t used);
/* How many us of every CREDIT_PERIOD_US each processor may run so that in `horizon` ns of the meters no more is used than
 * is there and comes; 0: it may run as it likes. */
#define CREDIT_PERIOD_US 100000
int64_t credit_quota(const struct credit_account *a, const struct credit_rules *rules, int64_t horizon);

/* It stopped: what it owes is billed. */
int64_t credit_stop(struct credit_account *a, const struct credit_rules *rules);

struct credit_reading {
	const char *instance;
	int64_t cpu; /* ns since its start */
	int64_t horizon; /* ns of the host until the next reading */
};
struct credit_figures { /* of the time since the reading before */
	int64_t used, charged;
	struct credit_account account;
	int64_t quota;     /* credit_quota() */
	bool tell;         /* its QEMU is to be told, perhaps once more */
};

/* Take in a running instance's reading, in a SQL transaction of the store. 1: ret is filled, 0: it has no
 * credits or does not run, -1 and *err. */
int credit_take(struct store_tx *tx, sqlite3 *db, const struct credit_reading *reading, struct credit_figures *ret, mc_err **err);
/* Its QEMU was told that it may run as it likes. 0, or -1 and *err. */
int credit_freed(sqlite3 *db, const char *instance, mc_err **err);
/* The quota of an instance whose QEMU is about to run. 0, or -1 and *err. */
int credit_quota_at_start(sqlite3 *db, const struct resource *instance, int64_t horizon, int64_t *ret_quota, mc_err **err);
/* Bill those that do not run any more what they owe. 0, or -1 and *err. */
int credit_settle(struct store_tx *tx, sqlite3 *db, mc_err **err);

#endif
