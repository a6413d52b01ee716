#include "cli/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/protocol/sigv4.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/fs.h"

#define CONNECT_TIMEOUT_S 10L
#define HEADERS_MAX 8 /* that are signed */

void exchange_deinit(struct exchange *x)
{
	curl_slist_free_all(x->headers);
	free(x->url);
	free(x->socket);
	free(x->host);
	free(x->body);
}

static void add_header(struct exchange *x, const char *name, const char *value)
{
	mc_autofree char *line = mc_strf("%s: %s", name, value);

	x->headers = curl_slist_append(x->headers, line);
}

/* --- the network --------------------------------------------------------------- */

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

/* Where the URL's path begins; "/" where it has none. */
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

/* Sign what is there: URL, body, the n headers; the latter are sent too. */
static int sign(struct exchange *x, const struct cli *cli, const char *service,
		struct sigv4_header *headers, size_t n, mc_err **err)
{
	struct sigv4_credentials credentials = { .region = cli->region, .service = service };
	mc_autofree char *path = mc_strdup(url_path(x->url));
	char *query = strchr(path, '?'), date[32];

	if (environment_keys(&credentials, err) < 0)
		return -1;
	if (query)
		*query++ = '\0';
	amz_date(date);
	headers[n++] = (struct sigv4_header){ "Host", x->host };
	headers[n++] = (struct sigv4_header){ "X-Amz-Date", date };

	const struct sigv4_request req = {
		.method = x->body ? "POST" : "GET", .path = path, .query = query, .headers = headers,
		.n_headers = n, .body = x->body, .body_len = x->body ? strlen(x->body) : 0,
	};
	mc_autofree char *authorization = sigv4_sign(&req, &credentials);

	for (size_t i = 0; i < n; i++)
		add_header(x, headers[i].name, headers[i].value);
	add_header(x, "Authorization", authorization);
	return 0;
}

static int address_endpoint(struct exchange *x, const struct cli *cli, const char *page, mc_err **err)
{
	size_t len = strlen(cli->endpoint);

	while (*page && len && cli->endpoint[len - 1] == '/')
		len--;
	x->host = url_host(cli->endpoint);
	if (!x->host || strpbrk(url_path(cli->endpoint), "?#"))
		return mc_err_set(err, 0, "'%s' is not an endpoint's URL", cli->endpoint);
	x->direct = is_this_host(x->host);
	x->url = mc_strf("%.*s%s", (int)len, cli->endpoint, page);
	return 0;
}

/* --- both ------------------------------------------------------------------------ */

static void address_socket(struct exchange *x, const struct cli *cli, const char *path)
{
	x->direct = true;
	x->host = mc_strdup("minicloud");
	x->socket = mc_strf("%s/minicloud.sock", mc_config_run_dir());
	x->url = mc_strf("http://minicloud%s", path);
	add_header(x, "X-Minicloud-Region", cli->region);
}

int exchange_operation(struct exchange *x, const struct cli *cli, const char *service, const char *target,
		       char *body, mc_err **err)
{
	struct sigv4_header headers[HEADERS_MAX] = {
		{ "Content-Type", "application/x-amz-json-1.1" }, { "X-Amz-Target", target },
	};

	x->body = body;
	add_header(x, "Expect", "");
	if (cli->endpoint)
		return address_endpoint(x, cli, "", err) < 0 ? -1 : sign(x, cli, service, headers, 2, err);
	address_socket(x, cli, "/");
	for (size_t i = 0; i < 2; i++)
		add_header(x, headers[i].name, headers[i].value);
	return 0;
}

int exchange_page(struct exchange *x, const struct cli *cli, const char *page, const char *const *more,
		  mc_err **err)
{
	struct sigv4_header headers[HEADERS_MAX];

	for (; more && *more; more += 2)
		add_header(x, more[0], more[1]);
	if (x->body) {
		add_header(x, "Expect", "");
		add_header(x, "Content-Type", "application/json");
	}
	if (cli->endpoint)
		return address_endpoint(x, cli, page, err) < 0 ? -1 : sign(x, cli, "ec2", headers, 0, err);
	address_socket(x, cli, page);
	return 0;
}

CURL *exchange_handle(const struct exchange *x)
{
	CURL *curl = curl_easy_init();

	if (!curl)
		abort();
	curl_easy_setopt(curl, CURLOPT_URL, x->url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, x->headers);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	if (x->socket)
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, x->socket);
	if (x->direct)
		curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	if (x->body) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(x->body));
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, x->body);
	}
	return curl;
}

int exchange_explain(const struct exchange *x, mc_err **err)
{
	if (!x->socket)
		return mc_err_wrap(err, "cannot ask %s", x->url);
	if (access(x->socket, F_OK) < 0 && errno == ENOENT)
		return mc_err_set(err, 0, "no cloud is running here (%s is not there). Start one "
				  "with: make demo", x->socket);
	if (access(x->socket, W_OK) < 0 && errno == EACCES)
		return mc_err_set(err, 0, "%s may not be used by this user: become root, or set "
				  "AWS_ENDPOINT_URL and AWS keys", x->socket);
	return mc_err_wrap(err, "cannot ask the API on %s", x->socket);
}
