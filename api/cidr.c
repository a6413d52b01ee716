#include "api/cidr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"

static uint32_t mask(unsigned bits)
{
	return bits ? UINT32_MAX << (32 - bits) : 0;
}

bool cidr_parse(const char *text, struct cidr *ret)
{
	const char *slash = text ? strchr(text, '/') : NULL;
	char addr[INET_ADDRSTRLEN];
	struct in_addr a;
	unsigned long bits;

	if (!slash || slash - text >= (long)sizeof(addr) || !slash[1] || strlen(slash + 1) > 2 ||
	    strspn(slash + 1, "0123456789") != strlen(slash + 1))
		return false;
	snprintf(addr, sizeof(addr), "%.*s", (int)(slash - text), text);
	bits = strtoul(slash + 1, NULL, 10);
	if (bits > 32 || inet_pton(AF_INET, addr, &a) != 1)
		return false;
	*ret = (struct cidr){ .base = ntohl(a.s_addr) & mask((unsigned)bits), .bits = (unsigned)bits };
	return true;
}

char *cidr_text(struct cidr c)
{
	struct in_addr a = { .s_addr = htonl(c.base) };
	char addr[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &a, addr, sizeof(addr));
	return mc_strf("%s/%u", addr, c.bits);
}

uint32_t cidr_size(struct cidr c)
{
	return c.bits ? 1u << (32 - c.bits) : 0;
}

bool cidr_contains(struct cidr outer, struct cidr inner)
{
	return inner.bits >= outer.bits && (inner.base & mask(outer.bits)) == outer.base;
}

bool cidr_overlaps(struct cidr a, struct cidr b)
{
	return cidr_contains(a, b) || cidr_contains(b, a);
}
