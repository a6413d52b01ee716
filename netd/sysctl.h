/* /proc/sys/net, which shows the namespace of the calling thread. */
#ifndef NETD_SYSCTL_H
#define NETD_SYSCTL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

struct sysctl {
	const char *path;  /* below /proc/sys/net; one %s stands for the interface */
	const char *value;
	bool optional;     /* may be absent from this kernel */
};

/* Write the rows in the namespace ns_fd (-1: ours); what already holds its value is left
 * alone. ifname may be NULL where no row wants it. 0 or -1 and *err. */
int sysctl_write(int ns_fd, const struct sysctl *rows, size_t n, const char *ifname, mc_err **err);

/* The first character of a value in our own namespace, '\0' where it cannot be read. */
char sysctl_peek(const char *path, const char *ifname);

#endif
