/* IPC between our daemons: HTTP/1.1 + JSON on a unix socket per daemon.
 * `curl --unix-socket S http://d/v1/...` talks to any of them.
 *
 * Success answers 200 with the resource's document. A documented outcome
 * answers 4xx/5xx with {"outcome": "<word>", "message": "<text>"}; the words
 * are MC_IPC_* below. An internal failure answers 500 with outcome "internal".
 * The caller's X-Request-Id is taken over into the daemon's log lines. */
#ifndef MC_COMMON_IPC_H
#define MC_COMMON_IPC_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "common/json.h"

enum mc_ipc_outcome {
	MC_IPC_OK,           /* 200 */
	MC_IPC_BAD_REQUEST,  /* 400 "bad_request": malformed message, id or path */
	MC_IPC_DENIED,       /* 403 "denied": the peer may not call this */
	MC_IPC_NOT_FOUND,    /* 404 "not_found" */
	MC_IPC_CONFLICT,     /* 409 "conflict": exists with another definition, wrong state */
	MC_IPC_IN_USE,       /* 409 "in_use" */
	MC_IPC_NO_CAPACITY,  /* 507 "no_capacity": memory, disk, addresses */
	MC_IPC_UNSUPPORTED,  /* 501 "unsupported" */
	MC_IPC_UNAVAILABLE,  /* 503 "unavailable": try again (libvirtd down ...) */
	MC_IPC_INTERNAL,     /* 500 "internal" */
	MC_IPC_OUTCOME_MAX
};

const char *mc_ipc_outcome_name(enum mc_ipc_outcome o);
int mc_ipc_outcome_status(enum mc_ipc_outcome o);
/* MC_IPC_INTERNAL for an unknown word. */
enum mc_ipc_outcome mc_ipc_outcome_parse(const char *word);

#define MC_IPC_MAX_VARS 4

struct mc_ipc_upgrade;

struct mc_ipc_request {
	const char *method, *path;
	const char *vars[MC_IPC_MAX_VARS]; /* what the {} of the pattern matched, in order */
	const json_t *query;               /* object of the URL's query strings */
	json_t *body;                      /* parsed and checked body, NULL where none */
	uid_t peer_uid;
	pid_t peer_pid;
	const char *request_id;
	struct mc_ipc_upgrade *upgrade; /* MC_IPC_UPGRADE alone */
};

/* A handler: fills *ret_body (a new reference; may stay NULL for {}), returns
 * MC_IPC_OK; or a positive outcome with *err carrying the text for the caller;
 * or -1 with *err (logged by the server, answered as internal). */
typedef int mc_ipc_handler(void *ctx, const struct mc_ipc_request *req, json_t **ret_body,
			   mc_err **err);

struct mc_ipc_stream;
/* A stream handler (GET only): called in its own thread; writes lines with
 * mc_ipc_stream_send() until that fails (peer gone or server stopping). */
typedef void mc_ipc_stream_handler(void *ctx, const struct mc_ipc_request *req,
				   struct mc_ipc_stream *stream);

/* Send one JSON document as a line. 0, or -1 when the peer is gone or the
 * server stops. doc NULL only probes whether the peer is still there. */
int mc_ipc_stream_send(struct mc_ipc_stream *stream, const json_t *doc);

/* The method of a route whose connection becomes one of bytes: GET with an Upgrade header. Its
 * handler, in a thread of its own, gets ready what the connection is for, accepts, and talks on it
 * until either side has enough; then it returns MC_IPC_OK. Without having accepted it returns
 * what any handler does. */
#define MC_IPC_UPGRADE "UPGRADE"

/* Answer 101 Switching Protocols. The connection's socket, non-blocking and still the server's,
 * or -1 where the peer is gone. It is shut down when the server stops. */
int mc_ipc_upgrade_accept(struct mc_ipc_upgrade *upgrade);

struct mc_ipc_route {
	const char *method;             /* "GET", "PUT", "POST", "DELETE"; MC_IPC_UPGRADE: GET with an Upgrade header */
	const char *pattern;            /* "/v1/vpcs/{}"; each {} matches one segment */
	const char *prefixes[MC_IPC_MAX_VARS]; /* id prefix each {} must have ("vpc"), NULL: free name [A-Za-z0-9._-]{1,64} */
	const struct mc_field *fields;  /* the body's table; NULL: no body */
	mc_ipc_handler *handler;        /* or */
	mc_ipc_stream_handler *stream;
	const char *help;               /* one line, shown by GET /v1 */
};

struct mc_ipc_server;

/* Serve routes (ended by a NULL method) on an already listening socket, on
 * `threads` threads (streams get one each besides). allowed_uids ends with
 * (uid_t)-1; root and our own uid are always allowed. The socket stays the caller's. ctx is
 * handed to handlers. GET /v1 (list of routes), GET /v1/health and GET /metrics
 * are answered by the server itself. NULL and *err on failure. */
struct mc_ipc_server *mc_ipc_server_start(int listen_fd, const struct mc_ipc_route *routes,
					  const uid_t *allowed_uids, unsigned threads, void *ctx,
					  mc_err **err);

/* Stop accepting, let running handlers end, end the streams, free. NULL is fine. */
void mc_ipc_server_stop(struct mc_ipc_server *server);

/* Text appended to /metrics at each scrape (Prometheus exposition). */
typedef char *mc_ipc_metrics_fn(void *ctx);
void mc_ipc_server_set_metrics(struct mc_ipc_server *server, mc_ipc_metrics_fn *fn);

/* A listening unix stream socket at path (a stale one is replaced), with this
 * mode and group (gid -1: leave). The descriptor, or -1 and *err. */
int mc_ipc_listen(const char *path, mode_t mode, gid_t gid, mc_err **err);

/* Call a daemon. Thread-safe; no connection state is kept by the caller.
 * body may be NULL. timeout_ms 0: 30 s. Returns an enum mc_ipc_outcome >= 0 with
 * *ret_body (new reference, may be NULL) when OK and *err holding the peer's
 * message when not; a peer that cannot be reached is MC_IPC_UNAVAILABLE. */
int mc_ipc_call(const char *socket_path, const char *method, const char *path, const json_t *body,
		unsigned timeout_ms, json_t **ret_body, mc_err **err);

/* Ask for a connection of bytes (a route with an upgrade handler). As mc_ipc_call; when
 * MC_IPC_OK, *ret_fd is the socket, the caller's to close. */
int mc_ipc_upgrade(const char *socket_path, const char *path, int *ret_fd, mc_err **err);

/* Read a stream of JSON lines; blocks, calling fn for each document until fn
 * returns non-zero or the stream ends. 0 when fn ended it, -1 and *err otherwise. */
int mc_ipc_follow(const char *socket_path, const char *path,
		  int (*fn)(void *ctx, const json_t *doc), void *ctx, mc_err **err);

#endif
