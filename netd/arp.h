/* Do guests answer? An ARP request from their subnet's router to each, as AWS's status checks send. */
#ifndef NETD_ARP_H
#define NETD_ARP_H

#include <jansson.h>

#include "common/error.h"
#include "netd/netd.h"

/* {enis: [{id, answers}]} of the VPC's plugged interfaces of instances, within a second or two. As those of
 * netd/vpc.h; netd's lock is not held while guests are waited for. */
int arp_ask(struct netd *netd, const char *vpc_id, json_t **ret, mc_err **err);

#endif
