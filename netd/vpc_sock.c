/* Listening sockets inside VPCs, for those who serve there: metadata, endpoints. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "netd/appliance.h"
#include "netd/netns.h"
#include "netd/vpc.h"
#include "netd/vpc_parts.h"

#define METADATA_PORT 80
#define BACKLOG 128

struct listen_args {
	uint32_t addr;
	int port, fd, error;
};

static int listen_here(void *arg)
{
	struct listen_args *a = arg;
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons((uint16_t)a->port),
				    .sin_addr.s_addr = htonl(a->addr) };
	int one = 1;

	a->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (a->fd < 0 || setsockopt(a->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(a->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(a->fd, BACKLOG) < 0)
		a->error = errno;
	return 0;
}

/* An outcome, or -1 and *err. */
static int listen_in(int ns_fd, uint32_t ip, int port, int *ret_fd, mc_err **err)
{
	struct listen_args a = { .addr = ip, .port = port, .fd = -1 };
	char text[ADDR_TEXT_LEN];

	if (netns_call(ns_fd, listen_here, &a, err) < 0)
		return -1;
	if (!a.error) {
		*ret_fd = a.fd;
		return MC_IPC_OK;
	}
	if (a.fd >= 0)
		close(a.fd);
	addr_format(ip, text);
	mc_err_set(err, a.error, "socket on %s port %d", text, port);
	return a.error == EADDRINUSE ? MC_IPC_IN_USE : -1;
}

int vpc_metadata_socket(struct netd *netd, const char *vpc_id, int *ret_fd, mc_err **err)
{
	auto_wanted struct wanted *w = NULL;
	mc_auto_fd int ns = -1;
	auto_netd_lock(netd);
	int r = vpc_load_active(netd, vpc_id, &w, &ns, err);

	return r != MC_IPC_OK ? r : listen_in(ns, ADDR_METADATA, METADATA_PORT, ret_fd, err);
}

/* The interface of the endpoint, that one or its only one; NULL and *err. */
static const struct wanted_eni *find_endpoint(const struct wanted *w, const char *id,
					      const char *eni_id, mc_err **err)
{
	const struct wanted_endpoint *found = NULL;

	for (size_t i = 0; i < w->n_endpoints; i++) {
		const struct wanted_endpoint *p = &w->endpoints[i];

		if (strcmp(p->id, id) != 0 || (eni_id && strcmp(p->eni, eni_id) != 0))
			continue;
		if (found) {
			mc_err_set(err, 0, "%s has several interfaces: say which", id);
			return NULL;
		}
		found = p;
	}
	if (found)
		return wanted_eni_by_id(w, found->eni);
	mc_err_set(err, 0, "%s has no such endpoint", w->id);
	return NULL;
}

int vpc_endpoint_socket(struct netd *netd, const char *vpc_id, const char *endpoint_id,
			const char *eni_id, int port, int *ret_fd, mc_err **err)
{
	auto_wanted struct wanted *w = NULL;
	mc_auto_fd int vpc_ns = -1, ns = -1;
	auto_netd_lock(netd);
	int r = vpc_load_active(netd, vpc_id, &w, &vpc_ns, err);
	const struct wanted_gateway *gateway;
	const struct wanted_eni *eni;
	uint32_t ip;

	if (r != MC_IPC_OK)
		return r;
	gateway = wanted_gateway_by_id(w, endpoint_id);
	eni = gateway ? NULL : find_endpoint(w, endpoint_id, eni_id, err);
	if (!gateway && !eni)
		return MC_IPC_NOT_FOUND;
	ip = gateway ? gateway->ip : eni->ip;
	ns = appliance_open(netd, w, gateway ? gateway->id : eni->id, ip, err);
	return ns < 0 ? -1 : listen_in(ns, ip, port, ret_fd, err);
}
