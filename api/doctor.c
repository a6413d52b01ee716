#include "api/doctor.h"

#include <string.h>

#include "api/api.h"
#include "api/impaired.h"
#include "api/reconciler.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/daemon.h"
#include "common/finding.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/json.h"

#define PATIENCE_MS 15000
#define FAILING 5  /* in a row: some seconds of trying */
#define FAILING_MAX 10 /* told of one by one */

/* --- our own ------------------------------------------------------------------------ */

static void find_images(struct api *api, json_t *findings)
{
	struct store_tx *tx = store_read(api->store);
	struct store_iter it = store_iter(tx, KIND_IMAGE, NULL, NULL);
	const struct resource *r;
	size_t n = 0;

	while ((r = store_next(&it)))
		n += r->state == IMAGE_AVAILABLE;
	store_end(tx);
	if (n == 0)
		mc_finding_add(findings, "images", MC_FINDING_WARNING, "make demo builds one; or put NAME.qcow2 and NAME.json into images_dir",
			       "no image is available in %s: nothing can be launched", api->config.images_dir);
	else
		mc_finding_add(findings, "images", MC_FINDING_OK, NULL, "%zu images are available", n);
}

struct failing {
	json_t *findings;
	size_t n;
};

static void add_failing(void *ctx, const char *id, unsigned times, const char *reason)
{
	struct failing *f = ctx;

	if (f->n++ < FAILING_MAX)
		mc_finding_add(f->findings, "stuck", MC_FINDING_ERROR, "mend what it says: it is tried again and again",
			       "%s does not get to where it should be, tried %u times: %s", id, times, reason);
}

static void find_failing(struct api *api, json_t *findings)
{
	struct failing f = { .findings = findings };

	reconciler_failing(api->reconciler, FAILING, add_failing, &f);
	if (f.n > FAILING_MAX)
		mc_finding_add(findings, "stuck", MC_FINDING_ERROR, NULL, "%zu more are stuck like that", f.n - FAILING_MAX);
	if (f.n == 0)
		mc_finding_add(findings, "stuck", MC_FINDING_OK, NULL, "everything gets to where it should be");
}

static json_t *own_findings(struct api *api)
{
	json_t *findings = json_array();

	mc_finding_add(findings, "daemon", MC_FINDING_OK, NULL, "minicloud-api %s answers", MC_VERSION);
	mc_finding_clock(findings);
	find_images(api, findings);
	find_failing(api, findings);
	impaired_find(api, findings);
	return findings;
}

/* --- the others' -------------------------------------------------------------------- */

static json_t *ask(const char *daemon, const char *socket)
{
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *answer = NULL;
	mc_autofree char *remedy = mc_strf("systemctl start minicloud-%s (or deploy/launcher start), and see its log", daemon);
	int outcome = mc_ipc_call(socket, "GET", "/v1/findings", NULL, PATIENCE_MS, &answer, &err);
	json_t *findings = mc_json_arr(answer, "findings");

	if (outcome == MC_IPC_OK && findings)
		return json_incref(findings);
	findings = json_array();
	mc_finding_add(findings, "daemon", MC_FINDING_ERROR, remedy, "minicloud-%s does not answer: %s", daemon, mc_err_msg(err));
	return findings;
}

static void add_all(json_t *all, const char *daemon, json_t *findings)
{
	json_t *f;
	size_t i;

	json_array_foreach(findings, i, f) {
		json_t *named = json_pack("{s:s}", "daemon", daemon);

		json_object_update(named, f);
		json_array_append_new(all, named);
	}
	json_decref(findings);
}

/* The operator's alone: it shows the host, not an account. */
static int may_look(struct call *call)
{
	if (strcmp(call->caller->account, call->api->config.account) != 0)
		return action_fail(call, API_UNAUTHORIZED);
	return 0;
}

static int look(struct call *call)
{
	struct api *api = call->api;
	json_t *all = json_array();
	char now[MC_ISO8601_LEN];

	add_all(all, "api", own_findings(api));
	add_all(all, "hypervisor", ask("hypervisor", api->config.hypervisor));
	add_all(all, "netd", ask("netd", api->config.netd));
	add_all(all, "storaged", ask("storaged", api->config.storaged));
	mc_clock_iso8601(mc_clock_wall(), now);
	call->out = json_pack("{s:s, s:o}", "time", now, "findings", all);
	return 0;
}

const struct action page_findings = {
	.service = "minicloud", .name = "findings", .fn = may_look, .flags = ACTION_BACKEND, .backend = look,
};
