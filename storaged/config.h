#ifndef MC_STORAGED_CONFIG_H
#define MC_STORAGED_CONFIG_H

#include "common/config.h"

struct storaged_config {
	char *socket, *fd_socket, *allow, *log_level;
	char *store, *database, *import_dir, *exchange_dir, *disk_group;
	char *vault, *master_key;
	long reserve_percent, reserve_mib, import_timeout, transfers, threads;
};

extern const struct mc_program storaged_program;

#endif
