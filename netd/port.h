/* A guest's tap as a port of its subnet's bridge. */
#ifndef NETD_PORT_H
#define NETD_PORT_H

#include <stdbool.h>

#include "common/error.h"
#include "netd/link.h"
#include "netd/wanted.h"

/* Whatever must be there before a guest's first packet passes. 0 or -1 and *err. */
struct port_ready {
	int (*call)(void *arg, mc_err **err);
	void *arg;
};

/* The name of an interface's port: a tap's, or the end of an appliance's veth. */
void port_name(const struct wanted_eni *eni, char out[MC_IFNAME_LEN]);

/* Plug every wanted ENI whose tap is there, in the root namespace or already inside, having called
 * *ready; its rules must be in force. Taps of no wanted ENI are put out first (port_unplug).
 * A tap that is absent is no error. 0 or -1 and *err. */
int port_plug_all(const struct wanted *wanted, int ns_fd, const struct port_ready *ready, mc_err **err);

/* One ENI. *ret_plugged false: there is no tap. 0 or -1 and *err. */
int port_plug(const struct wanted *wanted, const struct wanted_eni *eni, int ns_fd, const struct port_ready *ready,
	      bool *ret_plugged, mc_err **err);

/* Make a link of the namespace (sk, ns_fd) the interface's port of that bridge: isolated, guarded,
 * up last; with somebody at the other end packets pass when it returns. 0 or -1 and *err. */
int port_attach(struct nl_sock *sk, int ns_fd, const struct link_info *link,
		const struct link_info *bridge, const struct wanted_eni *eni, mc_err **err);

/* Taps in the namespace that belong to no ENI of wanted (NULL: all taps) go down, leave
 * their bridge and return to the root namespace. Goes on past failures, reports the first. */
int port_unplug(const struct wanted *wanted, int ns_fd, mc_err **err);

/* Is any tap in the namespace? Where it cannot be told: yes. */
bool port_any(int ns_fd);

/* Does this list of the namespace's links hold the ENI's tap as a port that is up? */
bool port_plugged(const struct wanted_eni *eni, const struct link_info *links, size_t n);

#endif
