#include "cli/transport.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/protocol/buffer.h"
#include "api/protocol/sigv4.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/fs.h"
#include "common/json.h"

#define MAX_ANSWER (256u << 20)
#define CONNECT_TIMEOUT_S 10L
#define TIMEOUT_S 120L /* a call may wait for its effect */

struct exchange {
	struct buffer answer;
	struct curl_slist *headers;
	char *url, *socket;
	char *body;
	bool direct; /* no proxy, whatever the environment says */
};

static void exchange_deinit(struct exchange *x)
{
	buffer_deinit(&x->answer);
	curl_slist_free_all(x->headers);
	free(x->url);
	free(x->socket);
	free(x->body);
}
#define auto_exchange __attribute__((cleanup(exchange_deinit)))

static size_t on_data(char *data, size_t size, size_t n, void *user)
{
	struct buffer *answer = user;

	if (answer->len + size * n > MAX_ANSWER)
		return 0;
	buffer_add(answer, data, size * n);
	return size * n;
}

static void add_header(struct exchange *x, const char *name, const char *value)
{
	mc_autofree char *line = mc_strf("%s: %s", name, value);

	x->headers = curl_slist_append(x->headers, line);
}

static int perform(struct exchange *x, long *ret_status, mc_err **err)
{
	char detail[CURL_ERROR_SIZE] = "";
	CURL *curl = curl_easy_init();
	CURLcode code;

	if (!curl)
		abort();
	curl_easy_setopt(curl, CURLOPT_URL, x->url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, x->headers);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &x->answer);
	if (x->socket)
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, x->socket);
	if (x->direct)
		curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	if (x->body) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(x->body));
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, x->body);
	}
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
	curl_easy_cleanup(curl);
	if (code == CURLE_OK)
		return 0;
	return mc_err_set(err, 0, "%s", *detail ? detail : curl_easy_strerror(code));
}

/* Why the socket does not answer, in words that help. */
static int explain(const char *socket, mc_err **err)
{
	if (access(socket, F_OK) < 0 && errno == ENOENT)
		return mc_err_set(err, 0, "no cloud is running here (%s is not there). Start one "
				  "with: make demo", socket);
	if (access(socket, W_OK) < 0 && errno == EACCES)
		return mc_err_set(err, 0, "%s may not be used by this user: become root, or set "
				  "AWS_ENDPOINT_URL and AWS keys", socket);
	return mc_err_wrap(err, "cannot ask the API on %s", socket);
}

/* The request's credentials from the environment. 0 or -1 and *err. */
static int environment_keys(struct sigv4_credentials *c, mc_err **err)
{
	c->access_key = getenv("AWS_ACCESS_KEY_ID");
	c->secret = getenv("AWS_SECRET_ACCESS_KEY");
	if (!c->access_key || !c->secret || !*c->access_key || !*c->secret)
		return mc_err_set(err, 0, "an endpoint needs AWS_ACCESS_KEY_ID and "
				  "AWS_SECRET_ACCESS_KEY; on the cloud's own host get them with: "
				  "eval \"$(minicloud env)\"");
	if (strpbrk(c->access_key, "\r\n") || strlen(c->secret) >= SIGV4_MAX_SECRET)
		return mc_err_set(err, 0, "the AWS keys of the environment are malformed");
	return 0;
}

/* The Host header of a URL, as curl sends it. NULL: no such URL. */
static char *url_part_host(CURLU *url)
{
	char *host = NULL, *port = NULL, *out = NULL;

	if (curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
		bool has = curl_url_get(url, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT) ==
			   CURLUE_OK;

		out = has ? mc_strf("%s:%s", host, port) : mc_strdup(host);
	}
	curl_free(host);
	curl_free(port);
	return out;
}

static char *url_host(const char *text)
{
	CURLU *url = curl_url();
	char *out = NULL;

	if (!url)
		abort();
	if (curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK)
		out = url_part_host(url);
	curl_url_cleanup(url);
	return out;
}

/* Where the endpoint's path begins; "/" where it has none. */
static const char *url_path(const char *text)
{
	const char *slash = strchr(strstr(text, "://") + 3, '/');

	return slash ? slash : "/";
}

static bool is_this_host(const char *host)
{
	return strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost", 9) == 0 ||
	       strncmp(host, "[::1]", 5) == 0;
}

static void amz_date(char out[32])
{
	char iso[MC_ISO8601_LEN];

	mc_clock_iso8601(mc_clock_wall(), iso);
	snprintf(out, 32, "%.4s%.2s%.5s%.2s%.2sZ", iso, iso + 5, iso + 8, iso + 14, iso + 17);
}

static int sign(struct exchange *x, const struct cli *cli, const char *service, const char *target,
		mc_err **err)
{
	struct sigv4_credentials credentials = { .region = cli->region, .service = service };
	char date[32];
	mc_autofree char *host = url_host(cli->endpoint);

	if (!host || strpbrk(url_path(cli->endpoint), "?#"))
		return mc_err_set(err, 0, "'%s' is not an endpoint's URL", cli->endpoint);
	if (environment_keys(&credentials, err) < 0)
		return -1;
	x->direct = is_this_host(host);
	amz_date(date);

	const struct sigv4_header headers[] = {
		{ "Content-Type", "application/x-amz-json-1.1" },
		{ "Host", host },
		{ "X-Amz-Date", date },
		{ "X-Amz-Target", target },
	};
	const struct sigv4_request req = {
		.method = "POST", .path = url_path(cli->endpoint), .headers = headers,
		.n_headers = MC_ARRAY_SIZE(headers), .body = x->body, .body_len = strlen(x->body),
	};
	mc_autofree char *authorization = sigv4_sign(&req, &credentials);

	for (size_t i = 0; i < MC_ARRAY_SIZE(headers); i++)
		add_header(x, headers[i].name, headers[i].value);
	add_header(x, "Authorization", authorization);
	return 0;
}

static void address_socket(struct exchange *x, const char *path)
{
	x->direct = true;
	x->socket = mc_strf("%s/minicloud.sock", mc_config_run_dir());
	x->url = mc_strf("http://minicloud%s", path);
}

static int prepare(struct exchange *x, const struct cli *cli, const struct model_operation *op,
		   const json_t *doc, mc_err **err)
{
	const char *service = model_service_name(model_operation_service(op));
	mc_autofree char *target = mc_strf("%s.%s", service, model_operation_name(op));

	x->body = json_dumps(doc, JSON_COMPACT);
	if (!x->body)
		return mc_err_set(err, 0, "the request cannot be written as JSON");
	add_header(x, "Expect", "");
	if (cli->endpoint) {
		x->url = mc_strdup(cli->endpoint);
		return sign(x, cli, service, target, err);
	}
	address_socket(x, "/");
	add_header(x, "Content-Type", "application/x-amz-json-1.1");
	add_header(x, "X-Amz-Target", target);
	add_header(x, "X-Minicloud-Region", cli->region);
	return 0;
}

static json_t *read_answer(struct exchange *x, long status, mc_err **err)
{
	json_error_t e;
	json_t *doc = json_loadb(x->answer.len ? x->answer.data : "", x->answer.len, 0, &e);

	if (json_is_object(doc))
		return doc;
	json_decref(doc);
	mc_err_set(err, 0, "%s answered HTTP %ld without a JSON document",
		   x->socket ? x->socket : x->url, status);
	return NULL;
}

/* {"__type": ..., "message": ...} in the forms that services have. */
static json_t *read_error(const json_t *doc)
{
	const char *code = mc_json_str(doc, "__type", "Unknown");
	const char *hash = strchr(code, '#');
	const char *message = mc_json_str(doc, "message", mc_json_str(doc, "Message", ""));

	return json_pack("{s:s, s:s}", "code", hash ? hash + 1 : code, "message", message);
}

int transport_call(const struct cli *cli, const struct model_operation *op, const json_t *doc,
		   json_t **ret_doc, mc_err **err)
{
	auto_exchange struct exchange x = { 0 };
	mc_auto_json json_t *answer = NULL;
	long status = 0;

	if (prepare(&x, cli, op, doc, err) < 0)
		return -1;
	if (perform(&x, &status, err) < 0)
		return x.socket ? explain(x.socket, err)
				: mc_err_wrap(err, "cannot ask %s", x.url);
	answer = read_answer(&x, status, err);
	if (!answer)
		return -1;
	*ret_doc = status == 200 ? MC_STEAL(answer) : read_error(answer);
	return status != 200;
}

int transport_page(const char *path, json_t **ret_doc, mc_err **err)
{
	auto_exchange struct exchange x = { 0 };
	long status = 0;
	json_t *doc;

	address_socket(&x, path);
	if (perform(&x, &status, err) < 0)
		return explain(x.socket, err);
	doc = read_answer(&x, status, err);
	if (!doc)
		return -1;
	if (status != 200) {
		mc_err_set(err, 0, "%s: %s", x.socket,
			   mc_json_str(doc, "message", "the API refused"));
		json_decref(doc);
		return -1;
	}
	*ret_doc = doc;
	return 0;
}

int transport_ask(const struct cli *cli, const struct model_operation *op, const json_t *doc,
		  json_t **ret_doc)
{
	mc_auto_err mc_err *err = NULL;
	json_t *answer = NULL;
	int r = transport_call(cli, op, doc, &answer, &err);

	if (r < 0)
		return cli_failed(err);
	if (r == 0) {
		*ret_doc = answer;
		return CLI_OK;
	}
	fprintf(stderr, "An error occurred (%s) when calling the %s operation: %s\n",
		mc_json_str(answer, "code", ""), model_operation_name(op),
		mc_json_str(answer, "message", ""));
	json_decref(answer);
	return CLI_API;
}
