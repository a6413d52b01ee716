/* What the daemon's parts share: its configuration and its one lock. */
#ifndef NETD_NETD_H
#define NETD_NETD_H

#include <pthread.h>
#include <stdbool.h>

#include "common/config.h"
#include "netd/host.h"

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
};

#endif
