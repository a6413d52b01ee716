/* minicloud-hypervisor: instances as libvirt domains. Unprivileged; what it may do to
 * the host is what libvirtd lets it. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/config.h"
#include "common/daemon.h"
#include "common/fs.h"
#include "common/log.h"
#include "hypervisor/console.h"
#include "hypervisor/doctor.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/memory.h"
#include "hypervisor/metrics.h"
#include "hypervisor/routes.h"
#include "hypervisor/secret.h"
#include "hypervisor/serial.h"

#define AREA "hypervisor"
#define THREADS 8
#define GLANCE_MS 3000 /* for libvirtd, where only findings are asked for */

struct options {
	char *socket, *fd_socket, *allow, *log_level;
	char *libvirt_uri, *disk_roots, *ended_dir, *console_dir, *accelerator;
	char *qemu_user, *qemu_group;
	long reserve_memory_mib, hotplug_slots, connect_timeout;
	bool findings;
};

#define OPTION(field, kind, fallback, ...) \
	{ .section = "hypervisor", .name = #field, .type = kind, .offset = offsetof(struct options, field), \
	  .def = fallback, __VA_ARGS__ }

static const struct mc_option option_table[] = {
	OPTION(socket, MC_OPT_PATH, "%R/hypervisor.sock", .help = "where to listen"),
	OPTION(fd_socket, MC_OPT_PATH, "%R/hypervisor-fd.sock", .help = "where keys of encrypted disks come in"),
	OPTION(allow, MC_OPT_STRING, "minicloud-api", .help = "users that may call, comma-separated"),
	OPTION(log_level, MC_OPT_LEVEL, "info", .help = "error, warning, info or debug"),
	OPTION(libvirt_uri, MC_OPT_STRING, "qemu:///system", .help = "libvirtd to use"),
	/* A libvirtd that starts for the first time probes QEMU for some ten seconds. */
	OPTION(connect_timeout, MC_OPT_INT, "45", .min = 1, .max = 600,
	       .help = "seconds to wait for libvirtd at the start"),
	OPTION(disk_roots, MC_OPT_STRING, "%H/store", .help = "directories that disks may lie under, comma-separated"),
	OPTION(ended_dir, MC_OPT_PATH, "%R/hypervisor", .help = "how guests ended, until the next reboot"),
	OPTION(console_dir, MC_OPT_PATH, "%H/hypervisor/console", .help = "serial consoles' logs"),
	OPTION(accelerator, MC_OPT_STRING, "auto", .help = "auto (ask a test guest), kvm or tcg"),
	OPTION(reserve_memory_mib, MC_OPT_INT, "256", .min = 0, .max = 1 << 20,
	       .help = "memory that guests may not have"),
	OPTION(hotplug_slots, MC_OPT_INT, "8", .min = 0, .max = 32, .help = "free PCIe ports per instance"),
	OPTION(qemu_user, MC_OPT_STRING, "minicloud-qemu", .help = "user that QEMU runs as"),
	OPTION(qemu_group, MC_OPT_STRING, "minicloud-disk", .help = "group that QEMU runs as"),
	OPTION(findings, MC_OPT_BOOL, "no", .help = "print what is wrong with this host, as JSON, and exit"),
	{ 0 },
};

static int check_options(const void *target, mc_err **err)
{
	const struct options *o = target;

	return accelerator_check(o->accelerator, err);
}

static const struct mc_program program = {
	.name = "minicloud-hypervisor",
	.summary = "Runs minicloud's instances as libvirt domains.",
	.options = option_table,
	.check = check_options,
};

/* --- what the connection tells us ------------------------------------------ */

static void on_connecting(void *ctx, virConnectPtr conn)
{
	struct hypervisor *h = ctx;
	mc_autofree char *capabilities = virConnectGetCapabilities(conn);

	h->has_dac = capabilities && strstr(capabilities, "<model>dac</model>");
}

/* Once more when libvirtd has taken up all its QEMUs: until then it reports no end of one. */
static void on_connected(void *ctx, virConnectPtr conn)
{
	struct hypervisor *h = ctx;

	mc_log(MC_LOG_INFO, AREA, "connected to libvirtd", NULL);
	watch_sweep(h->watch, conn);
	events_publish(h->events, NULL, "resync", "connected");
	watch_settle(conn);
	freezes_look(h->freezes);
	events_publish(h->events, NULL, "resync", "settled");
}

static void on_lost(void *ctx, const char *reason)
{
	(void)ctx;
	mc_log(MC_LOG_WARNING, AREA, "connection lost", "reason", reason, NULL);
}

static void on_lifecycle(void *ctx, virDomainPtr domain, int event, int detail)
{
	struct hypervisor *h = ctx;

	if (watch_is_ours(domain))
		watch_lifecycle(h->watch, virDomainGetName(domain), event, detail);
}

static void on_rebooted(void *ctx, virDomainPtr domain)
{
	struct hypervisor *h = ctx;

	if (watch_is_ours(domain))
		events_publish(h->events, virDomainGetName(domain), "rebooted", NULL);
}

/* Devices of ours are called by what they are of: "ua-vol-…", "ua-eni-…". */
static void on_device_removed(void *ctx, virDomainPtr domain, const char *alias)
{
	struct hypervisor *h = ctx;

	if (watch_is_ours(domain) && strncmp(alias, "ua-", 3) == 0)
		events_publish(h->events, virDomainGetName(domain), "detached", alias + 3);
}

static void on_tick(void *ctx)
{
	const struct hypervisor *h = ctx;

	console_trim(h->console_dir);
}

static const struct connection_watcher watcher = {
	.connecting = on_connecting, .connected = on_connected, .lost = on_lost,
	.lifecycle = on_lifecycle,   .rebooted = on_rebooted,   .device_removed = on_device_removed,
	.tick = on_tick,
};

/* --- start and end --------------------------------------------------------- */

/* Whom QEMU runs as, and what of the host it may have. 0, or -1 and *err. */
static int setup_qemu(struct hypervisor *h, const struct options *o, mc_err **err)
{
	const struct passwd *user = getpwnam(o->qemu_user);
	const struct group *group = getgrnam(o->qemu_group);

	if (!user)
		mc_err_set(err, 0, "qemu_user: there is no user \"%s\"", o->qemu_user);
	else if (!group)
		mc_err_set(err, 0, "qemu_group: there is no group \"%s\"", o->qemu_group);
	if (!user || !group)
		return -1;
	h->dac_label = mc_strf("+%u:+%u", (unsigned)user->pw_uid, (unsigned)group->gr_gid);
	h->memory = memory_new("/proc", o->reserve_memory_mib, user->pw_uid);
	return 0;
}

static int connect_libvirt(struct hypervisor *h, const struct options *o, int timeout_ms, mc_err **err)
{
	h->events = events_new();
	h->serials = serials_new();
	h->locks = mc_keylock_new();
	h->watch = watch_new(h->events, o->ended_dir, err);
	h->freezes = h->watch ? freezes_new(o->ended_dir, err) : NULL;
	h->connection = h->freezes ? connection_start(o->libvirt_uri, &watcher, h, err) : NULL;
	return h->connection ? connection_wait(h->connection, timeout_ms, err) : -1;
}

static int setup(struct hypervisor *h, const struct options *o, mc_err **err)
{
	h->disk_roots = o->disk_roots;
	h->console_dir = o->console_dir;
	h->hotplug_slots = (int)o->hotplug_slots;
	if (setup_qemu(h, o, err) < 0 || console_init(o->console_dir, err) < 0 ||
	    accelerator_choose(o->accelerator, &h->accelerator, err) < 0)
		return -1;
	mc_log(h->accelerator.kvm ? MC_LOG_INFO : MC_LOG_WARNING, AREA, h->accelerator.reason, "accelerator",
	       h->accelerator.kvm ? "kvm" : "qemu", NULL);
	return connect_libvirt(h, o, (int)o->connect_timeout * 1000, err);
}

/* For `minicloud doctor` while no daemon serves: the same report on standard output. */
static int print_findings(struct hypervisor *h, const struct options *o, mc_err **err)
{
	mc_auto_json json_t *report = NULL;

	if (setup_qemu(h, o, NULL) < 0) /* as on a host where nothing is installed yet */
		h->memory = memory_new("/proc", o->reserve_memory_mib, (uid_t)-1);
	if (accelerator_choose(o->accelerator, &h->accelerator, err) < 0)
		return -1;
	connect_libvirt(h, o, GLANCE_MS, NULL);
	report = doctor_report(h);
	json_dumpf(report, stdout, JSON_COMPACT);
	return putchar('\n') < 0 || fflush(stdout) ? mc_err_set(err, errno, "cannot write") : 0;
}

static int serve(struct hypervisor *h, const struct options *o, const uid_t *allowed, mc_err **err)
{
	mc_auto_fd int listener = mc_ipc_listen(o->socket, 0660, (gid_t)-1, err);
	mc_auto_fd int fd_listener = listener < 0 ? -1 : mc_ipc_listen(o->fd_socket, 0660, (gid_t)-1, err);
	bool thaws = fd_listener >= 0 && freezes_start(h->freezes, h, err) == 0;
	struct mc_fdserver *keys = !thaws ? NULL : secret_server_start(h, fd_listener, allowed, err);
	struct mc_ipc_server *server = keys ? mc_ipc_server_start(listener, hypervisor_routes, allowed, THREADS, h, err) : NULL;

	if (!server) {
		mc_fdserver_stop(keys);
		return -1;
	}
	mc_ipc_server_set_metrics(server, hypervisor_metrics);
	mc_log(MC_LOG_INFO, AREA, "ready", "socket", o->socket, NULL);
	mc_daemon_notify("READY=1");
	mc_daemon_wait(NULL, NULL);
	mc_daemon_notify("STOPPING=1");
	events_close(h->events);
	mc_fdserver_stop(keys);
	mc_ipc_server_stop(server);
	unlink(o->socket);
	unlink(o->fd_socket);
	return 0;
}

static int run(struct hypervisor *h, const struct options *o, mc_err **err)
{
	mc_autofree uid_t *allowed = o->findings ? NULL : mc_daemon_uids(o->allow, err);

	if (o->findings)
		return print_findings(h, o, err);
	return allowed && setup(h, o, err) == 0 ? serve(h, o, allowed, err) : -1;
}

/* The threads first: they use the rest. */
static void teardown(struct hypervisor *h)
{
	freezes_stop(h->freezes);
	if (!connection_stop(h->connection))
		return;
	freezes_free(h->freezes);
	watch_free(h->watch);
	mc_keylock_free(h->locks);
	events_free(h->events);
	serials_free(h->serials);
	memory_free(h->memory);
	free(h->dac_label);
	free(h->accelerator.reason);
}

int main(int argc, char **argv)
{
	struct hypervisor h = { 0 };
	struct options o = { 0 };
	mc_auto_err mc_err *err = NULL;
	int r;

	mc_daemon_init();
	r = mc_config_load(&program, argc, argv, &o, &err);
	if (r == MC_CONFIG_RUN)
		r = run(&h, &o, &err);
	else if (r == MC_CONFIG_EXIT)
		r = 0;
	if (r < 0)
		r = mc_daemon_fail(AREA, err);
	teardown(&h);
	mc_config_free(&program, &o);
	return r;
}
