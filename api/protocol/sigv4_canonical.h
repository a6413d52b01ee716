/* The canonical request and the string to sign of SigV4 (AWS: "Create a signed AWS
 * API request"), shared by verifying and signing. */
#ifndef MC_API_PROTOCOL_SIGV4_CANONICAL_H
#define MC_API_PROTOCOL_SIGV4_CANONICAL_H

#include "api/protocol/sigv4.h"

#define SIGV4_HEX_LEN 65        /* a SHA-256 in hex and its NUL */
#define SIGV4_STAMP_LEN 17      /* "20261121T040000Z" and its NUL */

struct sigv4_scope {
	const char *date;    /* "20261121" */
	const char *region, *service;
};

/* SHA-256 in lower-case hex. */
void sigv4_hash(const void *data, size_t len, char out[SIGV4_HEX_LEN]);

/* The header's value (the first of the name, in any case), or NULL. */
const char *sigv4_header(const struct sigv4_request *req, const char *name);

/* The canonical request, allocated. signed_headers: "host;x-amz-date"; NULL where a
 * header of the list is not in the request. payload: the hash line. */
char *sigv4_canonical(const struct sigv4_request *req, const char *signed_headers,
		      const char *payload);

/* The signature in hex over a canonical request. */
void sigv4_signature(const char *canonical, const char *stamp, const struct sigv4_scope *scope,
		     const char *secret, char out[SIGV4_HEX_LEN]);

#endif
