/* At the start: is what is open what the store says? */
#ifndef MC_API_BILLING_AUDIT_H
#define MC_API_BILLING_AUDIT_H

#include <sqlite3.h>

#include "api/billing/meter_clock.h"
#include "api/store.h"
#include "common/error.h"

/* Open what is not open and should be (a meter that is new in this version), end what is and should
 * not be. In the caller's SQL transaction. 0, or -1 and *err. */
int audit_open_records(struct store_tx *tx, sqlite3 *db, const struct meter_instant *now, mc_err **err);

#endif
