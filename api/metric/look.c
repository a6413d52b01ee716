#include "api/metric/look.h"

#include <string.h>

#include "api/backend.h"
#include "api/counters.h"
#include "api/impaired.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/json.h"

/* --- what the store says ------------------------------------------------------------- */

static json_t *instance_row(struct api *api, const struct resource *r)
{
	const char *type = mc_json_str(r->doc, "InstanceType", "");

	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:O*}", "account", r->account, "region", r->region, "type", type, "launched",
			 mc_json_str(r->doc, "LaunchTime", ""), "vcpus", (json_int_t)mc_json_int(mc_json_obj(api->types, type), "vcpus", 1),
			 "enis", mc_json_arr(r->spec, "enis"));
}

/* Its first interface, and where that is. */
static void add_place(struct store_tx *tx, json_t *row)
{
	const struct resource *eni = store_get_bare(tx, mc_json_at(mc_json_arr(row, "enis"), 0));

	if (eni && eni->parent)
		json_object_update_new(row, json_pack("{s:s, s:s}", "eni", eni->id, "vpc", eni->parent));
}

static json_t *running(struct api *api)
{
	struct store_tx *tx = store_read(api->store);
	struct store_iter it = store_iter(tx, KIND_INSTANCE, NULL, NULL);
	const struct resource *r;
	json_t *map = json_object();

	while ((r = store_next_bare(&it)))
		if (r->state == INSTANCE_RUNNING) {
			json_t *row = instance_row(api, store_load(tx, r));

			add_place(tx, row);
			json_object_set_new(map, r->id, row);
		}
	store_end(tx);
	return map;
}

/* --- what the hypervisor says ---------------------------------------------------------- */

/* Which volume is at a target of the instance, of GET /v1/instances. */
static const char *volume_at(const json_t *domain, const char *target)
{
	json_t *disk;
	size_t i;

	json_array_foreach(mc_json_arr(domain, "disks"), i, disk)
		if (strcmp(mc_json_str(disk, "target", ""), target) == 0)
			return mc_json_str(disk, "volume", NULL);
	return NULL;
}

static const struct {
	const char *of_disk, *sum;
} ebs[] = {
	{ "read_bytes", "ebs_read_bytes" }, { "written_bytes", "ebs_written_bytes" }, { "reads", "ebs_reads" }, { "writes", "ebs_writes" },
};

/* Disks by their volumes, and what EBS volumes did together. */
static void add_disks(json_t *row, const json_t *stats, const json_t *domain)
{
	json_t *disks = json_object(), *disk;
	size_t i;

	json_array_foreach(mc_json_arr(stats, "disks"), i, disk) {
		const char *volume = volume_at(domain, mc_json_str(disk, "target", ""));

		if (!volume || strncmp(volume, "vol-", 4) != 0)
			continue;
		json_object_set(disks, volume, disk);
		for (size_t k = 0; k < MC_ARRAY_SIZE(ebs); k++)
			json_object_set_new(row, ebs[k].sum, json_integer(mc_json_int(row, ebs[k].sum, 0) + mc_json_int(disk, ebs[k].of_disk, 0)));
	}
	json_object_set_new(row, "disks", disks);
}

static const json_t *by_id(const json_t *answer, const char *id)
{
	json_t *one;
	size_t i;

	json_array_foreach(mc_json_arr(answer, "instances"), i, one)
		if (strcmp(mc_json_str(one, "id", ""), id) == 0)
			return one;
	return NULL;
}

/* The host's check fails where no QEMU is that should be, the guest's where it does not get to run. */
static void add_status(json_t *row, const json_t *domain)
{
	const char *state = mc_json_str(domain, "state", "absent");
	bool runs = strcmp(state, "running") == 0, paused = strcmp(state, "paused") == 0;
	bool waits = impaired_by(state, mc_json_str(domain, "reason", ""));

	json_object_set_new(row, "system_failed", json_integer(!runs && !paused));
	json_object_set_new(row, "instance_failed", json_integer(!runs));
	json_object_set_new(row, "ebs_failed", json_integer(waits));
}

static void add_host(json_t *row, const char *id, const json_t *stats, const json_t *domains)
{
	static const char *const copied[] = { "cpu_ns", "disk_read_bytes", "disk_written_bytes", "disk_reads", "disk_writes" };
	const json_t *one = by_id(stats, id), *domain = by_id(domains, id);

	for (size_t i = 0; i < MC_ARRAY_SIZE(copied); i++)
		if (json_object_get(one, copied[i]))
			json_object_set(row, copied[i], json_object_get(one, copied[i]));
	if (one)
		add_disks(row, one, domain);
	add_status(row, domain);
}

/* --- what netd's counters say ------------------------------------------------------------ */

static void add_network(struct api *api, json_t *row)
{
	struct counters_total t;
	int64_t in = 0, out = 0, packets_in = 0, packets_out = 0;
	json_t *eni;
	size_t i;

	json_array_foreach(mc_json_arr(row, "enis"), i, eni) {
		if (!counters_get(api->counters, json_string_value(eni), &t))
			continue;
		in += t.bytes[COUNTER_INTERNET_IN] + t.bytes[COUNTER_LOCAL_IN];
		out += t.bytes[COUNTER_INTERNET_OUT] + t.bytes[COUNTER_LOCAL_OUT];
		packets_in += t.packets_in;
		packets_out += t.packets_out;
	}
	json_object_del(row, "enis");
	json_object_update_new(row, json_pack("{s:I, s:I, s:I, s:I}", "net_in_bytes", (json_int_t)in, "net_out_bytes", (json_int_t)out,
					      "packets_in", (json_int_t)packets_in, "packets_out", (json_int_t)packets_out));
}

/* --- what guests say ------------------------------------------------------------------------- */

/* {interface: does it answer?} of a VPC; where netd cannot say, nothing. */
static void ask_vpc(struct api *api, const char *vpc, json_t *answers)
{
	mc_auto_json json_t *empty = json_object(), *answer = NULL;
	json_t *eni;
	size_t i;

	if (backend_call(api, BACKEND_NETD, "POST", empty, &answer, NULL, "/v1/vpcs/%s/ask", vpc) != MC_IPC_OK)
		return;
	json_array_foreach(mc_json_arr(answer, "enis"), i, eni)
		json_object_set(answers, mc_json_str(eni, "id", ""), json_object_get(eni, "answers"));
}

/* Of the first interface. After all that is counted by time, since silent guests are waited for. */
static void add_answers(struct api *api, json_t *map)
{
	mc_auto_json json_t *answers = json_object(), *asked = json_object();
	const char *id;
	json_t *row;

	json_object_foreach(map, id, row) {
		const char *vpc = mc_json_str(row, "vpc", NULL);

		if (vpc && !json_object_get(asked, vpc))
			ask_vpc(api, vpc, answers);
		if (vpc)
			json_object_set_new(asked, vpc, json_true());
	}
	json_object_foreach(map, id, row) {
		json_t *one = json_object_get(answers, mc_json_str(row, "eni", ""));

		if (one)
			json_object_set(row, "answers", one);
	}
}

json_t *metric_look(struct api *api, mc_err **err)
{
	mc_auto_json json_t *map = running(api), *stats = NULL, *domains = NULL;
	json_int_t now;
	const char *id;
	json_t *row;

	if (json_object_size(map) == 0)
		return MC_STEAL(map);
	if (backend_call(api, BACKEND_HYPERVISOR, "GET", NULL, &domains, err, "/v1/instances") != MC_IPC_OK ||
	    backend_call(api, BACKEND_HYPERVISOR, "GET", NULL, &stats, err, "/v1/stats") != MC_IPC_OK)
		return NULL;
	now = mc_clock_boot();
	json_object_foreach(map, id, row) {
		json_object_set_new(row, "at_ns", json_integer(now));
		add_host(row, id, stats, domains);
		add_network(api, row);
	}
	add_answers(api, map);
	return MC_STEAL(map);
}
