/* minicloud-storaged: volumes and images as qcow2 layers. See docs/ipc.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/daemon.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/log.h"
#include "storaged/check.h"
#include "storaged/fdserver.h"
#include "storaged/janitor.h"
#include "storaged/metrics.h"
#include "storaged/owners.h"
#include "storaged/reader.h"
#include "storaged/repair.h"
#include "storaged/routes.h"
#include "storaged/storage.h"
#include "storaged/task.h"

#define AREA "storaged"

static void print_finding(void *ctx, const char *text)
{
	(void)ctx;
	puts(text);
}

static void log_finding(void *ctx, const char *text)
{
	(void)ctx;
	mc_log(MC_LOG_WARNING, AREA, "records and store differ", "finding", text, NULL);
}

static int check(const struct storaged_config *config, mc_err **err)
{
	struct storage storage = {0};
	size_t findings = 0;
	int r = storage_open(&storage, config, err);

	if (r == 0)
		r = check_run(&storage, CHECK_TABLES, print_finding, NULL, &findings, err);
	storage_close(&storage);
	if (r < 0)
		return -1;
	printf("%zu finding%s\n", findings, findings == 1 ? "" : "s");
	return findings ? 1 : 0;
}

struct repairing {
	size_t findings;
};

static void print_loss(void *ctx, const char *id, const char *what)
{
	struct repairing *r = ctx;

	r->findings++;
	printf("%s: %s\n", id, what);
}

static int repair(const struct storaged_config *config, mc_err **err)
{
	struct repairing repairing = {0};
	struct storage storage = {0};
	size_t findings = 0;
	int r = repair_run(&storage, config, print_loss, &repairing, err);

	if (r == 0)
		r = check_run(&storage, CHECK_TABLES, print_finding, NULL, &findings, err);
	storage_close(&storage);
	if (r < 0)
		return -1;
	findings += repairing.findings;
	printf("the records have been made anew; %zu finding%s\n", findings, findings == 1 ? "" : "s");
	return findings ? 1 : 0;
}

static int serve(struct storage *storage, const struct storaged_config *config, mc_err **err)
{
	mc_autofree uid_t *allowed = mc_daemon_uids(config->allow, err);
	mc_auto_fd int fd = allowed ? mc_ipc_listen(config->socket, 0660, (gid_t)-1, err) : -1;
	mc_auto_fd int fd_fd = fd < 0 ? -1 : mc_ipc_listen(config->fd_socket, 0660, (gid_t)-1, err);
	struct mc_fdserver *keys = fd_fd < 0 ? NULL : fdserver_start(storage, fd_fd, allowed, err);
	struct mc_ipc_server *server =
		keys ? mc_ipc_server_start(fd, storaged_routes, allowed, (unsigned)config->threads, storage, err) : NULL;

	if (!server) {
		mc_fdserver_stop(keys);
		return -1;
	}
	mc_ipc_server_set_metrics(server, storaged_metrics);
	mc_log(MC_LOG_INFO, AREA, "serving", "socket", config->socket, "store", config->store, NULL);
	mc_daemon_notify("READY=1");
	mc_daemon_wait(NULL, NULL);
	mc_daemon_notify("STOPPING=1");
	mc_fdserver_stop(keys);
	mc_ipc_server_stop(server);
	return 0;
}

static int run(const struct storaged_config *config, mc_err **err)
{
	struct storage storage = {0};
	size_t findings = 0;
	int r = repair_check_broken(config, err);

	if (r == 0)
		r = storage_open(&storage, config, err);
	if (r == 0)
		r = repair_check_needed(&storage, err);
	if (r == 0)
		r = storage_recover(&storage, err);
	if (r == 0)
		r = check_run(&storage, CHECK_HEADERS, log_finding, NULL, &findings, err);
	if (r == 0)
		r = owners_start(storage.owners, err);
	if (r == 0) {
		storage.janitor = janitor_start(&storage, err);
		storage.tasks = tasks_new((unsigned)config->transfers);
		r = storage.janitor ? serve(&storage, config, err) : -1;
	}
	tasks_free(storage.tasks);
	janitor_stop(storage.janitor);
	storage_close(&storage);
	return r;
}

/* What to do instead of serving. */
static const struct {
	const char *flag;
	int (*run)(const struct storaged_config *config, mc_err **err);
} modes[] = {{"--check", check}, {"--repair", repair}};

/* Take such a flag out of the arguments, which are the configuration's otherwise. */
static size_t take_mode(int *argc, char **argv)
{
	for (int i = 1; i < *argc; i++)
		for (size_t m = 0; m < MC_ARRAY_SIZE(modes); m++)
			if (strcmp(argv[i], modes[m].flag) == 0) {
				memmove(argv + i, argv + i + 1, (size_t)(*argc - i) * sizeof(*argv));
				(*argc)--;
				return m;
			}
	return MC_ARRAY_SIZE(modes);
}

int main(int argc, char **argv)
{
	mc_auto_err mc_err *err = NULL;
	struct storaged_config config = {0};
	size_t mode = take_mode(&argc, argv);
	int r;

	if (argc == 4 && strcmp(argv[1], READER_FLAG) == 0)
		return reader_main(argv[2], argv[3]);
	mc_daemon_init();
	r = mc_config_load(&storaged_program, argc, argv, &config, &err);
	if (r == MC_CONFIG_RUN)
		r = mode < MC_ARRAY_SIZE(modes) ? modes[mode].run(&config, &err) : run(&config, &err);
	else if (r == MC_CONFIG_EXIT)
		r = 0;
	mc_config_free(&storaged_program, &config);
	return r < 0 ? mc_daemon_fail(AREA, err) : r;
}
