/* DHCP and DNS of a VPC: one dnsmasq in its namespace, which outlives netd.
 *
 * Its directory holds dnsmasq.conf, dhcp-hosts, dns-hosts, leases and its log. Hosts are
 * plain files that it reads again on SIGHUP: watched directories would cost an inotify
 * instance each, of which one uid has 128. The running process is recognised by that
 * directory in its command line; from then on by its pid with its start time. */
#ifndef NETD_DNSMASQ_H
#define NETD_DNSMASQ_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/error.h"
#include "netd/wanted.h"

#define DNSMASQ_LEASE_SECONDS 3600
#define DNSMASQ_MTU 1500

struct dnsmasq {
	const char *program;
	const char *dir; /* exists, ours */
	int ns_fd;
	struct cidr pool;     /* of all public addresses, for their names */
	const char *upstream; /* whom to ask what is not known here, "address#port"; "": nobody */
	bool tell; /* SIGHUP in any case: netd may have ended between writing and telling */
	pid_t pid; /* the running one with its start time, as dnsmasq_find() tells; 0: none runs */
	unsigned long long start_time;
};

/* Bring configuration, hosts, leases and the process in line with the wanted VPC: started,
 * told by SIGHUP, or restarted where only that helps; leases of ENIs that are gone are
 * released. 0 or -1 and *err. */
int dnsmasq_apply(const struct dnsmasq *d, const struct wanted *wanted, mc_err **err);

/* End the process of that directory, if any, and wait for its end; its configuration goes too. 0 or -1 and *err. */
int dnsmasq_stop(const char *dir, mc_err **err);

/* The running process of that directory: pid and *ret_start, 0 where there is none. */
pid_t dnsmasq_find(const char *dir, unsigned long long *ret_start);

/* A pidfd of it, readable when it ends; -1 where there is none. The caller closes it. */
int dnsmasq_hold(const char *dir);

/* The texts of the files, allocated; for tests too. */
char *dnsmasq_conf(const struct dnsmasq *d, const struct wanted *wanted);
char *dnsmasq_dhcp_hosts(const struct wanted *wanted);
char *dnsmasq_dns_hosts(const struct wanted *wanted);

#endif
