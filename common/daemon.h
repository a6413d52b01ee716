/* What every daemon's main does. */
#ifndef MC_COMMON_DAEMON_H
#define MC_COMMON_DAEMON_H

#include "common/error.h"

#define MC_VERSION "0.1.0"

/* Block SIGTERM/SIGINT/SIGHUP for all threads to come, ignore SIGPIPE, umask 0007. Call first. */
void mc_daemon_init(void);

/* Tell systemd (sd_notify protocol; nothing without NOTIFY_SOCKET): "READY=1", "STOPPING=1". */
void mc_daemon_notify(const char *state);

/* Wait for SIGTERM or SIGINT (returns it) calling on_hup for SIGHUP; on_hup may be NULL. */
int mc_daemon_wait(void (*on_hup)(void *), void *ctx);

/* Log a start-up failure as the one clear line and return the exit code 1. */
int mc_daemon_fail(const char *area, const mc_err *err);

/* The uids of users named in a comma-separated list, ended by (uid_t)-1, allocated. Unknown names: NULL and *err. */
#include <sys/types.h>
uid_t *mc_daemon_uids(const char *names, mc_err **err);

#endif
