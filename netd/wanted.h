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
#define WANTED_FILE_LEN 128
#define WANTED_ACCOUNT_LEN 13
#define WANTED_SERVERS_MAX 4 /* AWS: of each kind in a DHCP options set */
#define WANTED_ALL (-1)      /* any protocol, any port, any ICMP type or code */
#define WANTED_MAX_RULES 10000 /* of a group in one direction */

enum wanted_target {
	WANTED_TARGET_IGW,
	WANTED_TARGET_BLACKHOLE,
	WANTED_TARGET_LOCAL,
	WANTED_TARGET_NAT,     /* id names a NAT gateway */
	WANTED_TARGET_PEERING, /* a peering */
	WANTED_TARGET_ENI,     /* an instance as router */
	WANTED_TARGET_GATEWAY, /* a gateway endpoint */
	WANTED_TARGET_MAX,
	WANTED_TARGET_INVALID = -1
};

enum wanted_direction { WANTED_INGRESS, WANTED_EGRESS, WANTED_DIRECTION_MAX };

enum wanted_kind { WANTED_INSTANCE, WANTED_NAT, WANTED_ENDPOINT };

enum wanted_traffic { WANTED_TRAFFIC_ALL, WANTED_TRAFFIC_ACCEPT, WANTED_TRAFFIC_REJECT };

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

/* A group of a peered VPC that rules here name. */
struct wanted_foreign {
	char id[MC_ID_LEN];
	uint32_t *members; /* ascending */
	size_t n_members;
};

struct wanted_acl_entry {
	int number;
	bool allow;
	struct wanted_rule match; /* never a group */
};

struct wanted_acl {
	char id[MC_ID_LEN];
	struct wanted_acl_entry *entries[WANTED_DIRECTION_MAX]; /* by number */
	size_t n_entries[WANTED_DIRECTION_MAX];
};

struct wanted_route {
	struct cidr destination;
	enum wanted_target target;
	char id[MC_ID_LEN]; /* of the target; "" where the word says all */
};

struct wanted_subnet {
	char id[MC_ID_LEN];
	struct cidr cidr;
	ssize_t acl; /* index into acls; -1: everything passes */
	struct wanted_route *routes;
	size_t n_routes;
};

struct wanted_addr {
	uint32_t ip, public_ip; /* public_ip 0: none */
	bool draining;          /* of a NAT gateway: nothing new begins from it */
	char *public_name;      /* resolves to ip in this VPC; NULL: none */
};

struct wanted_eni {
	char id[MC_ID_LEN];
	enum wanted_kind kind;
	char mac[MC_MAC_LEN];
	char hostname[WANTED_HOSTNAME_LEN]; /* "": ip-a-b-c-d */
	uint32_t ip;                        /* the primary address, that of addrs[0] */
	struct wanted_addr *addrs;
	size_t n_addrs;
	size_t subnet;            /* index into subnets */
	size_t *groups, n_groups; /* indices into groups */
	bool source_dest_check;
};

struct wanted_peering {
	char id[MC_ID_LEN], vpc[MC_ID_LEN];
	struct cidr *cidrs; /* the other VPC's */
	size_t n_cidrs;
};

/* One address of an interface endpoint; several rows may have one id. */
struct wanted_endpoint {
	char id[MC_ID_LEN], eni[MC_ID_LEN];
	json_t *names; /* of strings: what resolves to it */
};

/* A gateway endpoint: what routes to it reaches this address. */
struct wanted_gateway {
	char id[MC_ID_LEN];
	uint32_t ip;
};

struct wanted_nat {
	char id[MC_ID_LEN], eni[MC_ID_LEN];
};

struct wanted_flow_log {
	char id[MC_ID_LEN];
	json_t *enis; /* of strings */
	enum wanted_traffic traffic;
	int interval; /* seconds */
	char account[WANTED_ACCOUNT_LEN];
	char file[WANTED_FILE_LEN];
};

struct wanted_servers {
	uint32_t addrs[WANTED_SERVERS_MAX];
	size_t n;
};

struct wanted_dhcp {
	char domain_name[WANTED_DOMAIN_LEN]; /* "": none is given out */
	struct wanted_servers dns, ntp, netbios;
	int netbios_node_type; /* 0: none */
};

struct wanted_name {
	char name[WANTED_DOMAIN_LEN];
	uint32_t ip;
};

struct wanted_dns {
	bool support, hostnames;
	char public_domain[WANTED_DOMAIN_LEN]; /* "compute-1.amazonaws.com"; "": none */
	struct wanted_name *names;
	size_t n_names;
};

/* Where an address is: enis[eni].addrs[addr]. */
struct wanted_place {
	uint32_t ip;
	size_t eni, addr;
};

struct wanted {
	char id[MC_ID_LEN]; /* of the VPC */
	int64_t generation;
	char domain[WANTED_DOMAIN_LEN];
	bool igw;
	struct wanted_dns dns;
	struct wanted_dhcp dhcp;
	struct cidr *cidrs;
	size_t n_cidrs;
	struct wanted_acl *acls;
	size_t n_acls;
	struct wanted_subnet *subnets;
	size_t n_subnets;
	struct wanted_route *igw_routes; /* of what comes in by the internet gateway: to interfaces */
	size_t n_igw_routes;
	struct wanted_group *groups;
	size_t n_groups;
	struct wanted_foreign *foreign;
	size_t n_foreign;
	struct wanted_eni *enis; /* by primary ip; those of NAT gateways and endpoints too */
	size_t n_enis;
	struct wanted_place *places; /* by ip */
	size_t n_places;
	struct wanted_nat *nats;
	size_t n_nats;
	struct wanted_peering *peerings;
	size_t n_peerings;
	struct wanted_endpoint *endpoints;
	size_t n_endpoints;
	struct wanted_gateway *gateways;
	size_t n_gateways;
	struct wanted_flow_log *flow_logs;
	size_t n_flow_logs;
};

/* The field table of the PUT's body, and of a change of single rules. */
extern const struct mc_field wanted_fields[];
extern const struct mc_field wanted_change_fields[];

/* The typed form of a document that passed wanted_fields; checks what a table cannot:
 * addresses inside their subnets, unique ids, MACs and addresses, known references.
 * pool holds all public addresses. NULL and *err on a bad document. */
struct wanted *wanted_parse(const char *vpc_id, const json_t *doc, const struct cidr *pool,
			    mc_err **err);
void wanted_free(struct wanted *wanted);

/* NULL where there is none. By any of its private addresses. */
const struct wanted_eni *wanted_eni_by_id(const struct wanted *wanted, const char *id);
const struct wanted_eni *wanted_eni_by_ip(const struct wanted *wanted, uint32_t ip);
const struct wanted_addr *wanted_addr_by_ip(const struct wanted *wanted, uint32_t ip);
const struct wanted_foreign *wanted_foreign_by_id(const struct wanted *wanted, const char *id);
const struct wanted_peering *wanted_peering_by_id(const struct wanted *wanted, const char *id);
const struct wanted_nat *wanted_nat_by_id(const struct wanted *wanted, const char *id);
const struct wanted_gateway *wanted_gateway_by_id(const struct wanted *wanted, const char *id);
/* The subnet whose network holds addr. */
const struct wanted_subnet *wanted_subnet_by_ip(const struct wanted *wanted, uint32_t addr);

/* The subnet's route that a packet to addr takes, the most specific; NULL: none. Local ones
 * that are nowhere written are not among them. */
const struct wanted_route *wanted_route_to(const struct wanted_subnet *subnet, uint32_t addr);

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
