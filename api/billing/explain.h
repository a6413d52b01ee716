/* A bill line by line: quantity x time x price, so that everybody can check it. */
#ifndef MC_API_BILLING_EXPLAIN_H
#define MC_API_BILLING_EXPLAIN_H

#include <jansson.h>

#include "api/billing/bill.h"

/* [{resource, service, usage_type, region, unit, parts: [{quantity, seconds, month_seconds?, units, price,
 * cost, free?, up_to?}], rounding, cost}] in the order of resources. Numbers are decimal texts. `rounding`
 * is what the rounding of each day makes of it; parts and rounding add up to cost. expression filters as
 * Cost Explorer's do; NULL: all. NULL and *err. */
json_t *explain_bill(struct bill *b, const struct bill_query *q, const json_t *expression, mc_err **err);

/* The same for people, one line a part. Allocated. */
char *explain_text(const json_t *explanation, const char *currency);

#endif
