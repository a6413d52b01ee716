/* What storaged finds wrong with its host: GET /v1/findings (common/finding.h). */
#ifndef STORAGED_DOCTOR_H
#define STORAGED_DOCTOR_H

#include <jansson.h>

#include "common/error.h"
#include "storaged/storage.h"

/* {findings: [...]}: the store's room and kind, qemu-img. New reference; NULL and *err. */
json_t *doctor_report(struct storage *storage, mc_err **err);

#endif
