#include "storaged/config.h"

#define OPTION(name, type) "storaged", #name, type, offsetof(struct storaged_config, name)

static const struct mc_option options[] = {
	{OPTION(socket, MC_OPT_PATH), "%R/storaged.sock", 0, 0, "the IPC socket"},
	{OPTION(fd_socket, MC_OPT_PATH), "%R/storaged-fd.sock", 0, 0, "where keys of open volumes go out"},
	{OPTION(allow, MC_OPT_STRING), "minicloud-api", 0, 0, "users that may call, comma-separated"},
	{OPTION(log_level, MC_OPT_LEVEL), "info", 0, 0, "error, warning, info or debug"},
	{OPTION(store, MC_OPT_PATH), "%H/store", 0, 0, "directory of the layers' files"},
	{OPTION(database, MC_OPT_PATH), "%H/storaged/storaged.db", 0, 0, "records of the layers"},
	{OPTION(vault, MC_OPT_PATH), "%H/storaged/vault.db", 0, 0, "keys, sealed under the master key"},
	{OPTION(master_key, MC_OPT_PATH), "%H/keys/master.key", 0, 0, "the master key; best kept on another disk, and a copy elsewhere"},
	{OPTION(import_dir, MC_OPT_PATH), "%H/images-src", 0, 0, "where the operator puts images to import"},
	{OPTION(exchange_dir, MC_OPT_PATH), "%H/exchange", 0, 0, "in its directories, the \"buckets\", files come in and go out"},
	{OPTION(disk_group, MC_OPT_STRING), "minicloud-disk", 0, 0, "group of the layers' files, QEMU's"},
	{OPTION(reserve_percent, MC_OPT_INT), "2", 0, 90, "refuse to create below this much free space (percent)"},
	{OPTION(reserve_mib, MC_OPT_INT), "512", 0, 1 << 30, "and below this much (MiB); the smaller of the two counts"},
	{OPTION(import_timeout, MC_OPT_INT), "900", 1, 86400, "seconds an import may take"},
	{OPTION(transfers, MC_OPT_INT), "2", 1, 16, "imports and exports worked on at once"},
	{OPTION(threads, MC_OPT_INT), "8", 1, 64, "requests worked on at once"},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL},
};

const struct mc_program storaged_program = {
	.name = "minicloud-storaged",
	.summary = "Volumes, snapshots and images as qcow2 layers. `--check` compares the records with\n"
		   "the files and exits 1 when they differ. `--repair` makes the records anew from the\n"
		   "files when their database has been lost or broken; not while storaged runs.",
	.options = options,
};
