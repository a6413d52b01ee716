#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/daemon.h"
#include "common/ipc.h"
#include "common/log.h"
#include "netd/doctor.h"
#include "netd/fdserver.h"
#include "netd/flowlog.h"
#include "netd/metrics.h"
#include "netd/nameservers.h"
#include "netd/netd.h"
#include "netd/relay.h"
#include "netd/routes.h"
#include "netd/state.h"
#include "netd/vpc.h"
#include "netd/watch.h"

#define AREA "netd"
#define THREADS 4
#define DESCRIPTORS 65536
#define RESOLV_CONF "/etc/resolv.conf"
#define SOCKET_MODE 0660
#define SOCKET_GROUP "minicloud"

static int take_config(struct netd *netd, mc_err **err)
{
	const struct netd_config *c = &netd->config;

	cidr_parse(c->public_pool, &netd->host.pool);
	netd->host.uplink = c->uplink;
	netd->host.pool_routed = c->pool_routed;
	netd->host.standing = json_object();
	netd->changed = json_object();
	netd->changed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (netd->changed_fd < 0)
		return mc_err_set(err, errno, "cannot make an eventfd");
	/* Only to look around is no reason to make directories, and maybe as another user. */
	return c->findings ? 0 : state_init(netd, err);
}

/* A VPC takes some: what a login or a unit allows by default is soon too few. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
	setrlimit(RLIMIT_NOFILE, &limit); /* if not, minicloud doctor tells when they run out */
}

static gid_t socket_group(void)
{
	struct group *g = getgrnam(SOCKET_GROUP);

	return g ? g->gr_gid : (gid_t)-1;
}

static int serve(struct netd *netd, mc_err **err)
{
	mc_autofree uid_t *allowed = mc_daemon_uids(netd->config.allow, err);
	mc_auto_fd int ipc_fd = -1, fd_fd = -1;
	struct mc_ipc_server *server;
	struct mc_fdserver *fds;
	struct watch *watch;

	if (!allowed)
		return -1;
	raise_descriptors();
	ipc_fd = mc_ipc_listen(netd->config.socket, SOCKET_MODE, socket_group(), err);
	fd_fd = ipc_fd < 0 ? -1
			   : mc_ipc_listen(netd->config.fd_socket, SOCKET_MODE, socket_group(), err);
	if (fd_fd < 0)
		return -1;
	if (strcmp(netd->config.dns_servers, NAMESERVERS_NONE) != 0 &&
	    !(netd->relay = relay_start(netd->config.dns_servers, RESOLV_CONF, err)))
		return -1;
	vpc_restore_all(netd);
	server = mc_ipc_server_start(ipc_fd, netd_routes, allowed, THREADS, netd, err);
	if (server)
		mc_ipc_server_set_metrics(server, netd_metrics);
	fds = server ? fdserver_start(netd, fd_fd, allowed, err) : NULL;
	watch = fds && flowlog_start(netd, err) == 0 ? watch_start(netd, err) : NULL;
	if (watch) {
		mc_log(MC_LOG_INFO, AREA, "serving", "socket", netd->config.socket, NULL);
		mc_daemon_notify("READY=1");
		mc_daemon_wait(NULL, NULL);
		mc_daemon_notify("STOPPING=1");
	}
	watch_stop(watch);
	flowlog_stop(netd->flows);
	mc_fdserver_stop(fds);
	mc_ipc_server_stop(server);
	relay_stop(netd->relay);
	return watch ? 0 : -1;
}

/* For `minicloud doctor` while no netd serves: the same report on standard output. */
static int print_findings(struct netd *netd, mc_err **err)
{
	mc_auto_json json_t *report = doctor_report(netd, err);

	if (!report)
		return -1;
	json_dumpf(report, stdout, JSON_COMPACT);
	return putchar('\n') < 0 || fflush(stdout) ? mc_err_set(err, errno, "cannot write") : 0;
}

static int run(struct netd *netd, mc_err **err)
{
	if (take_config(netd, err) < 0)
		return -1;
	if (netd->config.findings)
		return print_findings(netd, err);
	return netd->config.teardown ? vpc_delete_all(netd, err) : serve(netd, err);
}

int main(int argc, char **argv)
{
	struct rulecache rules = { .rows = NULL };
	struct tally tally = { .applied = 0 };
	struct nft_cache host_nft = { .generation = 0 };
	struct netd netd = { .lock = PTHREAD_MUTEX_INITIALIZER, .rules = &rules, .tally = &tally,
			     .flows = flowlog_new(), .host.nft = &host_nft };
	mc_auto_err mc_err *err = NULL;
	int r;

	mc_daemon_init();
	r = mc_config_load(&netd_program, argc, argv, &netd.config, &err);
	if (r == MC_CONFIG_RUN)
		r = run(&netd, &err);
	flowlog_free(netd.flows);
	rulecache_free(&rules);
	json_decref(netd.changed);
	json_decref(netd.host.standing);
	nft_cache_close(&host_nft);
	mc_config_free(&netd_program, &netd.config);
	return err ? mc_daemon_fail(AREA, err) : 0;
}
