/* A request refused by the wire layer: AWS's code, HTTP status and wording. */
#ifndef MC_API_PROTOCOL_ERROR_H
#define MC_API_PROTOCOL_ERROR_H

struct protocol_error {
	char code[64];     /* "MissingParameter" */
	int status;        /* HTTP */
	char message[512]; /* truncated where longer, always valid UTF-8 */
};

/* Fill *error. Always returns -1, so `return protocol_error_set(...)` works. */
int protocol_error_set(struct protocol_error *error, int status, const char *code,
		       const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
