/* Findings: what a daemon knows to be wrong with its host, for GET /v1/host and `minicloud doctor`. */
#ifndef MC_COMMON_FINDING_H
#define MC_COMMON_FINDING_H

#include <jansson.h>

enum mc_severity {
	MC_FINDING_OK,      /* looked at and good */
	MC_FINDING_INFO,    /* good to know */
	MC_FINDING_WARNING, /* it works, but worse, or not for long */
	MC_FINDING_ERROR,   /* something does not work */
	MC_FINDING_MAX
};

/* "ok", "info", "warning", "error". */
const char *mc_severity_name(enum mc_severity s);
/* MC_FINDING_ERROR for an unknown word: what is not understood is not taken lightly. */
enum mc_severity mc_severity_parse(const char *word);

/* Append {what, severity, text, remedy?} to the array. what: a short stable name
 * ("foreign-firewall"); text: what was found and what it does, one sentence; remedy: what to do, NULL where there
 * is nothing to. */
void mc_finding_add(json_t *list, const char *what, enum mc_severity severity, const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* Is the clock set and synchronized (adjtimex(2))? */
void mc_finding_clock(json_t *list);

#endif
