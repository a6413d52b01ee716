/* What may pass, of the wanted VPC: security groups and network ACLs. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "netd/wanted_parse.h"

static bool sane_range(const struct wanted_rule *r)
{
	if (r->protocol == IPPROTO_ICMP)
		return r->from <= 255 && r->to <= 255 && (r->from != WANTED_ALL || r->to == WANTED_ALL);
	if (r->protocol != IPPROTO_TCP && r->protocol != IPPROTO_UDP)
		return true;
	return (r->from == WANTED_ALL) == (r->to == WANTED_ALL) && r->from <= r->to;
}

static int parse_match(struct wanted_rule *r, const json_t *doc, const char *owner, mc_err **err)
{
	const char *cidr = mc_json_str(doc, "cidr", NULL);

	if (cidr && !cidr_parse(cidr, &r->cidr))
		return mc_err_set(err, 0, "%s: bad cidr", owner);
	if (!wanted_protocol(mc_json_str(doc, "protocol", ""), &r->protocol))
		return mc_err_set(err, 0, "%s: bad protocol", owner);
	r->from = (int)mc_json_int(doc, "from", WANTED_ALL);
	r->to = (int)mc_json_int(doc, "to", WANTED_ALL);
	if (!sane_range(r))
		return mc_err_set(err, 0, "%s: bad range %d to %d", owner, r->from, r->to);
	return 0;
}

/* --- security groups ---------------------------------------------------------- */

int wanted_parse_rule(struct wanted_rule *r, const json_t *doc, const char *group, mc_err **err)
{
	const char *peer = mc_json_str(doc, "group", NULL);

	if (!mc_json_str(doc, "cidr", NULL) == !peer)
		return mc_err_set(err, 0, "%s: a rule has exactly one of cidr and group", group);
	wanted_copy(r->group, sizeof(r->group), peer);
	return parse_match(r, doc, group, err);
}

static int parse_rules(struct wanted_group *g, enum wanted_direction d, const json_t *arr,
		       mc_err **err)
{
	g->n_rules[d] = json_array_size(arr);
	g->rules[d] = wanted_rows(g->n_rules[d], sizeof(*g->rules[d]));
	for (size_t i = 0; i < g->n_rules[d]; i++)
		if (wanted_parse_rule(&g->rules[d][i], json_array_get(arr, i), g->id, err) < 0)
			return -1;
	return 0;
}

int wanted_parse_groups(struct wanted *w, const json_t *arr, mc_err **err)
{
	mc_auto_json json_t *seen = json_object();
	size_t n = json_array_size(arr);

	w->groups = wanted_rows(n, sizeof(*w->groups));
	for (size_t i = 0; i < n; i++) {
		const json_t *doc = json_array_get(arr, i);
		struct wanted_group *g = &w->groups[i];

		w->n_groups = i + 1;
		wanted_copy(g->id, sizeof(g->id), mc_json_str(doc, "id", ""));
		if (!wanted_claim(seen, "group", g->id))
			return mc_err_set(err, 0, "%s is there twice", g->id);
		if (parse_rules(g, WANTED_INGRESS, mc_json_arr(doc, "ingress"), err) < 0 ||
		    parse_rules(g, WANTED_EGRESS, mc_json_arr(doc, "egress"), err) < 0)
			return -1;
	}
	return 0;
}

static int by_addr(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int parse_members(const struct wanted *w, struct wanted_foreign *f, const json_t *arr,
			 mc_err **err)
{
	f->members = wanted_rows(json_array_size(arr), sizeof(*f->members));
	for (size_t i = 0; i < json_array_size(arr); i++) {
		uint32_t *m = &f->members[f->n_members++];

		if (!addr_parse(mc_json_at(arr, i), m) || wanted_has_addr(w, *m))
			return mc_err_set(err, 0, "%s: %s is no address of a peer", f->id,
					  mc_json_at(arr, i));
	}
	qsort(f->members, f->n_members, sizeof(*f->members), by_addr);
	for (size_t i = 1; i < f->n_members; i++)
		if (f->members[i] == f->members[i - 1])
			return mc_err_set(err, 0, "%s: one member twice", f->id);
	return 0;
}

int wanted_parse_foreign(struct wanted *w, const json_t *arr, mc_err **err)
{
	size_t n = json_array_size(arr);

	w->foreign = wanted_rows(n, sizeof(*w->foreign));
	for (size_t i = 0; i < n; i++) {
		const json_t *doc = json_array_get(arr, i);
		struct wanted_foreign *f = &w->foreign[i];

		wanted_copy(f->id, sizeof(f->id), mc_json_str(doc, "id", ""));
		if (wanted_foreign_by_id(w, f->id))
			return mc_err_set(err, 0, "%s is there twice", f->id);
		for (size_t g = 0; g < w->n_groups; g++)
			if (strcmp(w->groups[g].id, f->id) == 0)
				return mc_err_set(err, 0, "%s is not foreign", f->id);
		w->n_foreign = i + 1;
		if (parse_members(w, f, mc_json_arr(doc, "members"), err) < 0)
			return -1;
	}
	return 0;
}

/* --- network ACLs ---------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
	return ((const struct wanted_acl_entry *)a)->number -
	       ((const struct wanted_acl_entry *)b)->number;
}

static int parse_entries(struct wanted_acl *a, enum wanted_direction d, const json_t *arr,
			 mc_err **err)
{
	struct wanted_acl_entry *rows;
	size_t n = json_array_size(arr);

	a->entries[d] = rows = wanted_rows(n, sizeof(*rows));
	a->n_entries[d] = n;
	for (size_t i = 0; i < n; i++) {
		const json_t *doc = json_array_get(arr, i);

		rows[i].number = (int)mc_json_int(doc, "number", 0);
		rows[i].allow = strcmp(mc_json_str(doc, "action", ""), "allow") == 0;
		if (parse_match(&rows[i].match, doc, a->id, err) < 0)
			return -1;
	}
	qsort(rows, n, sizeof(*rows), by_number);
	for (size_t i = 1; i < n; i++)
		if (rows[i].number == rows[i - 1].number)
			return mc_err_set(err, 0, "%s: two entries %d", a->id, rows[i].number);
	return 0;
}

int wanted_parse_acls(struct wanted *w, const json_t *arr, mc_err **err)
{
	mc_auto_json json_t *seen = json_object();
	size_t n = json_array_size(arr);

	w->acls = wanted_rows(n, sizeof(*w->acls));
	for (size_t i = 0; i < n; i++) {
		const json_t *doc = json_array_get(arr, i);
		struct wanted_acl *a = &w->acls[i];

		w->n_acls = i + 1;
		wanted_copy(a->id, sizeof(a->id), mc_json_str(doc, "id", ""));
		if (!wanted_claim(seen, "acl", a->id))
			return mc_err_set(err, 0, "%s is there twice", a->id);
		if (parse_entries(a, WANTED_INGRESS, mc_json_arr(doc, "ingress"), err) < 0 ||
		    parse_entries(a, WANTED_EGRESS, mc_json_arr(doc, "egress"), err) < 0)
			return -1;
	}
	return 0;
}
