/* Network interfaces of the wanted VPC: the instances', the NAT gateways', the endpoints'. */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "netd/wanted_parse.h"

static int find_groups(const struct wanted *w, struct wanted_eni *e, const json_t *arr,
		       mc_err **err)
{
	size_t n = json_array_size(arr);

	e->groups = wanted_rows(n, sizeof(*e->groups));
	for (size_t i = 0; i < n; i++) {
		size_t g = 0;

		while (g < w->n_groups && strcmp(w->groups[g].id, mc_json_at(arr, i)) != 0)
			g++;
		if (g == w->n_groups)
			return mc_err_set(err, 0, "%s names the unknown %s", e->id, mc_json_at(arr, i));
		e->groups[e->n_groups++] = g;
	}
	return 0;
}

/* AWS keeps the first four addresses and the last of every subnet. */
static bool usable(const struct wanted_subnet *s, uint32_t ip)
{
	uint32_t host = ip & ~cidr_mask(s->cidr.len);

	return cidr_has(&s->cidr, ip) && host >= 4 && host != ~cidr_mask(s->cidr.len);
}

static int find_subnet(const struct wanted *w, struct wanted_eni *e, const char *id, mc_err **err)
{
	while (e->subnet < w->n_subnets && strcmp(w->subnets[e->subnet].id, id) != 0)
		e->subnet++;
	if (e->subnet == w->n_subnets)
		return mc_err_set(err, 0, "%s names the unknown %s", e->id, id);
	for (size_t i = 0; i < e->n_addrs; i++)
		if (!usable(&w->subnets[e->subnet], e->addrs[i].ip))
			return mc_err_set(err, 0, "%s has an address that %s has not to give",
					  e->id, id);
	return 0;
}

static int parse_addr(struct wanted_eni *e, const json_t *doc, const struct cidr *pool,
		      mc_err **err)
{
	const char *public_ip = mc_json_str(doc, "public_ip", NULL);
	struct wanted_addr *a = &e->addrs[e->n_addrs++];

	a->public_name = mc_strdup(mc_json_str(doc, "public_name", NULL));
	a->draining = mc_json_bool(doc, "draining", false);
	if (!addr_parse(mc_json_str(doc, "ip", ""), &a->ip))
		return mc_err_set(err, 0, "%s has a bad address", e->id);
	if (public_ip && (!addr_parse(public_ip, &a->public_ip) || !cidr_has(pool, a->public_ip)))
		return mc_err_set(err, 0, "%s: %s is outside the public pool", e->id, public_ip);
	return 0;
}

static int parse_addrs(struct wanted_eni *e, const json_t *doc, const struct cidr *pool,
		       mc_err **err)
{
	const json_t *more = mc_json_arr(doc, "secondary");

	e->addrs = wanted_rows(1 + json_array_size(more), sizeof(*e->addrs));
	if (parse_addr(e, doc, pool, err) < 0)
		return -1;
	e->ip = e->addrs[0].ip;
	for (size_t i = 0; i < json_array_size(more); i++)
		if (parse_addr(e, json_array_get(more, i), pool, err) < 0)
			return -1;
	return 0;
}

/* An interface of any kind; id names the member that holds its id. */
static int parse_eni(struct wanted *w, const json_t *doc, const char *id, enum wanted_kind kind,
		     const struct cidr *pool, mc_err **err)
{
	struct wanted_eni *e = &w->enis[w->n_enis++];

	e->kind = kind;
	wanted_copy(e->id, sizeof(e->id), mc_json_str(doc, id, ""));
	wanted_copy(e->hostname, sizeof(e->hostname), mc_json_str(doc, "hostname", NULL));
	e->source_dest_check = kind != WANTED_NAT && mc_json_bool(doc, "source_dest_check", true);
	mc_id_mac(e->id, e->mac);
	if (mc_json_str(doc, "mac", NULL))
		wanted_copy(e->mac, sizeof(e->mac), mc_json_str(doc, "mac", NULL));
	if (strtoul(e->mac, NULL, 16) & 1)
		return mc_err_set(err, 0, "%s has a group MAC", e->id);
	if (parse_addrs(e, doc, pool, err) < 0 ||
	    find_subnet(w, e, mc_json_str(doc, "subnet", ""), err) < 0)
		return -1;
	return find_groups(w, e, mc_json_arr(doc, "groups"), err);
}

/* --- the three kinds ----------------------------------------------------------- */

/* Those of the other kinds may be listed, too; their own rows say everything. */
static int parse_instances(struct wanted *w, const json_t *arr, const struct cidr *pool,
			   mc_err **err)
{
	for (size_t i = 0; i < json_array_size(arr); i++) {
		const json_t *doc = json_array_get(arr, i);

		if (strcmp(mc_json_str(doc, "kind", "instance"), "instance") == 0 &&
		    parse_eni(w, doc, "id", WANTED_INSTANCE, pool, err) < 0)
			return -1;
	}
	return 0;
}

static int parse_nats(struct wanted *w, const json_t *arr, const struct cidr *pool, mc_err **err)
{
	w->nats = wanted_rows(json_array_size(arr), sizeof(*w->nats));
	for (size_t i = 0; i < json_array_size(arr); i++) {
		const json_t *doc = json_array_get(arr, i);
		const char *id = mc_json_str(doc, "id", "");
		struct wanted_nat *n = &w->nats[i];

		if (wanted_nat_by_id(w, id))
			return mc_err_set(err, 0, "%s is there twice", id);
		wanted_copy(n->id, sizeof(n->id), id);
		wanted_copy(n->eni, sizeof(n->eni), mc_json_str(doc, "eni", ""));
		w->n_nats = i + 1;
		if (parse_eni(w, doc, "eni", WANTED_NAT, pool, err) < 0)
			return -1;
	}
	return 0;
}

static int parse_endpoints(struct wanted *w, const json_t *arr, const struct cidr *pool,
			   mc_err **err)
{
	w->endpoints = wanted_rows(json_array_size(arr), sizeof(*w->endpoints));
	for (size_t i = 0; i < json_array_size(arr); i++) {
		const json_t *doc = json_array_get(arr, i);
		struct wanted_endpoint *p = &w->endpoints[i];

		wanted_copy(p->id, sizeof(p->id), mc_json_str(doc, "id", ""));
		wanted_copy(p->eni, sizeof(p->eni), mc_json_str(doc, "eni", ""));
		p->names = json_incref(mc_json_arr(doc, "names"));
		w->n_endpoints = i + 1;
		if (parse_eni(w, doc, "eni", WANTED_ENDPOINT, pool, err) < 0)
			return -1;
	}
	return 0;
}

/* --- all together ------------------------------------------------------------------ */

static int unique_addrs(const struct wanted_eni *e, json_t *seen, mc_err **err)
{
	for (size_t i = 0; i < e->n_addrs; i++) {
		char ip[ADDR_TEXT_LEN], public_ip[ADDR_TEXT_LEN];

		addr_format(e->addrs[i].ip, ip);
		addr_format(e->addrs[i].public_ip, public_ip);
		if (!wanted_claim(seen, "ip", ip) ||
		    (e->addrs[i].public_ip && !wanted_claim(seen, "public", public_ip)))
			return mc_err_set(err, 0, "%s shares an address with another", e->id);
	}
	return 0;
}

/* Taps are named by a part of the id: two ids may not give one name. */
static int unique_enis(const struct wanted *w, mc_err **err)
{
	mc_auto_json json_t *seen = json_object();

	for (size_t i = 0; i < w->n_enis; i++) {
		const struct wanted_eni *e = &w->enis[i];
		char tap[MC_IFNAME_LEN];

		mc_id_tap(e->id, tap);
		if (!wanted_claim(seen, "mac", e->mac) || !wanted_claim(seen, "tap", tap))
			return mc_err_set(err, 0, "%s shares its id or MAC with another", e->id);
		if (unique_addrs(e, seen, err) < 0)
			return -1;
	}
	return 0;
}

static int by_ip(const void *a, const void *b)
{
	const struct wanted_eni *x = a, *y = b;

	return x->ip < y->ip ? -1 : x->ip > y->ip;
}

static int by_place(const void *a, const void *b)
{
	const struct wanted_place *x = a, *y = b;

	return x->ip < y->ip ? -1 : x->ip > y->ip;
}

static void index_places(struct wanted *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n_enis; i++)
		n += w->enis[i].n_addrs;
	w->places = wanted_rows(n, sizeof(*w->places));
	for (size_t i = 0; i < w->n_enis; i++)
		for (size_t j = 0; j < w->enis[i].n_addrs; j++)
			w->places[w->n_places++] = (struct wanted_place){
				.ip = w->enis[i].addrs[j].ip, .eni = i, .addr = j };
	qsort(w->places, w->n_places, sizeof(*w->places), by_place);
}

int wanted_parse_enis(struct wanted *w, const json_t *doc, const struct cidr *pool, mc_err **err)
{
	const json_t *enis = mc_json_arr(doc, "enis"), *nats = mc_json_arr(doc, "nat_gateways");
	const json_t *endpoints = mc_json_arr(doc, "endpoints");

	w->enis = wanted_rows(json_array_size(enis) + json_array_size(nats) +
				      json_array_size(endpoints), sizeof(*w->enis));
	if (parse_instances(w, enis, pool, err) < 0 || parse_nats(w, nats, pool, err) < 0 ||
	    parse_endpoints(w, endpoints, pool, err) < 0 || unique_enis(w, err) < 0)
		return -1;
	qsort(w->enis, w->n_enis, sizeof(*w->enis), by_ip);
	index_places(w);
	return 0;
}
