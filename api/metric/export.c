#include "api/metric/export.h"

#include <inttypes.h>

#include "common/cleanup.h"
#include "common/json.h"
#include "common/metrics.h"

struct exported {
	const char *counter, *name, *type, *help, *labels; /* type and help of the first of a name */
	double divisor;
};

static const struct exported of_instances[] = {
	{ "cpu_ns", "minicloud_instance_cpu_seconds_total", "counter", "Processor time of a guest.", "", 1e9 },
	{ "vcpus", "minicloud_instance_vcpus", "gauge", "Processors of a guest.", "", 1 },
	{ "net_in_bytes", "minicloud_instance_network_bytes_total", "counter", "Bytes of all interfaces of an instance.", ",direction=\"in\"", 1 },
	{ "net_out_bytes", "minicloud_instance_network_bytes_total", NULL, NULL, ",direction=\"out\"", 1 },
	{ "packets_in", "minicloud_instance_network_packets_total", "counter", "Packets of all interfaces of an instance.", ",direction=\"in\"", 1 },
	{ "packets_out", "minicloud_instance_network_packets_total", NULL, NULL, ",direction=\"out\"", 1 },
	{ "disk_read_bytes", "minicloud_instance_disk_bytes_total", "counter", "Bytes of all disks of an instance.", ",direction=\"read\"", 1 },
	{ "disk_written_bytes", "minicloud_instance_disk_bytes_total", NULL, NULL, ",direction=\"write\"", 1 },
	{ "disk_reads", "minicloud_instance_disk_operations_total", "counter", "Operations of all disks of an instance.", ",direction=\"read\"", 1 },
	{ "disk_writes", "minicloud_instance_disk_operations_total", NULL, NULL, ",direction=\"write\"", 1 },
	{ "system_failed", "minicloud_instance_status_check_failed", "gauge", "1 where a status check fails.", ",check=\"system\"", 1 },
	{ "instance_failed", "minicloud_instance_status_check_failed", NULL, NULL, ",check=\"instance\"", 1 },
	{ "ebs_failed", "minicloud_instance_status_check_failed", NULL, NULL, ",check=\"attached-ebs\"", 1 },
};

static const struct exported of_volumes[] = {
	{ "read_bytes", "minicloud_volume_bytes_total", "counter", "Bytes of a volume.", ",direction=\"read\"", 1 },
	{ "written_bytes", "minicloud_volume_bytes_total", NULL, NULL, ",direction=\"write\"", 1 },
	{ "reads", "minicloud_volume_operations_total", "counter", "Operations of a volume.", ",direction=\"read\"", 1 },
	{ "writes", "minicloud_volume_operations_total", NULL, NULL, ",direction=\"write\"", 1 },
	{ "read_ns", "minicloud_volume_operation_seconds_total", "counter", "What the operations of a volume took.", ",direction=\"read\"", 1e9 },
	{ "write_ns", "minicloud_volume_operation_seconds_total", NULL, NULL, ",direction=\"write\"", 1e9 },
};

static void export(FILE *out, const struct exported *e, const char *label, const char *id, const json_t *row)
{
	const json_t *n = json_object_get(row, e->counter);

	if (n && e->divisor == 1)
		fprintf(out, "%s{%s=\"%s\"%s} %" PRId64 "\n", e->name, label, id, e->labels, (int64_t)json_integer_value(n));
	else if (n)
		fprintf(out, "%s{%s=\"%s\"%s} %.3f\n", e->name, label, id, e->labels, (double)json_integer_value(n) / e->divisor);
}

typedef void export_fn(FILE *out, const struct exported *e, const char *id, const json_t *row);

static void export_instance(FILE *out, const struct exported *e, const char *id, const json_t *row)
{
	export(out, e, "instance", id, row);
}

static void export_volumes(FILE *out, const struct exported *e, const char *id, const json_t *row)
{
	const char *volume;
	json_t *disk;

	(void)id;
	json_object_foreach(mc_json_obj(row, "disks"), volume, disk)
		export(out, e, "volume", volume, disk);
}

static void export_all(FILE *out, const struct exported *list, size_t n, export_fn *fn, json_t *look)
{
	const char *id;
	json_t *row;

	for (const struct exported *e = list; e < list + n; e++) {
		if (e->type)
			mc_metrics_head(out, e->name, e->type, e->help);
		json_object_foreach(look, id, row)
			fn(out, e, id, row);
	}
}

void metric_export(json_t *look, FILE *out)
{
	export_all(out, of_instances, MC_ARRAY_SIZE(of_instances), export_instance, look);
	export_all(out, of_volumes, MC_ARRAY_SIZE(of_volumes), export_volumes, look);
}
