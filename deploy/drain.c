/* Ends what runs in a cloud that is going down: guests are asked to shut down,
 * forced when they do not, then every VPC is taken apart. Instances, volumes and
 * all records stay; the instances are found stopped at the next start. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/json.h"

#define CALL_MS 30000u
#define PATIENCE (15 * MC_SECOND) /* a libvirtd that has died is soon back */
#define AGAIN_MS 200

struct drain {
	const char *hypervisor, *netd;
	int64_t deadline; /* boot clock: until then guests are only asked */
	int failures;
};

/* mc_ipc_call(), made again while what stands behind the daemon is away. */
static int drain_call(const char *socket, const char *method, const char *path, const json_t *body, json_t **ret,
		      mc_err **err)
{
	int64_t deadline = mc_clock_boot() + PATIENCE;
	int r;

	while ((r = mc_ipc_call(socket, method, path, body, CALL_MS, ret, err)) == MC_IPC_UNAVAILABLE &&
	       mc_clock_boot() < deadline) {
		mc_err_clear(err);
		poll(NULL, 0, AGAIN_MS);
	}
	return r;
}

static void drain_complain(struct drain *d, const char *what, const char *id, const mc_err *err)
{
	d->failures++;
	fprintf(stderr, "drain: %s %s: %s\n", what, id, mc_err_msg(err));
}

/* The array `key` of GET path; NULL and a complaint when the daemon does not answer. New reference. */
static json_t *drain_list(struct drain *d, const char *socket, const char *path, const char *key)
{
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *answer = NULL;

	if (drain_call(socket, "GET", path, NULL, &answer, &err) != MC_IPC_OK) {
		drain_complain(d, "listing", path, err);
		return NULL;
	}
	return json_incref(mc_json_arr(answer, key));
}

static bool instance_is_off(const json_t *instance)
{
	const char *state = mc_json_str(instance, "state", "");

	return strcmp(state, "paused") != 0 && strcmp(state, "running") != 0;
}

/* Ask (or with force: end) every instance that is on; the number of those. */
static size_t instances_stop(struct drain *d, bool force)
{
	mc_auto_json json_t *list = drain_list(d, d->hypervisor, "/v1/instances", "instances");
	mc_auto_json json_t *body = json_pack("{s:s}", "state", "stopped");
	const json_t *instance;
	size_t i, on = 0;

	if (force)
		json_object_set_new(body, "force", json_true());
	json_array_foreach(list, i, instance) {
		const char *id = mc_json_str(instance, "id", "");
		mc_autofree char *path = mc_strf("/v1/instances/%s", id);
		mc_auto_err mc_err *err = NULL;
		mc_auto_json json_t *answer = NULL;

		if (instance_is_off(instance))
			continue;
		on++;
		if (drain_call(d->hypervisor, "PUT", path, body, &answer, &err) != MC_IPC_OK)
			drain_complain(d, "stopping", id, err);
	}
	return on;
}

static bool instances_all_off(struct drain *d)
{
	mc_auto_json json_t *list = drain_list(d, d->hypervisor, "/v1/instances", "instances");
	const json_t *instance;
	size_t i;

	json_array_foreach(list, i, instance)
		if (!instance_is_off(instance))
			return false;
	return true;
}

static int look_again(void *ctx, const json_t *event)
{
	(void)event;
	return instances_all_off(ctx);
}

/* Wait for all to be off, at most until the deadline. The stream begins with a
 * "resync" line, so no event is missed; it has no timeout, so a child follows it. */
static void instances_wait(struct drain *d)
{
	int64_t left = (d->deadline - mc_clock_boot()) / MC_MS;
	pid_t pid = fork();

	if (pid == 0)
		_exit(mc_ipc_follow(d->hypervisor, "/v1/events", look_again, d, NULL) == 0 ? 0 : 1);

	mc_auto_fd int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	if (pidfd < 0)
		return;
	poll(&p, 1, left > 0 ? (int)left : 0);
	pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	waitpid(pid, NULL, 0);
}

static void vpcs_delete(struct drain *d)
{
	mc_auto_json json_t *list = drain_list(d, d->netd, "/v1/vpcs", "vpcs");
	const json_t *vpc;
	size_t i;

	json_array_foreach(list, i, vpc) {
		const char *id = mc_json_str(vpc, "id", "");
		mc_autofree char *path = mc_strf("/v1/vpcs/%s", id);
		mc_auto_err mc_err *err = NULL;
		mc_auto_json json_t *answer = NULL;

		if (drain_call(d->netd, "DELETE", path, NULL, &answer, &err) != MC_IPC_OK)
			drain_complain(d, "removing", id, err);
	}
}

int main(int argc, char **argv)
{
	struct drain d = {0};
	long seconds = argc == 4 ? strtol(argv[3], NULL, 10) : -1;

	if (seconds < 0) {
		fputs("usage: drain HYPERVISOR-SOCKET NETD-SOCKET SECONDS-TO-ASK-GUESTS\n", stderr);
		return 2;
	}
	d.hypervisor = argv[1];
	d.netd = argv[2];
	d.deadline = mc_clock_boot() + seconds * MC_SECOND;

	size_t on = instances_stop(&d, seconds == 0);

	if (on) {
		printf("drain: waiting for %zu guest(s), at most %ld s\n", on, seconds);
		fflush(stdout);
		instances_wait(&d);
		instances_stop(&d, true);
	}
	vpcs_delete(&d);
	return d.failures ? 1 : 0;
}
