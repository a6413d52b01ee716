#include "netd/nftkey.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"
#include "netd/addr.h"

#define TYPE_BITS 6 /* of each part in the number of a concatenation */
#define PARTS_MAX 5 /* that fit into it */
#define PART_TEXT 64

struct type {
	const char *name;
	uint32_t number; /* as nft(8) has numbered them since the beginning; part of its format */
	size_t len;
};

#define INTEGER 4 /* of 48 bits where we use it: a MAC in a part of a packet that nft has no name for */

static const struct type types[] = {
	{ "integer", INTEGER, 6 },
	{ "ipv4_addr", 7, 4 },
	{ "ether_addr", 9, 6 },
	{ "inet_proto", 12, 1 },
	{ "inet_service", 13, 2 },
	{ "icmp_type", 14, 1 },
	{ "icmp_code", 32, 1 },
	{ "ifname", 41, 16 },
};

static const struct type *by_number(uint32_t number)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(types); i++)
		if (types[i].number == number)
			return &types[i];
	return NULL;
}

static const struct type *by_name(const char *name)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(types); i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

/* The next part of "a . b . c"; *text moves behind it. false: none or too long. */
static bool next_part(const char **text, char out[PART_TEXT])
{
	const char *end = strstr(*text, " . ");
	size_t n = end ? (size_t)(end - *text) : strlen(*text);

	if (n == 0 || n >= PART_TEXT)
		return false;
	memcpy(out, *text, n);
	out[n] = '\0';
	*text += end ? n + 3 : n;
	return true;
}

/* The parts of a type's number, first to last; how many, 0 where one is unknown. */
static size_t split(uint32_t number, const struct type *parts[PARTS_MAX])
{
	size_t n = 0;

	for (int shift = (PARTS_MAX - 1) * TYPE_BITS; shift >= 0; shift -= TYPE_BITS) {
		uint32_t one = number >> shift & ((1u << TYPE_BITS) - 1);

		if (!one && n == 0)
			continue;
		parts[n] = by_number(one);
		if (!parts[n++])
			return 0;
	}
	return n;
}

uint32_t nftkey_type(const char *text)
{
	char part[PART_TEXT];
	uint32_t number = 0;
	size_t n = 0;

	while (*text) {
		const struct type *t = next_part(&text, part) ? by_name(part) : NULL;

		if (!t || ++n > PARTS_MAX)
			return 0;
		number = number << TYPE_BITS | t->number;
	}
	return number;
}

static size_t padded(const struct type *t)
{
	return (t->len + 3) & ~(size_t)3;
}

static bool encode_number(const char *text, size_t len, unsigned char *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || n > (len == 1 ? 255 : 65535))
		return false;
	out[0] = (unsigned char)(len == 1 ? n : n >> 8);
	if (len == 2)
		out[1] = (unsigned char)n;
	return true;
}

/* "0x060000000001". */
static bool encode_integer(const char *text, unsigned char out[6])
{
	char *end;
	unsigned long long n = strtoull(text, &end, 16);

	if (*end || strlen(text) != 14 || strncmp(text, "0x", 2) != 0)
		return false;
	for (int i = 0; i < 6; i++)
		out[i] = (unsigned char)(n >> (40 - 8 * i));
	return true;
}

static bool encode_part(const struct type *t, const char *text, unsigned char *out)
{
	uint32_t addr;

	if (t->number == INTEGER)
		return encode_integer(text, out);
	switch (t->len) {
	case 4:
		if (!addr_parse(text, &addr))
			return false;
		addr = htonl(addr);
		memcpy(out, &addr, 4);
		return true;
	case 6:
		if (!mc_check_mac(text))
			return false;
		mac_parse(text, out);
		return true;
	case 16:
		if (!mc_check_ifname(text))
			return false;
		memcpy(out, text, strlen(text));
		return true;
	default:
		return encode_number(text, t->len, out);
	}
}

bool nftkey_encode(uint32_t type, const char *text, unsigned char out[NFTKEY_MAX], size_t *ret_len)
{
	const struct type *parts[PARTS_MAX];
	size_t n = split(type, parts), at = 0;
	char part[PART_TEXT];

	memset(out, 0, NFTKEY_MAX);
	for (size_t i = 0; i < n; i++) {
		if (at + padded(parts[i]) > NFTKEY_MAX || !next_part(&text, part) ||
		    !encode_part(parts[i], part, out + at))
			return false;
		/* Alone, a key is as long as it is. */
		at += n == 1 ? parts[i]->len : padded(parts[i]);
	}
	*ret_len = at;
	return n > 0 && !*text;
}

static void decode_part(const struct type *t, const unsigned char *d, char out[PART_TEXT])
{
	if (t->number == INTEGER) {
		snprintf(out, PART_TEXT, "0x%02x%02x%02x%02x%02x%02x", d[0], d[1], d[2], d[3], d[4], d[5]);
		return;
	}
	switch (t->len) {
	case 1:
		snprintf(out, PART_TEXT, "%u", d[0]);
		return;
	case 2:
		snprintf(out, PART_TEXT, "%u", d[0] << 8 | d[1]);
		return;
	case 4:
		snprintf(out, PART_TEXT, "%u.%u.%u.%u", d[0], d[1], d[2], d[3]);
		return;
	case 6:
		snprintf(out, PART_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", d[0], d[1], d[2], d[3], d[4],
			 d[5]);
		return;
	default:
		snprintf(out, PART_TEXT, "%.15s", (const char *)d);
	}
}

char *nftkey_decode(uint32_t type, const unsigned char *data, size_t len)
{
	const struct type *parts[PARTS_MAX];
	size_t n = split(type, parts), at = 0, used = 0;
	char text[PARTS_MAX * (PART_TEXT + 3)] = "";
	char part[PART_TEXT];

	for (size_t i = 0; i < n; i++) {
		if (at + parts[i]->len > len)
			return NULL;
		decode_part(parts[i], data + at, part);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? " . " : "",
					 part);
		at += padded(parts[i]);
	}
	return n ? mc_strdup(text) : NULL;
}
