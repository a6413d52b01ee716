#include "netd/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/id.h"
#include "common/json.h"

bool addr_parse(const char *text, uint32_t *ret_addr)
{
	struct in_addr a;

	if (!text || !mc_check_ipv4(text) || inet_pton(AF_INET, text, &a) != 1)
		return false;
	*ret_addr = ntohl(a.s_addr);
	return true;
}

bool cidr_parse(const char *text, struct cidr *ret_cidr)
{
	char addr[ADDR_TEXT_LEN];
	const char *slash = text ? strchr(text, '/') : NULL;
	struct cidr c;

	if (!slash || !mc_check_cidr4(text))
		return false;
	snprintf(addr, sizeof(addr), "%.*s", (int)(slash - text), text);
	c.len = (unsigned)strtoul(slash + 1, NULL, 10);
	if (!addr_parse(addr, &c.addr))
		return false;
	*ret_cidr = c;
	return true;
}

void addr_format(uint32_t addr, char out[ADDR_TEXT_LEN])
{
	snprintf(out, ADDR_TEXT_LEN, "%u.%u.%u.%u", addr >> 24, addr >> 16 & 255, addr >> 8 & 255,
		 addr & 255);
}

void cidr_format(const struct cidr *cidr, char out[CIDR_TEXT_LEN])
{
	char addr[ADDR_TEXT_LEN];

	addr_format(cidr->addr, addr);
	snprintf(out, CIDR_TEXT_LEN, "%s/%u", addr, cidr->len & 63);
}

uint32_t cidr_mask(unsigned len)
{
	return len == 0 ? 0 : ~0u << (32 - len);
}

bool cidr_has(const struct cidr *cidr, uint32_t addr)
{
	return (addr & cidr_mask(cidr->len)) == cidr->addr;
}

bool cidr_same(const struct cidr *a, const struct cidr *b)
{
	return a->addr == b->addr && a->len == b->len;
}

bool cidr_contains(const struct cidr *outer, const struct cidr *inner)
{
	return inner->len >= outer->len && cidr_has(outer, inner->addr);
}

bool cidr_overlaps(const struct cidr *a, const struct cidr *b)
{
	return cidr_has(a, b->addr) || cidr_has(b, a->addr);
}

void mac_parse(const char *text, unsigned char ret_mac[ADDR_MAC_LEN])
{
	for (int i = 0; i < ADDR_MAC_LEN; i++)
		ret_mac[i] = (unsigned char)strtoul(text + 3 * i, NULL, 16);
}

void mac_derive(unsigned char first, const char *id, unsigned char ret_mac[ADDR_MAC_LEN])
{
	char text[MC_MAC_LEN];

	mc_id_mac(id, text);
	mac_parse(text, ret_mac);
	ret_mac[0] = first;
}
