/* The billing of a cloud: follows every commit of the store, keeps the meters' clock. */
#ifndef MC_API_BILLING_BILLING_H
#define MC_API_BILLING_BILLING_H

#include <stdint.h>

#include "api/billing/bill.h"
#include "api/billing/price.h"
#include "api/store.h"
#include "common/error.h"

#define BILLING_MAX_SCALE 1000000

struct billing;

struct billing_config {
	int64_t scale;          /* of time: 1, or faster for demonstrations */
	struct prices *prices;  /* taken over by billing_open(), whatever becomes of it */
	bool free_tier;         /* grant new accounts what is free in their first months */
};

/* Bring the records up to date (the daemon or the host may have been down) and follow the store's
 * commits from now on. NULL and *err. */
struct billing *billing_open(struct store *store, const struct billing_config *config, mc_err **err);
/* The heartbeat, from a thread of its own. 0, or -1 and *err. */
int billing_start(struct billing *b, mc_err **err);
/* End it with a last beat; commits are followed still. */
void billing_stop(struct billing *b);
/* The same, and let go of the store. NULL is fine. */
void billing_close(struct billing *b);

/* One beat: what is open is known to be so at this moment; days that are over are rated. */
int billing_beat(struct billing *b, mc_err **err);

/* A resource was seen to be as the store says. Until then what was open when the daemon
 * started counts as last known by the last heartbeat before. */
void billing_confirm(struct billing *b, const char *id);

/* Another price list for what is not rated yet. Taken over. */
void billing_set_prices(struct billing *b, struct prices *prices);

/* Rate the days from this month on once more, by the list in force. 0, or -1 and *err. */
int billing_rate_anew(struct billing *b, int month, mc_err **err);

/* A moment's bills; release with bill_end(). 0, or -1 and *err. */
int billing_read(struct billing *b, struct bill *ret, mc_err **err);

#endif
