/* Keys and data of nft sets: between the text that a ruleset has ("06:… . 10.0.0.1") and the
 * kernel's bytes, where each part of a concatenation is padded to four. */
#ifndef NETD_NFTKEY_H
#define NETD_NFTKEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NFTKEY_MAX 64 /* bytes of a key, the kernel's own bound */

/* The number that nft stores with a set for a type such as "ipv4_addr . inet_proto";
 * 0 where a part is none that we use. */
uint32_t nftkey_type(const char *text);

/* false: the text is no value of that type. */
bool nftkey_encode(uint32_t type, const char *text, unsigned char out[NFTKEY_MAX],
		   size_t *ret_len);

/* Allocated text, NULL where the bytes are no value of that type. */
char *nftkey_decode(uint32_t type, const unsigned char *data, size_t len);

#endif
