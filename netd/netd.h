/* What the daemon's parts share: its configuration and its one lock. */
#ifndef NETD_NETD_H
#define NETD_NETD_H

#include <pthread.h>
#include <stdbool.h>

#include "common/config.h"
#include "netd/host.h"
#include "netd/rulecache.h"

struct netd_config {
	char *socket, *fd_socket, *allow, *log_level;
	char *public_pool, *uplink;
	char *netns_dir, *state_dir, *dnsmasq;
	bool teardown;
};

extern const struct mc_program netd_program;

struct netd {
	struct netd_config config;
	struct host host;
	pthread_mutex_t lock; /* held by whoever touches the kernel's or our files' state */
	struct rulecache *rules; /* of the VPCs */
	int changed_fd;       /* eventfd, non-blocking: VPCs came or went, watch.h looks anew */
};

static inline void netd_unlock(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

/* Hold netd's lock to the end of the scope. */
#define auto_netd_lock(netd)                                                                       \
	__attribute__((cleanup(netd_unlock), unused)) pthread_mutex_t *lock_held_ =                \
		(pthread_mutex_lock(&(netd)->lock), &(netd)->lock)

#endif
