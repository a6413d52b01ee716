#include <sys/timex.h>

#include "common/clock.h"
#include "common/finding.h"

/* The code was not written before: a clock that says so was never set. 2026-01-01. */
#define SANE (1767225600LL * MC_SECOND)

void mc_finding_clock(json_t *list)
{
	struct timex t = { .modes = 0 };
	int state = adjtimex(&t);
	char now[MC_ISO8601_LEN];

	mc_clock_iso8601(mc_clock_wall(), now);
	if (mc_clock_wall() < SANE)
		mc_finding_add(list, "clock", MC_FINDING_ERROR, "set it: timedatectl set-ntp true, or date -s",
			       "the host's clock is wrong (%s): signatures, bills and certificates go by it", now);
	else if (state == TIME_ERROR || t.status & STA_UNSYNC)
		mc_finding_add(list, "clock", MC_FINDING_WARNING, "run a time service: timedatectl set-ntp true",
			       "the host's clock (%s) is not synchronized: signed requests are refused when it is 5 minutes off", now);
	else
		mc_finding_add(list, "clock", MC_FINDING_OK, NULL, "the host's clock (%s) is synchronized", now);
}
