#include "api/metadata.h"

#include <microhttpd.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/guest_listener.h"
#include "api/metadata_guest.h"
#include "api/metadata_token.h"
#include "api/metadata_tree.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"

#define THREADS 2
#define IDLE_TIMEOUT_S 5
#define CONNECTION_MEMORY (16u << 10) /* request line and headers of one connection */
#define MAX_BODY 4096                 /* no request needs one */
#define LIBRARY_CONNECTIONS 2048      /* above the listeners' own bounds, which decide */
#define KEY_FACT "metadata/token-key"
#define TTL_HEADER "X-aws-ec2-metadata-token-ttl-seconds"
#define TOKEN_HEADER "X-aws-ec2-metadata-token"

struct metadata {
	struct api *api;
	struct metadata_key key;
	struct guest_listeners *listeners;
	struct MHD_Daemon *mhd;
};

/* A request as far as it matters. Strings are borrowed, NULL where absent. */
struct request {
	const char *method, *url;
	const char *token, *ttl, *forwarded;
	const struct guest_peer *peer;
};

struct reply {
	unsigned status;
	char *body; /* allocated; NULL: the status' own page */
	size_t len;
	const char *type;
	int64_t ttl; /* seconds left of the session, -1: none */
};

/* --- answering ------------------------------------------------------------- */

static int64_t now_s(void)
{
	return mc_clock_wall() / MC_SECOND;
}

static void reply_text(struct reply *reply, char *body, size_t len, const char *type)
{
	reply->status = MHD_HTTP_OK;
	reply->body = body;
	reply->len = len;
	reply->type = type;
}

/* PUT /latest/api/token. A request that came through a proxy is no guest's own:
 * tokens are refused to it, as on AWS. */
static unsigned reply_token(const struct metadata *m, const struct request *q, const char *instance,
			    struct reply *reply)
{
	long ttl = metadata_token_ttl(q->ttl);
	char token[METADATA_TOKEN_LEN];

	if (strcmp(q->method, MHD_HTTP_METHOD_PUT) != 0)
		return MHD_HTTP_METHOD_NOT_ALLOWED;
	if (q->forwarded)
		return MHD_HTTP_FORBIDDEN;
	if (ttl < 0)
		return MHD_HTTP_BAD_REQUEST;
	metadata_token_make(&m->key, instance, now_s() + ttl, token);
	reply_text(reply, mc_strdup(token), strlen(token), "text/plain");
	reply->ttl = ttl;
	return MHD_HTTP_OK;
}

/* May it read? A bad token is refused even where none is needed. */
static bool authorized(const struct metadata *m, const struct request *q, const struct metadata_guest *g,
		       int64_t *ret_ttl)
{
	int64_t ttl = -1;

	if (!q->token)
		return m->api->config.imds_v1 || !g->tokens_required;
	ttl = metadata_token_check(&m->key, g->instance, q->token, now_s());
	if (ttl < 0)
		return false;
	*ret_ttl = ttl;
	return true;
}

static unsigned reply_path(const struct request *q, const struct metadata_guest *g, struct reply *reply)
{
	const char *path = metadata_path_in_version(q->url);
	mc_auto_json json_t *tree = NULL;
	bool data;
	char *body;
	size_t len;

	if (q->url[strspn(q->url, "/")] == '\0') {
		reply_text(reply, mc_strdup(metadata_versions()), strlen(metadata_versions()), "text/plain");
		return MHD_HTTP_OK;
	}
	if (!path)
		return MHD_HTTP_NOT_FOUND;
	tree = metadata_tree(g);
	body = metadata_tree_read(tree, path, &len);
	if (!body)
		return MHD_HTTP_NOT_FOUND;
	data = strncmp(path + strspn(path, "/"), "user-data", 9) == 0;
	reply_text(reply, body, len, data ? "application/octet-stream" : "text/plain");
	return MHD_HTTP_OK;
}

static bool reads(const char *method)
{
	return strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
}

/* The status; reply is filled where it is 200. */
static unsigned answer_guest(const struct metadata *m, const struct request *q,
			     const struct metadata_guest *g, struct reply *reply)
{
	const char *path = metadata_path_in_version(q->url);

	if (!g->enabled)
		return MHD_HTTP_FORBIDDEN;
	if (path && strcmp(path, "/api/token") == 0)
		return reply_token(m, q, g->instance, reply);
	if (!reads(q->method))
		return MHD_HTTP_METHOD_NOT_ALLOWED;
	if (!authorized(m, q, g, &reply->ttl))
		return MHD_HTTP_UNAUTHORIZED;
	return reply_path(q, g, reply);
}

static void answer(const struct metadata *m, const struct request *q, struct reply *reply)
{
	struct metadata_found found = { .n_owned = 0 };
	struct store_tx *tx = store_read(m->api->store);

	reply->status = MHD_HTTP_NOT_FOUND;
	if (metadata_guest_find(tx, q->peer->key, q->peer->ip, &found))
		reply->status = answer_guest(m, q, &found.guest, reply);
	metadata_found_free(&found);
	store_end(tx);
}

/* --- HTTP ------------------------------------------------------------------- */

static const char *status_words(unsigned status)
{
	static const struct { unsigned status; const char *words; } rows[] = {
		{ MHD_HTTP_BAD_REQUEST, "400 - Bad Request" },
		{ MHD_HTTP_UNAUTHORIZED, "401 - Unauthorized" },
		{ MHD_HTTP_FORBIDDEN, "403 - Forbidden" },
		{ MHD_HTTP_NOT_FOUND, "404 - Not Found" },
		{ MHD_HTTP_METHOD_NOT_ALLOWED, "405 - Method Not Allowed" },
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		if (rows[i].status == status)
			return rows[i].words;
	return "500 - Internal Server Error";
}

/* The page that AWS's service sends with an error. */
static void fill_page(struct reply *reply)
{
	const char *words = status_words(reply->status);

	reply->body = mc_strf("<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n"
			      "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n"
			      "\t\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n"
			      "<html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n"
			      " <head>\n  <title>%s</title>\n </head>\n"
			      " <body>\n  <h1>%s</h1>\n </body>\n</html>\n", words, words);
	reply->len = strlen(reply->body);
	reply->type = "text/html";
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct reply *reply)
{
	struct MHD_Response *response;
	enum MHD_Result result;
	char ttl[24];

	if (!reply->body)
		fill_page(reply);
	response = MHD_create_response_from_buffer(reply->len, reply->body, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(reply->body);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_SERVER, "EC2ws");
	snprintf(ttl, sizeof(ttl), "%lld", (long long)reply->ttl);
	if (reply->ttl >= 0)
		MHD_add_response_header(response, TTL_HEADER, ttl);
	result = MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **context)
{
	/* The library keeps one pointer for us: 1 + the bytes of body seen so far. */
	uintptr_t seen = (uintptr_t)*context;
	struct request q = { .method = method, .url = url, .peer = guest_peer(connection) };
	struct reply reply = { .ttl = -1 };

	(void)version;
	(void)upload;
	if (!q.peer || seen + *upload_size > MAX_BODY)
		return MHD_NO; /* closes the connection */
	*context = (void *)(seen ? seen + *upload_size : 1);
	if (!seen || *upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	q.token = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, TOKEN_HEADER);
	q.ttl = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, TTL_HEADER);
	q.forwarded = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-Forwarded-For");
	answer(cls, &q, &reply);
	return send_reply(connection, &reply);
}

static struct MHD_Daemon *http_start(struct metadata *m, mc_err **err)
{
	struct MHD_Daemon *mhd = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
		on_request, m, MHD_OPTION_NOTIFY_CONNECTION, guest_listeners_notify, m->listeners,
		MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)LIBRARY_CONNECTIONS, MHD_OPTION_END);

	if (!mhd)
		mc_err_set(err, 0, "the HTTP library did not start");
	return mhd;
}

/* --- life ------------------------------------------------------------------- */

static bool key_parse(const char *hex, struct metadata_key *ret)
{
	struct metadata_key key;
	size_t len;

	if (!hex || OPENSSL_hexstr2buf_ex(key.bytes, sizeof(key.bytes), &len, hex, '\0') != 1 ||
	    len != sizeof(key.bytes))
		return false;
	*ret = key;
	return true;
}

/* The key outlives us: a session that a guest has open goes on after our restart. */
static int key_load(struct store *store, struct metadata_key *ret, mc_err **err)
{
	struct store_tx *tx = store_write(store);
	char hex[2 * sizeof(ret->bytes) + 1];

	if (key_parse(store_fact(tx, KEY_FACT), ret)) {
		store_end(tx);
		return 0;
	}
	mc_random_hex(sizeof(ret->bytes), hex);
	key_parse(hex, ret);
	store_set_fact(tx, KEY_FACT, hex);
	return store_commit(tx, err);
}

struct metadata *metadata_start(struct api *api, mc_err **err)
{
	struct metadata *m = mc_alloc(sizeof(*m));

	m->api = api;
	if (key_load(api->store, &m->key, err) < 0 ||
	    !(m->listeners = guest_listeners_new(api->config.netd_fd, err)) ||
	    !(m->mhd = http_start(m, err)) || guest_listeners_run(m->listeners, m->mhd, err) < 0) {
		mc_err_wrap(err, "metadata service");
		metadata_stop(m);
		return NULL;
	}
	return m;
}

int metadata_open(struct metadata *m, const char *vpc_id, mc_err **err)
{
	mc_auto_json json_t *question = json_pack("{s:s, s:s}", "op", "metadata", "vpc", vpc_id);

	return guest_listeners_open(m->listeners, vpc_id, vpc_id, question, err);
}

void metadata_close(struct metadata *m, const char *vpc_id)
{
	guest_listeners_close(m->listeners, vpc_id, NULL);
}

void metadata_stop(struct metadata *m)
{
	if (!m)
		return;
	if (m->listeners)
		guest_listeners_stop(m->listeners);
	if (m->mhd)
		MHD_stop_daemon(m->mhd);
	guest_listeners_free(m->listeners);
	OPENSSL_cleanse(&m->key, sizeof(m->key));
	free(m);
}
