#include "cli/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/protocol/buffer.h"
#include "cli/exchange.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define MAX_ANSWER (256u << 20)
#define TIMEOUT_S 120L /* a call may wait for its effect */

static size_t on_data(char *data, size_t size, size_t n, void *user)
{
	struct buffer *answer = user;

	if (answer->len + size * n > MAX_ANSWER)
		return 0;
	buffer_add(answer, data, size * n);
	return size * n;
}

static int perform(const struct exchange *x, struct buffer *answer, long *ret_status, mc_err **err)
{
	char detail[CURL_ERROR_SIZE] = "";
	CURL *curl = exchange_handle(x);
	CURLcode code;

	curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
	curl_easy_cleanup(curl);
	if (code == CURLE_OK)
		return 0;
	mc_err_set(err, 0, "%s", *detail ? detail : curl_easy_strerror(code));
	return exchange_explain(x, err);
}

static json_t *read_answer(const struct exchange *x, const struct buffer *answer, long status, mc_err **err)
{
	json_error_t e;
	json_t *doc = json_loadb(answer->len ? answer->data : "", answer->len, 0, &e);

	if (json_is_object(doc))
		return doc;
	json_decref(doc);
	mc_err_set(err, 0, "%s answered HTTP %ld without a JSON document", x->socket ? x->socket : x->url, status);
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

static int call(const struct exchange *x, json_t **ret_doc, mc_err **err)
{
	struct buffer text = { 0 };
	mc_auto_json json_t *doc = NULL;
	long status = 0;

	if (perform(x, &text, &status, err) == 0)
		doc = read_answer(x, &text, status, err);
	buffer_deinit(&text);
	if (!doc)
		return -1;
	*ret_doc = status == 200 ? MC_STEAL(doc) : read_error(doc);
	return status != 200;
}

int transport_call(const struct cli *cli, const struct model_operation *op, const json_t *doc,
		   json_t **ret_doc, mc_err **err)
{
	const char *service = model_service_name(model_operation_service(op));
	mc_autofree char *target = mc_strf("%s.%s", service, model_operation_name(op));
	auto_exchange struct exchange x = { 0 };
	char *body = json_dumps(doc, JSON_COMPACT);

	if (!body)
		return mc_err_set(err, 0, "the request cannot be written as JSON");
	return exchange_operation(&x, cli, service, target, body, err) < 0 ? -1 : call(&x, ret_doc, err);
}

/* body is taken over; NULL: a GET. */
static int ask_page(const struct cli *cli, const char *page, char *body, json_t **ret_doc, mc_err **err)
{
	auto_exchange struct exchange x = { .body = body };
	mc_auto_json json_t *doc = NULL;
	int r = exchange_page(&x, cli, page, NULL, err);

	if (r == 0)
		r = call(&x, &doc, err);
	if (r == 0)
		*ret_doc = MC_STEAL(doc);
	if (r == 1)
		mc_err_set(err, 0, "%s: %s", x.socket ? x.socket : x.url,
			   mc_json_str(doc, "message", "the API refused"));
	return r ? -1 : 0;
}

int transport_page(const struct cli *cli, const char *page, json_t **ret_doc, mc_err **err)
{
	return ask_page(cli, page, NULL, ret_doc, err);
}

int transport_post(const struct cli *cli, const char *page, const json_t *doc, json_t **ret_doc, mc_err **err)
{
	char *body = json_dumps(doc, JSON_COMPACT);

	return body ? ask_page(cli, page, body, ret_doc, err) : mc_err_set(err, 0, "the request cannot be written as JSON");
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
