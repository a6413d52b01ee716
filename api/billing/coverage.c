#include "api/billing/coverage.h"

#include <stdbool.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/fs.h"

struct rest {
	int64_t running, on_demand, plan_price;
	bool done;
};

/* Where the plan saves most: the lowest share of what on-demand costs; the dearer one of equals. */
static struct rest *best_of(struct rest *rests, size_t n)
{
	struct rest *best = NULL;

	for (size_t i = 0; i < n; i++) {
		money_wide mine = (money_wide)rests[i].plan_price * (best ? best->on_demand : 0);
		money_wide its = best ? (money_wide)best->plan_price * rests[i].on_demand : 0;

		if (rests[i].done || !rests[i].plan_price || rests[i].running == 0)
			continue;
		if (!best || mine < its || (mine == its && rests[i].on_demand > best->on_demand))
			best = &rests[i];
	}
	return best;
}

static void cover_by_plan(struct rest *rests, size_t n, int64_t commitment, struct coverage *sum)
{
	int64_t left = commitment;

	for (struct rest *r; (r = best_of(rests, n)); r->done = true) {
		int64_t wanted = r->running * r->plan_price, taken = wanted < left ? wanted : left;

		left -= taken;
		/* taken / plan_price instance-hours are covered. */
		sum->on_demand += money_round((money_wide)(wanted - taken) * r->on_demand, r->plan_price);
		r->running = 0;
	}
	sum->plan += commitment;
	sum->unused += left;
}

void coverage_hour(const struct coverage_use *uses, size_t n, int64_t commitment, struct coverage *sum)
{
	mc_autofree struct rest *rests = mc_alloc((n + 1) * sizeof(*rests));

	for (size_t i = 0; i < n; i++) {
		int64_t covered = uses[i].running < uses[i].reserved ? uses[i].running : uses[i].reserved;

		sum->reserved += uses[i].reserved * uses[i].reserved_price;
		sum->unused += (uses[i].reserved - covered) * uses[i].reserved_price;
		rests[i] = (struct rest){ uses[i].running - covered, uses[i].on_demand, uses[i].plan_price, false };
	}
	cover_by_plan(rests, n, commitment, sum);
	for (size_t i = 0; i < n; i++)
		sum->on_demand += rests[i].running * rests[i].on_demand;
}
