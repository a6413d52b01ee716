/* dnsmasq's lease file: leases that belong to no wanted ENI are stale. A stale lease would
 * keep its address from the next ENI that gets it. */
#ifndef NETD_LEASE_H
#define NETD_LEASE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "netd/wanted.h"

struct lease {
	char mac[MC_MAC_LEN];
	uint32_t ip;
};

/* Parse one line of the file; false where it is none of an Ethernet IPv4 lease. */
bool lease_parse(const char *line, struct lease *ret_lease);

/* Stale leases of the file; *ret is allocated. An absent file has none. 0 or -1 and *err. */
int lease_stale(const char *path, const struct wanted *wanted, struct lease **ret, size_t *ret_n,
		mc_err **err);

/* Tell the running dnsmasq (a DHCPRELEASE for each, as the guest would send) and wait until
 * it has written its file without them. *ret_released false: some stayed. 0 or -1 and *err. */
int lease_release(const char *path, const struct wanted *wanted, int ns_fd, bool *ret_released,
		  mc_err **err);

/* Rewrite the file without them; only while no dnsmasq runs on it. 0 or -1 and *err. */
int lease_filter(const char *path, const struct wanted *wanted, mc_err **err);

#define LEASE_PACKET_LEN 300 /* BOOTP's least size */

/* A DHCPRELEASE of this lease for the server (RFC 2131). */
void lease_packet(const struct lease *lease, uint32_t server,
		  unsigned char out[LEASE_PACKET_LEN]);

#endif
