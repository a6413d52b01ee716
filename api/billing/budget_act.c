/* What a budget does when it is overrun: the EC2 actions themselves, run for its account. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/billing/budget.h"
#include "api/action.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/log.h"

#define TERMINATE "TERMINATE_EC2_INSTANCES" /* our own; AWS stops only */

/* "i-…", or "tag:Key=Value" for all that bear it. */
static bool chosen(const json_t *list, const struct resource *r)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		const char *text = json_string_value(one), *equals = strchr(text, '=');
		mc_autofree char *key = equals && strncmp(text, "tag:", 4) == 0 ? strndup(text + 4, (size_t)(equals - text - 4)) : NULL;

		if (strcmp(text, r->id) == 0 || (key && strcmp(mc_json_str(r->tags, key, "\n"), equals + 1) == 0))
			return true;
	}
	return false;
}

static json_t *choose(struct store_tx *tx, const char *account, const json_t *definition, bool terminate)
{
	struct store_iter it = store_pass(tx, KIND_INSTANCE, account, mc_json_str(definition, "Region", ""), NULL);
	json_t *ids = json_array();
	const struct resource *r;

	while ((r = store_next(&it))) {
		bool live = r->state == INSTANCE_RUNNING || r->state == INSTANCE_PENDING || (terminate && r->state == INSTANCE_STOPPED);

		if (live && chosen(mc_json_arr(definition, "InstanceIds"), r))
			json_array_append_new(ids, json_string(r->id));
	}
	return ids;
}

static void be_root(struct caller *c, const char *account, const char *region)
{
	memset(c, 0, sizeof(*c));
	snprintf(c->account, sizeof(c->account), "%s", account);
	snprintf(c->region, sizeof(c->region), "%s", region);
	snprintf(c->user_id, sizeof(c->user_id), "%s", account);
	snprintf(c->arn, sizeof(c->arn), "arn:aws:iam::%s:root", account);
}

/* The action in a transaction of its own. */
static int run(struct api *api, const struct caller *caller, const char *name, json_t *ids, mc_err **err)
{
	const struct action *a = action_find("ec2", name);
	mc_auto_json json_t *in = json_pack("{s:O}", "InstanceIds", ids);
	struct call call = { .api = api, .caller = caller, .in = in, .request_id = "budget", .fd = -1,
			     .op = model_operation(model_service("ec2"), name) };
	int r;

	call.tx = store_write(api->store);
	r = a->fn(&call);
	if (r == 0)
		r = store_commit(call.tx, err);
	else
		store_end(call.tx);
	if (r > 0)
		r = mc_err_set(err, 0, "%s: %s: %s", name, call.error_code, call.error_message);
	else if (r < 0 && call.err)
		r = mc_err_set(err, 0, "%s: %s", name, mc_err_msg(call.err));
	json_decref(call.out);
	json_decref(call.waits);
	free(call.error_code);
	free(call.error_message);
	mc_err_free(call.err);
	return r;
}

int budget_act(struct api *api, const char *account, const json_t *definition, mc_err **err)
{
	const json_t *ssm = mc_json_obj(definition, "SsmActionDefinition");
	bool terminate = strcmp(mc_json_str(ssm, "ActionSubType", ""), TERMINATE) == 0;
	mc_auto_json json_t *ids = NULL;
	mc_autofree char *text = NULL;
	struct caller caller;
	struct store_tx *tx = store_read(api->store);

	ids = choose(tx, account, ssm, terminate);
	store_end(tx);
	if (json_array_size(ids) == 0)
		return 0;
	text = json_dumps(ids, JSON_COMPACT);
	mc_log(MC_LOG_WARNING, "budget", terminate ? "terminating instances" : "stopping instances", "instances", text, NULL);
	be_root(&caller, account, mc_json_str(ssm, "Region", ""));
	return run(api, &caller, terminate ? "TerminateInstances" : "StopInstances", ids, err);
}
