#include "netd/wanted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "netd/wanted_parse.h"

/* --- what the parts share ---------------------------------------------------- */

void *wanted_rows(size_t n, size_t size)
{
	return mc_alloc((n + 1) * size);
}

void wanted_copy(char *out, size_t len, const char *text)
{
	snprintf(out, len, "%s", text ? text : "");
}

bool wanted_claim(json_t *set, const char *kind, const char *key)
{
	mc_autofree char *name = mc_strf("%s %s", kind, key);

	return !json_object_get(set, name) && json_object_set_new(set, name, json_true()) == 0;
}

/* --- the whole ------------------------------------------------------------------ */

struct wanted *wanted_parse(const char *vpc_id, const json_t *doc, const struct cidr *pool,
			    mc_err **err)
{
	auto_wanted struct wanted *w = mc_alloc(sizeof(*w));

	wanted_copy(w->id, sizeof(w->id), vpc_id);
	w->generation = mc_json_int(doc, "generation", 0);
	w->igw = mc_json_bool(doc, "igw", false);
	wanted_copy(w->domain, sizeof(w->domain), mc_json_str(doc, "domain", "ec2.internal"));
	if (wanted_parse_cidrs(w, mc_json_arr(doc, "cidrs"), err) < 0 ||
	    wanted_parse_acls(w, mc_json_arr(doc, "acls"), err) < 0 ||
	    wanted_parse_subnets(w, mc_json_arr(doc, "subnets"), err) < 0 ||
	    wanted_parse_igw_routes(w, mc_json_arr(doc, "igw_routes"), err) < 0 ||
	    wanted_parse_groups(w, mc_json_arr(doc, "security_groups"), err) < 0 ||
	    wanted_parse_foreign(w, mc_json_arr(doc, "foreign_groups"), err) < 0 ||
	    wanted_parse_enis(w, doc, pool, err) < 0 ||
	    wanted_parse_peerings(w, mc_json_arr(doc, "peerings"), err) < 0 ||
	    wanted_parse_gateways(w, mc_json_arr(doc, "gateway_endpoints"), err) < 0 ||
	    wanted_parse_dns(w, mc_json_obj(doc, "dns"), err) < 0 ||
	    wanted_parse_dhcp(w, mc_json_obj(doc, "dhcp"), err) < 0 ||
	    wanted_parse_flow_logs(w, mc_json_arr(doc, "flow_logs"), err) < 0)
		return NULL;
	return MC_STEAL(w);
}

static void free_eni(struct wanted_eni *e)
{
	for (size_t i = 0; i < e->n_addrs; i++)
		free(e->addrs[i].public_name);
	free(e->addrs);
	free(e->groups);
}

static void free_rows(struct wanted *w)
{
	for (int d = 0; d < WANTED_DIRECTION_MAX; d++) {
		for (size_t i = 0; i < w->n_groups; i++)
			free(w->groups[i].rules[d]);
		for (size_t i = 0; i < w->n_acls; i++)
			free(w->acls[i].entries[d]);
	}
	for (size_t i = 0; i < w->n_subnets; i++)
		free(w->subnets[i].routes);
	for (size_t i = 0; i < w->n_foreign; i++)
		free(w->foreign[i].members);
	for (size_t i = 0; i < w->n_enis; i++)
		free_eni(&w->enis[i]);
	for (size_t i = 0; i < w->n_peerings; i++)
		free(w->peerings[i].cidrs);
	for (size_t i = 0; i < w->n_endpoints; i++)
		json_decref(w->endpoints[i].names);
	for (size_t i = 0; i < w->n_flow_logs; i++)
		json_decref(w->flow_logs[i].enis);
}

void wanted_free(struct wanted *w)
{
	if (!w)
		return;
	free_rows(w);
	free(w->cidrs);
	free(w->acls);
	free(w->subnets);
	free(w->groups);
	free(w->foreign);
	free(w->enis);
	free(w->places);
	free(w->igw_routes);
	free(w->nats);
	free(w->peerings);
	free(w->endpoints);
	free(w->gateways);
	free(w->flow_logs);
	free(w->dns.names);
	free(w);
}

/* --- questions --------------------------------------------------------------- */

const struct wanted_eni *wanted_eni_by_id(const struct wanted *w, const char *id)
{
	for (size_t i = 0; i < w->n_enis; i++)
		if (strcmp(w->enis[i].id, id) == 0)
			return &w->enis[i];
	return NULL;
}

static const struct wanted_place *place_by_ip(const struct wanted *w, uint32_t ip)
{
	size_t low = 0, high = w->n_places;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (w->places[mid].ip < ip)
			low = mid + 1;
		else
			high = mid;
	}
	return low < w->n_places && w->places[low].ip == ip ? &w->places[low] : NULL;
}

const struct wanted_eni *wanted_eni_by_ip(const struct wanted *w, uint32_t ip)
{
	const struct wanted_place *p = place_by_ip(w, ip);

	return p ? &w->enis[p->eni] : NULL;
}

const struct wanted_addr *wanted_addr_by_ip(const struct wanted *w, uint32_t ip)
{
	const struct wanted_place *p = place_by_ip(w, ip);

	return p ? &w->enis[p->eni].addrs[p->addr] : NULL;
}

const struct wanted_foreign *wanted_foreign_by_id(const struct wanted *w, const char *id)
{
	for (size_t i = 0; i < w->n_foreign; i++)
		if (strcmp(w->foreign[i].id, id) == 0)
			return &w->foreign[i];
	return NULL;
}

const struct wanted_peering *wanted_peering_by_id(const struct wanted *w, const char *id)
{
	for (size_t i = 0; i < w->n_peerings; i++)
		if (strcmp(w->peerings[i].id, id) == 0)
			return &w->peerings[i];
	return NULL;
}

const struct wanted_nat *wanted_nat_by_id(const struct wanted *w, const char *id)
{
	for (size_t i = 0; i < w->n_nats; i++)
		if (strcmp(w->nats[i].id, id) == 0)
			return &w->nats[i];
	return NULL;
}

const struct wanted_gateway *wanted_gateway_by_id(const struct wanted *w, const char *id)
{
	for (size_t i = 0; i < w->n_gateways; i++)
		if (strcmp(w->gateways[i].id, id) == 0)
			return &w->gateways[i];
	return NULL;
}

const struct wanted_subnet *wanted_subnet_by_ip(const struct wanted *w, uint32_t addr)
{
	for (size_t i = 0; i < w->n_subnets; i++)
		if (cidr_has(&w->subnets[i].cidr, addr))
			return &w->subnets[i];
	return NULL;
}

const struct wanted_route *wanted_route_to(const struct wanted_subnet *s, uint32_t addr)
{
	const struct wanted_route *best = NULL;

	for (size_t i = 0; i < s->n_routes; i++)
		if (cidr_has(&s->routes[i].destination, addr) &&
		    (!best || s->routes[i].destination.len > best->destination.len))
			best = &s->routes[i];
	return best;
}

bool wanted_has_addr(const struct wanted *w, uint32_t addr)
{
	for (size_t i = 0; i < w->n_cidrs; i++)
		if (cidr_has(&w->cidrs[i], addr))
			return true;
	return false;
}

bool wanted_eni_in_group(const struct wanted *w, const struct wanted_eni *eni, const char *group)
{
	for (size_t i = 0; i < eni->n_groups; i++)
		if (strcmp(w->groups[eni->groups[i]].id, group) == 0)
			return true;
	return false;
}

uint32_t wanted_dns_addr(const struct wanted *w)
{
	return w->cidrs[0].addr + 2;
}

uint32_t wanted_gateway(const struct wanted_subnet *subnet)
{
	return subnet->cidr.addr + 1;
}
