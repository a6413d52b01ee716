/* minicloud-storaged: volumes and images as qcow2 layers. See docs/ipc.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/daemon.h"
#include "common/ipc.h"
#include "common/log.h"
#include "storaged/check.h"
#include "storaged/janitor.h"
#include "storaged/reader.h"
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
	struct storage storage;
	size_t findings = 0;
	int r = storage_open(&storage, config, err);

	if (r == 0)
		r = check_run(&storage, print_finding, NULL, &findings, err);
	storage_close(&storage);
	if (r < 0)
		return -1;
	printf("%zu finding%s\n", findings, findings == 1 ? "" : "s");
	return findings ? 1 : 0;
}

static int serve(struct storage *storage, const struct storaged_config *config, mc_err **err)
{
	mc_autofree uid_t *allowed = mc_daemon_uids(config->allow, err);
	mc_auto_fd int fd = -1;
	struct mc_ipc_server *server;

	if (!allowed)
		return -1;
	fd = mc_ipc_listen(config->socket, 0660, (gid_t)-1, err);
	if (fd < 0)
		return -1;
	server = mc_ipc_server_start(fd, storaged_routes, allowed, (unsigned)config->threads, storage, err);
	if (!server)
		return -1;
	mc_log(MC_LOG_INFO, AREA, "serving", "socket", config->socket, "store", config->store, NULL);
	mc_daemon_notify("READY=1");
	mc_daemon_wait(NULL, NULL);
	mc_daemon_notify("STOPPING=1");
	mc_ipc_server_stop(server);
	return 0;
}

static int run(const struct storaged_config *config, mc_err **err)
{
	struct storage storage;
	size_t findings = 0;
	int r = storage_open(&storage, config, err);

	if (r == 0)
		r = storage_recover(&storage, err);
	if (r == 0)
		r = check_run(&storage, log_finding, NULL, &findings, err);
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

/* Take --check out of the arguments, which are the configuration's otherwise. */
static bool take_check(int *argc, char **argv)
{
	for (int i = 1; i < *argc; i++)
		if (strcmp(argv[i], "--check") == 0) {
			memmove(argv + i, argv + i + 1, (size_t)(*argc - i) * sizeof(*argv));
			(*argc)--;
			return true;
		}
	return false;
}

int main(int argc, char **argv)
{
	mc_auto_err mc_err *err = NULL;
	struct storaged_config config = {0};
	bool only_check = take_check(&argc, argv);
	int r;

	if (argc == 4 && strcmp(argv[1], READER_FLAG) == 0)
		return reader_main(argv[2], argv[3]);
	mc_daemon_init();
	r = mc_config_load(&storaged_program, argc, argv, &config, &err);
	if (r == MC_CONFIG_RUN)
		r = only_check ? check(&config, &err) : run(&config, &err);
	else if (r == MC_CONFIG_EXIT)
		r = 0;
	mc_config_free(&storaged_program, &config);
	return r < 0 ? mc_daemon_fail(AREA, err) : r;
}
