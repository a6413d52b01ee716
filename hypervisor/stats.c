#include "hypervisor/stats.h"

#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "hypervisor/work.h"

#define WANTED (VIR_DOMAIN_STATS_BALLOON | VIR_DOMAIN_STATS_VCPU | VIR_DOMAIN_STATS_BLOCK)
#define HOW (VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT)

/* libvirt's names, of virConnectGetAllDomainStats(3), and ours. Not its "cpu.time": that comes from
 * a control group, which libvirt does not find again when it was killed. */
static const struct {
	const char *libvirt, *ours;
} totals[] = {
	{ "vcpu.current", "vcpus" },
	{ "balloon.current", "memory_kib" },
	{ "balloon.rss", "rss_kib" },
};

/* Summed over the processors and disks: "vcpu.N.time", "block.N.rd.bytes". */
static const struct {
	const char *libvirt, *end, *ours;
} sums[] = {
	{ "vcpu.", "time", "cpu_ns" },
	{ "block.", "rd.bytes", "disk_read_bytes" },
	{ "block.", "wr.bytes", "disk_written_bytes" },
	{ "block.", "rd.reqs", "disk_reads" },
	{ "block.", "wr.reqs", "disk_writes" },
};

static bool number(virTypedParameterPtr p, json_int_t *ret)
{
	switch (p->type) {
	case VIR_TYPED_PARAM_INT: *ret = p->value.i; return true;
	case VIR_TYPED_PARAM_UINT: *ret = p->value.ui; return true;
	case VIR_TYPED_PARAM_LLONG: *ret = p->value.l; return true;
	case VIR_TYPED_PARAM_ULLONG: *ret = (json_int_t)p->value.ul; return true;
	default: return false;
	}
}

static void add(json_t *doc, const char *field, json_int_t n)
{
	const char *end = strchr(field, '.');

	end = end ? strchr(end + 1, '.') : NULL;
	for (size_t i = 0; end && i < MC_ARRAY_SIZE(sums); i++)
		if (strncmp(field, sums[i].libvirt, strlen(sums[i].libvirt)) == 0 &&
		    strcmp(end + 1, sums[i].end) == 0)
			json_object_set_new(doc, sums[i].ours, json_integer(mc_json_int(doc, sums[i].ours, 0) + n));
}

/* Of each disk: "block.N.rd.times". */
static const struct {
	const char *end, *ours;
} of_disk[] = {
	{ "rd.bytes", "read_bytes" }, { "wr.bytes", "written_bytes" }, { "rd.reqs", "reads" }, { "wr.reqs", "writes" },
	{ "rd.times", "read_ns" },    { "wr.times", "write_ns" },
};

/* disks: {N: {target, read_bytes ...}}. */
static void add_to_disk(json_t *disks, const virTypedParameter *p, bool is_number, json_int_t n)
{
	const char *at = strncmp(p->field, "block.", 6) == 0 ? p->field + 6 : NULL, *end = at ? strchr(at, '.') : NULL;
	mc_autofree char *key = end ? mc_strf("%.*s", (int)(end - at), at) : NULL;
	json_t *disk;

	if (!key)
		return; /* "block.count" */
	disk = json_object_get(disks, key);
	if (!disk) {
		disk = json_object();
		json_object_set_new(disks, key, disk);
	}
	if (p->type == VIR_TYPED_PARAM_STRING && strcmp(end + 1, "name") == 0)
		json_object_set_new(disk, "target", json_string(p->value.s));
	for (size_t i = 0; is_number && i < MC_ARRAY_SIZE(of_disk); i++)
		if (strcmp(end + 1, of_disk[i].end) == 0)
			json_object_set_new(disk, of_disk[i].ours, json_integer(n));
}

static json_t *values_of(json_t *map)
{
	json_t *list = json_array(), *value;
	const char *key;

	json_object_foreach(map, key, value)
		json_array_append(list, value);
	return list;
}

static json_t *read_record(const virDomainStatsRecord *record)
{
	json_t *doc = json_pack("{s:s}", "id", virDomainGetName(record->dom));
	mc_auto_json json_t *by_number = json_object();

	for (int i = 0; i < record->nparams; i++) {
		virTypedParameterPtr p = &record->params[i];
		json_int_t n = 0;
		bool is_number = number(p, &n);

		add_to_disk(by_number, p, is_number, n);
		if (!is_number)
			continue;
		for (size_t k = 0; k < MC_ARRAY_SIZE(totals); k++)
			if (strcmp(p->field, totals[k].libvirt) == 0)
				json_object_set_new(doc, totals[k].ours, json_integer(n));
		add(doc, p->field, n);
	}
	json_object_set_new(doc, "disks", values_of(by_number));
	return doc;
}

static json_t *read_records(virDomainStatsRecordPtr *records, int n)
{
	json_t *list = json_array();

	for (int i = 0; i < n; i++)
		if (watch_is_ours(records[i]->dom))
			json_array_append_new(list, read_record(records[i]));
	virDomainStatsRecordListFree(records);
	return json_pack("{s:o}", "instances", list);
}

static int one(const struct work *w, json_t **ret, mc_err **err)
{
	auto_domain domain = NULL;
	virDomainStatsRecordPtr *records = NULL;
	int n, outcome = work_find(w, &domain, err);

	if (outcome != MC_IPC_OK)
		return outcome;
	n = virDomainListGetStats((virDomainPtr[]){ domain, NULL }, WANTED, &records, HOW);
	if (n < 0)
		return work_failed(w, err, "look at");
	*ret = read_records(records, n);
	return MC_IPC_OK;
}

int stats_list(struct hypervisor *h, const char *id, json_t **ret, mc_err **err)
{
	auto_connection conn = connection_get(h->connection, err);
	struct work w = { .h = h, .conn = conn, .id = id };
	virDomainStatsRecordPtr *records = NULL;
	int n;

	if (!conn)
		return MC_IPC_UNAVAILABLE;
	if (id)
		return one(&w, ret, err);
	n = virConnectGetAllDomainStats(conn, WANTED, &records, HOW);
	if (n < 0)
		return connection_outcome(conn, err, "look at all instances");
	*ret = read_records(records, n);
	return MC_IPC_OK;
}
