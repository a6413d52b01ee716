/* By what bills are grouped and filtered: Cost Explorer's dimensions, and tags. */
#ifndef MC_API_BILLING_DIMENSION_H
#define MC_API_BILLING_DIMENSION_H

#include <jansson.h>
#include <stdbool.h>

#include "api/billing/bill.h"
#include "api/billing/price.h"

#define DIMENSION_TEXT 512

struct dimension;

/* "SERVICE", "USAGE_TYPE" ...; NULL: bills do not have it. */
const struct dimension *dimension_find(const char *name);

/* The item's value, in out. */
void dimension_value(const struct dimension *d, const struct prices *prices, const struct bill_item *item,
		     char out[DIMENSION_TEXT]);

/* The value of the item's tag in out, "" where it has none. */
void dimension_tag(const struct bill_item *item, const char *key, char out[DIMENSION_TEXT]);

/* Does the item fit a filter in the form of Cost Explorer's Expression (NULL: all do)? */
bool dimension_match(const json_t *expression, const struct prices *prices, const struct bill_item *item);
/* What is wrong with an Expression: NULL, or a text for the client. Constant. */
const char *dimension_check(const json_t *expression);

#endif
