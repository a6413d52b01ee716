/* What netd leaves in its run directory about a VPC, to go on after a restart: the document
 * last applied, and a mark while one is being applied. Not the truth: that is the kernel's
 * state and the next PUT.
 *   STATE/vpc-…/wanted.json, STATE/vpc-…/changes, STATE/vpc-…/applying, and dnsmasq's files; NETNS/vpc-…
 * Changes of single rules are lines behind the document: each holds where it follows from what is before it. */
#ifndef NETD_STATE_H
#define NETD_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

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

/* All is applied: keep doc (NULL: what is kept is it), then drop the mark. 0 or -1 and *err. */
int state_finish(const struct netd *netd, const char *vpc_id, const json_t *doc, mc_err **err);

/* Keep a change behind the document, before it is applied. 1; 0 where there are too many, or the last
 * one is cut short: the document must be written anew. -1 and *err. *ret_size is for state_retract(), which
 * takes it back: 0 or -1 and *err. */
int state_append(const struct netd *netd, const char *vpc_id, const json_t *change, off_t *ret_size, mc_err **err);
int state_retract(const struct netd *netd, const char *vpc_id, off_t size, mc_err **err);

/* Remove the VPC's directory with all files. Fine when absent. 0 or -1 and *err. */
int state_remove(const struct netd *netd, const char *vpc_id, mc_err **err);

/* The document last applied, typed, with the changes behind it. NULL without *err: there is none. */
struct wanted *state_load(const struct netd *netd, const char *vpc_id, mc_err **err);

/* The ids of all VPCs of which anything is there: a sorted JSON array, a new reference. */
json_t *state_list(const struct netd *netd);

#endif
