#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/crash.h"
#include "common/daemon.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/metrics.h"

#define MAX_BODY (8u << 20)
#define MAX_CONNECTIONS 128
#define AREA "ipc"

struct mc_ipc_server {
	struct MHD_Daemon *mhd;
	const struct mc_ipc_route *routes;
	size_t n_routes;
	_Atomic unsigned long *counts; /* [route][outcome] */
	uid_t *allowed;
	void *ctx;
	mc_ipc_metrics_fn *metrics;
	_Atomic int stopping;
};

struct mc_ipc_stream {
	struct mc_ipc_server *server;
	int fd;
};

struct mc_ipc_upgrade {
	int fd;
	bool accepted;
};

/* One request under way; MHD hands it back on every call. */
struct call {
	char *body;
	size_t len;
	bool too_large;
};

struct answer {
	int outcome;
	json_t *body;
	mc_err *err;
};

/* --- matching ----------------------------------------------------------- */

static bool free_name(const char *s, size_t n)
{
	if (n == 0 || n > 64)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", s[i]))
			return false;
	return true;
}

/* Match path against the pattern; the text of each {} goes to vars (allocated). */
static bool match(const char *pattern, const char *path, char **vars)
{
	size_t n = 0;

	while (*pattern) {
		size_t seg;

		if (strncmp(pattern, "{}", 2) != 0) {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		seg = strcspn(path, "/");
		if (seg == 0 || n == MC_IPC_MAX_VARS)
			return false;
		free(vars[n]);
		vars[n] = strndup(path, seg);
		n++;
		path += seg;
		pattern += 2;
	}
	return *path == '\0';
}

static bool vars_good(const struct mc_ipc_route *route, char **vars)
{
	for (size_t i = 0; i < MC_IPC_MAX_VARS && vars[i]; i++) {
		if (route->prefixes[i] ? !mc_id_valid(route->prefixes[i], vars[i])
				       : !free_name(vars[i], strlen(vars[i])))
			return false;
	}
	return true;
}

/* --- peer --------------------------------------------------------------- */

static int peer_of(struct MHD_Connection *c, struct ucred *ret)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	socklen_t len = sizeof(*ret);

	return info && getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, ret, &len) == 0 ? 0 : -1;
}

static bool allowed(const struct mc_ipc_server *s, uid_t uid)
{
	if (uid == 0 || uid == geteuid())
		return true;
	for (const uid_t *u = s->allowed; u && *u != (uid_t)-1; u++)
		if (*u == uid)
			return true;
	return false;
}

/* --- built-in routes ---------------------------------------------------- */

static json_t *route_list(const struct mc_ipc_server *s)
{
	json_t *list = json_array();

	for (const struct mc_ipc_route *r = s->routes; r->method; r++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "method", r->method, "path",
						      r->pattern, "help", r->help ? r->help : ""));
	return json_pack("{s:o}", "routes", list);
}

static char *metrics_text(struct mc_ipc_server *s)
{
	char *buf = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&buf, &len);
	mc_autofree char *more = s->metrics ? s->metrics(s->ctx) : NULL;

	mc_metrics_head(f, "minicloud_ipc_requests_total", "counter", "Requests that were answered.");
	for (size_t r = 0; r < s->n_routes; r++)
		for (int o = 0; o < MC_IPC_OUTCOME_MAX; o++) {
			unsigned long n = s->counts[r * MC_IPC_OUTCOME_MAX + (size_t)o];

			if (n)
				fprintf(f, "minicloud_ipc_requests_total{method=\"%s\",route=\"%s\",outcome=\"%s\"} %lu\n",
					s->routes[r].method, s->routes[r].pattern,
					mc_ipc_outcome_name((enum mc_ipc_outcome)o), n);
		}
	if (more)
		fputs(more, f);
	fclose(f);
	return buf;
}

/* --- answering ---------------------------------------------------------- */

static enum MHD_Result send_text(struct MHD_Connection *c, int status, const char *type, char *text)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	MHD_add_response_header(r, "Content-Type", type);
	result = MHD_queue_response(c, (unsigned)status, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result send_answer(struct MHD_Connection *c, struct answer *a)
{
	enum mc_ipc_outcome o = a->outcome < 0 ? MC_IPC_INTERNAL : (enum mc_ipc_outcome)a->outcome;
	mc_auto_json json_t *body = NULL;
	char *text;

	if (a->outcome < 0)
		mc_log(MC_LOG_ERROR, AREA, "request failed", "reason", mc_err_msg(a->err), NULL);
	if (o == MC_IPC_OK)
		body = a->body ? json_incref(a->body) : json_object();
	else
		body = json_pack("{s:s, s:s}", "outcome", mc_ipc_outcome_name(o), "message",
				 mc_err_msg(a->err));
	text = json_dumps(body, JSON_COMPACT);
	return send_text(c, mc_ipc_outcome_status(o), "application/json", text ? text : mc_strdup("{}"));
}

static enum MHD_Result answer_now(struct MHD_Connection *c, enum mc_ipc_outcome o, const char *message)
{
	struct answer a = { .outcome = o };
	enum MHD_Result result;

	mc_err_set(&a.err, 0, "%s", message);
	result = send_answer(c, &a);
	mc_err_free(a.err);
	return result;
}

static enum MHD_Result add_query(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	(void)kind;
	json_object_set_new(cls, key, json_string(value ? value : ""));
	return MHD_YES;
}

/* The body against the route's table. 0, or the outcome to answer. */
static int read_body(const struct mc_ipc_route *route, const struct call *call, json_t **ret, mc_err **err)
{
	json_error_t e;

	if (!route->fields) {
		return 0;
	}
	*ret = call->len ? json_loadb(call->body, call->len, JSON_REJECT_DUPLICATES, &e) : json_object();
	if (!*ret) {
		mc_err_set(err, 0, "the body is no JSON: line %d: %s", e.line, e.text);
		return MC_IPC_BAD_REQUEST;
	}
	return mc_fields_check(route->fields, *ret, err) < 0 ? MC_IPC_BAD_REQUEST : 0;
}

/* A stream takes the connection over: the answer is written here, in the
 * connection's own thread, and ends when the connection is closed. */
static enum MHD_Result run_stream(struct mc_ipc_server *s, const struct mc_ipc_route *route,
				  struct MHD_Connection *c, const struct mc_ipc_request *req)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
				   "Connection: close\r\n\r\n";
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct mc_ipc_stream stream = { .server = s, .fd = info->connect_fd };

	if (send(stream.fd, head, sizeof(head) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(head) - 1)
		route->stream(s->ctx, req, &stream);
	return MHD_NO;
}

int mc_ipc_upgrade_accept(struct mc_ipc_upgrade *up)
{
	static const char head[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
				   "Upgrade: minicloud\r\n\r\n";

	up->accepted = send(up->fd, head, sizeof(head) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(head) - 1;
	return up->accepted ? up->fd : -1;
}

/* What changes something is worth a line: by its request id it is found again. */
static void log_call(const struct mc_ipc_request *req, int outcome, int64_t began)
{
	enum mc_log_level level = strcmp(req->method, "GET") == 0 ? MC_LOG_DEBUG : MC_LOG_INFO;
	mc_autofree char *took = mc_strf("%lldus", (long long)((mc_clock_boot() - began) / 1000));

	mc_log(level, AREA, "request", "method", req->method, "path", req->path, "outcome",
	       outcome == 0 ? "ok" : mc_ipc_outcome_name(outcome < 0 ? MC_IPC_INTERNAL : (enum mc_ipc_outcome)outcome),
	       "took", took, NULL);
}

static void run_handler(struct mc_ipc_server *s, const struct mc_ipc_route *route, struct mc_ipc_request *req,
			const struct call *call, struct answer *a)
{
	mc_auto_json json_t *body = NULL;
	int64_t began = mc_clock_boot();

	a->outcome = read_body(route, call, &body, &a->err);
	req->body = body;
	if (a->outcome == 0)
		a->outcome = route->handler(s->ctx, req, &a->body, &a->err);
	req->body = NULL;
	log_call(req, a->outcome, began);
}

static enum MHD_Result run_route(struct mc_ipc_server *s, const struct mc_ipc_route *route,
				 struct MHD_Connection *c, struct mc_ipc_request *req,
				 const struct call *call)
{
	mc_auto_json json_t *query = json_object();
	struct answer a = { 0 };
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct mc_ipc_upgrade upgrade = { .fd = info->connect_fd };
	enum MHD_Result result = MHD_NO;

	MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, add_query, query);
	req->query = query;
	if (route->stream)
		return run_stream(s, route, c, req);
	if (strcmp(route->method, MC_IPC_UPGRADE) == 0)
		req->upgrade = &upgrade;
	run_handler(s, route, req, call, &a);
	if (strcmp(route->method, "GET") != 0)
		MC_CRASH_POINT(); /* done, and nobody was told */
	s->counts[(size_t)(route - s->routes) * MC_IPC_OUTCOME_MAX +
		  (size_t)(a.outcome < 0 ? MC_IPC_INTERNAL : a.outcome)]++;
	if (!upgrade.accepted) /* else the connection ends here */
		result = send_answer(c, &a);
	json_decref(a.body);
	mc_err_free(a.err);
	return result;
}

static const struct mc_ipc_route *find_route(const struct mc_ipc_server *s, const char *method,
					     const char *path, char **vars, bool *ret_path_known)
{
	for (const struct mc_ipc_route *r = s->routes; r->method; r++) {
		if (!match(r->pattern, path, vars))
			continue;
		*ret_path_known = true;
		if (strcmp(r->method, method) == 0)
			return r;
	}
	return NULL;
}

static void free_vars(char **vars)
{
	for (size_t i = 0; i < MC_IPC_MAX_VARS; i++)
		free(vars[i]);
}

static enum MHD_Result dispatch(struct mc_ipc_server *s, struct MHD_Connection *c, const char *path,
				const char *method, const struct call *call, const struct ucred *peer)
{
	char *vars[MC_IPC_MAX_VARS] = { NULL };
	struct mc_ipc_request req = { .method = method, .path = path, .peer_uid = peer->uid,
				      .peer_pid = peer->pid, .request_id = mc_log_request_id() };
	bool known = false, upgrade = strcmp(method, "GET") == 0 && MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Upgrade");
	const struct mc_ipc_route *route = find_route(s, upgrade ? MC_IPC_UPGRADE : method, path, vars, &known);
	enum MHD_Result result;

	memcpy(req.vars, vars, sizeof(vars));
	if (!route)
		result = answer_now(c, known ? MC_IPC_UNSUPPORTED : MC_IPC_NOT_FOUND,
				    known ? "the method does not fit the path" : "there is no such path");
	else if (!vars_good(route, vars))
		result = answer_now(c, MC_IPC_BAD_REQUEST, "an id in the path is malformed");
	else
		result = run_route(s, route, c, &req, call);
	free_vars(vars);
	return result;
}

static enum MHD_Result answer_call(struct mc_ipc_server *s, struct MHD_Connection *c, const char *path,
				   const char *method, const struct call *call)
{
	struct ucred peer;
	struct answer a = { 0 };
	enum MHD_Result result;

	mc_log_set_request_id(MHD_lookup_connection_value(c, MHD_HEADER_KIND, "X-Request-Id"));
	if (peer_of(c, &peer) < 0 || !allowed(s, peer.uid))
		return answer_now(c, MC_IPC_DENIED, "this user may not call this daemon");
	if (call->too_large)
		return answer_now(c, MC_IPC_BAD_REQUEST, "the body is too large");
	if (strcmp(method, "GET") != 0 || (strcmp(path, "/v1") != 0 && strcmp(path, "/v1/health") != 0 &&
					   strcmp(path, "/metrics") != 0))
		return dispatch(s, c, path, method, call, &peer);
	if (strcmp(path, "/metrics") == 0)
		return send_text(c, 200, "text/plain; version=0.0.4", metrics_text(s));
	a.body = strcmp(path, "/v1") == 0 ? route_list(s)
					  : json_pack("{s:s, s:s}", "status", "ok", "version", MC_VERSION);
	result = send_answer(c, &a);
	json_decref(a.body);
	return result;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *path, const char *method,
				  const char *version, const char *data, size_t *size, void **state)
{
	struct call *call = *state;

	(void)version;
	if (!call) {
		*state = mc_alloc(sizeof(*call));
		return MHD_YES;
	}
	if (*size == 0)
		return answer_call(cls, c, path, method, call);
	if (call->len + *size > MAX_BODY) {
		call->too_large = true;
	} else {
		char *grown = realloc(call->body, call->len + *size);

		if (!grown)
			return MHD_NO;
		memcpy(grown + call->len, data, *size);
		call->body = grown;
		call->len += *size;
	}
	*size = 0;
	return MHD_YES;
}

static void on_done(void *cls, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode why)
{
	struct call *call = *state;

	(void)cls, (void)c, (void)why;
	if (call)
		free(call->body);
	free(call);
	*state = NULL;
}

/* --- streams ------------------------------------------------------------ */

static bool peer_gone(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static int send_whole(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		struct pollfd p = { .fd = fd, .events = POLLOUT };

		if (n > 0) {
			text += n;
			len -= (size_t)n;
		} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
			return -1;
		} else if (poll(&p, 1, 10000) <= 0) {
			return -1; /* a reader that does not read is as good as gone */
		}
	}
	return 0;
}

int mc_ipc_stream_send(struct mc_ipc_stream *stream, const json_t *doc)
{
	mc_autofree char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
	mc_autofree char *line = NULL;

	if (stream->server->stopping || peer_gone(stream->fd))
		return -1;
	if (!text)
		return 0;
	line = mc_strf("%s\n", text);
	return send_whole(stream->fd, line, strlen(line));
}

/* --- life --------------------------------------------------------------- */

static uid_t *copy_uids(const uid_t *uids)
{
	size_t n = 0;
	uid_t *copy;

	while (uids && uids[n] != (uid_t)-1)
		n++;
	copy = mc_alloc((n + 1) * sizeof(*copy));
	if (n)
		memcpy(copy, uids, n * sizeof(*copy));
	copy[n] = (uid_t)-1;
	return copy;
}

static void server_free(struct mc_ipc_server *s)
{
	free((void *)s->counts);
	free(s->allowed);
	free(s);
}

struct mc_ipc_server *mc_ipc_server_start(int listen_fd, const struct mc_ipc_route *routes,
					  const uid_t *allowed_uids, unsigned threads, void *ctx,
					  mc_err **err)
{
	struct mc_ipc_server *s = mc_alloc(sizeof(*s));

	(void)threads; /* one thread per connection, so that a stream or a slow call holds up nobody */
	s->routes = routes;
	for (const struct mc_ipc_route *r = routes; r->method; r++)
		s->n_routes++;
	s->counts = mc_alloc((s->n_routes + 1) * MC_IPC_OUTCOME_MAX * sizeof(*s->counts));
	s->allowed = copy_uids(allowed_uids);
	s->ctx = ctx;
	s->mhd = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL |
					  MHD_USE_ITC,
				  0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, listen_fd,
				  MHD_OPTION_NOTIFY_COMPLETED, on_done, NULL, MHD_OPTION_CONNECTION_LIMIT,
				  (unsigned)MAX_CONNECTIONS, MHD_OPTION_THREAD_STACK_SIZE, (size_t)(512 * 1024),
				  MHD_OPTION_END);
	if (!s->mhd) {
		mc_err_set(err, errno, "cannot start the HTTP server");
		server_free(s);
		return NULL;
	}
	return s;
}

void mc_ipc_server_stop(struct mc_ipc_server *server)
{
	if (!server)
		return;
	server->stopping = 1;
	MHD_quiesce_daemon(server->mhd); /* else MHD would close the caller's socket */
	MHD_stop_daemon(server->mhd);
	server_free(server);
}

void mc_ipc_server_set_metrics(struct mc_ipc_server *server, mc_ipc_metrics_fn *fn)
{
	server->metrics = fn;
}

int mc_ipc_listen(const char *path, mode_t mode, gid_t gid, mc_err **err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	mc_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(addr.sun_path))
		return mc_err_set(err, fd < 0 ? errno : ENAMETOOLONG, "socket %s", path);
	memcpy(addr.sun_path, path, strlen(path));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return mc_err_set(err, EADDRINUSE, "another daemon already serves %s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return mc_err_set(err, errno, "cannot replace %s", path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || chmod(path, mode) < 0 ||
	    (gid != (gid_t)-1 && chown(path, (uid_t)-1, gid) < 0) || listen(fd, 128) < 0)
		return mc_err_set(err, errno, "cannot listen on %s", path);
	return MC_STEAL_FD(fd);
}
