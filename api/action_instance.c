/* DescribeInstances and the actions that move an instance between states. */
#include <stdlib.h>
#include <string.h>

#include "api/attachment.h"
#include "api/backend.h"
#include "api/describe.h"
#include "api/impaired.h"
#include "api/instance.h"
#include "api/interface.h"
#include "api/metric/health.h"
#include "api/metric/sampler.h"
#include "api/run_instances.h"
#include "api/state.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

/* --- describing ----------------------------------------------------------- */

static const char *reservation_of(const struct resource *r)
{
	return mc_json_str(r->spec, "reservation", "");
}

/* Those of one reservation are made in one transaction and so lie side by side:
 * only the last of the list can be r's. */
static void add_to_reservation(json_t *list, const struct resource *r, const char *id, json_t *item)
{
	json_t *one = json_array_get(list, json_array_size(list) - 1);

	if (!one || strcmp(mc_json_str(one, "ReservationId", ""), id) != 0) {
		one = json_pack("{s:s, s:s, s:[], s:[]}", "ReservationId", id, "OwnerId", r->account, "Groups", "Instances");
		json_array_append_new(list, one);
	}
	json_array_append_new(mc_json_arr(one, "Instances"), item);
}

static int describe_instances(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_INSTANCE, .list = "Reservations", .inside = "Instances", .group = reservation_of,
		.add = add_to_reservation, .ids = "InstanceIds", .filters = instance_filters, .view = instance_view, .keep = true, .aside = instance_aside, .page_min = 5, .page_max = 1000,
		.ids_with_page_refused = true,
	};

	return describe_run(call, &d);
}

/* --- status --------------------------------------------------------------- */

static const struct filter status_filters[] = {
	{ "attached-ebs-status.reachability", "AttachedEbsStatus.Details.Status" },
	{ "attached-ebs-status.status", "AttachedEbsStatus.Status" },
	{ "availability-zone", "AvailabilityZone" },
	{ "availability-zone-id", "@zone-id" },
	{ "event.code", "Events.Code" },
	{ "event.description", "Events.Description" },
	{ "event.instance-event-id", "Events.InstanceEventId" },
	{ "event.not-after", "Events.NotAfter" },
	{ "event.not-before", "Events.NotBefore" },
	{ "event.not-before-deadline", "Events.NotBeforeDeadline" },
	{ "instance-state-code", "InstanceState.Code" },
	{ "instance-state-name", "InstanceState.Name" },
	{ "instance-status.status", "InstanceStatus.Status" },
	{ "instance-status.reachability", "InstanceStatus.Details.Status" },
	{ "operator.managed", "=false" },
	{ "operator.principal", "Operator.Principal" },
	{ "system-status.status", "SystemStatus.Status" },
	{ "system-status.reachability", "SystemStatus.Details.Status" },
	{ 0 },
};

/* A guest whose disk cannot be used does not answer, and that disk is not there, until its step says that it goes on. Else it
 * is what was seen at the last look. */
static json_t *running_view(struct call *call, const struct resource *r)
{
	mc_auto_json json_t *row = metric_sampler_row(call->api->sampler, r->id, mc_json_str(r->doc, "LaunchTime", ""));
	bool by_disk = impaired_is(r) || mc_json_int(row, "ebs_failed", 0);
	json_t *instance = by_disk ? impaired_check_doc(r) : health_instance_doc(row);

	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "AvailabilityZone", r->az, "InstanceId", r->id, "InstanceState",
			 instance_state_doc(r->state), "InstanceStatus", instance, "AttachedEbsStatus", impaired_check_doc(r), "SystemStatus",
			 health_system_doc(row));
}

static json_t *status_view(struct call *call, const struct resource *r)
{
	bool running = r->state == INSTANCE_RUNNING;

	if (!running && !mc_json_bool(call->in, "IncludeAllInstances", false))
		return NULL;
	if (!running) {
		json_t *none = json_pack("{s:s}", "Status", "not-applicable");

		return json_pack("{s:s, s:s, s:o, s:O, s:o}", "AvailabilityZone", r->az, "InstanceId", r->id, "InstanceState",
				 instance_state_doc(r->state), "InstanceStatus", none, "SystemStatus", none);
	}
	return running_view(call, r);
}

static int describe_instance_status(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_INSTANCE, .list = "InstanceStatuses", .ids = "InstanceIds", .filters = status_filters,
		.view = status_view, .page_min = 5, .page_max = 1000, .ids_with_page_refused = true,
	};

	return describe_run(call, &d);
}

/* --- state changes -------------------------------------------------------- */

struct change_plan {
	const char *list;                        /* "StoppingInstances" */
	const char *verb;                        /* in the error: "stopped" */
	unsigned from, noop;                     /* bits of states */
	int (*apply)(struct call *call, struct resource *r); /* 0 or action_fail */
};

#define BIT(s) (1u << (s))

static int check_change(struct call *call, const struct change_plan *p, const json_t *ids)
{
	json_t *id;
	size_t i;

	if (json_array_size(ids) == 0)
		return action_fail(call, API_MISSING_PARAMETER, "InstanceId");
	json_array_foreach(ids, i, id) {
		const struct resource *r = action_resource(call, KIND_INSTANCE, json_string_value(id));

		if (!r)
			return 1;
		if (!((p->from | p->noop) & BIT(r->state)))
			return action_fail(call, API_INCORRECT_INSTANCE_STATE, r->id, p->verb);
	}
	return 0;
}

/* All of them or none: the first error drops the transaction. */
static int change_states(struct call *call, const struct change_plan *p)
{
	const json_t *ids = mc_json_arr(call->in, "InstanceIds");
	mc_auto_json json_t *list = json_array();
	json_t *id;
	size_t i;

	if (check_change(call, p, ids))
		return 1;
	json_array_foreach(ids, i, id) {
		struct resource *r = store_edit(call->tx, json_string_value(id));
		json_t *before = instance_state_doc(r->state);
		int failed = p->from & BIT(r->state) ? p->apply(call, r) : 0;

		if (failed) {
			json_decref(before);
			return failed;
		}
		json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "InstanceId", r->id, "CurrentState",
						      instance_state_doc(r->state), "PreviousState", before));
	}
	call->out = json_pack("{s:O}", p->list, list);
	return 0;
}

static int apply_stop(struct call *call, struct resource *r)
{
	instance_set_reason(r, "Client.UserInitiatedShutdown", "User initiated shutdown");
	instance_set_transition(r, "User initiated");
	if (mc_json_bool(call->in, "Force", false) || mc_json_bool(call->in, "SkipOsShutdown", false))
		json_object_set_new(r->spec, "force", json_true());
	state_set(call->tx, r, INSTANCE_STOPPING);
	return 0;
}

static int stop_instances(struct call *call)
{
	static const struct change_plan plan = {
		"StoppingInstances", "stopped", BIT(INSTANCE_RUNNING),
		BIT(INSTANCE_STOPPING) | BIT(INSTANCE_STOPPED), apply_stop,
	};

	if (mc_json_bool(call->in, "Hibernate", false))
		return action_fail(call, API_UNSUPPORTED, "The instance is not configured for hibernation.");
	return change_states(call, &plan);
}

static int apply_start(struct call *call, struct resource *r)
{
	char now[MC_ISO8601_LEN];
	int failed;

	if (!attachment_root(r))
		return action_refuse(call, "InvalidParameterValue", "Invalid value '%s' for instanceId. Instance does not have a volume "
				     "attached at root (%s)", r->id, mc_json_str(r->doc, "RootDeviceName", ""));
	failed = interface_lend_again(call, r);
	if (failed)
		return failed;
	mc_clock_iso8601(mc_clock_wall(), now);
	json_object_set_new(r->doc, "LaunchTime", json_string(now));
	json_object_set_new(r->spec, "transition_reason", json_string(""));
	json_object_del(r->spec, "state_reason");
	json_object_del(r->spec, "attempts");
	state_set(call->tx, r, INSTANCE_PENDING);
	return 0;
}

static int start_instances(struct call *call)
{
	static const struct change_plan plan = {
		"StartingInstances", "started", BIT(INSTANCE_STOPPED), BIT(INSTANCE_PENDING) | BIT(INSTANCE_RUNNING), apply_start,
	};

	return change_states(call, &plan);
}

static int apply_terminate(struct call *call, struct resource *r)
{
	if (mc_json_bool(r->spec, "disable_api_termination", false))
		return action_fail(call, API_TERMINATION_PROTECTED, r->id);
	instance_set_reason(r, "Client.UserInitiatedShutdown", "User initiated shutdown");
	instance_set_transition(r, "User initiated");
	json_object_del(r->spec, "failed");
	if (mc_json_bool(call->in, "Force", false) || mc_json_bool(call->in, "SkipOsShutdown", false))
		json_object_set_new(r->spec, "force", json_true());
	state_set(call->tx, r, INSTANCE_SHUTTING_DOWN);
	return 0;
}

static int terminate_instances(struct call *call)
{
	static const struct change_plan plan = {
		"TerminatingInstances", "terminated",
		BIT(INSTANCE_PENDING) | BIT(INSTANCE_RUNNING) | BIT(INSTANCE_STOPPING) | BIT(INSTANCE_STOPPED),
		BIT(INSTANCE_SHUTTING_DOWN) | BIT(INSTANCE_TERMINATED), apply_terminate,
	};

	return change_states(call, &plan);
}

/* --- reboot --------------------------------------------------------------- */

static int reboot_instances(struct call *call)
{
	static const struct change_plan plan = { .verb = "rebooted", .from = BIT(INSTANCE_RUNNING) };
	const json_t *ids = mc_json_arr(call->in, "InstanceIds");

	if (check_change(call, &plan, ids))
		return 1;
	call->job = json_deep_copy(ids);
	return 0;
}

static int reboot_backend(struct call *call)
{
	json_t *id;
	size_t i;

	json_array_foreach(call->job, i, id) {
		mc_auto_json json_t *body = json_pack("{s:b}", "hard", 0);
		int o = backend_call(call->api, BACKEND_HYPERVISOR, "POST", body, NULL, &call->err, "/v1/instances/%s/reboot",
				     json_string_value(id));

		if (o == MC_IPC_UNAVAILABLE)
			return action_fail(call, API_UNAVAILABLE);
		if (o == MC_IPC_NOT_FOUND || o == MC_IPC_CONFLICT)
			return action_fail(call, API_INCORRECT_INSTANCE_STATE, json_string_value(id), "rebooted");
		if (o != MC_IPC_OK)
			return -1;
	}
	return 0;
}

const struct action actions_instance[] = {
	{ .service = "ec2", .name = "RunInstances", .fn = run_instances, .flags = ACTION_WRITE, .replay = run_instances_replay },
	{ .service = "ec2", .name = "DescribeInstances", .fn = describe_instances },
	{ .service = "ec2", .name = "DescribeInstanceStatus", .fn = describe_instance_status },
	{ .service = "ec2", .name = "StartInstances", .fn = start_instances, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "StopInstances", .fn = stop_instances, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "TerminateInstances", .fn = terminate_instances, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "RebootInstances", .fn = reboot_instances, .flags = ACTION_BACKEND, .backend = reboot_backend },
	{ 0 },
};
