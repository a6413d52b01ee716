/* Listening sockets that netd opens inside VPCs, for a service that guests ask, and the
 * thread that accepts on all of them. Each connection is handed to the HTTP library
 * together with the socket it came in by and its source address. */
#ifndef MC_API_GUEST_LISTENER_H
#define MC_API_GUEST_LISTENER_H

#include <jansson.h>
#include <microhttpd.h>

#include "common/error.h"
#include "common/id.h"

/* Where a connection comes from: what identifies the guest. */
struct guest_peer {
	char key[MC_ID_LEN]; /* of the socket */
	char ip[16]; /* dotted quad */
};

struct guest_listeners;

/* Without sockets yet; netd_fd is netd's descriptor socket (borrowed). NULL and *err on failure. */
struct guest_listeners *guest_listeners_new(const char *netd_fd, mc_err **err);
/* Accept from now on, for this daemon. Its MHD_OPTION_NOTIFY_CONNECTION must be
 * guest_listeners_notify with these listeners. 0, or -1 and *err. */
int guest_listeners_run(struct guest_listeners *l, struct MHD_Daemon *mhd, mc_err **err);
/* Accept no more and close the sockets; connections stay the daemon's. */
void guest_listeners_stop(struct guest_listeners *l);
/* After the daemon has ended. NULL is fine. */
void guest_listeners_free(struct guest_listeners *l);

/* Ask netd for a socket unless it is here: `question` as netd's descriptor socket takes it
 * (docs/ipc.md), `key` the id it is known by, in the namespace of `vpc`. Waits for netd. 0,
 * or -1 and *err. */
int guest_listeners_open(struct guest_listeners *l, const char *vpc, const char *key, const json_t *question, mc_err **err);
/* Close the sockets of the VPC but for those whose keys are in `keep` (strings; NULL: all),
 * and their connections, and wait until these are gone: any of them would keep the
 * namespace alive. */
void guest_listeners_close(struct guest_listeners *l, const char *vpc, const json_t *keep);

/* An MHD_NotifyConnectionCallback. */
void guest_listeners_notify(void *listeners, struct MHD_Connection *connection, void **socket_context,
			       enum MHD_ConnectionNotificationCode what);
/* The peer of a connection, NULL where it did not come in by a listener. Borrowed from it. */
const struct guest_peer *guest_peer(struct MHD_Connection *connection);

#endif
