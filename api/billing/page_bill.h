/* Billing's pages (docs/pages.md): actions without an operation, api/page.c has their rows. */
#ifndef MC_API_BILLING_PAGE_BILL_H
#define MC_API_BILLING_PAGE_BILL_H

#include <stdio.h>

#include "api/action.h"
#include "api/billing/bill.h"

extern const struct action page_bill, page_bill_explain, page_estimate, page_simulate, page_reprice;

/* Whose bills the caller sees: the first account's caller all (NULL), others their own. */
const char *page_bill_account(const struct call *call);
/* minicloud_cost_month and minicloud_cost_per_hour by account and service, for Prometheus. */
void page_bill_metrics(struct api *api, FILE *out);
/* The meters' now, scale, lead and currency into an answer. */
void page_bill_clock(const struct bill *b, json_t *doc);

#endif
