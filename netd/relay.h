/* What a VPC's resolver does not know is asked of the operator's name servers. Its dnsmasq is in a
 * namespace without a way out: netd listens in there, on the loopback, and asks outside. Questions
 * and answers pass as they are. */
#ifndef NETD_RELAY_H
#define NETD_RELAY_H

#include <stdbool.h>

#include "common/error.h"

struct relay;

/* servers and resolv_conf as nameservers_read() takes them, both borrowed. Its thread runs from now
 * on. NULL and *err on failure. */
struct relay *relay_start(const char *servers, const char *resolv_conf, mc_err **err);
/* Closes all. NULL is fine. */
void relay_stop(struct relay *relay);

/* Where a VPC's dnsmasq finds it, "address#port"; "" for NULL: nobody is asked. */
const char *relay_address(const struct relay *relay);

/* Listen in the VPC's namespace, unless that is so already. NULL is fine. 0 or -1 and *err. */
int relay_open(struct relay *relay, const char *vpc_id, int ns_fd, mc_err **err);
/* Listen there no more; when it returns nothing of it keeps the namespace alive. NULL is fine. */
void relay_close(struct relay *relay, const char *vpc_id);

#endif
