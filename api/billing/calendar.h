/* UTC days and months as numbers. */
#ifndef MC_API_BILLING_CALENDAR_H
#define MC_API_BILLING_CALENDAR_H

#include <stdint.h>

#define CALENDAR_HOUR 3600000000000LL /* ns */
#define CALENDAR_DAY (24 * CALENDAR_HOUR)
#define CALENDAR_TEXT 16

/* The day (since 1970) of a wall time in ns. */
int64_t calendar_day(int64_t wall_ns);
/* The month of a day: year * 12 + month - 1. */
int calendar_month(int64_t day);
/* The first day of a month, and how many it has. */
int64_t calendar_month_start(int month);
int calendar_month_days(int month);

/* "2026-11-21" and back: 0, or -1 where the text is no such day. */
void calendar_day_text(int64_t day, char out[CALENDAR_TEXT]);
int calendar_day_parse(const char *text, int64_t *ret_day);
/* "2026-11" and back. */
void calendar_month_text(int month, char out[CALENDAR_TEXT]);
int calendar_month_parse(const char *text, int *ret_month);

#endif
