#include "api/engine.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/image.h"
#include "api/peering.h"
#include "api/reconciler.h"
#include "api/vpc.h"
#include "api/waiters.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define AREA "engine"

struct engine_call *engine_call_new(struct api *api)
{
	struct engine_call *ec = mc_alloc(sizeof(*ec));

	mc_random_uuid(ec->request_id);
	ec->call.api = api;
	ec->call.caller = &ec->caller;
	ec->call.request_id = ec->request_id;
	ec->call.fd = -1;
	return ec;
}

void engine_call_free(struct engine_call *ec)
{
	if (!ec)
		return;
	json_decref(ec->in);
	json_decref(ec->call.out);
	json_decref(ec->call.job);
	json_decref(ec->call.waits);
	free(ec->call.error_code);
	free(ec->call.error_message);
	free(ec->call.blob);
	mc_err_free(ec->call.err);
	if (ec->call.fd >= 0)
		close(ec->call.fd);
	free(ec);
}

/* --- outcomes ----------------------------------------------------------- */

int action_fail(struct call *call, enum api_error error, ...)
{
	va_list ap;
	char *text;

	free(call->error_code);
	free(call->error_message);
	call->error = error;
	va_start(ap, error);
	if (strcmp(api_error_code(error), "%s") == 0)
		call->error_code = mc_strdup(va_arg(ap, const char *));
	else
		call->error_code = mc_strdup(api_error_code(error));
	text = mc_vstrf(api_error_format(error), ap);
	va_end(ap);
	call->error_message = text;
	return 1;
}

int action_fail_rest(struct call *call, enum api_error error, const char *reason, const char *format, ...)
{
	va_list ap;
	mc_autofree char *text = NULL;

	va_start(ap, format);
	text = mc_vstrf(format, ap);
	va_end(ap);
	call->error_reason = reason;
	return action_fail(call, error, text);
}

void action_wait(struct call *call, const char *vpc, int64_t generation)
{
	if (!call->waits)
		call->waits = json_object();
	if (generation > mc_json_int(call->waits, vpc, 0))
		json_object_set_new(call->waits, vpc, json_integer(generation));
}

int action_refuse(struct call *call, const char *code, const char *format, ...)
{
	va_list ap;
	mc_autofree char *text = NULL;

	va_start(ap, format);
	text = mc_vstrf(format, ap);
	va_end(ap);
	return action_fail(call, API_NOT_FOUND, code, text);
}

const struct resource *action_resource(struct call *call, enum kind kind, const char *id)
{
	const struct kind_info *k = kind_info(kind);
	const struct resource *r;

	if (kind == KIND_VPC_PEERING) /* it has two owners, and two regions */
		return peering_find(call, id ? id : "");
	if (kind == KIND_IMAGE) /* shared ones are others' */
		return image_find(call, id);
	if (!id || !mc_id_valid(k->prefix, id)) {
		action_malformed(call, kind, id);
		return NULL;
	}
	r = store_find(call->tx, kind, call->caller->account, call->caller->region, id);
	if (!r) {
		mc_autofree char *text = kind_missing_text(kind, id, false);

		action_fail(call, API_NOT_FOUND, k->not_found, text);
	}
	return r;
}

const struct resource *action_target(struct call *call, enum kind kind, const char *id, const char *code, const char *noun)
{
	const struct resource *r = store_find(call->tx, kind, call->caller->account, call->caller->region, id);

	if (!r)
		action_refuse(call, code, "The %s ID '%s' does not exist", noun, id);
	return r;
}

/* --- client tokens ------------------------------------------------------ */

static char *digest_of(const json_t *in)
{
	mc_auto_json json_t *copy = json_copy((json_t *)in);
	mc_autofree char *text = NULL;
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	char *hex;

	json_object_del(copy, "ClientToken");
	text = json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS);
	EVP_Digest(text, strlen(text), md, &n, EVP_sha256(), NULL);
	hex = mc_alloc(2 * n + 1);
	for (unsigned i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", md[i]);
	return hex;
}

static char *token_scope(const struct engine_call *ec)
{
	return mc_strf("%s/%s/%s", ec->caller.account, ec->caller.region, ec->action->name);
}

/* An answer that had to wait is noted with what it waited for: a client whose patience
 * ended asks again, and that answer, too, promises that the change is in force. */
#define WAITS "minicloud:waits"

static json_t *noted(const struct call *call)
{
	json_t *answer = call->out ? json_incref(call->out) : json_null();

	if (json_object_size(call->waits) == 0)
		return answer;
	return json_pack("{s:O, s:o}", WAITS, call->waits, "answer", answer);
}

/* Take the noted answer out of the job, and wait for what it waited for. */
static void recall(struct call *call)
{
	mc_auto_json json_t *note = MC_STEAL(call->job);
	json_t *waits = json_object_get(note, WAITS), *generation;
	const char *vpc;

	call->job = json_incref(waits ? json_object_get(note, "answer") : note);
	json_object_foreach(waits, vpc, generation)
		if (store_get(call->tx, vpc)) /* of one that is gone nobody can tell */
			action_wait(call, vpc, json_integer_value(generation));
}

/* 1: this token was used and the call is answered (or failed); 0: it is new. */
static int token_seen(struct engine_call *ec, const char *token)
{
	mc_autofree char *scope = token_scope(ec);
	mc_autofree char *now = digest_of(ec->in);
	mc_autofree char *then = NULL;
	int r = store_token_get(ec->call.tx, scope, token, &then, &ec->call.job, &ec->call.err);

	if (r <= 0)
		return r;
	if (strcmp(now, then) != 0)
		return action_fail(&ec->call, API_IDEMPOTENT_MISMATCH, token);
	recall(&ec->call);
	if (ec->action->replay)
		return ec->action->replay(&ec->call) < 0 ? -1 : 1;
	ec->call.out = MC_STEAL(ec->call.job);
	return 1;
}

static void token_note(struct engine_call *ec, const char *token)
{
	mc_autofree char *scope = token_scope(ec);
	mc_autofree char *digest = digest_of(ec->in);
	mc_auto_json json_t *note = noted(&ec->call);

	store_token_put(ec->call.tx, scope, token, digest, note);
}

/* --- running ------------------------------------------------------------ */

static enum engine_result failed(struct engine_call *ec)
{
	mc_log(MC_LOG_ERROR, AREA, "action failed", "action", ec->action ? ec->action->name : "-", "reason",
	       mc_err_msg(ec->call.err), NULL);
	action_fail(&ec->call, API_INTERNAL);
	return ENGINE_DONE;
}

static int write_action(struct engine_call *ec)
{
	const char *token = mc_json_str(ec->in, "ClientToken", NULL);
	int r;

	if (token && *token) {
		r = token_seen(ec, token);
		if (r != 0)
			return r < 0 ? -1 : 1;
	}
	r = ec->action->fn(&ec->call);
	if (r == 0 && token && *token)
		token_note(ec, token);
	return r;
}

/* DryRun asks whether it would succeed: it is done, and nothing of it is kept. */
static bool is_dry(const struct engine_call *ec)
{
	return mc_json_bool(ec->in, "DryRun", false) && !(ec->action->flags & ACTION_DRY_RUN);
}

static int in_transaction(struct engine_call *ec)
{
	struct call *call = &ec->call;
	bool writing = ec->action->flags & ACTION_WRITE, dry = is_dry(ec);
	int r;

	call->tx = writing ? store_write(call->api->store) : store_read(call->api->store);
	r = writing && !dry ? write_action(ec) : ec->action->fn(call);
	if (r == 0 && dry)
		r = action_fail(call, API_DRY_RUN);
	if (writing && r == 0) {
		r = store_commit(call->tx, &call->err);
		call->tx = NULL;
		return r;
	}
	store_end(call->tx);
	call->tx = NULL;
	return r;
}

/* What is refused before any action runs: 0 or action_fail. */
static int gate(struct engine_call *ec, const char *service, const struct model_operation *op)
{
	const char *name = model_operation_name(op);

	ec->action = action_find(service, name);
	if (!ec->action)
		return action_fail(&ec->call, API_UNSUPPORTED_OPERATION, name);
	if (!api_region_known(ec->call.api, ec->caller.region))
		return action_fail(&ec->call, API_BLOCKED_REGION, ec->caller.region);
	if (!(ec->action->flags & ACTION_GLOBAL) &&
	    region_ensure(ec->call.api, ec->caller.account, ec->caller.region, &ec->call.err) < 0)
		return -1;
	return 0;
}

/* The action, unless `refused` says that it may not run. */
static enum engine_result run(struct engine_call *ec, int refused)
{
	int r = refused ? refused : in_transaction(ec);

	if (r < 0)
		return failed(ec);
	if (ec->call.error)
		return ENGINE_DONE;
	return json_object_size(ec->call.waits) || ec->action->flags & ACTION_BACKEND ? ENGINE_WAIT : ENGINE_DONE;
}

enum engine_result engine_run(struct engine_call *ec, const char *service, const struct model_operation *op)
{
	ec->call.op = op;
	ec->call.in = ec->in;
	return run(ec, gate(ec, service, op));
}

enum engine_result engine_run_page(struct engine_call *ec, const struct action *action)
{
	bool known = api_region_known(ec->call.api, ec->caller.region);

	ec->action = action;
	ec->call.in = ec->in;
	return run(ec, known ? 0 : action_fail(&ec->call, API_BLOCKED_REGION, ec->caller.region));
}

/* --- waiting ------------------------------------------------------------ */

static void wait_for_next(struct engine_call *ec);

static void waited(void *ctx, bool applied)
{
	struct engine_call *ec = ctx;

	if (applied) {
		wait_for_next(ec);
		return;
	}
	action_fail(&ec->call, API_UNAVAILABLE);
	ec->done(ec);
}

/* One VPC after the other: which of them is first makes no difference to the last. */
static void wait_for_next(struct engine_call *ec)
{
	void *first = json_object_iter(ec->call.waits);
	char vpc[MC_ID_LEN];
	int64_t generation;

	if (!first) {
		ec->done(ec);
		return;
	}
	snprintf(vpc, sizeof(vpc), "%s", json_object_iter_key(first));
	generation = json_integer_value(json_object_iter_value(first));
	json_object_del(ec->call.waits, vpc);
	waiters_add(ec->call.api->waiters, vpc, generation, waited, ec);
}

static void backend_phase(void *ctx)
{
	struct engine_call *ec = ctx;

	mc_log_set_request_id(ec->request_id);
	if (ec->action->backend(&ec->call) < 0)
		failed(ec);
	ec->done(ec);
}

void engine_wait(struct engine_call *ec, void (*done)(struct engine_call *ec))
{
	struct api *api = ec->call.api;

	ec->done = done;
	if (json_object_size(ec->call.waits))
		wait_for_next(ec);
	else
		reconciler_call(api->reconciler, backend_phase, ec);
}
