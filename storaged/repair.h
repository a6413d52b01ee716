/* storaged --repair: the records made anew when their database is lost or broken. */
#ifndef MC_STORAGED_REPAIR_H
#define MC_STORAGED_REPAIR_H

#include "storaged/storage.h"

/* Only where the database is absent, broken or empty; a broken one is kept under another name. found() is told what
 * could not be restored; what check_run() finds afterwards is for the caller. The storage is open when it
 * returns 0, and the work of storage_recover() done; close it in either case. 0 or -1 and *err. */
int repair_run(struct storage *storage, const struct storaged_config *config, graph_found *found, void *ctx, mc_err **err);

/* Before storage_open(): 0, or -1 and *err where the database is broken. */
int repair_check_broken(const struct storaged_config *config, mc_err **err);

/* 0, or -1 and *err where the records know nothing although the store has owners: they were lost. */
int repair_check_needed(struct storage *storage, mc_err **err);

#endif
