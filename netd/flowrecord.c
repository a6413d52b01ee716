#include "netd/flowrecord.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "netd/nftread.h"
#include "netd/vpcrules.h"

#define PARTS 5

/* --- reading ----------------------------------------------------------------------------- */

/* "a . b . c" in place; how many parts. */
static size_t split(char *key, char *parts[PARTS])
{
	size_t n = 0;

	for (char *p = key; p && n < PARTS; n++) {
		char *end = strstr(p, " . ");

		parts[n] = p;
		p = end ? end + 3 : NULL;
		if (end)
			*end = '\0';
	}
	return n;
}

static const struct wanted_eni *by_mac(const struct wanted *w, const char *mac)
{
	for (size_t i = 0; i < w->n_enis; i++)
		if (strcmp(w->enis[i].mac, mac) == 0)
			return &w->enis[i];
	return NULL;
}

/* Which interface a key's first part tells. */
static const struct wanted_eni *owner(const struct wanted *w, enum wanted_direction d,
				      const char *text)
{
	uint32_t ip;

	if (d == WANTED_EGRESS)
		return by_mac(w, text);
	return addr_parse(text, &ip) ? wanted_eni_by_ip(w, ip) : NULL;
}

static bool parse(const struct wanted *w, enum wanted_direction d, enum flow_class c,
		  const struct ruleset_element *e, struct flow_record *r)
{
	mc_autofree char *key = mc_strdup(e->key);
	char *parts[PARTS];
	size_t n = split(key, parts);

	if (n != (c == FLOW_OTHER ? 4 : 5) || !addr_parse(parts[1], &r->src) ||
	    !addr_parse(parts[2], &r->dst))
		return false;
	r->eni = owner(w, d, parts[0]);
	if (!r->eni)
		return false;
	*(d == WANTED_EGRESS ? &r->src : &r->dst) = r->eni->ip;
	if (c == FLOW_OTHER) {
		r->protocol = (uint8_t)strtoul(parts[3], NULL, 10);
	} else {
		r->protocol = c == FLOW_TCP ? IPPROTO_TCP : IPPROTO_UDP;
		r->sport = (uint16_t)strtoul(parts[3], NULL, 10);
		r->dport = (uint16_t)strtoul(parts[4], NULL, 10);
	}
	r->packets = e->packets;
	r->bytes = e->bytes;
	return true;
}

static void take(struct flow_records *out, const struct flow_record *r)
{
	if ((out->n & (out->n - 1)) == 0) {
		out->rows = reallocarray(out->rows, out->n ? 2 * out->n : 1, sizeof(*r));
		if (!out->rows)
			abort();
	}
	out->rows[out->n++] = *r;
}

static void take_set(struct flow_records *out, const struct wanted *w, enum wanted_direction d,
		     enum flow_verdict v, enum flow_class c, const struct ruleset_set *set)
{
	json_t *keys = json_array();

	for (size_t i = 0; i < set->n_elements; i++) {
		struct flow_record r = { .verdict = v };

		json_array_append_new(keys, json_string(set->elements[i].key));
		if (set->elements[i].packets && parse(w, d, c, &set->elements[i], &r))
			take(out, &r);
	}
	if (set->n_elements >= FLOW_SET_SIZE)
		out->skipped = true;
	json_object_set_new(out->keys, set->name, keys);
}

static int read_set(struct nl_sock *sk, const struct wanted *w, enum flow_interval i, char side,
		    enum wanted_direction d, enum flow_verdict v, enum flow_class c,
		    struct flow_records *out, mc_err **err)
{
	mc_autofree char *name = flowrules_set(i, side, d, v, c);
	auto_ruleset struct ruleset *rules = ruleset_new(vpcrules_tables, VPCRULES_HOME, NULL);

	if (nftread_set(sk, rules, VPCRULES_HOME, name, err) < 0)
		return -1;
	if (rules->n_sets > 0 && rules->sets[0]->n_elements > 0)
		take_set(out, w, d, v, c, rules->sets[0]);
	return 0;
}

/* By interface, verdict and 5-tuple. */
static int order(const void *a, const void *b)
{
	const struct flow_record *x = a, *y = b;

#define BY(member)                                                                                 \
	if (x->member != y->member)                                                                \
		return x->member < y->member ? -1 : 1
	BY(eni);
	BY(verdict);
	BY(src);
	BY(dst);
	BY(protocol);
	BY(sport);
	BY(dport);
#undef BY
	return 0;
}

/* Several addresses of an interface are written as its first one: their flows are one. */
static void merge(struct flow_records *r)
{
	size_t kept = 0;

	if (r->n > 1)
		qsort(r->rows, r->n, sizeof(*r->rows), order);
	for (size_t i = 0; i < r->n; i++) {
		struct flow_record *last = kept ? &r->rows[kept - 1] : NULL;

		if (last && order(last, &r->rows[i]) == 0) {
			last->packets += r->rows[i].packets;
			last->bytes += r->rows[i].bytes;
		} else {
			r->rows[kept++] = r->rows[i];
		}
	}
	r->n = kept;
}

int flowrecord_read(struct nl_sock *sk, const struct wanted *w, enum flow_interval i, char side,
		    struct flow_records *ret, mc_err **err)
{
	struct flow_records out = { .keys = json_object() };

	for (int d = 0; d < WANTED_DIRECTION_MAX; d++)
		for (int v = 0; v < FLOW_VERDICT_MAX; v++)
			for (int c = 0; c < FLOW_CLASS_MAX; c++)
				if (read_set(sk, w, i, side, (enum wanted_direction)d,
					     (enum flow_verdict)v, (enum flow_class)c, &out, err) < 0) {
					flowrecord_free(&out);
					return -1;
				}
	merge(&out);
	*ret = out;
	return 0;
}

void flowrecord_free(struct flow_records *r)
{
	free(r->rows);
	json_decref(r->keys);
	*r = (struct flow_records){ .n = 0 };
}

/* --- writing -------------------------------------------------------------------------------- */

struct span {
	const char *account;
	long long start, end;
};

static void put_record(FILE *out, const struct flow_record *r, const struct span *s)
{
	char src[ADDR_TEXT_LEN], dst[ADDR_TEXT_LEN];

	addr_format(r->src, src);
	addr_format(r->dst, dst);
	fprintf(out, "2 %s %s %s %s %u %u %u %llu %llu %lld %lld %s OK\n", s->account, r->eni->id, src,
		dst, r->sport, r->dport, r->protocol, (unsigned long long)r->packets,
		(unsigned long long)r->bytes, s->start, s->end,
		r->verdict == FLOW_ACCEPT ? "ACCEPT" : "REJECT");
}

static void put_nothing(FILE *out, const char *eni, const struct span *s, const char *status)
{
	fprintf(out, "2 %s %s - - - - - - - %lld %lld - %s\n", s->account, eni, s->start, s->end,
		status);
}

static bool asked(const struct wanted_flow_log *log, enum flow_verdict v)
{
	return log->traffic == WANTED_TRAFFIC_ALL ||
	       (log->traffic == WANTED_TRAFFIC_ACCEPT) == (v == FLOW_ACCEPT);
}

static size_t put_interface(FILE *out, const struct flow_records *r, const struct wanted_eni *eni,
			    const struct wanted_flow_log *log, const struct span *s, bool whole)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		if (r->rows[i].eni == eni && asked(log, r->rows[i].verdict)) {
			put_record(out, &r->rows[i], s);
			n++;
		}
	if (r->skipped || (n == 0 && whole)) {
		put_nothing(out, eni->id, s, r->skipped ? "SKIPDATA" : "NODATA");
		n++;
	}
	return n;
}

char *flowrecord_text(const struct flow_records *r, const struct wanted *w,
		      const struct wanted_flow_log *log, int64_t start, int64_t end, bool whole,
		      size_t *ret_n)
{
	struct span s = { log->account, (long long)start, (long long)end };
	char *text = NULL;
	size_t len, n = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		abort();
	for (size_t i = 0; i < json_array_size(log->enis); i++) {
		const struct wanted_eni *eni = wanted_eni_by_id(w, mc_json_at(log->enis, i));

		if (eni)
			n += put_interface(out, r, eni, log, &s, whole);
	}
	if (fclose(out) != 0)
		abort();
	*ret_n = n;
	return text;
}
