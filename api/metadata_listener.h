/* The listening sockets of the metadata service, one per VPC, and the thread
 * that accepts on all of them. Each connection is handed to the HTTP library
 * together with the VPC it came in by and its source address. */
#ifndef MC_API_METADATA_LISTENER_H
#define MC_API_METADATA_LISTENER_H

#include <microhttpd.h>

#include "common/error.h"
#include "common/id.h"

/* Where a connection comes from: what identifies the guest. */
struct metadata_peer {
	char vpc[MC_ID_LEN];
	char ip[16]; /* dotted quad */
};

struct metadata_listeners;

/* Without sockets yet; netd_fd is netd's descriptor socket (borrowed). NULL and *err on failure. */
struct metadata_listeners *metadata_listeners_new(const char *netd_fd, mc_err **err);
/* Accept from now on, for this daemon. Its MHD_OPTION_NOTIFY_CONNECTION must be
 * metadata_listeners_notify with these listeners. 0, or -1 and *err. */
int metadata_listeners_run(struct metadata_listeners *l, struct MHD_Daemon *mhd, mc_err **err);
/* Accept no more and close the sockets; connections stay the daemon's. */
void metadata_listeners_stop(struct metadata_listeners *l);
/* After the daemon has ended. NULL is fine. */
void metadata_listeners_free(struct metadata_listeners *l);

/* Ask netd for the VPC's socket unless it is here. Waits for netd. 0, or -1 and *err. */
int metadata_listeners_open(struct metadata_listeners *l, const char *vpc_id, mc_err **err);
/* Close the VPC's socket and its connections, and wait until these are gone:
 * any of them would keep the namespace alive. */
void metadata_listeners_close(struct metadata_listeners *l, const char *vpc_id);

/* An MHD_NotifyConnectionCallback. */
void metadata_listeners_notify(void *listeners, struct MHD_Connection *connection, void **socket_context,
			       enum MHD_ConnectionNotificationCode what);
/* The peer of a connection, NULL where it did not come in by a listener. Borrowed from it. */
const struct metadata_peer *metadata_peer(struct MHD_Connection *connection);

#endif
