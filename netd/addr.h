/* IPv4 addresses and prefixes, in host byte order. */
#ifndef NETD_ADDR_H
#define NETD_ADDR_H

#include <stdbool.h>
#include <stdint.h>

#define ADDR_TEXT_LEN 16 /* dotted quad and its NUL */
#define CIDR_TEXT_LEN 19
#define ADDR_MAC_LEN 6

struct cidr {
	uint32_t addr;
	unsigned len;
};

/* The link-local addresses every VPC has. */
#define ADDR_METADATA 0xa9fea9feu      /* 169.254.169.254 */
#define ADDR_LINK_DNS 0xa9fea9fdu      /* 169.254.169.253 */
#define ADDR_TRANSIT_HOST 0xa9feff01u  /* 169.254.255.1, the host's end of each igw */
#define ADDR_TRANSIT_VPC 0xa9feff02u   /* 169.254.255.2, the VPC's end */

/* Canonical texts only (common/json.h mc_check_ipv4, mc_check_cidr4). false: not one. */
bool addr_parse(const char *text, uint32_t *ret_addr);
bool cidr_parse(const char *text, struct cidr *ret_cidr);

void addr_format(uint32_t addr, char out[ADDR_TEXT_LEN]);
void cidr_format(const struct cidr *cidr, char out[CIDR_TEXT_LEN]);

uint32_t cidr_mask(unsigned len);
bool cidr_has(const struct cidr *cidr, uint32_t addr);
/* Is inner wholly inside outer? */
bool cidr_same(const struct cidr *a, const struct cidr *b);
bool cidr_contains(const struct cidr *outer, const struct cidr *inner);
bool cidr_overlaps(const struct cidr *a, const struct cidr *b);

/* "06:…" to six bytes; the text must have passed mc_check_mac. */
void mac_parse(const char *text, unsigned char ret_mac[ADDR_MAC_LEN]);

/* A locally administered MAC: this first byte (02, 0a, 0e …) and the low 40 bits of the id. */
void mac_derive(unsigned char first, const char *id, unsigned char ret_mac[ADDR_MAC_LEN]);

#endif
