#include "api/endpoint_server.h"

#include <pthread.h>
#include <string.h>

#include "api/gateway.h"
#include "api/guest_listener.h"
#include "api/vpc_endpoint.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define PORT 80
#define TLS_PORT 443
#define MAX_SERVERS 32

struct server {
	const char *service; /* NULL: this place is free */
	bool tls;
	struct guest_listeners *listeners;
	struct gateway *gateway;
};

struct endpoint_servers {
	struct api *api;
	pthread_mutex_t lock; /* which servers there are; they never go */
	struct server servers[MAX_SERVERS];
};

struct endpoint_servers *endpoint_servers_new(struct api *api)
{
	struct endpoint_servers *s = mc_alloc(sizeof(*s));

	s->api = api;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

static int start(struct endpoint_servers *s, struct server *ret, const char *service, bool tls, mc_err **err)
{
	struct guest_listeners *listeners = guest_listeners_new(s->api->config.netd_fd, err);
	struct gateway *gateway = listeners ? gateway_start_endpoint(s->api, service, tls, listeners, err) : NULL;

	if (!gateway) {
		guest_listeners_free(listeners);
		return -1;
	}
	*ret = (struct server){ .service = service, .tls = tls, .listeners = listeners, .gateway = gateway };
	return 0;
}

static bool is_server(const struct server *server, const char *service, bool tls)
{
	return strcmp(server->service, service) == 0 && server->tls == tls;
}

/* The service's listeners, NULL and *err where they cannot be had. */
static struct guest_listeners *listeners_of(struct endpoint_servers *s, const char *service, bool tls, mc_err **err)
{
	struct server *at = s->servers;
	struct guest_listeners *found = NULL;

	pthread_mutex_lock(&s->lock);
	while (at < s->servers + MAX_SERVERS - 1 && at->service && !is_server(at, service, tls))
		at++;
	if (at->service ? is_server(at, service, tls) : start(s, at, service, tls, err) == 0)
		found = at->listeners;
	pthread_mutex_unlock(&s->lock);
	return found;
}

/* The service of an endpoint, NULL where it is gone. A constant. */
static const char *service_of(struct api *api, const char *endpoint)
{
	struct store_tx *tx = store_read(api->store);
	const char *service = vpc_endpoint_service(store_find(tx, KIND_VPC_ENDPOINT, NULL, NULL, endpoint));

	store_end(tx);
	return service;
}

/* What a socket is known by: an interface, or the gateway endpoint itself. Borrowed. */
static const char *key_of(const json_t *row)
{
	return mc_json_str(row, "eni", mc_json_str(row, "id", ""));
}

/* The document's rows that have a socket: a VPC with nothing in it has no network. New reference. */
static json_t *rows_of(const json_t *doc)
{
	static const char *const others[] = { "enis", "nat_gateways" };
	json_t *rows = json_array();
	bool there;

	json_array_extend(rows, mc_json_arr(doc, "endpoints"));
	there = json_array_size(rows) > 0;
	for (size_t i = 0; i < MC_ARRAY_SIZE(others); i++)
		there = there || json_array_size(mc_json_arr(doc, others[i])) > 0;
	if (there)
		json_array_extend(rows, mc_json_arr(doc, "gateway_endpoints"));
	return rows;
}

static int open_one(struct endpoint_servers *s, const char *vpc, const json_t *row, bool tls, mc_err **err)
{
	const char *id = mc_json_str(row, "id", "");
	const char *service = service_of(s->api, id);
	struct guest_listeners *listeners = service ? listeners_of(s, service, tls, err) : NULL;
	mc_auto_json json_t *question = json_pack("{s:s, s:s, s:s, s:s*, s:i}", "op", "endpoint", "vpc", vpc, "endpoint", id, "eni",
						  mc_json_str(row, "eni", NULL), "port", tls ? TLS_PORT : PORT);

	if (!service) /* deleted meanwhile: the next document does not have it */
		return 0;
	return listeners ? guest_listeners_open(listeners, vpc, key_of(row), question, err) : -1;
}

int endpoint_servers_open(struct endpoint_servers *s, const char *vpc, const json_t *doc, mc_err **err)
{
	mc_auto_json json_t *rows = rows_of(doc);
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row)
		if (open_one(s, vpc, row, false, err) < 0 || (s->api->tls && open_one(s, vpc, row, true, err) < 0))
			return -1;
	return 0;
}

void endpoint_servers_close(struct endpoint_servers *s, const char *vpc, const json_t *doc)
{
	struct guest_listeners *all[MAX_SERVERS] = { NULL };
	mc_auto_json json_t *keep = json_array(), *rows = rows_of(doc);
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row)
		json_array_append_new(keep, json_string(key_of(row)));
	pthread_mutex_lock(&s->lock);
	for (i = 0; i < MAX_SERVERS; i++)
		all[i] = s->servers[i].listeners;
	pthread_mutex_unlock(&s->lock);
	for (i = 0; i < MAX_SERVERS && all[i]; i++)
		guest_listeners_close(all[i], vpc, keep);
}
