#include "api/protocol/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes that clients may have sent raw (or a cut multi-byte character) must not
 * make the answer's XML or JSON invalid. */
static void clean(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++)
		if (*p < 0x20 || *p >= 0x7f)
			*p = '?';
}

int protocol_error_set(struct protocol_error *error, int status, const char *code,
		       const char *fmt, ...)
{
	va_list args;

	error->status = status;
	snprintf(error->code, sizeof(error->code), "%s", code);
	va_start(args, fmt);
	vsnprintf(error->message, sizeof(error->message), fmt, args);
	va_end(args);
	clean(error->message);
	return -1;
}
