#include "api/schedule.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define HOUR (3600 * MC_SECOND)
#define YEAR_FIRST 1970
#define YEAR_LAST 2199

enum { MINUTES, HOURS, DOM, MONTH, DOW, YEAR, FIELDS };

/* A bit for each value; years from YEAR_FIRST on. */
struct cron {
	bool has[FIELDS][YEAR_LAST - YEAR_FIRST + 1];
	bool any_day; /* of the month: days of the week decide */
};

static const struct {
	int low, high;
	const char *names; /* three letters each, from low on */
} fields[FIELDS] = {
	[MINUTES] = { 0, 59, "" },
	[HOURS] = { 0, 23, "" },
	[DOM] = { 1, 31, "" },
	[MONTH] = { 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC" },
	[DOW] = { 1, 7, "SUNMONTUEWEDTHUFRISAT" },
	[YEAR] = { YEAR_FIRST, YEAR_LAST, "" },
};

/* --- parsing ---------------------------------------------------------------- */

/* A number or a name at *at, which moves behind it; -1: neither. */
static int value(int field, const char **at)
{
	const char *names = fields[field].names;
	char *end;
	long n;

	for (int i = 0; names[3 * i]; i++)
		if (strncasecmp(*at, names + 3 * i, 3) == 0) {
			*at += 3;
			return fields[field].low + i;
		}
	if (**at < '0' || **at > '9')
		return -1;
	n = strtol(*at, &end, 10);
	*at = end;
	return n >= fields[field].low && n <= fields[field].high ? (int)n : -1;
}

/* "*", "5", "5-9", each with or without "/2". -1: none of these. */
static int add_range(struct cron *c, int field, const char *text)
{
	int from = fields[field].low, to = fields[field].high, step = 1;
	const char *at = text;
	char *end;

	if (*at == '*' || *at == '?') {
		at++;
	} else {
		from = to = value(field, &at);
		if (*at == '-') {
			at++;
			to = value(field, &at);
		} else if (*at == '/') {
			to = fields[field].high;
		}
	}
	if (*at == '/') {
		step = (int)strtol(at + 1, &end, 10);
		at = end;
	}
	if (*at || from < 0 || to < from || step < 1 || step > YEAR_LAST)
		return -1;
	for (int v = from; v <= to; v += step)
		c->has[field][v - (field == YEAR ? YEAR_FIRST : 0)] = true;
	return 0;
}

static int add_field(struct cron *c, int field, char *text)
{
	char *save = NULL;

	for (char *part = strtok_r(text, ",", &save); part; part = strtok_r(NULL, ",", &save))
		if (add_range(c, field, part) < 0)
			return -1;
	return 0;
}

/* "cron(0 18 ? * MON-FRI *)" */
static int cron_parse(const char *text, struct cron *ret)
{
	mc_autofree char *copy = mc_strdup(text);
	size_t n = strlen(copy);
	char *save = NULL, *word, *words[FIELDS];
	int i = 0;

	if (strncmp(copy, "cron(", 5) != 0 || n < 7 || copy[n - 1] != ')')
		return -1;
	copy[n - 1] = '\0';
	for (word = strtok_r(copy + 5, " ", &save); word && i < FIELDS; word = strtok_r(NULL, " ", &save))
		words[i++] = word;
	if (i < FIELDS || word || (strcmp(words[DOM], "?") == 0) == (strcmp(words[DOW], "?") == 0))
		return -1; /* one of the two days is "?" */
	*ret = (struct cron){ .any_day = strcmp(words[DOM], "?") == 0 };
	for (i = 0; i < FIELDS; i++)
		if (add_field(ret, i, words[i]) < 0)
			return -1;
	return 0;
}

/* --- the next moment ---------------------------------------------------------- */

static bool day_fits(const struct cron *c, const struct tm *day)
{
	int year = day->tm_year + 1900;

	return year <= YEAR_LAST && c->has[YEAR][year - YEAR_FIRST] && c->has[MONTH][day->tm_mon + 1] &&
	       (c->any_day ? c->has[DOW][day->tm_wday + 1] : c->has[DOM][day->tm_mday]);
}

/* The first minute of the day (from this second of it on) that fits; -1: none. */
static int first_minute(const struct cron *c, int from)
{
	for (int minute = (from + 59) / 60; minute < 24 * 60; minute++)
		if (c->has[HOURS][minute / 60] && c->has[MINUTES][minute % 60])
			return minute;
	return -1;
}

static int64_t cron_next(const struct cron *c, int64_t after)
{
	time_t start = (time_t)(after / MC_SECOND) + 1, day = start - start % 86400;
	struct tm tm;

	for (; gmtime_r(&day, &tm) && tm.tm_year + 1900 <= YEAR_LAST; day += 86400) {
		int minute = day_fits(c, &tm) ? first_minute(c, day < start ? (int)(start - day) : 0) : -1;

		if (minute >= 0)
			return ((int64_t)day + minute * 60) * MC_SECOND;
	}
	return INT64_MAX;
}

/* Its minute of the day, of a text that the model has checked; 0 where there is none. */
static int minute_of(const json_t *rule)
{
	const char *text = mc_json_at(mc_json_arr(rule, "Times"), 0);
	int hour = 0, minute = 0;

	if (text && sscanf(text, "%2d:%2d", &hour, &minute) != 2)
		return 0;
	return hour * 60 + minute;
}

static int64_t interval_next(const json_t *rule, int64_t after)
{
	int64_t every = mc_json_int(rule, "Interval", 24) * HOUR, first = minute_of(rule) * 60 * MC_SECOND;
	int64_t since = after - first % every;

	return first % every + (since / every + 1) * every;
}

int64_t schedule_next(const json_t *rule, int64_t after)
{
	const char *expression = mc_json_str(rule, "CronExpression", NULL);
	struct cron c;

	if (!expression)
		return interval_next(rule, after);
	return cron_parse(expression, &c) < 0 ? INT64_MAX : cron_next(&c, after);
}

static bool is_time(const char *text)
{
	return text && strlen(text) == 5 && text[2] == ':' && strspn(text, "0123456789:") == 5 && strncmp(text, "24", 2) < 0 &&
	       text[3] < '6';
}

int schedule_check(const json_t *rule, mc_err **err)
{
	static const int intervals[] = { 1, 2, 3, 4, 6, 8, 12, 24 };
	const char *expression = mc_json_str(rule, "CronExpression", NULL);
	int64_t interval = mc_json_int(rule, "Interval", 0);
	size_t times = json_array_size(mc_json_arr(rule, "Times"));
	struct cron c;

	if (!expression == !interval)
		return mc_err_set(err, 0, "A create rule has either an interval or a cron expression.");
	if (expression && (times > 0 || mc_json_str(rule, "IntervalUnit", NULL)))
		return mc_err_set(err, 0, "A cron expression goes without IntervalUnit and Times.");
	if (expression && cron_parse(expression, &c) < 0)
		return mc_err_set(err, 0, "The cron expression is not valid: %s", expression);
	if (expression)
		return cron_next(&c, 0) < INT64_MAX ? 0 : mc_err_set(err, 0, "The cron expression never comes true: %s", expression);
	if (times > 0 && !is_time(mc_json_at(mc_json_arr(rule, "Times"), 0)))
		return mc_err_set(err, 0, "A time is written hh:mm.");
	for (size_t i = 0; i < MC_ARRAY_SIZE(intervals); i++)
		if (interval == intervals[i])
			return 0;
	return mc_err_set(err, 0, "The interval must be one of 1, 2, 3, 4, 6, 8, 12 and 24 hours.");
}

int64_t schedule_later(int64_t from, int64_t n, const char *unit)
{
	time_t seconds = (time_t)(from / MC_SECOND);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	if (strcmp(unit, "MONTHS") == 0)
		tm.tm_mon += (int)n;
	else if (strcmp(unit, "YEARS") == 0)
		tm.tm_year += (int)n;
	else
		tm.tm_mday += (int)n * (strcmp(unit, "WEEKS") == 0 ? 7 : 1);
	return (int64_t)timegm(&tm) * MC_SECOND + from % MC_SECOND;
}
