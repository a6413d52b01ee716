/* The network interfaces that RunInstances asks for. */
#ifndef MC_API_LAUNCH_INTERFACE_H
#define MC_API_LAUNCH_INTERFACE_H

#include "api/action.h"
#include "api/interface.h"

#define LAUNCH_MAX_INTERFACES 15 /* as many as a domain may have: docs/ipc.md */

struct launch_interface {
	const struct resource *existing; /* or, NULL: a new one by `plan` */
	struct interface_plan plan;
	int64_t device_index;
	bool lend;         /* a public address */
	bool delete_with;  /* the instance */
};

struct launch_interfaces {
	struct launch_interface at[LAUNCH_MAX_INTERFACES];
	size_t n;
	const struct resource *subnet; /* the primary one's */
};

/* From NetworkInterfaces, or SubnetId, SecurityGroupIds, SecurityGroups and PrivateIpAddress,
 * of call->in for up to `count` instances of the type. 0 or action_fail; deinit in any case. */
int launch_interfaces_read(struct call *call, const char *type, int64_t count, struct launch_interfaces *ret);
void launch_interfaces_deinit(struct launch_interfaces *l);

/* For how many instances there are addresses. */
int64_t launch_interfaces_room(struct call *call, const struct launch_interfaces *l);

/* Make them, or take the existing ones, and attach them to the new instance. 0 or action_fail. */
int launch_interfaces_make(struct call *call, const struct launch_interfaces *l, struct resource *inst);

#endif
