/* application/x-www-form-urlencoded: bodies and URL queries. */
#ifndef MC_API_PROTOCOL_FORM_H
#define MC_API_PROTOCOL_FORM_H

#include <stddef.h>

#include "api/protocol/error.h"

#define PROTOCOL_MAX_PARAMS 10000

struct protocol_param {
	const char *name, *value; /* decoded UTF-8, no NUL inside */
};

struct protocol_form {
	struct protocol_param *params;
	size_t n;
	char *store; /* what the names and values point into */
};

/* Parse len bytes of text and append to *form (zeroed before its first use), so
 * that a URL query and a body can be read into one. A malformed % escape, a NUL
 * or bytes that are not UTF-8 are MalformedQueryString; above
 * PROTOCOL_MAX_PARAMS is refused too. 0, or -1 with *error and *form as it was. */
int protocol_form_parse(struct protocol_form *form, const char *text, size_t len,
			struct protocol_error *error);

/* The value of the first parameter of this name, or NULL. */
const char *protocol_form_get(const struct protocol_form *form, const char *name);

void protocol_form_free(struct protocol_form *form); /* the struct itself stays the caller's */

/* Decode len bytes of %XX (and + as space) into out (len + 1 bytes). The decoded
 * length, or -1 where an escape is malformed. out is ended by a NUL. */
long protocol_form_unescape(const char *text, size_t len, char *out);

#endif
