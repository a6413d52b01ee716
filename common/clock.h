/* The only place that reads clocks. Tests step it. */
#ifndef MC_COMMON_CLOCK_H
#define MC_COMMON_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define MC_MS 1000000LL
#define MC_SECOND 1000000000LL
#define MC_CLOCK_FIRST -2208988800LL /* 1900, and the last second that fits, in 2262: */
#define MC_CLOCK_LAST 9223372035LL   /* what is parsed lies between, in seconds since 1970 */
#define MC_ISO8601_LEN 25 /* "YYYY-MM-DDTHH:MM:SS.mmmZ" and the NUL */

/* Wall clock, nanoseconds since 1970 (CLOCK_REALTIME). For labels. */
int64_t mc_clock_wall(void);

/* Nanoseconds since boot, suspend included (CLOCK_BOOTTIME). For durations. */
int64_t mc_clock_boot(void);

/* This boot's id (/proc/sys/kernel/random/boot_id); the buffer is static. */
const char *mc_clock_boot_id(void);

/* For tests: add ns to what either clock reads from now on. */
void mc_clock_step(int64_t wall_ns, int64_t boot_ns);
/* For tests: both clocks stand still from now on, but for steps. */
void mc_clock_freeze(void);
/* For tests: another boot id, and a boot clock that begins anew. */
void mc_clock_reboot(void);

/* ISO 8601 UTC with milliseconds and Z, as the EC2 API writes it. */
void mc_clock_iso8601(int64_t wall_ns, char out[MC_ISO8601_LEN]);

/* Parse "YYYY-MM-DDTHH:MM:SS[.fff]Z" or the basic form "YYYYMMDDTHHMMSSZ".
 * 0, or -1 where the text is neither, or a time before 1900 or after March 2262. */
int mc_clock_parse(const char *text, int64_t *ret_wall_ns);

#endif
