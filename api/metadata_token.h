/* Session tokens of IMDSv2: an HMAC over the instance and the expiry, so that
 * nothing needs to be kept of them but one key. */
#ifndef MC_API_METADATA_TOKEN_H
#define MC_API_METADATA_TOKEN_H

#include <stdint.h>

#define METADATA_TOKEN_LEN 57 /* 56 characters of base64 and the NUL */
#define METADATA_TTL_MAX 21600 /* seconds: six hours, as AWS has it */

struct metadata_key {
	unsigned char bytes[32];
};

/* Seconds from a X-aws-ec2-metadata-token-ttl-seconds header, or -1 where it is
 * missing, no number, or outside 1...21600. */
long metadata_token_ttl(const char *header);

/* A token for this instance that ends at expires_s (wall clock, seconds). */
void metadata_token_make(const struct metadata_key *key, const char *instance, int64_t expires_s,
			 char out[METADATA_TOKEN_LEN]);

/* The seconds that the token still has at now_s; -1 where it is not this
 * instance's, was altered, or has expired. Compares in constant time. */
int64_t metadata_token_check(const struct metadata_key *key, const char *instance, const char *token,
			     int64_t now_s);

#endif
