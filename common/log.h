/* Structured log lines to stderr:
 *   2026-11-21T04:00:00.123Z info store request-id message key=value key="two words"
 * With JOURNAL_STREAM set, each line carries the <N> priority prefix of
 * sd-daemon(3). Library code logs at debug only; exactly one layer logs an error. */
#ifndef MC_COMMON_LOG_H
#define MC_COMMON_LOG_H

enum mc_log_level { MC_LOG_ERROR, MC_LOG_WARNING, MC_LOG_INFO, MC_LOG_DEBUG, MC_LOG_LEVEL_MAX };

/* "error", "warning", "info", "debug"; -1 where the text is none of them. */
int mc_log_level_parse(const char *text);
const char *mc_log_level_name(enum mc_log_level level);

void mc_log_set_level(enum mc_log_level level);

/* The request id of what this thread does now ("-" when NULL). Copied. */
void mc_log_set_request_id(const char *id);
const char *mc_log_request_id(void);

/* kv: pairs `"key", value` of strings, ended by NULL. A NULL value is skipped.
 *   mc_log(MC_LOG_INFO, "netd", "vpc applied", "vpc", id, NULL); */
void mc_log(enum mc_log_level level, const char *area, const char *message, ...)
	__attribute__((sentinel));

/* printf form without pairs. */
void mc_logf(enum mc_log_level level, const char *area, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
