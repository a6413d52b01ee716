/* Tokens that name a block of a snapshot, or where a listing goes on, for a while: sealed, so that
 * nothing need be kept of those that were given out. */
#ifndef MC_API_BLOCK_TOKEN_H
#define MC_API_BLOCK_TOKEN_H

#include "api/action.h"

#define BLOCK_TOKEN_LEN 65
#define BLOCK_TOKEN_LIFE (7 * 24 * 3600 * 1000000000LL) /* ns; as AWS: seven days */

/* what: what it is for, with all that it must not be used without ("block snap-… 7").
 * number: carried along. expires: wall clock, ns. */
void block_token_make(const struct call *call, const char *what, int64_t number, int64_t expires, char out[BLOCK_TOKEN_LEN]);

/* 0 and *ret_number where it was made for this caller and `what`; 1: it has expired; -1: it is no such token. */
int block_token_read(const struct call *call, const char *what, const char *token, int64_t *ret_number);

#endif
