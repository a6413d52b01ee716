/* The credit mode of burstable instances (EC2 User Guide, "Work with burstable performance instances"). It
 * decides what is billed (api/billing/credit.h) and who is slowed down (api/throttle.h). */
#include <string.h>

#include "api/api.h"
#include "api/billing/credit.h"
#include "api/describe.h"
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

/* --- the account's defaults, by family ------------------------------------------------- */

static char *default_name(const struct call *call, const char *family)
{
	return mc_strf("ec2/default-credits/%s/%s/%s", family, call->caller->account, call->caller->region);
}

/* What instances of this family are launched with. */
static const char *default_mode(struct call *call, const char *family)
{
	mc_autofree char *name = default_name(call, family);
	const char *mode = store_fact(call->tx, name);

	return mode ? mode : strcmp(family, "t2") == 0 ? "standard" : "unlimited";
}

/* t4g, too, of which there are no types here: AWS's four. */
static int check_family(struct call *call, const char *family)
{
	static const char *const families[] = { "t2", "t3", "t3a", "t4g" };

	for (size_t i = 0; i < MC_ARRAY_SIZE(families); i++)
		if (strcmp(families[i], family) == 0)
			return 0;
	return action_invalid(call, "Invalid value '%s' for InstanceFamily. Valid values: t2, t3, t3a, t4g.", family);
}

static int show_default(struct call *call, const char *family)
{
	call->out = json_pack("{s:{s:s, s:s}}", "InstanceFamilyCreditSpecification", "InstanceFamily", family, "CpuCredits",
			      default_mode(call, family));
	return 0;
}

static int get_default(struct call *call)
{
	const char *family = mc_json_str(call->in, "InstanceFamily", "");

	return check_family(call, family) ? 1 : show_default(call, family);
}

static int modify_default(struct call *call)
{
	const char *family = mc_json_str(call->in, "InstanceFamily", ""), *mode = mc_json_str(call->in, "CpuCredits", "");
	mc_autofree char *name = default_name(call, family);

	if (check_family(call, family) || check_mode(call, mode))
		return 1;
	store_set_fact(call->tx, name, mode);
	return show_default(call, family);
}

/* --- of an instance ---------------------------------------------------------------------- */

/* What was launched keeps its mode when the default changes. */
static void apply_default(struct call *call, struct resource *r)
{
	const char *type = mc_json_str(r->doc, "InstanceType", "");
	mc_autofree char *family = strndup(type, strcspn(type, "."));

	if (mode_of(r))
		json_object_set_new(r->spec, "cpu_credits", json_string(default_mode(call, family)));
}

int instance_credit_apply(struct call *call, struct resource *r)
{
	const char *mode = mc_json_str(mc_json_obj(call->in, "CreditSpecification"), "CpuCredits", NULL);
	mc_autofree char *text = NULL;

	if (!mode) {
		apply_default(call, r);
		return 0;
	}
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

static const struct filter credit_filters[] = { { "instance-id", "InstanceId" }, { 0 } };

static void show(struct call *call, json_t *list, const struct resource *r)
{
	mc_auto_json json_t *v = mode_of(r) ? json_pack("{s:s, s:s}", "InstanceId", r->id, "CpuCredits", mode_of(r)) : NULL;

	if (v && describe_matches(call, credit_filters, v, r))
		json_array_append(list, v);
}

/* Without ids: those in unlimited mode, as the EC2 API Reference says. */
static int describe_credits(struct call *call)
{
	struct store_iter it = store_pass(call->tx, KIND_INSTANCE, call->caller->account, call->caller->region, NULL);
	const json_t *ids = mc_json_arr(call->in, "InstanceIds");
	mc_auto_json json_t *list = json_array();
	const struct resource *r;
	json_t *id;
	size_t i;

	if (describe_check_filters(call, credit_filters))
		return 1;
	if (json_array_size(ids) && json_object_get(call->in, "MaxResults"))
		return action_fail(call, API_PARAMETER_COMBINATION, "The parameter instanceIds cannot be used with the parameter maxResults");
	json_array_foreach(ids, i, id) {
		r = action_resource(call, KIND_INSTANCE, json_string_value(id));
		if (!r)
			return 1;
		show(call, list, r);
	}
	while (json_array_size(ids) == 0 && (r = store_next(&it)))
		if (mode_of(r) && strcmp(mode_of(r), "unlimited") == 0)
			show(call, list, r);
	return describe_answer_page(call, "InstanceCreditSpecifications", list, 5, 1000);
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
	{ .service = "ec2", .name = "GetDefaultCreditSpecification", .fn = get_default },
	{ .service = "ec2", .name = "ModifyDefaultCreditSpecification", .fn = modify_default, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DescribeInstanceCreditSpecifications", .fn = describe_credits },
	{ .service = "ec2", .name = "ModifyInstanceCreditSpecification", .fn = modify_credits, .flags = ACTION_WRITE },
	{ 0 },
};
