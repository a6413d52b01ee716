/* The wanted VPC of docs/ipc.md, checked and typed. Nothing of a message is used
 * before it came through here. */
#ifndef NETD_WANTED_H
#define NETD_WANTED_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/id.h"
#include "common/json.h"
#include "netd/addr.h"

#define WANTED_HOSTNAME_LEN 64
#define WANTED_DOMAIN_LEN 254
#define WANTED_ALL (-1) /* any protocol, any port, any ICMP type or code */

enum wanted_target { WANTED_TARGET_IGW, WANTED_TARGET_BLACKHOLE, WANTED_TARGET_MAX,
		     WANTED_TARGET_INVALID = -1 };

enum wanted_direction { WANTED_INGRESS, WANTED_EGRESS, WANTED_DIRECTION_MAX };

struct wanted_rule {
	int protocol;         /* IP protocol number or WANTED_ALL */
	int from, to;         /* ports, or ICMP type and code; WANTED_ALL: any */
	char group[MC_ID_LEN]; /* "": the peer is cidr */
	struct cidr cidr;
};

struct wanted_group {
	char id[MC_ID_LEN];
	struct wanted_rule *rules[WANTED_DIRECTION_MAX];
	size_t n_rules[WANTED_DIRECTION_MAX];
};

struct wanted_route {
	struct cidr destination;
	enum wanted_target target;
};

struct wanted_subnet {
	char id[MC_ID_LEN];
	struct cidr cidr;
	struct wanted_route *routes;
	size_t n_routes;
};

struct wanted_eni {
	char id[MC_ID_LEN];
	char mac[MC_MAC_LEN];
	char hostname[WANTED_HOSTNAME_LEN]; /* "": ip-a-b-c-d */
	uint32_t ip, public_ip;             /* public_ip 0: none */
	size_t subnet;                      /* index into subnets */
	size_t *groups, n_groups;           /* indices into groups */
	bool source_dest_check;
};

struct wanted {
	char id[MC_ID_LEN]; /* of the VPC */
	int64_t generation;
	char domain[WANTED_DOMAIN_LEN];
	bool igw;
	struct cidr *cidrs;
	size_t n_cidrs;
	struct wanted_subnet *subnets;
	size_t n_subnets;
	struct wanted_group *groups;
	size_t n_groups;
	struct wanted_eni *enis; /* by ip */
	size_t n_enis;
};

/* The field table of the PUT's body. */
extern const struct mc_field wanted_fields[];

/* The typed form of a document that passed wanted_fields; checks what a table cannot:
 * addresses inside their subnets, unique ids, MACs and addresses, known references.
 * pool holds all public addresses. NULL and *err on a bad document. */
struct wanted *wanted_parse(const char *vpc_id, const json_t *doc, const struct cidr *pool,
			    mc_err **err);
void wanted_free(struct wanted *wanted);

/* NULL where there is none. */
const struct wanted_eni *wanted_eni_by_id(const struct wanted *wanted, const char *id);
const struct wanted_eni *wanted_eni_by_ip(const struct wanted *wanted, uint32_t ip);

/* Is this address one of the VPC's private range? */
bool wanted_has_addr(const struct wanted *wanted, uint32_t addr);

/* Is the ENI a member of the group with this id? */
bool wanted_eni_in_group(const struct wanted *wanted, const struct wanted_eni *eni,
			 const char *group);

/* The resolver's address: base of the first CIDR plus two. */
uint32_t wanted_dns_addr(const struct wanted *wanted);
/* A subnet's gateway: its base plus one. */
uint32_t wanted_gateway(const struct wanted_subnet *subnet);

static inline void wanted_cleanup(struct wanted **w)
{
	wanted_free(*w);
}
#define auto_wanted __attribute__((cleanup(wanted_cleanup)))

#endif
