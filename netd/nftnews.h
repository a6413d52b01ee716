/* What nft's notifications of a namespace tell: did somebody else change what is ours? */
#ifndef NETD_NFTNEWS_H
#define NETD_NFTNEWS_H

#include <stdbool.h>

#include "netd/netd.h"

struct nftnews {
	const char *table; /* look at this one of family inet alone; NULL: at everything */
	bool touched;      /* by the transaction under way: to be kept for the next reading, which may begin before its end */
	bool foreign;      /* a transaction that is not netd's changed something */
	bool doubt;        /* a table went, or notifications were lost: look whether all is there */
	char who[MC_REPAIR_WHO]; /* the program of the foreign one */
};

/* A subscription in the namespace ns_fd (-1: ours), non-blocking; NULL where there can be none. */
struct nl_sock *nftnews_open(int ns_fd);

/* Take in what has come. */
void nftnews_read(struct nl_sock *sk, struct nftnews *news);

#endif
