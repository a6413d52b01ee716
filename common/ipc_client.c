#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/log.h"

#define MAX_ANSWER (64u << 20)
#define DEFAULT_TIMEOUT_MS 30000

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_init(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct buffer {
	char *data;
	size_t len, max;
};

static size_t on_data(char *data, size_t size, size_t n, void *user)
{
	struct buffer *b = user;
	size_t more = size * n;
	char *grown;

	if (b->len + more > b->max)
		return 0;
	grown = realloc(b->data, b->len + more + 1);
	if (!grown)
		return 0;
	memcpy(grown + b->len, data, more);
	b->data = grown;
	b->len += more;
	b->data[b->len] = '\0';
	return more;
}

static struct curl_slist *headers(void)
{
	mc_autofree char *id = mc_strf("X-Request-Id: %s", mc_log_request_id());
	struct curl_slist *list = curl_slist_append(NULL, id);

	list = curl_slist_append(list, "Content-Type: application/json");
	return curl_slist_append(list, "Expect:");
}

static CURL *handle_new(const char *socket_path, const char *path, struct curl_slist *head)
{
	mc_autofree char *url = mc_strf("http://d%s", path);
	CURL *curl;

	pthread_once(&curl_once, curl_init);
	curl = curl_easy_init();
	if (!curl)
		abort();
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, head);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	return curl;
}

/* Turn the peer's answer into an outcome. */
static int read_answer(const char *socket_path, long status, const struct buffer *b, json_t **ret_body,
		       mc_err **err)
{
	json_error_t e;
	mc_auto_json json_t *doc = b->len ? json_loadb(b->data, b->len, 0, &e) : NULL;

	if (!json_is_object(doc))
		return mc_err_set(err, 0, "%s answered %ld without a JSON document", socket_path, status);
	if (status == 200) {
		if (ret_body)
			*ret_body = MC_STEAL(doc);
		return MC_IPC_OK;
	}
	mc_err_set(err, 0, "%s", mc_json_str(doc, "message", "no message"));
	return (int)mc_ipc_outcome_parse(mc_json_str(doc, "outcome", NULL));
}

int mc_ipc_call(const char *socket_path, const char *method, const char *path, const json_t *body,
		unsigned timeout_ms, json_t **ret_body, mc_err **err)
{
	mc_autofree char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct buffer b = { .max = MAX_ANSWER };
	struct curl_slist *head = headers();
	CURL *curl = handle_new(socket_path, path, head);
	long status = 0;
	CURLcode code;
	int r;

	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(timeout_ms ? timeout_ms : DEFAULT_TIMEOUT_MS));
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &b);
	if (text)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK) {
		mc_err_set(err, 0, "%s %s at %s: %s", method, path, socket_path, curl_easy_strerror(code));
		r = MC_IPC_UNAVAILABLE;
	} else {
		r = read_answer(socket_path, status, &b, ret_body, err);
	}
	curl_easy_cleanup(curl);
	curl_slist_free_all(head);
	free(b.data);
	return r;
}

struct follower {
	struct buffer line;
	int (*fn)(void *ctx, const json_t *doc);
	void *ctx;
	int ended;
};

static size_t on_stream(char *data, size_t size, size_t n, void *user)
{
	struct follower *f = user;
	char *eol;

	if (on_data(data, size, n, &f->line) != size * n)
		return 0;
	while (f->line.len > 0 && (eol = memchr(f->line.data, '\n', f->line.len))) {
		size_t used = (size_t)(eol - f->line.data) + 1;
		json_error_t e;
		mc_auto_json json_t *doc = json_loadb(f->line.data, used, 0, &e);

		if (doc && f->fn(f->ctx, doc) != 0)
			f->ended = 1;
		memmove(f->line.data, f->line.data + used, f->line.len - used);
		f->line.len -= used;
		if (f->ended)
			return 0;
	}
	return size * n;
}

int mc_ipc_follow(const char *socket_path, const char *path,
		  int (*fn)(void *ctx, const json_t *doc), void *ctx, mc_err **err)
{
	struct follower f = { .line = { .max = MAX_ANSWER }, .fn = fn, .ctx = ctx };
	struct curl_slist *head = headers();
	CURL *curl = handle_new(socket_path, path, head);
	CURLcode code;

	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_stream);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &f);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	code = curl_easy_perform(curl);
	curl_easy_cleanup(curl);
	curl_slist_free_all(head);
	free(f.line.data);
	if (f.ended)
		return 0;
	return mc_err_set(err, 0, "stream %s of %s ended: %s", path, socket_path, curl_easy_strerror(code));
}
