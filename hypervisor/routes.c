#include "hypervisor/routes.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "hypervisor/attachment.h"
#include "hypervisor/console.h"
#include "hypervisor/disk.h"
#include "hypervisor/doctor.h"
#include "hypervisor/domain.h"
#include "hypervisor/host.h"
#include "hypervisor/memory.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/instance.h"
#include "hypervisor/merge.h"
#include "hypervisor/nic.h"
#include "hypervisor/processor.h"
#include "hypervisor/secret.h"
#include "hypervisor/serial.h"
#include "hypervisor/stats.h"
#include "hypervisor/snapshot.h"

static int put_instance(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	return instance_put(ctx, req->vars[0], req->body, ret, err);
}

static int list_instances(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	(void)req;
	return instance_list(ctx, ret, err);
}

static int get_instance(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	return instance_get(ctx, req->vars[0], ret, err);
}

static int delete_instance(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	(void)ret;
	return instance_delete(ctx, req->vars[0], err);
}

static int reboot_instance(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	return instance_reboot(ctx, req->vars[0], mc_json_bool(req->body, "hard", false), ret, err);
}

static int put_disk(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	return attachment_put(ctx, req->vars[0], req->vars[1], req->body, ret, err);
}

static int delete_disk(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	return attachment_delete(ctx, req->vars[0], req->vars[1], strcmp(mc_json_str(req->query, "force", ""), "1") == 0, ret, err);
}

static int merge_layers(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	return merge_disk(ctx, req->vars[0], req->vars[1], req->body, ret, err);
}

static int limit_disk(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	return attachment_limit(ctx, req->vars[0], req->vars[1], req->body, ret, err);
}

static int grow_disk(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	return attachment_grow(ctx, req->vars[0], req->vars[1], mc_json_int(req->body, "bytes", 0), ret, err);
}

static int limit_processors(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	return processor_limit(ctx, req->vars[0], req->body, ret, err);
}

static int put_nic(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	return nic_put(ctx, req->vars[0], req->vars[1], req->body, ret, err);
}

static int delete_nic(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	return nic_delete(ctx, req->vars[0], req->vars[1], ret, err);
}

static int switch_snapshot(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	return snapshot_switch(ctx, req->vars[0], req->body, ret, err);
}

static int forget_key(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	(void)ret;
	return secret_forget(ctx, req->vars[0], err);
}

/* From the file alone: a console can be read while libvirtd is away. */
static int get_console(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	const struct hypervisor *h = ctx;
	int r = console_read(h->console_dir, req->vars[0], ret, err);

	if (r <= 0)
		return r;
	mc_err_set(err, 0, "there is no instance %s here", req->vars[0]);
	return MC_IPC_NOT_FOUND;
}

static int get_stats(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	return stats_list(ctx, req->vars[0], ret, err);
}

static int open_serial(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	(void)ret;
	return serial_run(ctx, req->vars[0], strcmp(mc_json_str(req->query, "force", ""), "1") == 0, req->upgrade, err);
}

static void stream_events(void *ctx, const struct mc_ipc_request *req, struct mc_ipc_stream *stream)
{
	struct hypervisor *h = ctx;

	(void)req;
	events_serve(h->events, stream);
}

static char *version_text(unsigned long v)
{
	return mc_strf("%lu.%lu.%lu", v / 1000000, v / 1000 % 1000, v % 1000);
}

static int get_host(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	struct hypervisor *h = ctx;
	virConnectPtr conn = connection_get(h->connection, err);
	unsigned long libvirt = 0, qemu = 0;
	struct memory_room room;
	int outcome;

	(void)req;
	if (!conn)
		return MC_IPC_UNAVAILABLE;
	outcome = virConnectGetLibVersion(conn, &libvirt) < 0 || virConnectGetVersion(conn, &qemu) < 0
			  ? connection_outcome(conn, err, "ask libvirtd for its version")
			  : memory_room(h->memory, &room, err);
	virConnectClose(conn);
	if (outcome != MC_IPC_OK)
		return outcome;

	mc_autofree char *libvirt_text = version_text(libvirt);
	mc_autofree char *qemu_text = version_text(qemu);

	*ret = json_pack("{s:s, s:s, s:s, s:s, s:i, s:I, s:I}", "accelerator", h->accelerator.kvm ? "kvm" : "qemu",
			 "reason", h->accelerator.reason, "libvirt", libvirt_text, "qemu", qemu_text, "cpus",
			 host_cpus(), "memory_mib", (json_int_t)room.total_mib, "free_memory_mib", (json_int_t)room.free_mib);
	return MC_IPC_OK;
}

static int get_findings(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	(void)req, (void)err;
	*ret = doctor_report(ctx);
	return MC_IPC_OK;
}

static const struct mc_field reboot_fields[] = {
	{ .name = "hard", .type = MC_FIELD_BOOLEAN },
	{ 0 },
};

static const struct mc_field grow_fields[] = {
	{ .name = "bytes", .type = MC_FIELD_INTEGER, .required = true, .min = 1, .max = 1LL << 46 },
	{ 0 },
};

#define INSTANCE .prefixes = { "i" }
#define DISK .prefixes = { "i", "vol" }
#define NIC .prefixes = { "i", "eni" }

const struct mc_ipc_route hypervisor_routes[] = {
	{ "PUT", "/v1/instances/{}", INSTANCE, .fields = domain_fields, .handler = put_instance,
	  .help = "make an instance's state so: paused, running, stopped" },
	{ "GET", "/v1/instances", .handler = list_instances, .help = "all instances" },
	{ "GET", "/v1/instances/{}", INSTANCE, .handler = get_instance, .help = "one instance, with its QEMU's pid" },
	{ "DELETE", "/v1/instances/{}", INSTANCE, .handler = delete_instance,
	  .help = "destroy, undefine, remove the console log" },
	{ "POST", "/v1/instances/{}/reboot", INSTANCE, .fields = reboot_fields, .handler = reboot_instance,
	  .help = "press the power button, or reset (hard)" },
	{ "POST", "/v1/instances/{}/processors", INSTANCE, .fields = processor_fields, .handler = limit_processors,
	  .help = "how much of the host's time its processors may take" },
	{ "PUT", "/v1/instances/{}/disks/{}", DISK, .fields = disk_put_fields, .handler = put_disk,
	  .help = "plug a disk in, or change its limits" },
	{ "DELETE", "/v1/instances/{}/disks/{}", DISK, .handler = delete_disk, .help = "ask the guest to let a disk go; ?force=1 takes it away where it does not" },
	{ "POST", "/v1/instances/{}/disks/{}/merge", DISK, .fields = merge_fields, .handler = merge_layers,
	  .help = "make a disk's chain shorter, look how far it is, or stop it" },
	{ "POST", "/v1/instances/{}/disks/{}/limits", DISK, .fields = disk_limits_fields, .handler = limit_disk,
	  .help = "other limits for a disk" },
	{ "POST", "/v1/instances/{}/disks/{}/grow", DISK, .fields = grow_fields, .handler = grow_disk,
	  .help = "show the guest a larger disk" },
	{ "PUT", "/v1/instances/{}/nics/{}", NIC, .fields = nic_put_fields, .handler = put_nic,
	  .help = "plug an interface in, or set its link" },
	{ "DELETE", "/v1/instances/{}/nics/{}", NIC, .handler = delete_nic, .help = "ask the guest to let an interface go" },
	{ "POST", "/v1/instances/{}/snapshot", INSTANCE, .fields = snapshot_fields, .handler = switch_snapshot,
	  .help = "let disks write to new tops, all at once" },
	{ "DELETE", "/v1/keys/{}", .prefixes = { "dk" }, .handler = forget_key, .help = "no disk needs this key any more" },
	{ "GET", "/v1/instances/{}/console", INSTANCE, .handler = get_console, .help = "the end of the serial log" },
	{ MC_IPC_UPGRADE, "/v1/instances/{}/serial", INSTANCE, .handler = open_serial,
	  .help = "bytes to and from the serial port; ?force=1 takes it over" },
	{ "GET", "/v1/instances/{}/stats", INSTANCE, .handler = get_stats, .help = "what it uses, while it runs" },
	{ "GET", "/v1/stats", .handler = get_stats, .help = "what those that run use" },
	{ "GET", "/v1/events", .stream = stream_events, .help = "what happens, a JSON line each" },
	{ "GET", "/v1/findings", .handler = get_findings, .help = "what was looked at on this host, and what is wrong" },
	{ "GET", "/v1/host", .handler = get_host, .help = "accelerator, versions, processors, memory" },
	{ 0 },
};
