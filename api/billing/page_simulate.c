/* POST /v1/bill/simulate: a plan in, its month's bill out. */
#include "api/api.h"
#include "api/billing/billing.h"
#include "api/billing/calendar.h"
#include "api/billing/page_bill.h"
#include "api/billing/simulate.h"

static int accept(struct call *call)
{
	(void)call;
	return 0;
}

static int simulate(struct call *call)
{
	mc_auto_err mc_err *wrong = NULL;
	struct bill b;

	if (billing_read(call->api->billing, &b, &call->err) < 0)
		return -1;
	call->out = simulate_plan(call->in, b.rating.prices, call->caller->region, calendar_day(b.now.label), &wrong);
	bill_end(&b);
	return call->out ? 0 : action_fail(call, API_INVALID_PARAMETER, mc_err_msg(wrong));
}

const struct action page_simulate = {
	.service = "minicloud", .name = "simulate", .fn = accept, .flags = ACTION_BACKEND, .backend = simulate,
};
