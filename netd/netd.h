/* What the daemon's parts share: its configuration and its one lock. */
#ifndef NETD_NETD_H
#define NETD_NETD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>

#include "common/config.h"
#include "common/id.h"
#include "common/metrics.h"
#include "netd/host.h"
#include "netd/rulecache.h"

#define NETD_NAME "minicloud-netd" /* by which the kernel tells our transactions from others' */
#define MC_REPAIR_WHO 24

struct netd_config {
	char *socket, *fd_socket, *allow, *log_level;
	char *public_pool, *uplink;
	char *netns_dir, *state_dir, *flow_log_dir, *dnsmasq, *dns_servers;
	bool pool_routed, teardown, findings;
};

struct flowlog;
struct relay;

extern const struct mc_program netd_program;

/* What others broke and the watch put right since the start. */
struct repairs {
	unsigned n;
	int64_t last;         /* wall clock, ns */
	char where[MC_ID_LEN]; /* a VPC, or "" for the root namespace */
	char who[MC_REPAIR_WHO]; /* the program that did it, "" where the kernel did not say */
};

/* What was done since the start (metrics.h). */
struct tally {
	_Atomic uint64_t applied, failed, removed; /* VPCs */
	struct mc_durations apply, nft;
};

struct netd {
	struct netd_config config;
	struct host host;
	pthread_mutex_t lock; /* held by whoever touches the kernel's or our files' state */
	struct rulecache *rules; /* of the VPCs */
	struct flowlog *flows;   /* of all of them */
	struct relay *relay;     /* to the operator's name servers; NULL: nobody is asked */
	struct repairs repairs;
	struct tally *tally;
	json_t *changed;      /* set of VPC ids: of watch.h */
	int changed_fd;       /* eventfd, non-blocking: there are such */
};

static inline void netd_unlock(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

/* nft's notifications carry the name of the thread that ran a transaction; libraries give
 * threads names of their own. */
static inline pthread_mutex_t *netd_hold(struct netd *netd)
{
	pthread_mutex_lock(&netd->lock);
	prctl(PR_SET_NAME, NETD_NAME);
	return &netd->lock;
}

/* Hold netd's lock to the end of the scope. */
#define auto_netd_lock(netd) \
	__attribute__((cleanup(netd_unlock), unused)) pthread_mutex_t *lock_held_ = netd_hold(netd)

#endif
