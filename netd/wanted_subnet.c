/* Networks, subnets and their routes, of the wanted VPC. */
#include <string.h>

#include "common/cleanup.h"
#include "netd/wanted_parse.h"

static bool cidr_overlaps_any(const struct cidr *c, const struct cidr *others, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (cidr_overlaps(c, &others[i]))
			return true;
	return false;
}

int wanted_parse_cidrs(struct wanted *w, const json_t *arr, mc_err **err)
{
	w->n_cidrs = json_array_size(arr);
	w->cidrs = wanted_rows(w->n_cidrs, sizeof(*w->cidrs));
	for (size_t i = 0; i < w->n_cidrs; i++) {
		struct cidr *c = &w->cidrs[i];

		if (!cidr_parse(mc_json_at(arr, i), c) || c->len < WANTED_MIN_CIDR_LEN ||
		    c->len > WANTED_MAX_CIDR_LEN)
			return mc_err_set(err, 0, "cidrs[%zu] is no network between /16 and /28", i);
		if (cidr_overlaps_any(c, w->cidrs, i))
			return mc_err_set(err, 0, "cidrs[%zu] overlaps another", i);
	}
	return 0;
}

/* whose: for messages. */
static int parse_routes(const char *whose, const json_t *arr, struct wanted_route *routes, mc_err **err)
{
	for (size_t i = 0; i < json_array_size(arr); i++) {
		const json_t *doc = json_array_get(arr, i);
		const char *target = mc_json_str(doc, "target", "");
		struct wanted_route *r = &routes[i];

		if (!cidr_parse(mc_json_str(doc, "destination", ""), &r->destination))
			return mc_err_set(err, 0, "%s: routes[%zu] has no destination", whose, i);
		r->target = wanted_target(target);
		if (strchr(target, '-'))
			wanted_copy(r->id, sizeof(r->id), target);
		for (size_t j = 0; j < i; j++)
			if (cidr_same(&routes[j].destination, &r->destination))
				return mc_err_set(err, 0, "%s: two routes to one destination", whose);
	}
	return 0;
}

int wanted_parse_igw_routes(struct wanted *w, const json_t *arr, mc_err **err)
{
	w->n_igw_routes = json_array_size(arr);
	w->igw_routes = wanted_rows(w->n_igw_routes, sizeof(*w->igw_routes));
	return parse_routes("igw_routes", arr, w->igw_routes, err);
}

static bool inside_vpc(const struct wanted *w, const struct cidr *c)
{
	for (size_t i = 0; i < w->n_cidrs; i++)
		if (cidr_contains(&w->cidrs[i], c))
			return true;
	return false;
}

/* Names of links are cut from ids: two ids may not give one name. */
static bool same_link_name(void (*name)(const char *, char[MC_IFNAME_LEN]), const char *a,
			   const char *b)
{
	char x[MC_IFNAME_LEN], y[MC_IFNAME_LEN];

	name(a, x);
	name(b, y);
	return strcmp(x, y) == 0;
}

static int find_acl(const struct wanted *w, struct wanted_subnet *s, const char *id, mc_err **err)
{
	s->acl = -1;
	if (!id)
		return 0;
	for (size_t i = 0; i < w->n_acls; i++)
		if (strcmp(w->acls[i].id, id) == 0)
			s->acl = (ssize_t)i;
	return s->acl < 0 ? mc_err_set(err, 0, "%s names the unknown %s", s->id, id) : 0;
}

static int parse_subnet(struct wanted *w, size_t i, const json_t *doc, mc_err **err)
{
	struct wanted_subnet *s = &w->subnets[i];

	wanted_copy(s->id, sizeof(s->id), mc_json_str(doc, "id", ""));
	if (!cidr_parse(mc_json_str(doc, "cidr", ""), &s->cidr) ||
	    s->cidr.len > WANTED_MAX_CIDR_LEN || !inside_vpc(w, &s->cidr))
		return mc_err_set(err, 0, "%s is not inside the VPC's networks", s->id);
	for (size_t j = 0; j < i; j++)
		if (cidr_overlaps(&s->cidr, &w->subnets[j].cidr) ||
		    same_link_name(mc_id_bridge, s->id, w->subnets[j].id))
			return mc_err_set(err, 0, "%s overlaps %s", s->id, w->subnets[j].id);
	if (find_acl(w, s, mc_json_str(doc, "acl", NULL), err) < 0)
		return -1;
	s->n_routes = json_array_size(mc_json_arr(doc, "routes"));
	s->routes = wanted_rows(s->n_routes, sizeof(*s->routes));
	return parse_routes(s->id, mc_json_arr(doc, "routes"), s->routes, err);
}

int wanted_parse_subnets(struct wanted *w, const json_t *arr, mc_err **err)
{
	size_t n = json_array_size(arr);

	w->subnets = wanted_rows(n, sizeof(*w->subnets));
	for (size_t i = 0; i < n; i++) {
		w->n_subnets = i + 1;
		if (parse_subnet(w, i, json_array_get(arr, i), err) < 0)
			return -1;
	}
	return 0;
}

static int parse_peering(struct wanted_peering *p, const json_t *doc, mc_err **err)
{
	const json_t *cidrs = mc_json_arr(doc, "cidrs");

	wanted_copy(p->id, sizeof(p->id), mc_json_str(doc, "id", ""));
	wanted_copy(p->vpc, sizeof(p->vpc), mc_json_str(doc, "vpc", ""));
	p->n_cidrs = json_array_size(cidrs);
	p->cidrs = wanted_rows(p->n_cidrs, sizeof(*p->cidrs));
	for (size_t i = 0; i < p->n_cidrs; i++)
		if (!cidr_parse(mc_json_at(cidrs, i), &p->cidrs[i]) ||
		    cidr_overlaps_any(&p->cidrs[i], p->cidrs, i))
			return mc_err_set(err, 0, "%s: bad cidr", p->id);
	return 0;
}

/* AWS: networks of peered VPCs do not overlap, and a pair has one peering. */
static int check_peering(const struct wanted *w, const struct wanted_peering *p, mc_err **err)
{
	for (size_t i = 0; i < p->n_cidrs; i++)
		if (cidr_overlaps_any(&p->cidrs[i], w->cidrs, w->n_cidrs))
			return mc_err_set(err, 0, "%s: overlapping networks", p->id);
	for (const struct wanted_peering *q = w->peerings; q < p; q++)
		if (strcmp(q->vpc, p->vpc) == 0 || same_link_name(mc_id_tap, q->id, p->id))
			return mc_err_set(err, 0, "%s repeats %s", p->id, q->id);
	if (strcmp(p->vpc, w->id) == 0)
		return mc_err_set(err, 0, "%s leads back to its own VPC", p->id);
	return 0;
}

static int check_gateway(const struct wanted *w, const struct wanted_gateway *g, mc_err **err)
{
	for (const struct wanted_gateway *q = w->gateways; q < g; q++)
		if (same_link_name(mc_id_tap, q->id, g->id))
			return mc_err_set(err, 0, "%s repeats %s", g->id, q->id);
	return wanted_has_addr(w, g->ip) ? mc_err_set(err, 0, "%s: an address of the VPC's networks", g->id) : 0;
}

int wanted_parse_gateways(struct wanted *w, const json_t *arr, mc_err **err)
{
	size_t n = json_array_size(arr);

	w->gateways = wanted_rows(n, sizeof(*w->gateways));
	for (size_t i = 0; i < n; i++) {
		const json_t *doc = json_array_get(arr, i);
		struct wanted_gateway *g = &w->gateways[i];

		w->n_gateways = i + 1;
		wanted_copy(g->id, sizeof(g->id), mc_json_str(doc, "id", ""));
		addr_parse(mc_json_str(doc, "ip", ""), &g->ip);
		if (check_gateway(w, g, err) < 0)
			return -1;
	}
	return 0;
}

int wanted_parse_peerings(struct wanted *w, const json_t *arr, mc_err **err)
{
	size_t n = json_array_size(arr);

	w->peerings = wanted_rows(n, sizeof(*w->peerings));
	for (size_t i = 0; i < n; i++) {
		w->n_peerings = i + 1;
		if (parse_peering(&w->peerings[i], json_array_get(arr, i), err) < 0 ||
		    check_peering(w, &w->peerings[i], err) < 0)
			return -1;
	}
	return 0;
}
