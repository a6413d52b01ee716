#include "netd/group.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"

#define PORT_BITS 16
#define LENGTHS 33 /* prefix lengths 0 to 32 */

enum class {
	CLASS_ALL,
	CLASS_PROTOCOL,
	CLASS_ICMP_TYPE,
	CLASS_ICMP_CODE,
	CLASS_PORT, /* the whole number; then ever shorter prefixes of it */
	CLASS_MAX = CLASS_PORT + PORT_BITS
};

struct class_words {
	const char *name, *type, *match;
};

static const struct class_words classes[] = {
	[CLASS_ALL] = { "all", "", "" },
	[CLASS_PROTOCOL] = { "protocol", "inet_proto", "meta l4proto" },
	[CLASS_ICMP_TYPE] = { "icmp", "icmp_type", "icmp type" },
	[CLASS_ICMP_CODE] = { "code", "icmp_type . icmp_code", "icmp type . icmp code" },
	[CLASS_PORT] = { "port", "inet_proto . inet_service", "meta l4proto . th dport" },
};

struct layer {
	const char *group; /* NULL: the peer is a network */
	unsigned len;      /* of its prefix */
	struct ruleset_set *sets[CLASS_MAX];
	bool used[CLASS_MAX];
};

/* One group in one direction, while it is built. */
struct build {
	struct ruleset *rs;
	const char *tail, *suffix, *end; /* "in", "ip saddr" */
	struct layer *layers;            /* LENGTHS, then one for each group named */
	size_t n_layers;
};

struct direction {
	const char *suffix, *end;
};

static const struct direction directions[WANTED_DIRECTION_MAX] = {
	[WANTED_INGRESS] = { "in", "ip saddr" },
	[WANTED_EGRESS] = { "out", "ip daddr" },
};

const char *group_tail(const char *id)
{
	return strchr(id, '-') + 1;
}

/* --- a rule's elements -------------------------------------------------------------- */

static struct layer *layer_of(struct build *b, const struct wanted_rule *r)
{
	if (!r->group[0])
		return &b->layers[r->cidr.len];
	for (size_t i = LENGTHS; i < b->n_layers; i++)
		if (strcmp(b->layers[i].group, r->group) == 0)
			return &b->layers[i];
	b->layers = reallocarray(b->layers, b->n_layers + 1, sizeof(*b->layers));
	if (!b->layers)
		abort();
	b->layers[b->n_layers] = (struct layer){ .group = r->group };
	return &b->layers[b->n_layers++];
}

static bool by_address(const struct layer *l)
{
	return !l->group && l->len > 0;
}

static const struct class_words *words_of(int class)
{
	return &classes[class > CLASS_PORT ? CLASS_PORT : class];
}

static char *set_name(const struct build *b, const struct layer *l, int class)
{
	mc_autofree char *peer = l->group ? mc_strf("g%s", group_tail(l->group))
					  : mc_strf("%u", l->len);
	int bits = class >= CLASS_PORT ? PORT_BITS - (class - CLASS_PORT) : 0;

	return bits ? mc_strf("sg_%s_%s_%s_port%d", b->tail, b->suffix, peer, bits)
		    : mc_strf("sg_%s_%s_%s_%s", b->tail, b->suffix, peer, words_of(class)->name);
}

static void add(struct build *b, const struct wanted_rule *r, int class, const char *key)
{
	struct layer *l = layer_of(b, r);
	const char *type = words_of(class)->type;
	bool addressed = by_address(l);
	const char *dot = addressed && *type ? " . " : "";
	mc_autofree char *whole = NULL;
	char ip[ADDR_TEXT_LEN];

	l->used[class] = true;
	if (!addressed && !*type)
		return;
	if (!l->sets[class]) {
		mc_autofree char *name = set_name(b, l, class);
		mc_autofree char *spec = mc_strf("type %s%s%s;", addressed ? "ipv4_addr" : "", dot,
						 type);

		l->sets[class] = ruleset_add_set(b->rs, name, spec);
	}
	addr_format(r->cidr.addr, ip);
	whole = mc_strf("%s%s%s", addressed ? ip : "", dot, key);
	ruleset_set_add(l->sets[class], whole, NULL, NULL);
}

/* A range is the fewest blocks that are a prefix of the number each: 1024-65535 is six. */
static void add_ports(struct build *b, const struct wanted_rule *r)
{
	int from = r->from;

	while (from <= r->to) {
		int bits = 0;
		char key[32];

		while (bits < PORT_BITS - 1 && (from & ((2 << bits) - 1)) == 0 &&
		       from + (2 << bits) - 1 <= r->to)
			bits++;
		snprintf(key, sizeof(key), "%d . %d", r->protocol, from);
		add(b, r, CLASS_PORT + bits, key);
		from += 1 << bits;
	}
}

static void add_icmp(struct build *b, const struct wanted_rule *r)
{
	char key[32];

	if (r->to == WANTED_ALL)
		snprintf(key, sizeof(key), "%d", r->from);
	else
		snprintf(key, sizeof(key), "%d . %d", r->from, r->to);
	add(b, r, r->to == WANTED_ALL ? CLASS_ICMP_TYPE : CLASS_ICMP_CODE, key);
}

static bool has_ports(const struct wanted_rule *r)
{
	return (r->protocol == IPPROTO_TCP || r->protocol == IPPROTO_UDP) &&
	       r->from != WANTED_ALL && (r->from > 0 || r->to < 65535);
}

static void add_rule(struct build *b, const struct wanted_rule *r)
{
	char key[16];

	if (r->protocol == WANTED_ALL) {
		add(b, r, CLASS_ALL, "");
	} else if (has_ports(r)) {
		add_ports(b, r);
	} else if (r->protocol == IPPROTO_ICMP && r->from != WANTED_ALL) {
		add_icmp(b, r);
	} else {
		snprintf(key, sizeof(key), "%d", r->protocol);
		add(b, r, CLASS_PROTOCOL, key);
	}
}

/* --- a group's chain ---------------------------------------------------------------------- */

static void put_peer(FILE *out, const struct build *b, const struct layer *l)
{
	char mask[ADDR_TEXT_LEN];

	addr_format(cidr_mask(l->len), mask);
	if (l->group)
		fprintf(out, "%s @members_%s ", b->end, group_tail(l->group));
	else if (l->len == 32)
		fputs(b->end, out);
	else if (l->len > 0)
		fprintf(out, "%s & %s", b->end, mask);
}

static void put_lookup(FILE *out, const struct build *b, const struct layer *l, int class)
{
	int bits = class - CLASS_PORT;

	put_peer(out, b, l);
	if (l->sets[class]) {
		mc_autofree char *name = set_name(b, l, class);

		fprintf(out, "%s%s", by_address(l) && class != CLASS_ALL ? " . " : "",
			words_of(class)->match);
		if (bits > 0)
			fprintf(out, " & 0x%x", 0xffffu & ~((1u << bits) - 1));
		fprintf(out, " @%s ", name);
	}
	fputs("meta mark set 1 return\n", out);
}

static void put_layers(FILE *out, const struct build *b)
{
	for (size_t i = 0; i < b->n_layers; i++)
		for (int class = 0; class < CLASS_MAX; class++)
			if (b->layers[i].used[class])
				put_lookup(out, b, &b->layers[i], class);
}

static struct build begin_build(struct ruleset *rs, const struct wanted_group *g,
				enum wanted_direction d)
{
	struct build b = { .rs = rs, .tail = group_tail(g->id), .suffix = directions[d].suffix,
			   .end = directions[d].end, .n_layers = LENGTHS };

	b.layers = mc_alloc(LENGTHS * sizeof(*b.layers));
	for (unsigned i = 0; i < LENGTHS; i++)
		b.layers[i].len = i;
	return b;
}

void group_add_elements(struct ruleset *rs, const struct wanted_group *g, enum wanted_direction d,
			const struct wanted_rule *rule)
{
	struct build b = begin_build(rs, g, d);

	add_rule(&b, rule);
	free(b.layers);
}

/* The chain is the same in whatever order the rules come. */
static int by_peer(const void *a, const void *b)
{
	return strcmp(((const struct layer *)a)->group, ((const struct layer *)b)->group);
}

static void add_group(struct ruleset *rs, const struct wanted_group *g, enum wanted_direction d)
{
	mc_autofree char *name = mc_strf("sg_%s_%s", group_tail(g->id), directions[d].suffix);
	mc_autofree char *rules = NULL;
	struct build b = begin_build(rs, g, d);
	size_t len;
	FILE *out = open_memstream(&rules, &len);

	if (!out)
		abort();
	for (size_t i = 0; i < g->n_rules[d]; i++)
		add_rule(&b, &g->rules[d][i]);
	qsort(b.layers + LENGTHS, b.n_layers - LENGTHS, sizeof(*b.layers), by_peer);
	put_layers(out, &b);
	free(b.layers);
	if (fclose(out) != 0)
		abort();
	ruleset_add_chain(rs, name, "", rules);
}

/* --- members ---------------------------------------------------------------------------- */

static void add_address(struct ruleset_set *set, uint32_t ip)
{
	char text[ADDR_TEXT_LEN];

	addr_format(ip, text);
	ruleset_set_add(set, text, NULL, NULL);
}

/* A set for every group that some rule names, empty where the group has no members. */
static void add_members(struct ruleset *rs, const struct wanted *w, const char *group, json_t *seen)
{
	const struct wanted_foreign *foreign = wanted_foreign_by_id(w, group);
	mc_autofree char *name = mc_strf("members_%s", group_tail(group));
	struct ruleset_set *set;

	if (json_object_get(seen, group))
		return;
	json_object_set_new(seen, group, json_true());
	set = ruleset_add_set(rs, name, "type ipv4_addr;");
	for (size_t i = 0; i < w->n_enis; i++)
		if (wanted_eni_in_group(w, &w->enis[i], group))
			for (size_t j = 0; j < w->enis[i].n_addrs; j++)
				add_address(set, w->enis[i].addrs[j].ip);
	for (size_t i = 0; foreign && i < foreign->n_members; i++)
		add_address(set, foreign->members[i]);
}

void group_add_all(struct ruleset *rs, const struct wanted *w)
{
	mc_auto_json json_t *seen = json_object();

	for (size_t g = 0; g < w->n_groups; g++)
		for (int d = 0; d < WANTED_DIRECTION_MAX; d++) {
			const struct wanted_group *group = &w->groups[g];

			add_group(rs, group, (enum wanted_direction)d);
			for (size_t i = 0; i < group->n_rules[d]; i++)
				if (group->rules[d][i].group[0])
					add_members(rs, w, group->rules[d][i].group, seen);
		}
}
