/* Would a packet arrive, and its answer come back? Judged from the store alone, hop by
 * hop as netd and AWS treat it; nothing is sent and nothing is changed. What is found is
 * told in the shapes of AWS's Reachability Analyzer (EC2 API reference, PathComponent and
 * Explanation; its user guide, "Explanation codes"). */
#ifndef MC_API_REACH_H
#define MC_API_REACH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/store.h"

enum reach_protocol { REACH_ICMP = 1, REACH_TCP = 6, REACH_UDP = 17 };

struct reach_question {
	/* An instance, a network interface or an internet gateway; NULL: the internet, or for
	 * the destination whatever has destination_ip. A destination_ip's owner is sought in
	 * the source's VPC and its peers, then among the public addresses. */
	const struct resource *source, *destination;
	uint32_t source_ip, destination_ip; /* host byte order; 0: their own, or any */
	enum reach_protocol protocol;
	int port;                           /* ICMP: an echo request is meant whatever it is */
};

struct reach_answer {
	bool found;            /* the packet arrives and is answered */
	json_t *forward;       /* PathComponents up to where it gets */
	json_t *back;          /* those of the answer; empty where nothing arrives */
	json_t *explanations;  /* what is in the way; each with REACH_RETURNING where it is in the answer's */
	uint32_t source_ip;    /* the source address it was judged with, after any choice */
	bool forwarded;        /* an instance is on the way: whether its guest forwards is its own matter */
};
/* The address that stands for somebody out there whom nobody has named: 198.51.100.1, of RFC 5737. */
#define REACH_SOMEBODY 0xc6336401u

/* Members that AWS does not have, all begin so: is it about the answer; {src, dst, protocol, from, to} of the packet there;
 * a free number for an ACL's rule that would let it pass (none: there is none); the VPC's internet gateway; has the
 * interface no public address? */
#define REACH_OWN '_'
#define REACH_RETURNING "_returning"
#define REACH_HEADER "_header"
#define REACH_NUMBER "_number"
#define REACH_GATEWAY "_gateway"
#define REACH_PRIVATE "_private"

/* Fill *ret. Free with reach_answer_deinit(). */
void reach_analyse(struct store_tx *tx, const struct reach_question *q, struct reach_answer *ret);
void reach_answer_deinit(struct reach_answer *a);

/* "10.0.0.9", allocated. */
char *reach_ip_text(uint32_t ip);

#endif
