#include "api/billing/calendar.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"

int64_t calendar_day(int64_t wall_ns)
{
	return wall_ns >= 0 ? wall_ns / CALENDAR_DAY : -((CALENDAR_DAY - 1 - wall_ns) / CALENDAR_DAY);
}

static struct tm date_of(int64_t day)
{
	time_t t = (time_t)day * 86400;
	struct tm tm;

	gmtime_r(&t, &tm);
	return tm;
}

int calendar_month(int64_t day)
{
	struct tm tm = date_of(day);

	return (tm.tm_year + 1900) * 12 + tm.tm_mon;
}

int64_t calendar_month_start(int month)
{
	struct tm tm = { .tm_year = month / 12 - 1900, .tm_mon = month % 12, .tm_mday = 1 };

	return timegm(&tm) / 86400;
}

int calendar_month_days(int month)
{
	return (int)(calendar_month_start(month + 1) - calendar_month_start(month));
}

void calendar_day_text(int64_t day, char out[CALENDAR_TEXT])
{
	char iso[MC_ISO8601_LEN];

	mc_clock_iso8601(day * CALENDAR_DAY, iso);
	snprintf(out, CALENDAR_TEXT, "%.10s", iso);
}

int calendar_day_parse(const char *text, int64_t *ret_day)
{
	char back[CALENDAR_TEXT], iso[MC_ISO8601_LEN];
	int64_t ns;

	if (strlen(text) != 10)
		return -1;
	snprintf(iso, sizeof(iso), "%sT00:00:00Z", text);
	if (mc_clock_parse(iso, &ns) < 0)
		return -1;
	*ret_day = calendar_day(ns);
	calendar_day_text(*ret_day, back); /* timegm takes February 31st for March */
	return strcmp(back, text) == 0 ? 0 : -1;
}

void calendar_month_text(int month, char out[CALENDAR_TEXT])
{
	calendar_day_text(calendar_month_start(month), out);
	out[7] = '\0';
}

int calendar_month_parse(const char *text, int *ret_month)
{
	char day[CALENDAR_TEXT];
	int64_t n;

	if (strlen(text) != 7)
		return -1;
	snprintf(day, sizeof(day), "%.7s-01", text);
	if (calendar_day_parse(day, &n) < 0)
		return -1;
	*ret_month = calendar_month(n);
	return 0;
}
