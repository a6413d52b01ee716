/* Between the files that read the wanted VPC (wanted.h); for nobody else. */
#ifndef NETD_WANTED_PARSE_H
#define NETD_WANTED_PARSE_H

#include "netd/wanted.h"

#define WANTED_MIN_CIDR_LEN 16 /* AWS: networks of VPCs and subnets are /16 to /28 */
#define WANTED_MAX_CIDR_LEN 28

/* n zeroed rows, and one more, so that none are no special case. Aborts on no memory. */
void *wanted_rows(size_t n, size_t size);
/* A copy cut to fit; NULL gives "". */
void wanted_copy(char *out, size_t len, const char *text);
/* Add key to the set of strings; false where it is there already. */
bool wanted_claim(json_t *set, const char *kind, const char *key);

/* "tcp", "all", "-1", "47". false: none. */
bool wanted_protocol(const char *text, int *ret_number);
/* "igw", "nat-…"; an id is the target's too. */
enum wanted_target wanted_target(const char *text);

/* Each reads its part of the document into w; 0, or -1 and *err on what is not sound. */
int wanted_parse_cidrs(struct wanted *w, const json_t *arr, mc_err **err);
int wanted_parse_acls(struct wanted *w, const json_t *arr, mc_err **err);
int wanted_parse_subnets(struct wanted *w, const json_t *arr, mc_err **err);
int wanted_parse_igw_routes(struct wanted *w, const json_t *arr, mc_err **err);
int wanted_parse_rule(struct wanted_rule *r, const json_t *doc, const char *group, mc_err **err);
int wanted_parse_groups(struct wanted *w, const json_t *arr, mc_err **err);
int wanted_parse_foreign(struct wanted *w, const json_t *arr, mc_err **err);
int wanted_parse_enis(struct wanted *w, const json_t *doc, const struct cidr *pool, mc_err **err);
int wanted_parse_peerings(struct wanted *w, const json_t *arr, mc_err **err);
int wanted_parse_gateways(struct wanted *w, const json_t *arr, mc_err **err);
int wanted_parse_dns(struct wanted *w, const json_t *doc, mc_err **err);
int wanted_parse_dhcp(struct wanted *w, const json_t *doc, mc_err **err);
int wanted_parse_flow_logs(struct wanted *w, const json_t *arr, mc_err **err);

#endif
