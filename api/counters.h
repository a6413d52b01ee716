/* Bytes that network interfaces have carried: netd's counters, read every now and then
 * and at the last moment before an interface goes, summed up in the database. What is
 * summed never shrinks: the kernel's counters begin at 0 again when the host restarts or
 * its tables are flushed (docs/ipc.md: epoch), the sums go on.
 *
 * Readings of one VPC are taken by its reconcile step alone (one worker at a time), so
 * that they arrive in the order in which netd took them. */
#ifndef MC_API_COUNTERS_H
#define MC_API_COUNTERS_H

#include <stdio.h>

#include "api/api.h"
#include "api/store.h"

enum counter {
	COUNTER_INTERNET_IN,  /* bytes of packets through an internet gateway, IP header included */
	COUNTER_INTERNET_OUT,
	COUNTER_LOCAL_IN,     /* within the VPC, and what has a private way out of it */
	COUNTER_LOCAL_OUT,
	COUNTER_MAX
};

struct counters;

/* What an interface has carried since it was made. */
struct counters_total {
	char eni[MC_ID_LEN], vpc[MC_ID_LEN];
	char account[16], region[32];
	char instance[MC_ID_LEN]; /* the last one it was attached to; "" for none */
	int64_t bytes[COUNTER_MAX];
	int64_t packets_in, packets_out; /* seen by this process: not kept */
	int64_t read; /* wall clock, ns: the bytes until then are in it */
};

/* What was carried between two readings; `from` is the earlier one (of an interface's
 * first reading: when it was put into the network). Wall clock, ns. */
struct counters_growth {
	const struct counters_total *total; /* as of the later reading */
	int64_t bytes[COUNTER_MAX];
	int64_t from, to;
};

/* The sums of the store's database; NULL and *err. */
struct counters *counters_open(struct store *store, mc_err **err);
void counters_free(struct counters *c);

/* Called for each interface that carried something, inside the SQL transaction that stores
 * the new sum: what the callee writes to db becomes true with it or not at all, so that each
 * byte is accounted for once. -1 and *err: nothing is stored, it is tried again at the next
 * reading. No store_write() inside. Set before the reconciler starts. */
typedef int counters_growth_fn(void *ctx, sqlite3 *db, const struct counters_growth *growth, mc_err **err);
void counters_on_growth(struct counters *c, counters_growth_fn *fn, void *ctx);

/* The sum of an interface; a day longer than it lives. False: it has carried nothing, or is
 * unknown. */
bool counters_get(struct counters *c, const char *eni, struct counters_total *ret);
/* fn for each sum, in the order of the interfaces' ids. The counters are locked meanwhile. */
void counters_each(struct counters *c, void (*fn)(void *ctx, const struct counters_total *total), void *ctx);
/* Take new readings soon, for who looks at rates (each GET /v1/counters does). */
void counters_hurry(struct api *api);
/* {interfaces: [{id, vpc, instance, account, region, read_ns, internet_in, internet_out, local_in,
 * local_out}]}, a new reference. read_ns: wall clock of the reading; a rate is the difference of
 * two answers. */
json_t *counters_json(struct counters *c);
/* minicloud_interface_bytes_total for Prometheus. */
void counters_metrics(struct counters *c, FILE *out);

/* --- for the VPC's step ------------------------------------------------------ */

/* Read netd's counters of the VPC if the last reading is counters_interval old. *ret_delay:
 * ns until the next is due. What fails is logged and tried again then. False: netd has no
 * network of this VPC. */
bool counters_step(struct api *api, const char *vpc, int64_t *ret_delay);
/* Before doc (the wanted VPC; NULL: it goes) is put: read if an interface's address goes. */
void counters_before(struct api *api, const char *vpc, const json_t *doc);
/* After doc is in force: which addresses are counted from now on. */
void counters_after(struct api *api, const char *vpc, const json_t *doc);

/* Take in an answer of netd: what is behind counters_step, for tests. 0 or -1 and *err. */
int counters_take(struct api *api, const char *vpc, const json_t *answer, mc_err **err);

#endif
