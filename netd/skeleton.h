/* The unchanging part of the rulesets, as text for nft(8). All that changes later is
 * sets' elements and the chains of security groups and interfaces. */
#ifndef NETD_SKELETON_H
#define NETD_SKELETON_H

/* Of a VPC's namespace: `table bridge guard` (anti-spoofing) and `table ip vpc`. */
extern const char skeleton_vpc[];

/* Of the host's namespace: `table inet minicloud`. */
extern const char skeleton_host[];

/* Of a NAT gateway's namespace: `table ip nat`; path_snat is the document's. */
extern const char skeleton_nat[];

#endif
