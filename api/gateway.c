#include "api/gateway.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api/console_session.h"
#include "api/feed.h"
#include "api/gateway_request.h"
#include "api/guest_listener.h"
#include "api/tls.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define AREA "gateway"
#define MAX_CONNECTIONS 1024
#define IDLE_SECONDS 75
#define THREADS 4
#define FEED_BLOCK 4096

struct gateway {
	struct api *api;
	struct MHD_Daemon *mhd;
	const char *service; /* of an endpoint; NULL: all */
	bool local;
};

/* One HTTP request from its first byte to its answer. */
struct exchange {
	struct gateway *g;
	struct MHD_Connection *connection;
	char *uri;
	struct gateway_request req;
	size_t cap;
	struct engine_call *ec;
	int64_t began;
	bool seen, waiting;
};

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *c)
{
	struct exchange *x = mc_alloc(sizeof(*x));

	x->g = cls;
	x->connection = c;
	x->uri = mc_strdup(uri);
	x->began = mc_clock_boot();
	return x;
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct gateway_request *req = cls;

	(void)kind;
	if (req->n_headers == SIGV4_MAX_HEADERS)
		return MHD_NO;
	req->headers[req->n_headers++] = (struct sigv4_header){ .name = name, .value = value ? value : "" };
	return MHD_YES;
}

static uid_t peer_uid(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return (uid_t)-1;
	return cred.uid;
}

static void prepare(struct exchange *x, const char *method)
{
	char *mark = strchr(x->uri, '?');

	if (mark)
		*mark = '\0';
	x->req.api = x->g->api;
	x->req.method = method;
	x->req.path = x->uri;
	x->req.query = mark ? mark + 1 : "";
	x->req.local = x->g->local;
	x->req.only_service = x->g->service;
	x->req.peer_uid = x->g->local ? peer_uid(x->connection) : (uid_t)-1;
	MHD_get_connection_values(x->connection, MHD_HEADER_KIND, on_header, &x->req);
}

/* --- answering ---------------------------------------------------------- */

static void log_request(const struct exchange *x, int status)
{
	mc_autofree char *took = mc_strf("%lldus", (long long)((mc_clock_boot() - x->began) / 1000));
	mc_autofree char *code = mc_strf("%d", status);
	const struct call *call = &x->ec->call;

	mc_log_set_request_id(x->ec->request_id);
	mc_log(MC_LOG_INFO, AREA, "request", "action", call->op ? model_operation_name(call->op) : x->req.path, "status", code,
	       "error", call->error_code, "account", *x->ec->caller.account ? x->ec->caller.account : NULL, "took", took, NULL);
	mc_log_set_request_id(NULL);
}

static enum MHD_Result send_response(struct exchange *x, int status, const char *type, struct MHD_Response *r)
{
	enum MHD_Result result;

	if (type)
		MHD_add_response_header(r, "Content-Type", type);
	MHD_add_response_header(r, "x-amzn-RequestId", x->ec->request_id);
	MHD_add_response_header(r, "Cache-Control", "no-cache, no-store");
	log_request(x, status);
	result = MHD_queue_response(x->connection, (unsigned)status, r);
	MHD_destroy_response(r);
	return result;
}

static ssize_t on_feed_read(void *reader, uint64_t at, char *buf, size_t max)
{
	(void)at;
	return (ssize_t)feed_read(reader, buf, max);
}

static void on_feed_end(void *reader)
{
	feed_leave(reader);
}

static void suspend(void *connection)
{
	MHD_suspend_connection(connection);
}

static void resume(void *connection)
{
	MHD_resume_connection(connection);
}

/* A stream has no end: the response is freed, and the reader leaves, when the connection goes.
 * NULL where there are too many. */
static struct MHD_Response *feed_response(struct exchange *x)
{
	const struct feed_filter filter = {
		.account = x->ec->caller.account, .region = mc_json_str(x->ec->in, "region", NULL),
		.kinds = mc_json_str(x->ec->in, "kind", NULL),
	};
	const struct feed_sleep sleep = { suspend, resume, x->connection };
	const char *last = gateway_request_header(&x->req, "Last-Event-ID");
	struct feed_reader *reader = feed_join(x->g->api->feed, &filter, last, &sleep);

	if (!reader)
		return NULL;
	return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, FEED_BLOCK, on_feed_read, reader, on_feed_end);
}

static void on_relay_end(void *handle)
{
	MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
}

static void on_upgrade(void *cls, struct MHD_Connection *c, void *state, const char *extra, size_t n, MHD_socket sock,
		       struct MHD_UpgradeResponseHandle *handle)
{
	struct exchange *x = state;

	(void)cls, (void)c;
	if (console_relay(sock, x->ec->call.fd, extra, n, on_relay_end, handle))
		x->ec->call.fd = -1; /* the relay closes it */
	else
		MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
}

static enum MHD_Result answer_page(struct exchange *x)
{
	struct MHD_Response *r;

	if (x->req.form_of_answer == GATEWAY_EVENTS) {
		r = feed_response(x);
		return r ? send_response(x, 200, x->req.plain_type, r) : MHD_NO;
	}
	r = MHD_create_response_for_upgrade(on_upgrade, NULL);
	MHD_add_response_header(r, "Upgrade", x->req.plain_type);
	return send_response(x, 101, NULL, r);
}

static struct MHD_Response *answer_response(struct gateway_answer *a)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(a->len, a->text, MHD_RESPMEM_MUST_FREE);
	const char *name;
	json_t *value;

	json_object_foreach(a->headers, name, value)
		MHD_add_response_header(r, name, json_string_value(value));
	json_decref(a->headers);
	if (a->protocol)
		MHD_add_response_header(r, "smithy-protocol", a->protocol);
	if (a->query_error)
		MHD_add_response_header(r, "x-amzn-query-error", a->query_error);
	free(a->query_error);
	return r;
}

static enum MHD_Result answer(struct exchange *x)
{
	struct gateway_answer a = { 0 };
	enum gateway_form form = x->req.form_of_answer;

	if (!x->ec->call.error && (form == GATEWAY_EVENTS || form == GATEWAY_UPGRADE))
		return answer_page(x);
	gateway_request_answer(&x->req, x->ec, &a);
	return send_response(x, a.status, a.type, answer_response(&a));
}

/* From a worker: the answer is there, MHD calls on_request once more. */
static void on_ready(struct engine_call *ec)
{
	struct exchange *x = ec->ctx;

	MHD_resume_connection(x->connection);
}

static enum MHD_Result handle(struct exchange *x)
{
	if (x->waiting)
		return answer(x);
	x->ec = engine_call_new(x->g->api);
	x->ec->ctx = x;
	if (gateway_request_run(&x->req, x->ec) == ENGINE_DONE)
		return answer(x);
	x->waiting = true;
	MHD_suspend_connection(x->connection);
	engine_wait(x->ec, on_ready);
	return MHD_YES;
}

static bool take_body(struct exchange *x, const char *data, size_t n)
{
	if (x->req.body_len + n > GATEWAY_BODY_MAX) {
		x->req.too_large = true;
		return true;
	}
	if (x->req.body_len + n + 1 > x->cap) {
		size_t cap = (x->req.body_len + n) * 2 + 256;
		char *grown = realloc(x->req.body, cap);

		if (!grown)
			return false;
		x->req.body = grown;
		x->cap = cap;
	}
	memcpy(x->req.body + x->req.body_len, data, n);
	x->req.body_len += n;
	return true;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method,
				  const char *version, const char *data, size_t *size, void **state)
{
	struct exchange *x = *state;

	(void)cls, (void)c, (void)url, (void)version;
	if (!x->seen) {
		x->seen = true;
		prepare(x, method);
		return MHD_YES;
	}
	if (*size == 0)
		return handle(x);
	if (!take_body(x, data, *size))
		return MHD_NO;
	*size = 0;
	return MHD_YES;
}

static void on_done(void *cls, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode why)
{
	struct exchange *x = *state;

	(void)cls, (void)c, (void)why;
	if (!x)
		return;
	engine_call_free(x->ec);
	gateway_request_free(&x->req);
	free(x->uri);
	free(x);
	*state = NULL;
}

/* --- life --------------------------------------------------------------- */

/* The flags and options that all servers have, and some more (ended by MHD_OPTION_END). */
static bool start_server(struct gateway *g, bool tls, unsigned flags, const struct MHD_OptionItem *more, mc_err **err)
{
	struct MHD_OptionItem secrets[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, tls ? g->api->tls->certificate : NULL },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, tls ? g->api->tls->key : NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	g->mhd = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | flags |
				  (tls ? MHD_USE_TLS : 0), 0, NULL, NULL, on_request, g, MHD_OPTION_URI_LOG_CALLBACK, on_uri, g,
				  MHD_OPTION_NOTIFY_COMPLETED, on_done, NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS,
				  MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_ARRAY, more,
				  MHD_OPTION_ARRAY, tls ? secrets : secrets + 2, MHD_OPTION_END);
	if (!g->mhd)
		mc_err_set(err, errno, "cannot start the HTTP server");
	return g->mhd != NULL;
}

static struct gateway *start_on(struct gateway g, bool tls, int listen_fd, mc_err **err)
{
	const struct MHD_OptionItem options[] = {
		{ MHD_OPTION_LISTEN_SOCKET, listen_fd, NULL },
		{ MHD_OPTION_THREAD_POOL_SIZE, THREADS, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};
	struct gateway *own = mc_alloc(sizeof(*own));

	*own = g;
	if (start_server(own, tls, MHD_ALLOW_UPGRADE, options, err))
		return own;
	free(own);
	return NULL;
}

struct gateway *gateway_start(struct api *api, int listen_fd, bool local, mc_err **err)
{
	return start_on((struct gateway){ .api = api, .local = local }, false, listen_fd, err);
}

struct gateway *gateway_start_tls(struct api *api, int listen_fd, mc_err **err)
{
	return start_on((struct gateway){ .api = api }, true, listen_fd, err);
}

struct gateway *gateway_start_endpoint(struct api *api, const char *service, bool tls, struct guest_listeners *listeners,
				       mc_err **err)
{
	const struct MHD_OptionItem options[] = {
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)guest_listeners_notify, listeners },
		{ MHD_OPTION_END, 0, NULL },
	};
	struct gateway *g = mc_alloc(sizeof(*g));

	*g = (struct gateway){ .api = api, .service = service };
	if (start_server(g, tls, MHD_USE_NO_LISTEN_SOCKET, options, err)) {
		if (guest_listeners_run(listeners, g->mhd, err) == 0)
			return g;
		MHD_stop_daemon(g->mhd);
	}
	free(g);
	return NULL;
}

void gateway_stop(struct gateway *g)
{
	if (!g)
		return;
	/* A suspended connection cannot be stopped, so the daemon object is left to
	 * the end of the process; no new request gets in. */
	MHD_quiesce_daemon(g->mhd);
}

/* To be freed by freeaddrinfo(). NULL and *err. */
static struct addrinfo *parse_address(const char *address, mc_err **err)
{
	static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					       .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV };
	mc_autofree char *host = mc_strdup(address);
	char *colon = strrchr(host, ':');
	struct addrinfo *info = NULL;

	if (colon)
		*colon = '\0';
	if (colon && getaddrinfo(host, colon + 1, &hints, &info) == 0)
		return info;
	mc_err_set(err, 0, "\"%s\" is not address:port", address);
	return NULL;
}

int gateway_check_address(const char *address, mc_err **err)
{
	struct addrinfo *info = parse_address(address, err);

	if (info)
		freeaddrinfo(info);
	return info ? 0 : -1;
}

int gateway_listen(const char *address, mc_err **err)
{
	struct addrinfo *info = parse_address(address, err);
	mc_auto_fd int fd = -1;
	int one = 1, bound;

	if (!info)
		return -1;
	fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	bound = fd >= 0 ? bind(fd, info->ai_addr, info->ai_addrlen) : -1;
	freeaddrinfo(info);
	if (bound < 0 || listen(fd, 256) < 0)
		return mc_err_set(err, errno, "cannot listen on %s", address);
	return MC_STEAL_FD(fd);
}
