/* What netd leaves in its run directory about a VPC, to go on after a restart: the document
 * last applied, and a mark while one is being applied. Not the truth: that is the kernel's
 * state and the next PUT.
 *   STATE/vpc-…/wanted.json, STATE/vpc-…/applying, and dnsmasq's files; NETNS/vpc-… */
#ifndef NETD_STATE_H
#define NETD_STATE_H

#include <jansson.h>
#include <stdbool.h>

#include "common/error.h"
#include "netd/netd.h"
#include "netd/wanted.h"

/* Allocated paths. */
char *state_dir(const struct netd *netd, const char *vpc_id);
char *state_netns(const struct netd *netd, const char *vpc_id);

/* Make both directories of the daemon. 0 or -1 and *err. */
int state_init(const struct netd *netd, mc_err **err);

/* Begin applying: the VPC's directory exists and carries the mark. *ret_unfinished: it did
 * already, an earlier run did not come to its end. 0 or -1 and *err. */
int state_begin(const struct netd *netd, const char *vpc_id, bool *ret_unfinished, mc_err **err);

/* All is applied: keep doc, then drop the mark. 0 or -1 and *err. */
int state_finish(const struct netd *netd, const char *vpc_id, const json_t *doc, mc_err **err);

/* Remove the VPC's directory with all files. Fine when absent. 0 or -1 and *err. */
int state_remove(const struct netd *netd, const char *vpc_id, mc_err **err);

/* The document last applied, typed. NULL without *err: there is none. */
struct wanted *state_load(const struct netd *netd, const char *vpc_id, json_t **ret_doc,
			  mc_err **err);

/* The ids of all VPCs of which anything is there: a sorted JSON array, a new reference. */
json_t *state_list(const struct netd *netd);

#endif
