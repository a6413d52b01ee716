/* DHCP and DNS of a VPC: its dnsmasq, and the relay that this one asks outside. Only guests ask it, so that it is
 * started for the first one's port; from then on it stays as long as the namespace. */
#ifndef NETD_VPCDNS_H
#define NETD_VPCDNS_H

#include <stdbool.h>

#include "common/error.h"
#include "netd/netd.h"
#include "netd/wanted.h"

struct vpcdns {
	const struct netd *netd;
	const struct wanted *wanted;
	int ns_fd;
	bool tell;    /* a running one is told in any case: netd may have ended between writing and telling */
	bool is_done; /* it runs and is in line */
	bool started; /* since this was asked */
};

/* Bring a running one in line with what is wanted; where none runs, none is left over. 0 or -1 and *err. */
int vpcdns_keep(struct vpcdns *dns, mc_err **err);

/* Let one run and be in line: a port_ready of struct vpcdns (port.h). 0 or -1 and *err. */
int vpcdns_ensure(void *dns, mc_err **err);

#endif
