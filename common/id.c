#include "common/id.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define HEX "0123456789abcdef"

void mc_random_bytes(void *out, size_t n)
{
	unsigned char *p = out;

	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0)
			continue; /* EINTR is the only failure of a blocking getrandom(2) */
		p += got;
		n -= (size_t)got;
	}
}

void mc_random_hex(size_t n, char *out)
{
	unsigned char b;

	for (size_t i = 0; i < n; i++) {
		mc_random_bytes(&b, 1);
		out[2 * i] = HEX[b >> 4];
		out[2 * i + 1] = HEX[b & 15];
	}
	out[2 * n] = '\0';
}

void mc_random_uuid(char out[MC_UUID_LEN])
{
	char h[33];

	mc_random_hex(16, h);
	h[12] = '4';
	h[16] = "89ab"[(strchr(HEX, h[16]) - HEX) & 3];
	snprintf(out, MC_UUID_LEN, "%.8s-%.4s-%.4s-%.4s-%.12s", h, h + 8, h + 12, h + 16, h + 20);
}

void mc_id_new(const char *prefix, char out[MC_ID_LEN])
{
	char hex[19];

	mc_random_hex(9, hex);
	snprintf(out, MC_ID_LEN, "%.20s-%.17s", prefix, hex);
}

static bool valid_tail(const char *tail)
{
	size_t n = strlen(tail);

	return (n == 17 || n == 8) && strspn(tail, HEX) == n;
}

bool mc_id_valid(const char *prefix, const char *text)
{
	size_t n = strlen(prefix);

	return text && strncmp(text, prefix, n) == 0 && text[n] == '-' && valid_tail(text + n + 1);
}

bool mc_id_valid_any(const char *text)
{
	const char *dash = text ? strrchr(text, '-') : NULL;
	size_t n = dash ? (size_t)(dash - text) : 0;

	return n >= 1 && n <= 20 && strspn(text, "abcdefghijklmnopqrstuvwxyz-") >= n &&
	       text[0] != '-' && valid_tail(dash + 1);
}

static const char *tail_of(const char *id)
{
	const char *dash = strrchr(id, '-');

	return dash ? dash + 1 : id;
}

void mc_id_tap(const char *eni_id, char out[MC_IFNAME_LEN])
{
	snprintf(out, MC_IFNAME_LEN, "mt%.13s", tail_of(eni_id));
}

void mc_id_bridge(const char *subnet_id, char out[MC_IFNAME_LEN])
{
	snprintf(out, MC_IFNAME_LEN, "mb%.13s", tail_of(subnet_id));
}

void mc_id_mac(const char *eni_id, char out[MC_MAC_LEN])
{
	const char *tail = tail_of(eni_id);
	size_t n = strlen(tail);
	uint64_t low = strtoull(n > 10 ? tail + n - 10 : tail, NULL, 16);

	snprintf(out, MC_MAC_LEN, "06:%02x:%02x:%02x:%02x:%02x", (unsigned)(low >> 32 & 255),
		 (unsigned)(low >> 24 & 255), (unsigned)(low >> 16 & 255), (unsigned)(low >> 8 & 255),
		 (unsigned)(low & 255));
}

void mc_id_uuid(const char *instance_id, char out[MC_UUID_LEN])
{
	char h[33];
	const char *tail = tail_of(instance_id);

	/* "ec2", the id's digits, then the same digits again to fill 128 bits. */
	snprintf(h, sizeof(h), "ec2%.17s%.12s", tail, tail);
	for (size_t n = strlen(h); n < 32; n++) {
		h[n] = '0';
		h[n + 1] = '\0';
	}
	snprintf(out, MC_UUID_LEN, "%.8s-%.4s-%.4s-%.4s-%.12s", h, h + 8, h + 12, h + 16, h + 20);
}

void mc_id_disk_serial(const char *volume_id, char out[21])
{
	snprintf(out, 21, "vol%.17s", tail_of(volume_id));
}
