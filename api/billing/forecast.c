#include "api/billing/forecast.h"

#include "api/billing/calendar.h"
#include "api/billing/dimension.h"
#include "api/billing/sums.h"

#define DAYS 14       /* whose totals make the spread */
#define COUNTED_DAYS 7

struct looking {
	struct bill *bill;
	const json_t *expression;
	bool usage;
	int64_t today;
	int64_t rate, per_month;    /* of what is open: an hour's, and a month's of what is priced so */
	int64_t counted;            /* in the last days */
	int64_t totals[DAYS + 1];   /* the last one is today's */
	int first;                  /* the first with anything in it */
};

/* What comes of it in so many ns: money or usage. */
static int64_t in_time(const struct looking *l, const struct bill_item *item, int64_t ns)
{
	struct bill_item lasting = *item;

	lasting.amount = ns;
	if (l->usage)
		return (int64_t)sums_quantity(&lasting);
	return sums_lasting(l->bill->rating.prices, item, ns);
}

static int look(void *ctx, const struct bill_item *item)
{
	const struct meter_unit_info *unit = meter_unit_info(item->meter->unit);
	struct looking *l = ctx;
	int at = (int)(item->day - (l->today - DAYS));
	int64_t amount;

	if (!dimension_match(l->expression, l->bill->rating.prices, item) || at < 0 || at > DAYS)
		return 0;
	if (item->open && unit->timed && unit->monthly)
		l->per_month += in_time(l, item, calendar_month_days(calendar_month(item->day)) * CALENDAR_DAY);
	else if (item->open && unit->timed)
		l->rate += in_time(l, item, CALENDAR_HOUR);
	amount = l->usage ? (int64_t)sums_quantity(item) : item->cost;
	if (!unit->timed && at >= DAYS - COUNTED_DAYS)
		l->counted += amount;
	l->totals[at] += amount;
	if (at < l->first)
		l->first = at;
	return 0;
}

static int64_t root(money_wide n)
{
	money_wide at = 0;

	for (money_wide bit = (money_wide)1 << 62; bit; bit >>= 1)
		if ((at | bit) * (at | bit) <= n)
			at |= bit;
	return (int64_t)at;
}

/* Of the whole days since there is anything; two make no spread. */
static int64_t spread(const struct looking *l)
{
	int n = DAYS - l->first;
	money_wide sum = 0, squares = 0;

	if (n < 3)
		return 0;
	for (int i = l->first; i < DAYS; i++)
		sum += l->totals[i];
	for (int i = l->first; i < DAYS; i++) {
		money_wide off = l->totals[i] - sum / n;

		squares += off * off / (n - 1);
	}
	return root(squares);
}

int forecast_read(struct bill *b, const char *account, const json_t *expression, bool usage, struct forecast *ret, mc_err **err)
{
	int64_t today = calendar_day(b->now.label), counted_ns;
	struct looking l = { .bill = b, .expression = expression, .usage = usage, .today = today, .first = DAYS };
	const struct bill_query q = { .account = account, .from = today - DAYS, .to = today + 1 };

	if (bill_each(b, &q, look, &l, err) < 0)
		return -1;
	counted_ns = b->now.label - (today - (DAYS - l.first < COUNTED_DAYS ? DAYS - l.first : COUNTED_DAYS)) * CALENDAR_DAY;
	ret->per_day = l.rate * 24;
	ret->per_month = l.per_month;
	if (counted_ns > 0)
		ret->per_day += money_round((money_wide)l.counted * CALENDAR_DAY, counted_ns);
	ret->spread = spread(&l);
	return 0;
}

int64_t forecast_mean(const struct forecast *f, int64_t from, int64_t to)
{
	int64_t sum = from < to ? money_round((money_wide)f->per_day * (to - from), CALENDAR_DAY) : 0;

	while (from < to) {
		int month = calendar_month(calendar_day(from));
		int64_t end = calendar_month_start(month + 1) * CALENDAR_DAY, until = end < to ? end : to;

		sum += money_round((money_wide)f->per_month * (until - from), calendar_month_days(month) * CALENDAR_DAY);
		from = until;
	}
	return sum;
}

/* The normal distribution's two-sided quantiles, in thousandths, at each level of five per cent. */
static int64_t quantile(int level)
{
	static const struct {
		int level, thousandths;
	} points[] = {
		{ 51, 690 }, { 55, 755 }, { 60, 842 }, { 65, 935 }, { 70, 1036 }, { 75, 1150 }, { 80, 1282 },
		{ 85, 1440 }, { 90, 1645 }, { 95, 1960 }, { 97, 2170 }, { 98, 2326 }, { 99, 2576 },
	};
	size_t i = 1;

	while (i + 1 < sizeof(points) / sizeof(points[0]) && points[i].level < level)
		i++;
	return points[i - 1].thousandths + (int64_t)(points[i].thousandths - points[i - 1].thousandths) *
						  (level - points[i - 1].level) / (points[i].level - points[i - 1].level);
}

int64_t forecast_margin(const struct forecast *f, int64_t ns, int level)
{
	/* Days are taken as independent of each other. */
	int64_t root_days = root((money_wide)1000000 * (ns > 0 ? ns : 0) / CALENDAR_DAY); /* in thousandths */

	return money_round((money_wide)f->spread * quantile(level) * root_days, 1000000);
}
