/* Network namespaces pinned by bind mounts, as ip-netns(8) does. */
#ifndef NETD_NETNS_H
#define NETD_NETNS_H

#include <stdbool.h>

#include "common/error.h"

/* Is path a mounted namespace? (A plain file left by a crash or a reboot is none.) */
bool netns_pinned(const char *path);

/* Make a namespace and pin it at path. Nothing is left behind on failure. 0 or -1 and *err. */
int netns_create(const char *path, mc_err **err);

/* A CLOEXEC descriptor of the pinned namespace, or -1 and *err. */
int netns_open(const char *path, mc_err **err);

/* Unmount and remove the file; fine when absent. Unlinking also drops the copies of the
 * mount that other mount namespaces may hold. 0 or -1 and *err. */
int netns_remove(const char *path, mc_err **err);

/* For a descriptor that is kept for as long as its VPC is there: another one for the same, above all that libnftables can
 * use (it asks select(2), which aborts beyond FD_SETSIZE); fd itself where there is none. fd may be -1. Takes fd over. */
int netns_lift(int fd);

/* Run fn in the namespace on the calling thread and come back. fn's answer, or -1 and
 * *err when it could not be entered. A thread that cannot come back aborts the daemon:
 * everything it did next would happen in a guest's network. */
int netns_call(int ns_fd, int (*fn)(void *arg), void *arg, mc_err **err);

#endif
