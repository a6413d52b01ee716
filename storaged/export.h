/* Writing what a snapshot or an image holds to a file for others, by tasks. */
#ifndef MC_STORAGED_EXPORT_H
#define MC_STORAGED_EXPORT_H

#include <jansson.h>

#include "storaged/storage.h"

/* Write it to the file (storaged/exchange.h: BUCKET/…/NAME) in this format (storaged/foreign.h), or see how far
 * that is. The file has its name when it is whole. As import_put(). */
int export_put(struct storage *storage, const char *id, const char *source, const char *format, const char *target,
	       json_t **ret, mc_err **err);
int export_get(struct storage *storage, const char *id, json_t **ret, mc_err **err);
/* End it where it is under way, forget it in any case; the file of a finished one stays. */
int export_delete(struct storage *storage, const char *id, mc_err **err);

#endif
