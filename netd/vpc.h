/* A VPC as a whole: made to be as wanted, described, removed. Each call takes netd's lock. */
#ifndef NETD_VPC_H
#define NETD_VPC_H

#include <jansson.h>
#include <stdbool.h>

#include "common/error.h"
#include "common/ipc.h"
#include "netd/netd.h"

/* All return an enum mc_ipc_outcome with *err carrying the text where it is not OK, or -1
 * and *err; *ret is a new reference, the body of docs/ipc.md. The ids are valid. */
int vpc_put(struct netd *netd, const char *vpc_id, const json_t *doc, json_t **ret, mc_err **err);
/* Single rules, where the document in force is known and the change follows from it: else MC_IPC_CONFLICT. */
int vpc_change_rules(struct netd *netd, const char *vpc_id, const json_t *doc, json_t **ret, mc_err **err);
int vpc_get(struct netd *netd, const char *vpc_id, json_t **ret, mc_err **err);
int vpc_list(struct netd *netd, json_t **ret, mc_err **err);
int vpc_delete(struct netd *netd, const char *vpc_id, mc_err **err);
int vpc_plug(struct netd *netd, const char *vpc_id, const char *eni_id, json_t **ret,
	     mc_err **err);
int vpc_counters(struct netd *netd, const char *vpc_id, json_t **ret, mc_err **err);
/* What goes on over those of its addresses that are draining. */
int vpc_nat_gateway(struct netd *netd, const char *vpc_id, const char *nat_id, json_t **ret, mc_err **err);

/* Write what the VPC's flow logs saw so far. */
int vpc_flush_flow_logs(struct netd *netd, const char *vpc_id, json_t **ret, mc_err **err);

/* A listening TCP socket on 169.254.169.254:80 of the VPC; the caller closes *ret_fd. */
int vpc_metadata_socket(struct netd *netd, const char *vpc_id, int *ret_fd, mc_err **err);
/* The same on that port, 80 or 443, of an address of the endpoint; eni_id NULL: it has but one. */
int vpc_endpoint_socket(struct netd *netd, const char *vpc_id, const char *endpoint_id,
			const char *eni_id, int port, int *ret_fd, mc_err **err);

/* At start: put in line every VPC that is there, as last wanted. Failures are logged. */
void vpc_restore_all(struct netd *netd);

/* The same for one. */
void vpc_restore(struct netd *netd, const char *vpc_id);

/* Are the VPC's nft tables there; with "" the root namespace's, as far as it needs one? */
bool vpc_tables_stand(struct netd *netd, const char *vpc_id);

/* Remove every VPC. 0, or -1 and the first *err when something stayed. */
int vpc_delete_all(struct netd *netd, mc_err **err);

#endif
