#include "netd/nftread.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"
#include "netd/nftkey.h"

#define VERSION_PREFIX "version_"
#define EPOCH_PREFIX "epoch_"
#define UDATA_COMMENT 0 /* the first kind of user data of rules and of elements */
#define NAME_LEN 256

struct family {
	const char *word;
	int number;
};

static const struct family families[] = {
	{ "ip", NFPROTO_IPV4 },
	{ "inet", NFPROTO_INET },
	{ "bridge", NFPROTO_BRIDGE },
};

int nftread_family(const char *table, const char **ret_name)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(families); i++) {
		size_t n = strlen(families[i].word);

		if (strncmp(table, families[i].word, n) == 0 && table[n] == ' ') {
			*ret_name = table + n + 1;
			return families[i].number;
		}
	}
	return -1;
}

/* --- requests ------------------------------------------------------------------- */

static struct nl_msg *request(int type, int flags, int family)
{
	struct nfgenmsg nfg = { .nfgen_family = (unsigned char)family, .version = NFNETLINK_V0 };
	struct nl_msg *msg = netlink_msg(NFNL_SUBSYS_NFTABLES << 8 | type, flags);

	netlink_append(msg, &nfg, sizeof(nfg));
	return msg;
}

static int parse(const struct nlmsghdr *h, struct nlattr **tb, int max)
{
	return nlmsg_parse((struct nlmsghdr *)h, sizeof(struct nfgenmsg), tb, max, NULL);
}

static const char *text_of(struct nlattr *a)
{
	return a ? nla_get_string(a) : "";
}

static uint32_t number_of(struct nlattr *a)
{
	return a && nla_len(a) == 4 ? be32toh(nla_get_u32(a)) : 0;
}

/* User data is a row of {kind, length, bytes}; the comment of it, "" for none. */
static const char *comment_of(struct nlattr *a)
{
	const unsigned char *p = a ? nla_data(a) : NULL;
	size_t left = a ? (size_t)nla_len(a) : 0;

	for (; left >= 2 && left >= 2u + p[1]; left -= 2u + p[1], p += 2 + p[1])
		if (p[0] == UDATA_COMMENT && p[1] > 0 && p[1 + p[1]] == '\0')
			return (const char *)p + 2;
	return "";
}

/* --- the generation ---------------------------------------------------------------- */

static void take_generation(void *ctx, const struct nlmsghdr *h)
{
	struct nlattr *tb[NFTA_GEN_MAX + 1];

	if (parse(h, tb, NFTA_GEN_MAX) == 0 && tb[NFTA_GEN_ID])
		*(uint32_t *)ctx = number_of(tb[NFTA_GEN_ID]);
}

int nftread_generation(struct nl_sock *sk, uint32_t *ret_generation, mc_err **err)
{
	uint32_t generation = 0;
	int r = netlink_call(sk, request(NFT_MSG_GETGEN, 0, AF_UNSPEC), take_generation,
			     &generation);

	if (r < 0 || !generation)
		return mc_err_set(err, -r, "cannot read the generation of the nft rules");
	*ret_generation = generation;
	return 0;
}

/* --- tables and chains ---------------------------------------------------------------- */

/* A dump of one table: all objects of its family come, the others are passed over. */
struct dump {
	struct ruleset *ruleset;
	const char *table; /* "ip vpc" */
	const char *name;  /* "vpc" */
	json_t *digests;   /* by chain */
	bool found;
	char (*sets)[NAME_LEN];
	uint32_t (*types)[2]; /* of each set: key, data */
	size_t n_sets;
};

static void see_table(void *ctx, const struct nlmsghdr *h)
{
	struct dump *d = ctx;
	struct nlattr *tb[NFTA_TABLE_MAX + 1];

	if (parse(h, tb, NFTA_TABLE_MAX) == 0 && strcmp(text_of(tb[NFTA_TABLE_NAME]), d->name) == 0)
		d->found = true;
}

static int dump(struct nl_sock *sk, int type, struct dump *d, netlink_fn *fn)
{
	int family = nftread_family(d->table, &d->name);

	return netlink_call(sk, request(type, NLM_F_DUMP, family), fn, d);
}

bool nftread_has_tables(struct nl_sock *sk, const char *const *tables)
{
	for (const char *const *t = tables; *t; t++) {
		struct dump d = { .table = *t };

		if (dump(sk, NFT_MSG_GETTABLE, &d, see_table) < 0 || !d.found)
			return false;
	}
	return true;
}

/* The comment of each chain's first rule. */
static void see_rule(void *ctx, const struct nlmsghdr *h)
{
	struct dump *d = ctx;
	struct nlattr *tb[NFTA_RULE_MAX + 1];
	const char *chain;

	if (parse(h, tb, NFTA_RULE_MAX) < 0 || strcmp(text_of(tb[NFTA_RULE_TABLE]), d->name) != 0)
		return;
	chain = text_of(tb[NFTA_RULE_CHAIN]);
	if (!json_object_get(d->digests, chain))
		json_object_set_new(d->digests, chain, json_string(comment_of(tb[NFTA_RULE_USERDATA])));
}

static void see_chain(void *ctx, const struct nlmsghdr *h)
{
	struct dump *d = ctx;
	struct nlattr *tb[NFTA_CHAIN_MAX + 1];
	struct ruleset *r = d->ruleset;
	const char *name;

	if (parse(h, tb, NFTA_CHAIN_MAX) < 0 || strcmp(text_of(tb[NFTA_CHAIN_TABLE]), d->name) != 0)
		return;
	name = text_of(tb[NFTA_CHAIN_NAME]);
	if (ruleset_chain_managed(name))
		ruleset_add_present_chain(r, name, mc_json_str(d->digests, name, ""));
	else if (strncmp(name, VERSION_PREFIX, strlen(VERSION_PREFIX)) == 0)
		snprintf(r->version, sizeof(r->version), "%s", name + strlen(VERSION_PREFIX));
	else if (strncmp(name, EPOCH_PREFIX, strlen(EPOCH_PREFIX)) == 0)
		snprintf(r->epoch, sizeof(r->epoch), "%s", name + strlen(EPOCH_PREFIX));
}

/* --- sets ---------------------------------------------------------------------------- */

static void see_set(void *ctx, const struct nlmsghdr *h)
{
	struct dump *d = ctx;
	struct nlattr *tb[NFTA_SET_MAX + 1];
	const char *name;

	if (parse(h, tb, NFTA_SET_MAX) < 0 || strcmp(text_of(tb[NFTA_SET_TABLE]), d->name) != 0 ||
	    number_of(tb[NFTA_SET_FLAGS]) & NFT_SET_ANONYMOUS)
		return;
	name = text_of(tb[NFTA_SET_NAME]);
	d->sets = netlink_grow(d->sets, d->n_sets, sizeof(*d->sets));
	d->types = netlink_grow(d->types, d->n_sets, sizeof(*d->types));
	snprintf(d->sets[d->n_sets], NAME_LEN, "%s", name);
	d->types[d->n_sets][0] = number_of(tb[NFTA_SET_KEY_TYPE]);
	d->types[d->n_sets++][1] = number_of(tb[NFTA_SET_DATA_TYPE]);
}

struct elements {
	struct ruleset_set *set;
	uint32_t key_type, data_type;
	bool foreign;
};

static char *verdict_text(struct nlattr *verdict)
{
	struct nlattr *tb[NFTA_VERDICT_MAX + 1];
	bool jump;

	if (nla_parse_nested(tb, NFTA_VERDICT_MAX, verdict, NULL) < 0 || !tb[NFTA_VERDICT_CHAIN])
		return NULL;
	jump = number_of(tb[NFTA_VERDICT_CODE]) == (uint32_t)NFT_JUMP;
	return mc_strf("%s %s", jump ? "jump" : "goto", text_of(tb[NFTA_VERDICT_CHAIN]));
}

static char *data_text(const struct elements *x, struct nlattr *attr)
{
	struct nlattr *tb[NFTA_DATA_MAX + 1];

	if (!attr || nla_parse_nested(tb, NFTA_DATA_MAX, attr, NULL) < 0)
		return NULL;
	if (tb[NFTA_DATA_VERDICT])
		return verdict_text(tb[NFTA_DATA_VERDICT]);
	return tb[NFTA_DATA_VALUE] ? nftkey_decode(x->data_type, nla_data(tb[NFTA_DATA_VALUE]),
						   (size_t)nla_len(tb[NFTA_DATA_VALUE]))
				   : NULL;
}

static uint64_t big(struct nlattr *a)
{
	return a && nla_len(a) == 8 ? be64toh(nla_get_u64(a)) : 0;
}

static void take_counter(struct ruleset_element *e, struct nlattr *expr)
{
	struct nlattr *tb[NFTA_EXPR_MAX + 1], *counter[NFTA_COUNTER_MAX + 1];

	if (!expr || nla_parse_nested(tb, NFTA_EXPR_MAX, expr, NULL) < 0 ||
	    strcmp(text_of(tb[NFTA_EXPR_NAME]), "counter") != 0 || !tb[NFTA_EXPR_DATA] ||
	    nla_parse_nested(counter, NFTA_COUNTER_MAX, tb[NFTA_EXPR_DATA], NULL) < 0)
		return;
	e->packets = big(counter[NFTA_COUNTER_PACKETS]);
	e->bytes = big(counter[NFTA_COUNTER_BYTES]);
}

/* What we could not have written makes the tables count as none of ours: they are made anew. */
static void take_element(struct elements *x, struct nlattr *attr)
{
	struct nlattr *tb[NFTA_SET_ELEM_MAX + 1], *key[NFTA_DATA_MAX + 1];
	mc_autofree char *key_text = NULL, *data = NULL;
	struct ruleset_element *e;

	if (nla_parse_nested(tb, NFTA_SET_ELEM_MAX, attr, NULL) < 0 || !tb[NFTA_SET_ELEM_KEY] ||
	    nla_parse_nested(key, NFTA_DATA_MAX, tb[NFTA_SET_ELEM_KEY], NULL) < 0)
		return;
	if (key[NFTA_DATA_VALUE])
		key_text = nftkey_decode(x->key_type, nla_data(key[NFTA_DATA_VALUE]),
					 (size_t)nla_len(key[NFTA_DATA_VALUE]));
	data = data_text(x, tb[NFTA_SET_ELEM_DATA]);
	if (!key_text || (!data && tb[NFTA_SET_ELEM_DATA])) {
		x->foreign = true;
		return;
	}
	e = ruleset_set_add(x->set, key_text, data, comment_of(tb[NFTA_SET_ELEM_USERDATA]));
	take_counter(e, tb[NFTA_SET_ELEM_EXPR]);
}

static void see_elements(void *ctx, const struct nlmsghdr *h)
{
	struct nlattr *tb[NFTA_SET_ELEM_LIST_MAX + 1], *e;
	int left;

	if (parse(h, tb, NFTA_SET_ELEM_LIST_MAX) < 0 || !tb[NFTA_SET_ELEM_LIST_ELEMENTS])
		return;
	nla_for_each_nested(e, tb[NFTA_SET_ELEM_LIST_ELEMENTS], left)
		take_element(ctx, e);
}

static int read_elements(struct nl_sock *sk, const struct dump *d, size_t set)
{
	mc_autofree char *full = mc_strf("%s %s", d->table, d->sets[set]);
	struct elements x = { .set = ruleset_set(d->ruleset, full), .key_type = d->types[set][0],
			      .data_type = d->types[set][1] };
	const char *name;
	struct nl_msg *msg = request(NFT_MSG_GETSETELEM, NLM_F_DUMP, nftread_family(d->table, &name));
	int r;

	netlink_put_str(msg, NFTA_SET_ELEM_LIST_TABLE, name);
	netlink_put_str(msg, NFTA_SET_ELEM_LIST_SET, d->sets[set]);
	r = netlink_call(sk, msg, see_elements, &x);
	if (x.foreign)
		d->ruleset->version[0] = '\0';
	return r;
}

/* --- together ---------------------------------------------------------------------------- */

static void dump_free(struct dump *d)
{
	json_decref(d->digests);
	free(d->sets);
	free(d->types);
}
#define auto_dump __attribute__((cleanup(dump_free)))

static int read_sets(struct nl_sock *sk, struct dump *d)
{
	int r = dump(sk, NFT_MSG_GETSET, d, see_set);

	for (size_t i = 0; r == 0 && i < d->n_sets; i++) {
		if (ruleset_set_managed(d->sets[i]))
			ruleset_add_set(d->ruleset, d->sets[i], "");
		if (!ruleset_set_free(d->sets[i]))
			r = read_elements(sk, d, i);
	}
	return r;
}

/* 1 when the table is there, 0 when not, -errno. */
static int read_table(struct nl_sock *sk, struct ruleset *ruleset, const char *table)
{
	auto_dump struct dump d = { .ruleset = ruleset, .table = table, .digests = json_object() };
	int r = dump(sk, NFT_MSG_GETTABLE, &d, see_table);

	if (r < 0 || !d.found)
		return r;
	if ((r = dump(sk, NFT_MSG_GETRULE, &d, see_rule)) < 0 ||
	    (r = dump(sk, NFT_MSG_GETCHAIN, &d, see_chain)) < 0 || (r = read_sets(sk, &d)) < 0)
		return r;
	return 1;
}

struct ruleset *nftread_tables(struct nl_sock *sk, const char *const *tables, const char *home,
			       mc_err **err)
{
	auto_ruleset struct ruleset *ruleset = ruleset_new(tables, home, NULL);
	bool whole = true;

	for (const char *const *t = tables; *t; t++) {
		int r = read_table(sk, ruleset, *t);

		if (r < 0) {
			mc_err_set(err, -r, "cannot read the nft table %s", *t);
			return NULL;
		}
		whole = whole && r > 0;
	}
	if (!whole)
		ruleset->version[0] = '\0';
	ruleset_sort(ruleset);
	return MC_STEAL(ruleset);
}

int nftread_set(struct nl_sock *sk, struct ruleset *ruleset, const char *table, const char *name,
		mc_err **err)
{
	auto_dump struct dump d = { .ruleset = ruleset, .table = table };
	int r = dump(sk, NFT_MSG_GETSET, &d, see_set);

	for (size_t i = 0; r == 0 && i < d.n_sets; i++)
		if (strcmp(d.sets[i], name) == 0)
			r = read_elements(sk, &d, i);
	return r < 0 ? mc_err_set(err, -r, "cannot read the nft set %s %s", table, name) : 0;
}

int nftread_epoch(struct nl_sock *sk, const char *table, char ret_epoch[RULESET_DIGEST_LEN],
		  mc_err **err)
{
	auto_ruleset struct ruleset *ruleset = ruleset_new(NULL, table, NULL);
	auto_dump struct dump d = { .ruleset = ruleset, .table = table };
	int r = dump(sk, NFT_MSG_GETCHAIN, &d, see_chain);

	if (r < 0)
		return mc_err_set(err, -r, "cannot read the chains of %s", table);
	memcpy(ret_epoch, ruleset->epoch, RULESET_DIGEST_LEN);
	return 0;
}

/* --- named counters ---------------------------------------------------------------------- */

struct count {
	uint64_t bytes, packets;
	bool found;
};

static void see_counter(void *ctx, const struct nlmsghdr *h)
{
	struct nlattr *tb[NFTA_OBJ_MAX + 1], *counter[NFTA_COUNTER_MAX + 1];
	struct count *c = ctx;

	if (parse(h, tb, NFTA_OBJ_MAX) < 0 || !tb[NFTA_OBJ_DATA] ||
	    nla_parse_nested(counter, NFTA_COUNTER_MAX, tb[NFTA_OBJ_DATA], NULL) < 0)
		return;
	c->bytes = big(counter[NFTA_COUNTER_BYTES]);
	c->packets = big(counter[NFTA_COUNTER_PACKETS]);
	c->found = true;
}

int nftread_counter(struct nl_sock *sk, const char *table, const char *name, uint64_t *ret_bytes,
		    uint64_t *ret_packets, mc_err **err)
{
	const char *bare;
	struct nl_msg *msg = request(NFT_MSG_GETOBJ, 0, nftread_family(table, &bare));
	struct count c = { .found = false };
	int r;

	netlink_put_str(msg, NFTA_OBJ_TABLE, bare);
	netlink_put_str(msg, NFTA_OBJ_NAME, name);
	netlink_put_u32(msg, NFTA_OBJ_TYPE, htobe32(NFT_OBJECT_COUNTER));
	r = netlink_call(sk, msg, see_counter, &c);
	if (r < 0 || !c.found)
		return mc_err_set(err, -r, "cannot read the counter %s of %s", name, table);
	*ret_bytes = c.bytes;
	*ret_packets = c.packets;
	return 0;
}
