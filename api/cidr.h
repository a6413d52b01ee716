/* IPv4 address blocks, in host byte order. */
#ifndef MC_API_CIDR_H
#define MC_API_CIDR_H

#include <stdbool.h>
#include <stdint.h>

struct cidr {
	uint32_t base; /* host bits are zero */
	unsigned bits; /* 0..32 */
};

/* "100.68.0.18/18" is 100.68.0.0/18, as AWS makes blocks canonical (EC2 API reference,
 * CreateVpc). False where the text is no block; *ret is untouched then. NULL is none. */
bool cidr_parse(const char *text, struct cidr *ret);
/* "100.68.0.0/18", allocated. */
char *cidr_text(struct cidr c);

uint32_t cidr_size(struct cidr c); /* addresses in it; 0 for 0.0.0.0/0 */
/* Is inner wholly inside outer? A block contains itself. */
bool cidr_contains(struct cidr outer, struct cidr inner);
bool cidr_overlaps(struct cidr a, struct cidr b);

#endif
