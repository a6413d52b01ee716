#include "netd/wanted.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"

#define MAX_GENERATION INT64_MAX
#define MAX_ENIS 8192 /* far above what one bridge's 1,024 ports per subnet allow */
#define MIN_SUBNET_LEN 16
#define MAX_SUBNET_LEN 28

/* --- the field table -------------------------------------------------------- */


static bool check_subnet_id(const char *text)
{
	return mc_id_valid("subnet", text);
}

static bool check_sg_id(const char *text)
{
	return mc_id_valid("sg", text);
}

static bool check_eni_id(const char *text)
{
	return mc_id_valid("eni", text);
}

static const char *const target_names[WANTED_TARGET_MAX] = {
	[WANTED_TARGET_IGW] = "igw",
	[WANTED_TARGET_BLACKHOLE] = "blackhole",
};

static enum wanted_target target_parse(const char *text)
{
	for (int i = 0; i < WANTED_TARGET_MAX; i++)
		if (strcmp(text, target_names[i]) == 0)
			return (enum wanted_target)i;
	return WANTED_TARGET_INVALID;
}

static bool check_target(const char *text)
{
	return target_parse(text) != WANTED_TARGET_INVALID;
}

struct protocol {
	const char *name;
	int number;
};

static const struct protocol protocols[] = {
	{ "all", WANTED_ALL },
	{ "-1", WANTED_ALL },
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{ "icmp", IPPROTO_ICMP },
};

static bool protocol_parse(const char *text, int *ret_number)
{
	char *end;
	unsigned long n;

	for (size_t i = 0; i < MC_ARRAY_SIZE(protocols); i++)
		if (strcmp(text, protocols[i].name) == 0) {
			*ret_number = protocols[i].number;
			return true;
		}
	if (strspn(text, "0123456789") != strlen(text) || !*text || strlen(text) > 3)
		return false;
	n = strtoul(text, &end, 10);
	if (n > 255)
		return false;
	*ret_number = (int)n;
	return true;
}

static bool check_protocol(const char *text)
{
	int n;

	return protocol_parse(text, &n);
}

static bool check_label(const char *text)
{
	return mc_check_hostname(text) && !strchr(text, '.');
}

static const struct mc_field route_fields[] = {
	{ "destination", MC_FIELD_STRING, true, 0, 0, mc_check_cidr4, NULL },
	{ "target", MC_FIELD_STRING, true, 0, 0, check_target, NULL },
	{ .name = NULL },
};

static const struct mc_field subnet_fields[] = {
	{ "id", MC_FIELD_STRING, true, 0, 0, check_subnet_id, NULL },
	{ "cidr", MC_FIELD_STRING, true, 0, 0, mc_check_cidr4, NULL },
	{ "routes", MC_FIELD_OBJECTS, false, 0, 1000, NULL, route_fields },
	{ .name = NULL },
};

static const struct mc_field rule_fields[] = {
	{ "protocol", MC_FIELD_STRING, true, 0, 0, check_protocol, NULL },
	{ "from", MC_FIELD_INTEGER, false, -1, 65535, NULL, NULL },
	{ "to", MC_FIELD_INTEGER, false, -1, 65535, NULL, NULL },
	{ "cidr", MC_FIELD_STRING, false, 0, 0, mc_check_cidr4, NULL },
	{ "group", MC_FIELD_STRING, false, 0, 0, check_sg_id, NULL },
	{ .name = NULL },
};

static const struct mc_field group_fields[] = {
	{ "id", MC_FIELD_STRING, true, 0, 0, check_sg_id, NULL },
	{ "ingress", MC_FIELD_OBJECTS, false, 0, 10000, NULL, rule_fields },
	{ "egress", MC_FIELD_OBJECTS, false, 0, 10000, NULL, rule_fields },
	{ .name = NULL },
};

static const struct mc_field eni_fields[] = {
	{ "id", MC_FIELD_STRING, true, 0, 0, check_eni_id, NULL },
	{ "subnet", MC_FIELD_STRING, true, 0, 0, check_subnet_id, NULL },
	{ "mac", MC_FIELD_STRING, true, 0, 0, mc_check_mac, NULL },
	{ "ip", MC_FIELD_STRING, true, 0, 0, mc_check_ipv4, NULL },
	{ "public_ip", MC_FIELD_STRING, false, 0, 0, mc_check_ipv4, NULL },
	{ "groups", MC_FIELD_STRINGS, false, 0, 16, check_sg_id, NULL },
	{ "source_dest_check", MC_FIELD_BOOLEAN, false, 0, 0, NULL, NULL },
	{ "hostname", MC_FIELD_STRING, false, 1, WANTED_HOSTNAME_LEN - 1, check_label, NULL },
	{ .name = NULL },
};

const struct mc_field wanted_fields[] = {
	{ "generation", MC_FIELD_INTEGER, true, 0, MAX_GENERATION, NULL, NULL },
	{ "cidrs", MC_FIELD_STRINGS, true, 1, 16, mc_check_cidr4, NULL },
	{ "domain", MC_FIELD_STRING, false, 1, WANTED_DOMAIN_LEN - 1, mc_check_hostname, NULL },
	{ "igw", MC_FIELD_BOOLEAN, false, 0, 0, NULL, NULL },
	{ "subnets", MC_FIELD_OBJECTS, false, 0, 200, NULL, subnet_fields },
	{ "security_groups", MC_FIELD_OBJECTS, false, 0, 2500, NULL, group_fields },
	{ "enis", MC_FIELD_OBJECTS, false, 0, MAX_ENIS, NULL, eni_fields },
	{ .name = NULL },
};

/* --- parsing ---------------------------------------------------------------- */

static void copy_text(char *out, size_t len, const char *text)
{
	snprintf(out, len, "%s", text ? text : "");
}

static void *alloc_rows(size_t n, size_t size)
{
	return mc_alloc((n + 1) * size);
}

static int parse_cidrs(struct wanted *w, const json_t *arr, mc_err **err)
{
	w->n_cidrs = json_array_size(arr);
	w->cidrs = alloc_rows(w->n_cidrs, sizeof(*w->cidrs));
	for (size_t i = 0; i < w->n_cidrs; i++) {
		struct cidr *c = &w->cidrs[i];

		if (!cidr_parse(mc_json_at(arr, i), c) || c->len < MIN_SUBNET_LEN ||
		    c->len > MAX_SUBNET_LEN)
			return mc_err_set(err, 0, "cidrs[%zu] is no network between /16 and /28", i);
		for (size_t j = 0; j < i; j++)
			if (cidr_overlaps(c, &w->cidrs[j]))
				return mc_err_set(err, 0, "cidrs[%zu] overlaps cidrs[%zu]", i, j);
	}
	return 0;
}

static int parse_routes(struct wanted_subnet *s, const json_t *arr, mc_err **err)
{
	s->n_routes = json_array_size(arr);
	s->routes = alloc_rows(s->n_routes, sizeof(*s->routes));
	for (size_t i = 0; i < s->n_routes; i++) {
		const json_t *doc = json_array_get(arr, i);
		struct wanted_route *r = &s->routes[i];

		if (!cidr_parse(mc_json_str(doc, "destination", ""), &r->destination))
			return mc_err_set(err, 0, "%s: routes[%zu] has no destination", s->id, i);
		r->target = target_parse(mc_json_str(doc, "target", ""));
		for (size_t j = 0; j < i; j++)
			if (s->routes[j].destination.addr == r->destination.addr &&
			    s->routes[j].destination.len == r->destination.len)
				return mc_err_set(err, 0, "%s: two routes to one destination", s->id);
	}
	return 0;
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

static int parse_subnet(struct wanted *w, size_t i, const json_t *doc, mc_err **err)
{
	struct wanted_subnet *s = &w->subnets[i];

	copy_text(s->id, sizeof(s->id), mc_json_str(doc, "id", ""));
	if (!cidr_parse(mc_json_str(doc, "cidr", ""), &s->cidr) || s->cidr.len > MAX_SUBNET_LEN ||
	    !inside_vpc(w, &s->cidr))
		return mc_err_set(err, 0, "%s is not inside the VPC's networks", s->id);
	for (size_t j = 0; j < i; j++)
		if (cidr_overlaps(&s->cidr, &w->subnets[j].cidr) ||
		    same_link_name(mc_id_bridge, s->id, w->subnets[j].id))
			return mc_err_set(err, 0, "%s overlaps %s", s->id, w->subnets[j].id);
	return parse_routes(s, mc_json_arr(doc, "routes"), err);
}

static int parse_subnets(struct wanted *w, const json_t *arr, mc_err **err)
{
	size_t n = json_array_size(arr);

	w->subnets = alloc_rows(n, sizeof(*w->subnets));
	for (size_t i = 0; i < n; i++) {
		w->n_subnets = i + 1;
		if (parse_subnet(w, i, json_array_get(arr, i), err) < 0)
			return -1;
	}
	return 0;
}

static bool sane_range(const struct wanted_rule *r)
{
	if (r->protocol == IPPROTO_ICMP)
		return r->from <= 255 && r->to <= 255 && (r->from != WANTED_ALL || r->to == WANTED_ALL);
	if (r->protocol != IPPROTO_TCP && r->protocol != IPPROTO_UDP)
		return true;
	return (r->from == WANTED_ALL) == (r->to == WANTED_ALL) && r->from <= r->to;
}

static int parse_rule(struct wanted_rule *r, const json_t *doc, const char *group, mc_err **err)
{
	const char *cidr = mc_json_str(doc, "cidr", NULL);
	const char *peer = mc_json_str(doc, "group", NULL);

	if (!cidr == !peer)
		return mc_err_set(err, 0, "%s: a rule has exactly one of cidr and group", group);
	if (cidr && !cidr_parse(cidr, &r->cidr))
		return mc_err_set(err, 0, "%s: bad cidr", group);
	copy_text(r->group, sizeof(r->group), peer);
	if (!protocol_parse(mc_json_str(doc, "protocol", ""), &r->protocol))
		return mc_err_set(err, 0, "%s: bad protocol", group);
	r->from = (int)mc_json_int(doc, "from", WANTED_ALL);
	r->to = (int)mc_json_int(doc, "to", WANTED_ALL);
	if (!sane_range(r))
		return mc_err_set(err, 0, "%s: bad range %d to %d", group, r->from, r->to);
	return 0;
}

static int parse_rules(struct wanted_group *g, enum wanted_direction d, const json_t *arr,
		       mc_err **err)
{
	g->n_rules[d] = json_array_size(arr);
	g->rules[d] = alloc_rows(g->n_rules[d], sizeof(*g->rules[d]));
	for (size_t i = 0; i < g->n_rules[d]; i++)
		if (parse_rule(&g->rules[d][i], json_array_get(arr, i), g->id, err) < 0)
			return -1;
	return 0;
}

static int parse_groups(struct wanted *w, const json_t *arr, mc_err **err)
{
	size_t n = json_array_size(arr);

	w->groups = alloc_rows(n, sizeof(*w->groups));
	for (size_t i = 0; i < n; i++) {
		const json_t *doc = json_array_get(arr, i);
		struct wanted_group *g = &w->groups[i];

		w->n_groups = i + 1;
		copy_text(g->id, sizeof(g->id), mc_json_str(doc, "id", ""));
		for (size_t j = 0; j < i; j++)
			if (strcmp(w->groups[j].id, g->id) == 0)
				return mc_err_set(err, 0, "%s is there twice", g->id);
		if (parse_rules(g, WANTED_INGRESS, mc_json_arr(doc, "ingress"), err) < 0 ||
		    parse_rules(g, WANTED_EGRESS, mc_json_arr(doc, "egress"), err) < 0)
			return -1;
	}
	return 0;
}

static int eni_groups(const struct wanted *w, struct wanted_eni *e, const json_t *arr, mc_err **err)
{
	size_t n = json_array_size(arr);

	e->groups = alloc_rows(n, sizeof(*e->groups));
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

static int eni_subnet(const struct wanted *w, struct wanted_eni *e, const char *id, mc_err **err)
{
	const struct wanted_subnet *s;
	uint32_t host;

	while (e->subnet < w->n_subnets && strcmp(w->subnets[e->subnet].id, id) != 0)
		e->subnet++;
	if (e->subnet == w->n_subnets)
		return mc_err_set(err, 0, "%s names the unknown %s", e->id, id);
	s = &w->subnets[e->subnet];
	host = e->ip & ~cidr_mask(s->cidr.len);
	/* AWS keeps the first four addresses and the last of every subnet. */
	if (!cidr_has(&s->cidr, e->ip) || host < 4 || host == ~cidr_mask(s->cidr.len))
		return mc_err_set(err, 0, "%s has no usable address of %s", e->id, s->id);
	return 0;
}

static int eni_addresses(struct wanted_eni *e, const json_t *doc, const struct cidr *pool,
			 mc_err **err)
{
	const char *public_ip = mc_json_str(doc, "public_ip", NULL);

	copy_text(e->mac, sizeof(e->mac), mc_json_str(doc, "mac", ""));
	if (strtoul(e->mac, NULL, 16) & 1)
		return mc_err_set(err, 0, "%s has a group MAC", e->id);
	if (!addr_parse(mc_json_str(doc, "ip", ""), &e->ip))
		return mc_err_set(err, 0, "%s has a bad address", e->id);
	if (!public_ip)
		return 0;
	if (!addr_parse(public_ip, &e->public_ip) || !cidr_has(pool, e->public_ip))
		return mc_err_set(err, 0, "%s: %s is outside the public pool", e->id, public_ip);
	return 0;
}

static int parse_eni(struct wanted *w, size_t i, const json_t *doc, const struct cidr *pool,
		     mc_err **err)
{
	struct wanted_eni *e = &w->enis[i];

	copy_text(e->id, sizeof(e->id), mc_json_str(doc, "id", ""));
	copy_text(e->hostname, sizeof(e->hostname), mc_json_str(doc, "hostname", NULL));
	e->source_dest_check = mc_json_bool(doc, "source_dest_check", true);
	if (eni_addresses(e, doc, pool, err) < 0 ||
	    eni_subnet(w, e, mc_json_str(doc, "subnet", ""), err) < 0)
		return -1;
	return eni_groups(w, e, mc_json_arr(doc, "groups"), err);
}

/* Add key to the set; false where it is there already. */
static bool claim(json_t *set, const char *kind, const char *key)
{
	mc_autofree char *name = mc_strf("%s %s", kind, key);

	return !json_object_get(set, name) && json_object_set_new(set, name, json_true()) == 0;
}

/* Taps are named by a part of the id: two ids may not give one name. */
static int unique_enis(const struct wanted *w, mc_err **err)
{
	mc_auto_json json_t *seen = json_object();

	for (size_t i = 0; i < w->n_enis; i++) {
		const struct wanted_eni *e = &w->enis[i];
		char ip[ADDR_TEXT_LEN], public_ip[ADDR_TEXT_LEN], tap[MC_IFNAME_LEN];

		addr_format(e->ip, ip);
		addr_format(e->public_ip, public_ip);
		mc_id_tap(e->id, tap);
		if (!claim(seen, "ip", ip) || !claim(seen, "mac", e->mac) || !claim(seen, "tap", tap) ||
		    (e->public_ip && !claim(seen, "public", public_ip)))
			return mc_err_set(err, 0, "%s shares its id, MAC or an address with another",
					  e->id);
	}
	return 0;
}

static int compare_eni(const void *a, const void *b)
{
	const struct wanted_eni *x = a, *y = b;

	return x->ip < y->ip ? -1 : x->ip > y->ip;
}

static int parse_enis(struct wanted *w, const json_t *arr, const struct cidr *pool, mc_err **err)
{
	size_t n = json_array_size(arr);

	w->enis = alloc_rows(n, sizeof(*w->enis));
	for (size_t i = 0; i < n; i++) {
		w->n_enis = i + 1;
		if (parse_eni(w, i, json_array_get(arr, i), pool, err) < 0)
			return -1;
	}
	if (unique_enis(w, err) < 0)
		return -1;
	qsort(w->enis, w->n_enis, sizeof(*w->enis), compare_eni);
	return 0;
}

struct wanted *wanted_parse(const char *vpc_id, const json_t *doc, const struct cidr *pool,
			    mc_err **err)
{
	auto_wanted struct wanted *w = mc_alloc(sizeof(*w));

	copy_text(w->id, sizeof(w->id), vpc_id);
	w->generation = mc_json_int(doc, "generation", 0);
	w->igw = mc_json_bool(doc, "igw", false);
	copy_text(w->domain, sizeof(w->domain), mc_json_str(doc, "domain", "ec2.internal"));
	if (parse_cidrs(w, mc_json_arr(doc, "cidrs"), err) < 0 ||
	    parse_subnets(w, mc_json_arr(doc, "subnets"), err) < 0 ||
	    parse_groups(w, mc_json_arr(doc, "security_groups"), err) < 0 ||
	    parse_enis(w, mc_json_arr(doc, "enis"), pool, err) < 0)
		return NULL;
	return MC_STEAL(w);
}

void wanted_free(struct wanted *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n_subnets; i++)
		free(w->subnets[i].routes);
	for (size_t i = 0; i < w->n_groups; i++)
		for (int d = 0; d < WANTED_DIRECTION_MAX; d++)
			free(w->groups[i].rules[d]);
	for (size_t i = 0; i < w->n_enis; i++)
		free(w->enis[i].groups);
	free(w->cidrs);
	free(w->subnets);
	free(w->groups);
	free(w->enis);
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

const struct wanted_eni *wanted_eni_by_ip(const struct wanted *w, uint32_t ip)
{
	struct wanted_eni key = { .ip = ip };

	return bsearch(&key, w->enis, w->n_enis, sizeof(key), compare_eni);
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
