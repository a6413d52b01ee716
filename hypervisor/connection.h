/* The connection to libvirtd: its event loop, its loss and its return. */
#ifndef MC_HYPERVISOR_CONNECTION_H
#define MC_HYPERVISOR_CONNECTION_H

#include <libvirt/libvirt.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

/* Called from the connection's own threads: connecting and connected from one that may
 * wait for libvirtd, the others from libvirt's event loop, which must not be held up. */
struct connection_watcher {
	/* A new connection, not yet in use. It is borrowed. */
	void (*connecting)(void *ctx, virConnectPtr conn);
	/* It is in use: everything may have changed since the last one was lost. */
	void (*connected)(void *ctx, virConnectPtr conn);
	void (*lost)(void *ctx, const char *reason);
	/* A virDomainEventType and its detail. */
	void (*lifecycle)(void *ctx, virDomainPtr domain, int event, int detail);
	void (*rebooted)(void *ctx, virDomainPtr domain);
	/* A device is gone from a running domain; its alias ("ua-vol-…"). */
	void (*device_removed)(void *ctx, virDomainPtr domain, const char *alias);
	/* Every half a minute, connected or not. */
	void (*tick)(void *ctx);
};

struct connection;

/* Start the threads that connect and stay connected. Once per process (libvirt's event
 * loop is). uri and watcher must live on. NULL and *err. */
struct connection *connection_start(const char *uri, const struct connection_watcher *watcher, void *ctx,
				    mc_err **err);

/* Wait until connected. 0, or -1 and *err with the last failure after timeout_ms. */
int connection_wait(struct connection *c, int timeout_ms, mc_err **err);

/* A connection for one request, to be closed with virConnectClose(); NULL and *err while
 * libvirtd is away. Not the standing one: a thread that waits there, say for a stuck QEMU's
 * end, keeps the others' calls waiting until its next keepalive (libvirt 9.0; tried). */
virConnectPtr connection_get(struct connection *c, mc_err **err);

/* Does the standing connection, which brings the events, stand? */
bool connection_is_up(struct connection *c);

/* Since the start; read-only for others. */
struct connection_counts {
	_Atomic uint64_t opened; /* for requests */
	_Atomic uint64_t errors; /* that libvirt reported, those it is asked for to learn of an absence included */
	_Atomic uint64_t lost;   /* standing connections */
};
const struct connection_counts *connection_counts(const struct connection *c);

/* After a libvirt call failed in this thread: put its message behind `what` into *err and
 * return the outcome it stands for (enum mc_ipc_outcome), or -1 for an internal failure. */
int connection_outcome(virConnectPtr conn, mc_err **err, const char *what);

/* End the threads and free. False where one hangs in a hung libvirtd: then nothing is freed,
 * and what the watcher uses must stay until the process ends. NULL is fine. */
bool connection_stop(struct connection *c);

#endif
