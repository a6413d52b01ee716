/* Between the files that know a VPC as a whole (vpc.h); for nobody else. netd's lock is held. */
#ifndef NETD_VPC_PARTS_H
#define NETD_VPC_PARTS_H

#include <jansson.h>

#include "netd/netd.h"
#include "netd/wanted.h"

bool vpc_is_active(const struct netd *netd, const char *vpc_id);

/* A CLOEXEC descriptor of its namespace, or -1 and *err. */
int vpc_open_namespace(const struct netd *netd, const char *vpc_id, mc_err **err);

/* The answer to PUT and GET, as those of vpc.h. w may be NULL: something is there of which
 * netd has no document. */
int vpc_describe(const struct netd *netd, const char *vpc_id, const struct wanted *w,
		 json_t **ret, mc_err **err);

/* The VPC's document and namespace, for calls that need it to be active: as those of vpc.h.
 * Both are the caller's, and untouched unless OK. */
int vpc_load_active(const struct netd *netd, const char *vpc_id, struct wanted **ret,
		    int *ret_ns, mc_err **err);

#endif
