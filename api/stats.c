#include "api/stats.h"

#include <string.h>

#include "api/api.h"
#include "api/counters.h"
#include "api/instance.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/ipc.h"
#include "common/json.h"

#define PATIENCE_MS 5000 /* who watches wants an answer now or a word that there is none */

static json_t *instance_doc(struct call *call, const struct resource *r)
{
	const char *type = mc_json_str(r->doc, "InstanceType", "");
	const json_t *row = mc_json_obj(call->api->types, type);

	return json_pack("{s:s, s:s*, s:s, s:s, s:s, s:I, s:I, s:O*}", "id", r->id, "name", mc_json_str(r->tags, "Name", NULL),
			 "state", state_name(r), "type", type, "launched", mc_json_str(r->doc, "LaunchTime", ""),
			 "vcpus", (json_int_t)mc_json_int(row, "vcpus", 0), "memory_kib",
			 (json_int_t)mc_json_int(row, "memory_mib", 0) * 1024, "enis", mc_json_arr(r->spec, "enis"));
}

/* Under the transaction: which instances there are. */
static int find_instances(struct call *call)
{
	struct store_iter it = store_pass(call->tx, KIND_INSTANCE, call->caller->account, call->caller->region, NULL);
	const struct resource *r;

	call->job = json_array();
	while ((r = store_next(&it)))
		json_array_append_new(call->job, instance_doc(call, r));
	return 0;
}

/* Bytes that its interfaces have carried, and when the last of them was read. */
static void add_network(struct api *api, json_t *doc)
{
	int64_t in = 0, out = 0, read = 0;
	struct counters_total t;
	json_t *eni;
	size_t i;

	json_array_foreach(mc_json_arr(doc, "enis"), i, eni) {
		if (!counters_get(api->counters, json_string_value(eni), &t))
			continue;
		in += t.bytes[COUNTER_INTERNET_IN] + t.bytes[COUNTER_LOCAL_IN];
		out += t.bytes[COUNTER_INTERNET_OUT] + t.bytes[COUNTER_LOCAL_OUT];
		read = t.read > read ? t.read : read;
	}
	json_object_del(doc, "enis");
	json_object_set_new(doc, "net_in_bytes", json_integer(in));
	json_object_set_new(doc, "net_out_bytes", json_integer(out));
	json_object_set_new(doc, "net_read_ns", json_integer(read));
}

/* What the hypervisor counted, by instance id. */
static json_t *by_id(const json_t *answer)
{
	json_t *map = json_object(), *doc;
	size_t i;

	json_array_foreach(mc_json_arr(answer, "instances"), i, doc)
		json_object_set(map, mc_json_str(doc, "id", ""), doc);
	return map;
}

static int add_figures(struct call *call)
{
	mc_auto_json json_t *answer = NULL, *live = NULL;
	int o = mc_ipc_call(call->api->config.hypervisor, "GET", "/v1/stats", NULL, PATIENCE_MS, &answer, &call->err);
	json_int_t now = (json_int_t)mc_clock_boot();
	char wall[MC_ISO8601_LEN];
	json_t *doc;
	size_t i;

	mc_err_clear(&call->err); /* said in the answer */
	live = by_id(answer);
	counters_hurry(call->api);
	json_array_foreach(call->job, i, doc) {
		json_object_update_new(doc, json_copy(json_object_get(live, mc_json_str(doc, "id", ""))));
		add_network(call->api, doc);
	}
	mc_clock_iso8601(mc_clock_wall(), wall);
	call->out = json_pack("{s:s, s:I, s:b, s:O}", "time", wall, "at_ns", now, "hypervisor", o == MC_IPC_OK, "instances",
			      call->job);
	return 0;
}

const struct action page_stats = {
	.service = "minicloud", .name = "stats", .fn = find_instances, .flags = ACTION_BACKEND, .backend = add_figures,
};
