/* The credit mode of burstable instances (EC2 User Guide, "Work with burstable performance instances"). It
 * decides what is billed (api/billing/credit.h); nothing here is slowed down when its credits are used up. */
#include <string.h>

#include "api/api.h"
#include "api/billing/credit.h"
#include "api/instance.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

/* NULL: a type without credits. */
static const char *mode_of(const struct resource *r)
{
	struct credit_rules rules;

	if (!credit_rules(mc_json_str(r->doc, "InstanceType", ""), mc_json_str(r->spec, "cpu_credits", NULL), &rules))
		return NULL;
	return rules.unlimited ? "unlimited" : "standard";
}

static int check_mode(struct call *call, const char *mode)
{
	if (strcmp(mode, "standard") == 0 || strcmp(mode, "unlimited") == 0)
		return 0;
	return action_invalid(call, "Invalid value '%s' for CpuCredits. Valid values: standard, unlimited.", mode);
}

int instance_credit_apply(struct call *call, struct resource *r)
{
	const char *mode = mc_json_str(mc_json_obj(call->in, "CreditSpecification"), "CpuCredits", NULL);
	mc_autofree char *text = NULL;

	if (!mode)
		return 0;
	if (check_mode(call, mode))
		return 1;
	if (!mode_of(r)) {
		text = mc_strf("The CreditSpecification parameter is not supported for the '%s' instance type.",
			       mc_json_str(r->doc, "InstanceType", ""));
		return action_fail(call, API_PARAMETER_COMBINATION, text);
	}
	json_object_set_new(r->spec, "cpu_credits", json_string(mode));
	return 0;
}

static void show(json_t *list, const struct resource *r)
{
	if (mode_of(r))
		json_array_append_new(list, json_pack("{s:s, s:s}", "InstanceId", r->id, "CpuCredits", mode_of(r)));
}

/* Without ids: those in unlimited mode, as the EC2 API Reference says. */
static int describe_credits(struct call *call)
{
	struct store_iter it = store_pass(call->tx, KIND_INSTANCE, call->caller->account, call->caller->region, NULL);
	const json_t *ids = mc_json_arr(call->in, "InstanceIds");
	const struct resource *r;
	json_t *list = json_array(), *id;
	size_t i;

	call->out = json_pack("{s:o}", "InstanceCreditSpecifications", list);
	json_array_foreach(ids, i, id) {
		r = action_resource(call, KIND_INSTANCE, json_string_value(id));
		if (!r)
			return 1;
		show(list, r);
	}
	while (json_array_size(ids) == 0 && (r = store_next(&it)))
		if (mode_of(r) && strcmp(mode_of(r), "unlimited") == 0)
			show(list, r);
	return 0;
}

/* NULL: it was done; else the code of why not. */
static const char *modify_one(struct call *call, const char *id, const char *mode)
{
	const struct resource *r = store_find(call->tx, KIND_INSTANCE, call->caller->account, call->caller->region, id);

	if (!r)
		return mc_id_valid("i", id) ? "InvalidInstanceID.NotFound" : "InvalidInstanceID.Malformed";
	if (r->state != INSTANCE_RUNNING && r->state != INSTANCE_STOPPED)
		return "IncorrectInstanceState";
	if (!mode_of(r))
		return "InstanceCreditSpecification.NotSupported";
	json_object_set_new(store_edit(call->tx, id)->spec, "cpu_credits", json_string(mode));
	return NULL;
}

static int modify_credits(struct call *call)
{
	json_t *done = json_array(), *failed = json_array(), *one;
	size_t i;

	call->out = json_pack("{s:o, s:o}", "SuccessfulInstanceCreditSpecifications", done, "UnsuccessfulInstanceCreditSpecifications", failed);
	json_array_foreach(mc_json_arr(call->in, "InstanceCreditSpecifications"), i, one) {
		const char *id = mc_json_str(one, "InstanceId", ""), *mode = mc_json_str(one, "CpuCredits", "standard"), *code;
		mc_autofree char *text = NULL;

		if (check_mode(call, mode))
			return 1;
		code = modify_one(call, id, mode);
		text = code ? mc_strf("The credit specification of the instance '%s' cannot be modified.", id) : NULL;
		json_array_append_new(code ? failed : done, code ? json_pack("{s:s, s:{s:s, s:s}}", "InstanceId", id, "Error", "Code", code,
									     "Message", text) : json_pack("{s:s}", "InstanceId", id));
	}
	return 0;
}

const struct action actions_instance_credit[] = {
	{ .service = "ec2", .name = "DescribeInstanceCreditSpecifications", .fn = describe_credits },
	{ .service = "ec2", .name = "ModifyInstanceCreditSpecification", .fn = modify_credits, .flags = ACTION_WRITE },
	{ 0 },
};
