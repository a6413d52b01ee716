/* Which addresses are taken is read off the network interfaces: there is no
 * second book that could disagree. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cidr.h"
#include "api/interface.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define RESERVED_HEAD 4 /* network, router, DNS, future use: VPC User Guide, "Subnet CIDR reservations" */
#define RESERVED_TAIL 1 /* broadcast */
#define LAST_PUBLIC "public-address/last"

struct range {
	uint32_t base, size;
	unsigned char *taken; /* a bit each */
};

static uint32_t parse_ip(const char *text)
{
	struct in_addr a = { 0 };

	inet_pton(AF_INET, text, &a);
	return ntohl(a.s_addr);
}

static bool range_init(struct range *r, const char *text)
{
	struct cidr cidr;

	if (!cidr_parse(text, &cidr) || cidr.bits < 8 || cidr.bits > 30)
		return false;
	r->base = cidr.base;
	r->size = cidr_size(cidr);
	r->taken = mc_alloc(r->size / 8 + 1);
	return true;
}

static void take(struct range *r, uint32_t offset)
{
	if (offset < r->size)
		r->taken[offset / 8] |= (unsigned char)(1u << (offset % 8));
}

static bool is_taken(const struct range *r, uint32_t offset)
{
	return r->taken[offset / 8] >> (offset % 8) & 1;
}

static void take_slots(const struct resource *eni, const char *member, struct range *r)
{
	for (size_t i = 0; i < interface_slots(eni); i++)
		take(r, parse_ip(mc_json_str(interface_slot(eni, i), member, "0.0.0.0")) - r->base);
}

static void take_private(struct store_tx *tx, const struct resource *subnet, struct range *r)
{
	struct store_iter it = store_pass(tx, KIND_NETWORK_INTERFACE, subnet->account, subnet->region, subnet->id);
	const struct resource *eni;

	while ((eni = store_next_of(&it, subnet->parent)))
		if (strcmp(mc_json_str(eni->spec, "subnet", ""), subnet->id) == 0)
			take_slots(eni, "ip", r);
}

static void take_public(struct store_tx *tx, struct range *r)
{
	struct store_iter it = store_pass(tx, KIND_NETWORK_INTERFACE, NULL, NULL, "\"public_ip\"");
	const struct resource *one;

	while ((one = store_next(&it)))
		take_slots(one, "public_ip", r);
	it = store_iter(tx, KIND_ELASTIC_IP, NULL, NULL);
	while ((one = store_next(&it)))
		take(r, parse_ip(mc_json_str(one->doc, "PublicIp", "0.0.0.0")) - r->base);
}

/* What is kept for those who name their address. */
static void take_reserved(struct store_tx *tx, const struct resource *subnet, struct range *r)
{
	struct store_iter it = store_iter(tx, KIND_SUBNET_RESERVATION, subnet->account, subnet->region);
	const struct resource *kept;
	struct cidr block;

	while ((kept = store_next_of(&it, subnet->id)))
		if (cidr_parse(mc_json_str(kept->doc, "Cidr", NULL), &block))
			for (uint32_t i = 0; i < cidr_size(block); i++)
				take(r, block.base - r->base + i);
}

/* The first free one from offset `from` on, round and round between head and tail. */
static char *next_free(const struct range *r, uint32_t from, uint32_t head, uint32_t tail)
{
	uint32_t n = r->size - head - tail;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t offset = head + (from - head + i) % n;
		struct in_addr a = { .s_addr = htonl(r->base + offset) };
		char text[INET_ADDRSTRLEN];

		if (!is_taken(r, offset))
			return mc_strdup(inet_ntop(AF_INET, &a, text, sizeof(text)));
	}
	return NULL;
}

char *address_free_private(struct store_tx *tx, const struct resource *subnet)
{
	struct range r = { 0 };
	mc_autofree unsigned char *taken = NULL;

	if (!range_init(&r, mc_json_str(subnet->doc, "CidrBlock", NULL)))
		return NULL;
	taken = r.taken;
	take_private(tx, subnet, &r);
	take_reserved(tx, subnet, &r);
	return next_free(&r, RESERVED_HEAD, RESERVED_HEAD, RESERVED_TAIL);
}

char *address_free_public(struct store_tx *tx, const char *pool)
{
	struct range r = { 0 };
	mc_autofree unsigned char *taken = NULL;
	const char *last = store_fact(tx, LAST_PUBLIC);
	uint32_t from;
	char *ip;

	if (!range_init(&r, pool))
		return NULL;
	taken = r.taken;
	take_public(tx, &r);
	/* Not the one just given back: what still talks to it must not meet a stranger. */
	from = last ? parse_ip(last) - r.base + 1 : 1;
	ip = next_free(&r, from < r.size ? from : 1, 1, 1);
	if (ip)
		store_set_fact(tx, LAST_PUBLIC, ip);
	return ip;
}

int64_t address_count_free(struct store_tx *tx, const struct resource *subnet)
{
	struct range r = { 0 };
	mc_autofree unsigned char *taken = NULL;
	int64_t n = 0;

	if (!range_init(&r, mc_json_str(subnet->doc, "CidrBlock", NULL)))
		return 0;
	taken = r.taken;
	take_private(tx, subnet, &r);
	for (uint32_t i = RESERVED_HEAD; i + RESERVED_TAIL < r.size; i++)
		n += !is_taken(&r, i);
	return n;
}

enum address_fit address_check_private(struct store_tx *tx, const struct resource *subnet, const char *ip)
{
	struct range r = { 0 };
	mc_autofree unsigned char *taken = NULL;
	struct in_addr a;
	uint32_t offset;

	if (inet_pton(AF_INET, ip, &a) != 1)
		return ADDRESS_MALFORMED;
	if (!range_init(&r, mc_json_str(subnet->doc, "CidrBlock", NULL)))
		return ADDRESS_OUTSIDE;
	taken = r.taken;
	offset = ntohl(a.s_addr) - r.base;
	if (offset >= r.size)
		return ADDRESS_OUTSIDE;
	if (offset < RESERVED_HEAD || offset + RESERVED_TAIL >= r.size)
		return ADDRESS_RESERVED;
	take_private(tx, subnet, &r);
	return is_taken(&r, offset) ? ADDRESS_TAKEN : ADDRESS_FREE;
}

bool address_public_free(struct store_tx *tx, const char *pool, const char *ip)
{
	struct range r = { 0 };
	mc_autofree unsigned char *taken = NULL;
	struct in_addr a;
	uint32_t offset;

	if (inet_pton(AF_INET, ip, &a) != 1 || !range_init(&r, pool))
		return false;
	taken = r.taken;
	offset = ntohl(a.s_addr) - r.base;
	take_public(tx, &r);
	return offset > 0 && offset + 1 < r.size && !is_taken(&r, offset);
}
