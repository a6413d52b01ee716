/* The operator's name servers, whom VPCs' resolvers ask for what they do not know themselves. */
#ifndef NETD_NAMESERVERS_H
#define NETD_NAMESERVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "common/error.h"

#define NAMESERVERS_MAX 3 /* resolv.conf(5): MAXNS */
#define NAMESERVERS_HOST "host"
#define NAMESERVERS_NONE "none"

struct nameserver {
	struct sockaddr_storage addr;
	socklen_t len;
};

/* Is it "host", "none" or a list "ADDRESS[#PORT],…" of at most NAMESERVERS_MAX? 0 or -1 and *err. */
int nameservers_check(const char *text, mc_err **err);

/* Those of the list; for "host" the ones in the file, which is in the format of resolv.conf(5) and
 * is read each time. How many there are. */
size_t nameservers_read(const char *text, const char *file, struct nameserver ret[NAMESERVERS_MAX]);

#endif
