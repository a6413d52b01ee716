#include "api/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/billing/page_bill.h"
#include "api/billing/page_meters.h"
#include "api/console_session.h"
#include "api/counters.h"
#include "api/doctor.h"
#include "api/feed.h"
#include "api/metric/sampler.h"
#include "api/state.h"
#include "api/stats.h"
#include "api/why.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/metrics.h"

#define DEFAULT_REGION "us-east-1"

static char *credentials_page(struct gateway_request *req)
{
	struct access_key key;
	mc_autofree char *endpoint = mc_strf("http://%s", req->api->config.listen);
	mc_autofree char *page = NULL;
	char token[33];
	mc_auto_json json_t *doc = NULL;

	store_default_key(req->api->store, &key);
	page_meters_token(req->api, token);
	page = mc_strf("%s/meters?token=%s", endpoint, token);
	doc = json_pack("{s:s, s:s, s:s, s:s, s:s}", "access_key", key.id, "secret_key", key.secret, "region", DEFAULT_REGION,
			"endpoint", endpoint, "meters", page);
	return json_dumps(doc, JSON_COMPACT);
}

static char *health_page(struct gateway_request *req)
{
	mc_auto_json json_t *doc = json_pack("{s:s, s:O*}", "status", "ok", "host", req->api->accelerator);

	return json_dumps(doc, JSON_COMPACT);
}

static char *counters_page(struct gateway_request *req)
{
	mc_auto_json json_t *doc = counters_json(req->api->counters);

	counters_hurry(req->api);
	return json_dumps(doc, JSON_COMPACT);
}

/* What is built, by service: clients know every operation that AWS has. */
static char *operations_page(struct gateway_request *req)
{
	mc_auto_json json_t *doc = json_object();
	const struct action *a;

	(void)req;
	for (size_t i = 0; (a = action_at(i)); i++) {
		if (!json_object_get(doc, a->service))
			json_object_set_new(doc, a->service, json_array());
		json_array_append_new(json_object_get(doc, a->service), json_string(a->name));
	}
	return json_dumps(doc, JSON_COMPACT);
}

static void count_instances(struct api *api, unsigned long counts[INSTANCE_STATE_MAX])
{
	struct store_tx *tx = store_read(api->store);
	struct store_iter it = store_iter(tx, KIND_INSTANCE, NULL, NULL);
	const struct resource *r;

	while ((r = store_next_bare(&it)))
		counts[r->state]++;
	store_end(tx);
}

static char *metrics_page(struct gateway_request *req)
{
	unsigned long counts[INSTANCE_STATE_MAX] = { 0 };
	char *buf = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&buf, &len);

	count_instances(req->api, counts);
	mc_metrics_head(f, "minicloud_instances", "gauge", "Instances by state.");
	for (int i = 0; i < INSTANCE_STATE_MAX; i++)
		fprintf(f, "minicloud_instances{state=\"%s\"} %lu\n", state_instance.names[i], counts[i]);
	mc_metrics_head(f, "minicloud_accelerator", "gauge", "What guests run by.");
	fprintf(f, "minicloud_accelerator{type=\"%s\"} 1\n", mc_json_str(req->api->accelerator, "accelerator", "unknown"));
	mc_metrics_head(f, "minicloud_events_total", "counter", "Changes that were told to who listens.");
	fprintf(f, "minicloud_events_total %llu\n", (unsigned long long)feed_count(req->api->feed));
	mc_metrics_head(f, "minicloud_event_readers", "gauge", "Who listens now.");
	fprintf(f, "minicloud_event_readers %u\n", feed_readers(req->api->feed));
	counters_metrics(req->api->counters, f);
	metric_sampler_metrics(req->api->sampler, f);
	page_bill_metrics(req->api, f);
	fclose(f);
	return buf;
}

/* --- GET /v1/events ---------------------------------------------------------- */

static int open_events(struct call *call)
{
	const char *kinds = mc_json_str(call->in, "kind", NULL);

	if (kinds && !feed_kinds_valid(kinds))
		return action_fail(call, API_INVALID_PARAMETER, "kind: a list of resource types, with commas between");
	if (feed_readers(call->api->feed) >= FEED_READERS_MAX)
		return action_fail(call, API_UNAVAILABLE);
	return 0;
}

const struct action page_events = { .service = "minicloud", .name = "events", .fn = open_events };

/* --- which ------------------------------------------------------------------- */

enum reach { LOCAL, ANYWHERE }; /* the unix socket alone, or TCP too, signed */

static const struct page {
	const char *method, *pattern; /* one {} stands for an id */
	enum reach reach;
	const char *type; /* of the answer; the protocol of an upgrade */
	char *(*make)(struct gateway_request *req); /* or */
	const struct action *action;
	enum gateway_form form; /* of the answer */
} pages[] = {
	{ "GET", "/v1/credentials", LOCAL, "application/json", credentials_page, NULL, GATEWAY_TEXT },
	{ "GET", "/v1/health", LOCAL, "application/json", health_page, NULL, GATEWAY_TEXT },
	{ "GET", "/v1/counters", LOCAL, "application/json", counters_page, NULL, GATEWAY_TEXT },
	{ "GET", "/v1/operations", ANYWHERE, "application/json", operations_page, NULL, GATEWAY_TEXT },
	{ "GET", "/metrics", LOCAL, "text/plain; version=0.0.4", metrics_page, NULL, GATEWAY_TEXT },
	{ "GET", "/v1/bill", ANYWHERE, "application/json", NULL, &page_bill, GATEWAY_ANSWER },
	{ "GET", "/v1/bill/explain", ANYWHERE, "application/json", NULL, &page_bill_explain, GATEWAY_ANSWER },
	{ "POST", "/v1/estimate", ANYWHERE, "application/json", NULL, &page_estimate, GATEWAY_ANSWER },
	{ "POST", "/v1/bill/simulate", ANYWHERE, "application/json", NULL, &page_simulate, GATEWAY_ANSWER },
	{ "POST", "/v1/bill/reprice", LOCAL, "application/json", NULL, &page_reprice, GATEWAY_ANSWER },
	{ "GET", "/v1/events", ANYWHERE, "text/event-stream", NULL, &page_events, GATEWAY_EVENTS },
	{ "GET", "/v1/why", ANYWHERE, "application/json", NULL, &page_why, GATEWAY_ANSWER },
	{ "GET", "/v1/findings", ANYWHERE, "application/json", NULL, &page_findings, GATEWAY_ANSWER },
	{ "GET", "/v1/stats", ANYWHERE, "application/json", NULL, &page_stats, GATEWAY_ANSWER },
	{ "GET", "/v1/instances/{}/console", ANYWHERE, CONSOLE_PROTOCOL, NULL, &page_console, GATEWAY_UPGRADE },
};

/* The path against the pattern; what {} matched in *ret_id, allocated. */
static bool matches(const char *pattern, const char *path, char **ret_id)
{
	const char *hole = strstr(pattern, "{}");
	size_t before = hole ? (size_t)(hole - pattern) : 0, id;

	if (!hole)
		return strcmp(pattern, path) == 0;
	if (strncmp(pattern, path, before) != 0)
		return false;
	id = strcspn(path + before, "/");
	if (strcmp(path + before + id, hole + 2) != 0)
		return false;
	*ret_id = mc_strf("%.*s", (int)id, path + before);
	return true;
}

/* An endpoint is its service's door and none to what is our own. */
static bool reaches(const struct gateway_request *req, const struct page *page)
{
	return req->local || (page->reach == ANYWHERE && !req->only_service);
}

static const struct page *find(const struct gateway_request *req, char **ret_id)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(pages); i++)
		if (strcmp(req->method, pages[i].method) == 0 && reaches(req, &pages[i]) &&
		    matches(pages[i].pattern, req->path, ret_id))
			return &pages[i];
	return NULL;
}

bool page_at(const struct gateway_request *req)
{
	mc_autofree char *id = NULL;

	return find(req, &id) != NULL;
}

/* The page's id, the URL's query and, of a POST, the body's members. NULL: the body is no JSON object. */
static json_t *arguments(const struct gateway_request *req, const char *id)
{
	json_t *in = strcmp(req->method, "POST") == 0 ? json_loadb(req->body ? req->body : "", req->body_len, JSON_REJECT_DUPLICATES, NULL)
						      : json_object();

	if (!json_is_object(in)) {
		json_decref(in);
		return NULL;
	}

	for (size_t i = 0; i < req->form.n; i++)
		json_object_set_new(in, req->form.params[i].name, json_string(req->form.params[i].value));
	if (id)
		json_object_set_new(in, "id", json_string(id));
	return in;
}

static bool wants_upgrade(const struct gateway_request *req, const struct page *page)
{
	const char *upgrade = gateway_request_header(req, "Upgrade");

	return upgrade && strcmp(upgrade, page->type) == 0;
}

bool page_run(struct gateway_request *req, struct engine_call *ec, enum engine_result *ret)
{
	mc_autofree char *id = NULL;
	const struct page *page = find(req, &id);
	struct protocol_error e;

	if (!page)
		return false;
	*ret = ENGINE_DONE;
	req->wire = GATEWAY_JSON;
	req->form_of_answer = page->form;
	req->plain_type = page->type;
	if (page->make) {
		req->plain = page->make(req);
	} else if (protocol_form_parse(&req->form, req->query, strlen(req->query), &e) < 0) {
		action_fail(&ec->call, API_INVALID_PARAMETER, e.message);
	} else if (page->form == GATEWAY_UPGRADE && !wants_upgrade(req, page)) {
		action_fail(&ec->call, API_UPGRADE_REQUIRED, page->type);
	} else {
		ec->in = arguments(req, id);
		if (ec->in)
			*ret = engine_run_page(ec, page->action);
		else
			action_fail(&ec->call, API_INVALID_PARAMETER, "The body must be a JSON object.");
	}
	return true;
}
