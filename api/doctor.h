/* GET /v1/findings: what is wrong with the host, by all daemons (docs/pages.md, common/finding.h). */
#ifndef MC_API_DOCTOR_H
#define MC_API_DOCTOR_H

#include "api/action.h"

extern const struct action page_findings;

#endif
