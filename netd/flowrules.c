#include "netd/flowrules.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "netd/vpcrules.h"

struct direction {
	const char *suffix;
	const char *type, *match; /* of what tells the interface */
};

static const struct direction directions[WANTED_DIRECTION_MAX] = {
	[WANTED_INGRESS] = { "in", "ipv4_addr", "rt ip nexthop" },
	[WANTED_EGRESS] = { "out", "ether_addr", "ether saddr" },
};

static const char *const verdicts[FLOW_VERDICT_MAX] = {
	[FLOW_ACCEPT] = "accept",
	[FLOW_REJECT] = "reject",
};

struct class {
	const char *name, *guard, *type, *match;
};

static const struct class classes[FLOW_CLASS_MAX] = {
	[FLOW_TCP] = { "tcp", "meta l4proto tcp", "inet_service . inet_service",
		       "tcp sport . tcp dport" },
	[FLOW_UDP] = { "udp", "meta l4proto udp", "inet_service . inet_service",
		       "udp sport . udp dport" },
	[FLOW_OTHER] = { "other", "meta l4proto != { tcp, udp }", "inet_proto", "meta l4proto" },
};

static const int seconds[FLOW_INTERVAL_MAX] = { 60, 600 };

int flowrules_seconds(enum flow_interval i)
{
	return seconds[i];
}

bool flowrules_used(const struct wanted *w, enum flow_interval i)
{
	for (size_t k = 0; k < w->n_flow_logs; k++)
		if (w->flow_logs[k].interval == seconds[i])
			return true;
	return false;
}

static bool asks_for(const struct wanted_flow_log *f, enum flow_verdict v)
{
	return f->traffic == WANTED_TRAFFIC_ALL ||
	       f->traffic == (v == FLOW_ACCEPT ? WANTED_TRAFFIC_ACCEPT : WANTED_TRAFFIC_REJECT);
}

static bool anybody_asks(const struct wanted *w, enum flow_interval i, enum flow_verdict v)
{
	for (size_t k = 0; k < w->n_flow_logs; k++)
		if (w->flow_logs[k].interval == seconds[i] && asks_for(&w->flow_logs[k], v))
			return true;
	return false;
}

char *flowrules_set(enum flow_interval i, char side, enum wanted_direction d, enum flow_verdict v,
		    enum flow_class c)
{
	return mc_strf("flow_%d%c_%s_%s_%s", seconds[i], side, directions[d].suffix, verdicts[v],
		       classes[c].name);
}

/* --- whose packets --------------------------------------------------------------------------- */

static void add_interface(struct ruleset_set *set, const struct wanted_eni *e,
			  enum wanted_direction d)
{
	char ip[ADDR_TEXT_LEN];

	if (d == WANTED_EGRESS)
		ruleset_set_add(set, e->mac, NULL, NULL);
	for (size_t i = 0; d == WANTED_INGRESS && i < e->n_addrs; i++) {
		addr_format(e->addrs[i].ip, ip);
		ruleset_set_add(set, ip, NULL, NULL);
	}
}

static void add_logged(struct ruleset *rs, const struct wanted *w, const char *name,
		       enum flow_interval i, enum wanted_direction d, enum flow_verdict v)
{
	mc_autofree char *spec = mc_strf("type %s;", directions[d].type);
	struct ruleset_set *set = ruleset_add_set(rs, name, spec);

	for (size_t k = 0; k < w->n_flow_logs; k++) {
		const struct wanted_flow_log *f = &w->flow_logs[k];

		if (f->interval != seconds[i] || !asks_for(f, v))
			continue;
		for (size_t j = 0; j < json_array_size(f->enis); j++) {
			const struct wanted_eni *e = wanted_eni_by_id(w, mc_json_at(f->enis, j));

			if (e)
				add_interface(set, e, d);
		}
	}
}

/* --- where they are counted -------------------------------------------------------------------- */

/* The sets of both sides, and the text of the rules that count on one. */
static char *add_counts(struct ruleset *rs, enum flow_interval i, char side,
			enum wanted_direction d, enum flow_verdict v)
{
	mc_autofree char *text = mc_strdup("");

	for (int c = 0; c < FLOW_CLASS_MAX; c++) {
		mc_autofree char *spec = mc_strf(
			"type %s . ipv4_addr . ipv4_addr . %s; size %d; flags dynamic;",
			directions[d].type, classes[c].type, FLOW_SET_SIZE);
		mc_autofree char *a = flowrules_set(i, 'a', d, v, (enum flow_class)c);
		mc_autofree char *b = flowrules_set(i, 'b', d, v, (enum flow_class)c);
		mc_autofree char *before = text;

		ruleset_add_set(rs, a, spec);
		ruleset_add_set(rs, b, spec);
		text = mc_strf("%s%s update @%s { %s . ip saddr . ip daddr . %s counter } return\n",
			       before, classes[c].guard, side == 'a' ? a : b, directions[d].match,
			       classes[c].match);
	}
	return MC_STEAL(text);
}

/* path_flow_out_accept asks for each interval whether the interface is logged. */
static void add_chain(struct ruleset *rs, const struct wanted *w, const struct flow_sides *sides,
		      enum wanted_direction d, enum flow_verdict v)
{
	mc_autofree char *name = mc_strf("path_flow_%s_%s", directions[d].suffix, verdicts[v]);
	mc_autofree char *text = mc_strdup("");

	for (int i = 0; i < FLOW_INTERVAL_MAX; i++) {
		enum flow_interval interval = (enum flow_interval)i;
		mc_autofree char *key = mc_strf("%d_%s_%s", seconds[i], directions[d].suffix,
						verdicts[v]);
		mc_autofree char *logged = mc_strf("logged_%s", key);
		mc_autofree char *count = mc_strf("path_count_%s", key);
		mc_autofree char *rules = NULL, *before = NULL;

		if (!anybody_asks(w, interval, v))
			continue;
		add_logged(rs, w, logged, interval, d, v);
		rules = add_counts(rs, interval, sides->of[i], d, v);
		ruleset_add_chain(rs, count, "", rules);
		before = text;
		text = mc_strf("%s%s @%s jump %s\n", before, directions[d].match, logged, count);
	}
	if (*text)
		ruleset_add_chain(rs, name, "", text);
}

void flowrules_add_all(struct ruleset *rs, const struct wanted *w, const struct flow_sides *sides)
{
	for (int d = 0; d < WANTED_DIRECTION_MAX; d++)
		for (int v = 0; v < FLOW_VERDICT_MAX; v++)
			add_chain(rs, w, sides, (enum wanted_direction)d, (enum flow_verdict)v);
}

const char *flowrules_jump(const struct wanted *w, enum wanted_direction d, enum flow_verdict v)
{
	static const char *const jumps[WANTED_DIRECTION_MAX][FLOW_VERDICT_MAX] = {
		[WANTED_INGRESS] = { "jump path_flow_in_accept\n", "jump path_flow_in_reject\n" },
		[WANTED_EGRESS] = { "jump path_flow_out_accept\n", "jump path_flow_out_reject\n" },
	};

	for (int i = 0; i < FLOW_INTERVAL_MAX; i++)
		if (anybody_asks(w, (enum flow_interval)i, v))
			return jumps[d][v];
	return "";
}
