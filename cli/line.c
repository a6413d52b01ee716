#include "cli/line.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/exchange.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/http_head.h"
#include "common/json.h"

#define PATIENCE_MS 60000
#define MAX_REFUSAL 65536

struct line {
	struct exchange exchange;
	CURL *curl;
	curl_socket_t fd;
};

void line_close(struct line *l)
{
	if (!l)
		return;
	curl_easy_cleanup(l->curl);
	exchange_deinit(&l->exchange);
	free(l);
}

int line_fd(const struct line *l)
{
	return l->fd;
}

ssize_t line_recv(struct line *l, void *buf, size_t max)
{
	size_t n = 0;
	CURLcode code = curl_easy_recv(l->curl, buf, max, &n);

	errno = code == CURLE_AGAIN ? EAGAIN : EIO;
	return code == CURLE_OK ? (ssize_t)n : -1;
}

ssize_t line_send(struct line *l, const void *buf, size_t n)
{
	size_t sent = 0;
	CURLcode code = curl_easy_send(l->curl, buf, n, &sent);

	return code == CURLE_AGAIN ? 0 : code == CURLE_OK ? (ssize_t)sent : -1;
}

/* Wait for the socket. False where nothing came in time. */
static bool ready(const struct line *l, short events)
{
	struct pollfd p = { .fd = l->fd, .events = events };

	return poll(&p, 1, PATIENCE_MS) > 0;
}

static char *request_text(const struct exchange *x, const char *page)
{
	mc_autofree char *headers = mc_strdup("");
	bool host = false;

	for (const struct curl_slist *h = x->headers; h; h = h->next) {
		char *longer = mc_strf("%s%s\r\n", headers, h->data);

		free(headers);
		headers = longer;
		host = host || strncasecmp(h->data, "Host:", 5) == 0;
	}
	return mc_strf("GET %s HTTP/1.1\r\n%s%s%s%s\r\n", page, host ? "" : "Host: ", host ? "" : x->host, host ? "" : "\r\n",
		       headers);
}

static int send_request(struct line *l, const char *page, mc_err **err)
{
	mc_autofree char *text = request_text(&l->exchange, page);
	size_t len = strlen(text), sent = 0;

	while (sent < len) {
		ssize_t n = line_send(l, text + sent, len - sent);

		if (n < 0 || (n == 0 && !ready(l, POLLOUT)))
			return mc_err_set(err, 0, "the connection broke");
		sent += (size_t)n;
	}
	return 0;
}

static int read_head(struct line *l, struct mc_http_head *head, mc_err **err)
{
	char byte;
	int whole = 0;

	while (whole == 0) {
		ssize_t n = line_recv(l, &byte, 1);

		if (n == 0 || (n < 0 && (errno != EAGAIN || !ready(l, POLLIN))))
			return mc_err_set(err, 0, "the API ended before its answer did");
		whole = n == 1 ? mc_http_head_add(head, byte) : 0;
	}
	return whole == 1 ? 0 : mc_err_set(err, 0, "the answer's head is too long");
}

/* What the answer's body is, as far as it comes. */
static long read_body(struct line *l, char *text, long length)
{
	long len = 0;

	while (len < length) {
		ssize_t n = line_recv(l, text + len, (size_t)(length - len));

		if (n == 0 || (n < 0 && (errno != EAGAIN || !ready(l, POLLIN))))
			break;
		len += n > 0 ? n : 0;
	}
	return len;
}

static int read_refusal(struct line *l, const struct mc_http_head *head, json_t **ret, mc_err **err)
{
	mc_autofree char *text = mc_alloc(MAX_REFUSAL);
	long length = mc_http_head_length(head);
	mc_auto_json json_t *doc = NULL;
	json_error_t e;

	if (length <= MAX_REFUSAL)
		doc = json_loadb(text, (size_t)read_body(l, text, length), 0, &e);
	if (!json_is_object(doc))
		return mc_err_set(err, 0, "the API answered HTTP %d without a JSON document", mc_http_head_status(head));
	*ret = json_pack("{s:s, s:s}", "code", mc_json_str(doc, "__type", "Unknown"), "message",
			 mc_json_str(doc, "message", ""));
	return 1;
}

static int connect_line(struct line *l, mc_err **err)
{
	CURLcode code;

	l->curl = exchange_handle(&l->exchange);
	curl_easy_setopt(l->curl, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(l->curl, CURLOPT_HTTPHEADER, NULL);
	code = curl_easy_perform(l->curl);
	if (code == CURLE_OK)
		code = curl_easy_getinfo(l->curl, CURLINFO_ACTIVESOCKET, &l->fd);
	return code == CURLE_OK ? 0 : mc_err_set(err, 0, "%s", curl_easy_strerror(code));
}

/* The page's path as the exchange's URL has it: an endpoint may have one of its own. */
static const char *path_of(const struct exchange *x)
{
	return strchr(strstr(x->url, "://") + 3, '/');
}

int line_open(const struct cli *cli, const char *page, const char *protocol, struct line **ret, json_t **ret_refusal,
	      mc_err **err)
{
	const char *const more[] = { "Connection", "Upgrade", "Upgrade", protocol, NULL };
	struct line *l = mc_alloc(sizeof(*l));
	struct mc_http_head head = { .len = 0 };
	int r = exchange_page(&l->exchange, cli, page, more, err);

	if (r == 0 && connect_line(l, err) < 0)
		r = exchange_explain(&l->exchange, err);
	if (r == 0)
		r = send_request(l, path_of(&l->exchange), err);
	if (r == 0)
		r = read_head(l, &head, err);
	if (r == 0 && mc_http_head_status(&head) != 101)
		r = read_refusal(l, &head, ret_refusal, err);
	if (r == 0)
		*ret = l;
	else
		line_close(l);
	return r;
}
