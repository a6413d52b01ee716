/* An nft ruleset as a set of named things: chains with their rules, sets, elements.
 * The wanted one is built from documents (vpcrules.h, host.h), the present one is read
 * back from the kernel (nft.h); their difference is the text of one transaction. */
#ifndef NETD_RULESET_H
#define NETD_RULESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RULESET_DIGEST_LEN 17 /* 16 hex digits and the NUL */

/* Names of chains and sets that come and go begin so; all others are the skeleton's. */
#define RULESET_CHAIN_PREFIXES { "sg_", "eni_" }
#define RULESET_SET_PREFIXES { "members_" }

struct ruleset_chain {
	char *name;
	char *rules;                     /* one per line; NULL in a present ruleset */
	char digest[RULESET_DIGEST_LEN]; /* of rules; "" for none */
};

struct ruleset_element {
	char *set;     /* "inet vpc eni_in" */
	char *key;     /* "10.0.0.1", "mt… . 06:… . 10.0.0.1" */
	char *data;    /* "" for a plain set; "jump …", "10.0.0.1" */
	char *comment; /* "" for none */
	uint64_t packets, bytes; /* of a counter, 0 elsewhere */
};

struct ruleset {
	const char *skeleton;            /* text; NULL in a present ruleset */
	char version[RULESET_DIGEST_LEN]; /* the skeleton's digest; "" where a table is missing */
	char epoch[RULESET_DIGEST_LEN];   /* since when the counters count: another where they began at 0; "" for none */
	const char *const *tables;       /* "bridge guard" …, ended by NULL */
	const char *home;                /* the table of the managed chains and sets */
	struct ruleset_chain *chains;
	size_t n_chains;
	char **sets;                     /* managed sets, of addresses */
	size_t n_sets;
	struct ruleset_element *elements;
	size_t n_elements;
};

/* An empty ruleset; skeleton may be NULL. The pointers stay the caller's. */
struct ruleset *ruleset_new(const char *const *tables, const char *home, const char *skeleton);
void ruleset_free(struct ruleset *ruleset);

/* All texts are copied. */
void ruleset_add_chain(struct ruleset *r, const char *name, const char *rules);
void ruleset_add_present_chain(struct ruleset *r, const char *name, const char *digest);
void ruleset_add_set(struct ruleset *r, const char *name);
struct ruleset_element *ruleset_add_element(struct ruleset *r, const char *set, const char *key,
					    const char *data, const char *comment);

bool ruleset_chain_managed(const char *name);
bool ruleset_set_managed(const char *name);

/* Where one of the present ruleset's tables is missing or from another skeleton, the
 * transaction makes all tables anew (counters are carried over). */
struct ruleset_diff {
	char *text;      /* for nft; "" when nothing differs */
	bool shrinks;    /* something that could have allowed a packet goes or changes */
};

/* Sorts both. present may be NULL: nothing there. */
void ruleset_diff(struct ruleset *present, struct ruleset *wanted, struct ruleset_diff *ret_diff);

/* 16 hex digits of the text's SHA-256. */
void ruleset_digest(const char *text, char out[RULESET_DIGEST_LEN]);

static inline void ruleset_cleanup(struct ruleset **r)
{
	ruleset_free(*r);
}
#define auto_ruleset __attribute__((cleanup(ruleset_cleanup)))

#endif
