/* The front door: HTTP on TCP (SigV4) and on the unix socket (peer credentials). */
#ifndef MC_API_GATEWAY_H
#define MC_API_GATEWAY_H

#include "api/api.h"
#include "common/error.h"

struct gateway;

/* Serve a listening descriptor (the caller keeps it). local: callers are known by
 * SO_PEERCRED and root is the default account's root. NULL and *err on failure. */
struct gateway *gateway_start(struct api *api, int listen_fd, bool local, mc_err **err);
/* The same with api->tls, for others than local callers. */
struct gateway *gateway_start_tls(struct api *api, int listen_fd, mc_err **err);
/* The same for guests, by what their endpoints of this service take in: calls of other
 * services are refused. tls: with api->tls. Accepts from now on. NULL and *err on failure. */
struct guest_listeners;
struct gateway *gateway_start_endpoint(struct api *api, const char *service, bool tls, struct guest_listeners *listeners,
				       mc_err **err);
/* Stop taking requests. Those that wait are dropped with their connections. */
void gateway_stop(struct gateway *g);

/* Is it "address:port", of numbers? 0, or -1 and *err. */
int gateway_check_address(const char *address, mc_err **err);
/* A listening TCP socket on "address:port". The descriptor, or -1 and *err. */
int gateway_listen(const char *address, mc_err **err);

#endif
