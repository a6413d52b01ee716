#include "common/finding.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"

static const char *const names[MC_FINDING_MAX] = {
	[MC_FINDING_OK] = "ok", [MC_FINDING_INFO] = "info", [MC_FINDING_WARNING] = "warning", [MC_FINDING_ERROR] = "error",
};

const char *mc_severity_name(enum mc_severity s)
{
	return names[s];
}

enum mc_severity mc_severity_parse(const char *word)
{
	for (int i = 0; i < MC_FINDING_MAX; i++)
		if (strcmp(names[i], word) == 0)
			return (enum mc_severity)i;
	return MC_FINDING_ERROR;
}

void mc_finding_add(json_t *list, const char *what, enum mc_severity severity, const char *remedy, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = mc_vstrf(fmt, ap);
	va_end(ap);
	json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s*}", "what", what, "severity", names[severity], "text", text,
					      "remedy", remedy));
	free(text);
}
