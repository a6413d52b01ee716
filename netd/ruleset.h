/* An nft ruleset as a set of named things: chains with their rules, sets with their elements.
 * The wanted one is built from documents (vpcrules.h, host.h), the present one is read
 * back from the kernel (nftread.h); their difference is one transaction. */
#ifndef NETD_RULESET_H
#define NETD_RULESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RULESET_DIGEST_LEN 17 /* 16 hex digits and the NUL */

/* Names of chains and sets that come and go begin so; all others are the skeleton's. */
#define RULESET_CHAIN_PREFIXES { "sg_", "eni_", "acl_", "path_", "base_" }
#define RULESET_SET_PREFIXES { "members_", "sg_", "logged_", "flow_" }
/* What is in these sets is the packets' doing, nobody's wish. */
#define RULESET_FREE_PREFIX "flow_"

struct ruleset_chain {
	char *name;
	char *hook;                      /* of a base chain "type filter hook …;", else "" */
	char *rules;                     /* one per line; NULL in a present ruleset */
	char digest[RULESET_DIGEST_LEN]; /* of rules; "" for none */
};

struct ruleset_element {
	char *key;     /* "10.0.0.1", "mt… . 06:… . 10.0.0.1" */
	char *data;    /* "" for a plain set; "jump …", "10.0.0.1" */
	char *comment; /* "" for none */
	uint64_t packets, bytes; /* of a counter, 0 elsewhere */
};

struct ruleset_set {
	char *name; /* "ip vpc eni_in" */
	char *spec; /* of a managed one that is wanted, "type ipv4_addr;"; else "" */
	bool managed;
	struct ruleset_element *elements;
	size_t n_elements;
};

struct ruleset {
	const char *skeleton;            /* text; NULL in a present ruleset */
	char version[RULESET_DIGEST_LEN]; /* the skeleton's digest; "" where a table is missing */
	char epoch[RULESET_DIGEST_LEN];   /* since when the counters count: another where they began at 0; "" for none */
	const char *const *tables;       /* "bridge guard" …, ended by NULL */
	const char *home;                /* the table of the managed chains and sets */
	struct ruleset_chain *chains;
	size_t n_chains;
	struct ruleset_set **sets;
	size_t n_sets;
};

/* An empty ruleset; skeleton may be NULL. The pointers stay the caller's. */
struct ruleset *ruleset_new(const char *const *tables, const char *home, const char *skeleton);
void ruleset_free(struct ruleset *ruleset);

/* All texts are copied. hook is "" for a chain that is jumped to. */
void ruleset_add_chain(struct ruleset *r, const char *name, const char *hook, const char *rules);
void ruleset_add_present_chain(struct ruleset *r, const char *name, const char *digest);
/* A managed set of the home table; the answer is the ruleset's. */
struct ruleset_set *ruleset_add_set(struct ruleset *r, const char *name, const char *spec);
/* The set of this whole name, made where it is not there yet. */
struct ruleset_set *ruleset_set(struct ruleset *r, const char *name);
/* data and comment may be NULL. The same key twice is one element. */
struct ruleset_element *ruleset_set_add(struct ruleset_set *s, const char *key, const char *data,
					const char *comment);
struct ruleset_element *ruleset_add_element(struct ruleset *r, const char *set, const char *key,
					    const char *data, const char *comment);

/* In a set that is in order, and stays so: add an element without data / remove one. Fine when it is
 * there already / absent. */
void ruleset_set_insert(struct ruleset_set *s, const char *key);
void ruleset_set_remove(struct ruleset_set *s, const char *key);

/* By the name alone, without the table's. */
bool ruleset_chain_managed(const char *name);
bool ruleset_set_managed(const char *name);
bool ruleset_set_free(const char *name);

/* Put chains, sets and elements in order and drop doubles: before rulesets are compared. */
void ruleset_sort(struct ruleset *r);

const struct ruleset_chain *ruleset_find_chain(const struct ruleset *r, const char *name);
const struct ruleset_set *ruleset_find_set(const struct ruleset *r, const char *name);
const struct ruleset_element *ruleset_find_element(const struct ruleset_set *s, const char *key);

/* 16 hex digits of the text's SHA-256. */
void ruleset_digest(const char *text, char out[RULESET_DIGEST_LEN]);

static inline void ruleset_cleanup(struct ruleset **r)
{
	ruleset_free(*r);
}
#define auto_ruleset __attribute__((cleanup(ruleset_cleanup)))

#endif
