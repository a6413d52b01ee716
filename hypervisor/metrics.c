#include "hypervisor/metrics.h"

#include "common/cleanup.h"
#include "common/json.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/instance.h"
#include "hypervisor/memory.h"
#include "hypervisor/state.h"

#define MIB 1048576.0

enum row { KVM, QEMU, CONNECTED, LISTENERS, OPENED, ERRORS, LOST, MEMORY, PROMISED, FREE, ROW_MAX };

static const struct mc_metric metrics[ROW_MAX] = {
	[KVM] = { "minicloud_hypervisor_accelerator_info", "gauge", "What guests run by.", "accelerator=\"kvm\"" },
	[QEMU] = { "minicloud_hypervisor_accelerator_info", "gauge", "", "accelerator=\"qemu\"" },
	[CONNECTED] = { "minicloud_hypervisor_libvirt_connected", "gauge", "Does the connection that brings events stand?", NULL },
	[LISTENERS] = { "minicloud_hypervisor_event_listeners", "gauge", "Who hears our events.", NULL },
	[OPENED] = { "minicloud_hypervisor_libvirt_connections_total", "counter", "Connections to libvirtd, one for each request that needs it.", NULL },
	[ERRORS] = { "minicloud_hypervisor_libvirt_errors_total", "counter", "Errors that libvirt reported, that there is no such domain included.", NULL },
	[LOST] = { "minicloud_hypervisor_libvirt_lost_total", "counter", "How often libvirtd went away.", NULL },
	[MEMORY] = { "minicloud_hypervisor_memory_bytes", "gauge", "The host's.", NULL },
	[PROMISED] = { "minicloud_hypervisor_memory_promised_bytes", "gauge", "Guests' that they have not touched yet.", NULL },
	[FREE] = { "minicloud_hypervisor_memory_free_bytes", "gauge", "What guests may still have.", NULL },
};

static const struct mc_metric domains[STATE_MAX] = {
	[STATE_STOPPED] = { "minicloud_hypervisor_domains", "gauge", "Instances that libvirt has, by state.", "state=\"stopped\"" },
	[STATE_PAUSED] = { "minicloud_hypervisor_domains", "gauge", "", "state=\"paused\"" },
	[STATE_RUNNING] = { "minicloud_hypervisor_domains", "gauge", "", "state=\"running\"" },
	[STATE_CRASHED] = { "minicloud_hypervisor_domains", "gauge", "", "state=\"crashed\"" },
};

static void write_domains(FILE *out, struct hypervisor *h)
{
	double values[STATE_MAX] = { 0 };
	mc_auto_json json_t *list = NULL;
	mc_auto_err mc_err *err = NULL;
	json_t *instance;
	size_t i;

	if (instance_list(h, &list, &err) != 0)
		return;
	json_array_foreach(mc_json_arr(list, "instances"), i, instance) {
		enum state state = state_parse(mc_json_str(instance, "state", ""));

		if (state >= STATE_STOPPED)
			values[state]++;
	}
	mc_metrics_write(out, domains + STATE_STOPPED, values + STATE_STOPPED, STATE_MAX - STATE_STOPPED);
}

char *hypervisor_metrics(void *ctx)
{
	struct hypervisor *h = ctx;
	const struct connection_counts *counts = connection_counts(h->connection);
	struct memory_room room = { 0 };
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	/* One that cannot be looked into now shows nothing of the host's memory. */
	bool seen = memory_room(h->memory, &room, NULL) == 0;
	const double values[ROW_MAX] = {
		[KVM] = h->accelerator.kvm, [QEMU] = !h->accelerator.kvm, [CONNECTED] = connection_is_up(h->connection),
		[LISTENERS] = events_listeners(h->events), [OPENED] = (double)counts->opened, [ERRORS] = (double)counts->errors,
		[LOST] = (double)counts->lost, [MEMORY] = (double)room.total_mib * MIB, [PROMISED] = (double)room.promised_mib * MIB,
		[FREE] = (double)room.free_mib * MIB,
	};

	mc_metrics_write(out, metrics, values, seen ? ROW_MAX : MEMORY);
	write_domains(out, h);
	mc_durations_write(out, "minicloud_hypervisor_work_seconds", "How long work on an instance took, waiting for its turn apart.", &h->work);
	fclose(out);
	return text;
}
