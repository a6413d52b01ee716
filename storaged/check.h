/* storaged --check: do the records and the files tell the same story? */
#ifndef MC_STORAGED_CHECK_H
#define MC_STORAGED_CHECK_H

#include <stddef.h>

#include "storaged/storage.h"

/* What is looked at: records, headers, files; or the tables of all files that no QEMU writes to as well. */
enum check_depth { CHECK_HEADERS, CHECK_TABLES };

/* Calls found (at most once per finding) with a line of text. The number of
 * findings in *ret_findings; 0, or -1 and *err where it could not look. Changes nothing. */
int check_run(struct storage *storage, enum check_depth depth, void (*found)(void *ctx, const char *text), void *ctx,
	      size_t *ret_findings, mc_err **err);

#endif
