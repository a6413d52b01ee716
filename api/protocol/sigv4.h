/* AWS Signature Version 4, header form and presigned URLs: verify and sign. */
#ifndef MC_API_PROTOCOL_SIGV4_H
#define MC_API_PROTOCOL_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/protocol/error.h"

#define SIGV4_MAX_KEY 129
#define SIGV4_MAX_SECRET 256
#define SIGV4_MAX_HEADERS 100

struct sigv4_header {
	const char *name, *value; /* as received; the name in any case */
};

struct sigv4_request {
	const char *method;
	const char *path;  /* raw, as in the request line, before any '?' */
	const char *query; /* raw, after the '?'; NULL or "": none */
	const struct sigv4_header *headers;
	size_t n_headers;
	const void *body;
	size_t body_len;
	int64_t now; /* wall clock, ns */
	/* Whose errors to use while the request names no service: "ec2". */
	const char *default_service;
};

/* Put the secret of an access key (NUL-terminated) into secret[SIGV4_MAX_SECRET].
 * 0, or 1 where there is no such key. */
typedef int sigv4_lookup(void *ctx, const char *access_key, char *secret);

struct sigv4_result {
	char access_key[SIGV4_MAX_KEY];
	char region[64], service[64]; /* of the credential scope, [a-z0-9-]+ */
	int64_t date;                 /* ns */
	bool presigned;
	const char *security_token; /* the raw header's value or NULL; borrowed from the request;
				     * not looked at here, and never set for presigned URLs */
};

/* Is the request signed by who it says, now, as a whole? 0 and *ret; else -1 and
 * *error with the code, status and wording the service would answer. The hash of
 * the body, the host and the operation are covered; comparison is constant-time. */
int sigv4_verify(const struct sigv4_request *req, sigv4_lookup *lookup, void *ctx,
		 struct sigv4_result *ret, struct protocol_error *error);

struct sigv4_credentials {
	const char *access_key, *secret, *region, *service;
};

/* The value of the Authorization header for req, all of whose headers (they must
 * hold Host and X-Amz-Date) are signed. Allocated; NULL where a header is missing or
 * the name of one cannot be listed. */
char *sigv4_sign(const struct sigv4_request *req, const struct sigv4_credentials *credentials);

#endif
