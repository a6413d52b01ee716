#include "api/gateway_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/billing/page_meters.h"
#include "api/page.h"
#include "api/protocol/cbor.h"
#include "api/protocol/gzip.h"
#include "api/protocol/json.h"
#include "api/protocol/query.h"
#include "api/protocol/rest.h"
#include "api/protocol/xml.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/crash.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define DEFAULT_REGION "us-east-1"
#define CBOR_PROTOCOL "rpc-v2-cbor"

const char *gateway_request_header(const struct gateway_request *req, const char *name)
{
	for (size_t i = 0; i < req->n_headers; i++)
		if (strcasecmp(req->headers[i].name, name) == 0)
			return req->headers[i].value;
	return NULL;
}

/* A refusal of the wire layer becomes the call's outcome; its status is kept as is. */
static int refuse(struct engine_call *ec, const struct protocol_error *e)
{
	free(ec->call.error_code);
	free(ec->call.error_message);
	ec->call.error = API_INVALID_PARAMETER;
	ec->call.error_code = mc_strdup(e->code);
	ec->call.error_message = mc_strdup(e->message);
	ec->status = e->status;
	return 1;
}

static int refuse_with(struct engine_call *ec, int status, const char *code, const char *message)
{
	struct protocol_error e;

	protocol_error_set(&e, status, code, "%s", message);
	return refuse(ec, &e);
}

/* --- who ----------------------------------------------------------------- */

static void become_root(struct engine_call *ec, const char *account, const char *region, const char *key)
{
	struct caller *c = &ec->caller;

	snprintf(c->account, sizeof(c->account), "%s", account);
	snprintf(c->region, sizeof(c->region), "%s", region);
	snprintf(c->access_key, sizeof(c->access_key), "%s", key);
	snprintf(c->user_id, sizeof(c->user_id), "%s", account);
	snprintf(c->arn, sizeof(c->arn), "arn:aws:iam::%s:root", account);
}

static int lookup_secret(void *ctx, const char *access_key, char *secret)
{
	struct access_key key;

	if (store_access_key(ctx, access_key, &key) < 0)
		return 1;
	snprintf(secret, SIGV4_MAX_SECRET, "%s", key.secret);
	return 0;
}

static int authenticate_signature(struct gateway_request *req, struct engine_call *ec)
{
	struct sigv4_request s = {
		.method = req->method, .path = req->path, .query = req->query, .headers = req->headers,
		.n_headers = req->n_headers, .body = req->body, .body_len = req->body_len, .now = mc_clock_wall(),
		.default_service = "ec2",
	};
	struct sigv4_result result = { 0 };
	struct access_key key = { 0 };
	struct protocol_error e;

	if (sigv4_verify(&s, lookup_secret, req->api->store, &result, &e) < 0)
		return refuse(ec, &e);
	if (req->only_service && strcmp(req->only_service, result.service) != 0)
		return refuse_with(ec, 403, "SignatureDoesNotMatch", "Credential should be scoped to the service of this endpoint.");
	store_access_key(req->api->store, result.access_key, &key);
	snprintf(req->service, sizeof(req->service), "%s", result.service);
	become_root(ec, key.account, result.region, result.access_key);
	return 0;
}

static int authenticate(struct gateway_request *req, struct engine_call *ec)
{
	const char *region = gateway_request_header(req, "X-Minicloud-Region");
	const char *target = gateway_request_header(req, "X-Amz-Target");
	struct protocol_cbor_path path;

	snprintf(req->service, sizeof(req->service), "ec2");
	if (!req->local)
		return authenticate_signature(req, ec);
	if (req->peer_uid != 0)
		return refuse_with(ec, 403, "UnauthorizedOperation", "Only root may use this socket.");
	if (target && strchr(target, '.'))
		snprintf(req->service, sizeof(req->service), "%.*s", (int)strcspn(target, "."), target);
	if (protocol_cbor_path(req->path, &path))
		snprintf(req->service, sizeof(req->service), "%.*s", (int)path.service_len, path.service);
	become_root(ec, req->api->config.account, region && *region ? region : DEFAULT_REGION, "");
	return 0;
}

/* --- what ---------------------------------------------------------------- */

static int read_form(struct gateway_request *req, struct engine_call *ec)
{
	struct protocol_error e;

	if (protocol_form_parse(&req->form, req->query, strlen(req->query), &e) < 0 ||
	    protocol_form_parse(&req->form, req->body ? req->body : "", req->body_len, &e) < 0)
		return refuse(ec, &e);
	return 0;
}

static const char *operation_name(struct gateway_request *req, struct engine_call *ec)
{
	const char *target = gateway_request_header(req, "X-Amz-Target");
	struct protocol_cbor_path path;
	const char *name;

	if (req->wire == GATEWAY_CBOR && protocol_cbor_path(req->path, &path))
		return path.operation;
	if (target)
		return protocol_json_target(target);
	if (read_form(req, ec))
		return NULL;
	name = protocol_form_get(&req->form, "Action");
	if (!name)
		refuse_with(ec, 400, "MissingAction", "The request must contain the parameter Action");
	return name;
}

/* Our own client names operations of REST services by X-Amz-Target, as of any other. */
static bool is_rest(const struct gateway_request *req)
{
	const struct model_service *service = model_service(req->service);

	return service && model_service_protocol(service) == MODEL_PROTOCOL_REST_JSON && !gateway_request_header(req, "X-Amz-Target");
}

static const struct model_operation *find_rest(struct gateway_request *req, struct engine_call *ec)
{
	const struct model_operation *op = protocol_rest_find(model_service(req->service), req->method, req->path);
	struct protocol_error e;

	if (!op)
		refuse_with(ec, 404, "UnknownOperationException", "There is no operation of this method and path.");
	else if (protocol_form_parse(&req->form, req->query, strlen(req->query), &e) < 0)
		refuse(ec, &e);
	else
		return op;
	return NULL;
}

static const struct model_operation *find_operation(struct gateway_request *req, struct engine_call *ec)
{
	const char *name;
	const struct model_operation *op;

	if (is_rest(req)) {
		req->wire = GATEWAY_REST;
		return find_rest(req, ec);
	}
	if (req->wire == GATEWAY_REST) /* another service's clients may be given a path, too */
		req->wire = GATEWAY_QUERY;
	if (strcmp(req->method, "GET") != 0 && strcmp(req->method, "POST") != 0) {
		refuse_with(ec, 405, "MethodNotAllowed", "The method is not allowed here.");
		return NULL;
	}
	name = operation_name(req, ec);
	if (!name)
		return NULL;
	op = model_operation(model_service(req->service), name);
	if (!op)
		action_fail(&ec->call, API_INVALID_ACTION, name);
	return op;
}

/* What JSON services call a request that does not fit their model. */
static void name_refusal(const struct gateway_request *req, struct protocol_error *e)
{
	static const struct {
		const char *service, *code;
	} codes[] = {
		{ "ce", "ValidationException" }, { "budgets", "InvalidParameterException" }, { "pricing", "InvalidParameterException" },
		{ "ssm", "ValidationException" }, { "kms", "ValidationException" }, { "ebs", "ValidationException" }, { "rbin", "ValidationException" },
		{ "dlm", "InvalidRequestException" },
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(codes); i++)
		if (strcmp(codes[i].service, req->service) == 0 && strcmp(e->code, "SerializationException") != 0)
			snprintf(e->code, sizeof(e->code), "%s", codes[i].code);
}

static const char *header_of(const void *ctx, const char *name)
{
	return gateway_request_header(ctx, name);
}

static int decode_rest(struct gateway_request *req, struct engine_call *ec, const struct model_operation *op, struct protocol_error *e)
{
	const struct protocol_rest_request rest = {
		.method = req->method, .path = req->path, .query = &req->form, .header = header_of, .ctx = req,
		.body = req->body ? req->body : "", .body_len = req->body_len,
	};

	ec->call.payload = rest.body;
	ec->call.payload_len = rest.body_len;
	return protocol_rest_decode(op, &rest, &ec->in, e);
}

static int decode(struct gateway_request *req, struct engine_call *ec, const struct model_operation *op)
{
	const char *body = req->body ? req->body : "";
	struct protocol_error e;
	int r = -1;

	switch (req->wire) {
	case GATEWAY_QUERY: r = protocol_query_decode(op, req->form.params, req->form.n, &ec->in, &e); break;
	case GATEWAY_JSON: r = protocol_json_decode(op, body, req->body_len, &ec->in, &e); break;
	case GATEWAY_CBOR: r = protocol_cbor_decode(op, body, req->body_len, &ec->in, &e); break;
	case GATEWAY_REST: r = decode_rest(req, ec, op, &e); break;
	}
	if (r < 0 && req->wire == GATEWAY_REST)
		ec->call.error_reason = "INVALID_PARAMETER_VALUE";
	if (r < 0)
		name_refusal(req, &e);
	return r < 0 ? refuse(ec, &e) : 0;
}

/* Refusals, too, are in the caller's protocol. */
static enum gateway_wire wire_of(const struct gateway_request *req)
{
	const char *smithy = gateway_request_header(req, "Smithy-Protocol");

	if (smithy && strcmp(smithy, CBOR_PROTOCOL) == 0)
		return GATEWAY_CBOR;
	if (gateway_request_header(req, "X-Amz-Target") || page_at(req))
		return GATEWAY_JSON;
	return *req->path && strcmp(req->path, "/") != 0 ? GATEWAY_REST : GATEWAY_QUERY;
}

/* What was signed is the compressed body. */
static int decompress(struct gateway_request *req, struct engine_call *ec)
{
	const char *encoding = gateway_request_header(req, "Content-Encoding");
	struct protocol_error e;
	char *plain;

	if (!encoding || strcasecmp(encoding, "identity") == 0)
		return 0;
	if (strcasecmp(encoding, "gzip") != 0)
		return refuse_with(ec, 415, "UnsupportedMediaType", "Of content encodings this service takes gzip.");
	if (protocol_gunzip(req->body ? req->body : "", req->body_len, GATEWAY_BODY_MAX, &plain, &req->body_len, &e) < 0)
		return refuse(ec, &e);
	free(req->body);
	req->body = plain;
	return 0;
}

static bool is_method(const char *method)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

	for (size_t i = 0; i < MC_ARRAY_SIZE(methods); i++)
		if (strcmp(methods[i], method) == 0)
			return true;
	return false;
}

enum engine_result gateway_request_run(struct gateway_request *req, struct engine_call *ec)
{
	enum engine_result result = ENGINE_DONE;
	int status;
	const struct model_operation *op;

	mc_log_set_request_id(ec->request_id);
	req->wire = wire_of(req);
	if (req->too_large) {
		refuse_with(ec, 413, "RequestEntityTooLarge", "The request is larger than this service takes.");
		return ENGINE_DONE;
	}
	if (!is_method(req->method)) {
		refuse_with(ec, 405, "MethodNotAllowed", "The method is not allowed here.");
		return ENGINE_DONE;
	}
	if (!req->only_service && page_meters(req, &status)) {
		if (status != 200)
			refuse_with(ec, status, "AccessDenied", "This page needs the token that \"minicloud meters\" gives.");
		return ENGINE_DONE;
	}
	if (authenticate(req, ec) || decompress(req, ec) || page_run(req, ec, &result))
		return result;
	op = find_operation(req, ec);
	ec->call.op = op;
	ec->call.xml = req->wire == GATEWAY_QUERY;
	if (!op || decode(req, ec, op))
		return ENGINE_DONE;
	return engine_run(ec, req->service, op);
}

/* --- the answer ------------------------------------------------------------ */

/* Services that spoke the query protocol once keep its error codes in a header beside the others
 * (https://smithy.io/2.0/aws/protocols/aws-query-protocol.html, awsQueryCompatible). */
static char *query_error(const struct gateway_request *req, const struct call *call, int status)
{
	const struct model_service *service = model_service(req->service);

	if (!service || model_service_protocol(service) != MODEL_PROTOCOL_QUERY)
		return NULL;
	return mc_strf("%s;%s", call->error_code, status < 500 ? "Sender" : "Receiver");
}

static void answer_rest_error(const struct call *call, struct gateway_answer *ret)
{
	const char *code = call->error_code;

	if (call->error == API_INTERNAL)
		code = "InternalServerException";
	if (call->error == API_IDEMPOTENT_MISMATCH) {
		code = "ConflictException";
		ret->status = 409;
	}
	ret->type = "application/json";
	ret->text = protocol_rest_error(code, call->error_message, call->error_reason);
	ret->len = strlen(ret->text);
	ret->headers = json_pack("{s:s}", "x-amzn-ErrorType", code);
}

static void answer_error(struct gateway_request *req, struct engine_call *ec, struct gateway_answer *ret)
{
	const struct call *call = &ec->call;

	ret->status = ec->status ? ec->status : api_error_status(call->error);
	if (req->wire == GATEWAY_REST) {
		answer_rest_error(call, ret);
		return;
	}
	if (req->wire != GATEWAY_QUERY)
		ret->query_error = query_error(req, call, ret->status);
	if (req->wire == GATEWAY_CBOR) {
		ret->text = protocol_cbor_error(call->error_code, call->error_message, &ret->len);
		return;
	}
	ret->text = req->wire == GATEWAY_JSON ? protocol_json_error(call->error_code, call->error_message)
					      : protocol_xml_error(model_service(req->service), ret->status, call->error_code,
								   call->error_message, ec->request_id);
	ret->len = strlen(ret->text);
}

/* Our own client asks EC2 in JSON, too, and reads times as texts. */
static bool wants_numbers(const struct model_operation *op)
{
	return op && model_service_protocol(model_operation_service(op)) != MODEL_PROTOCOL_EC2;
}

static void answer_rest(struct engine_call *ec, struct gateway_answer *ret)
{
	struct call *call = &ec->call;

	ret->status = model_operation_status(call->op);
	ret->headers = protocol_rest_headers(call->op, call->out);
	ret->type = call->blob ? "application/octet-stream" : "application/json";
	ret->len = call->blob_len;
	ret->text = call->blob ? MC_STEAL(call->blob) : ret->status == 204 ? mc_strdup("") : protocol_rest_encode(call->op, call->out);
	if (ret->len == 0)
		ret->len = strlen(ret->text);
}

static void answer_document(struct gateway_request *req, struct engine_call *ec, struct gateway_answer *ret)
{
	mc_auto_err mc_err *err = NULL;

	if (req->wire == GATEWAY_REST) {
		answer_rest(ec, ret);
		return;
	}
	ret->status = 200;
	if (req->wire == GATEWAY_CBOR) {
		ret->text = protocol_cbor_encode(ec->call.op, ec->call.out, &ret->len);
		return;
	}
	if (req->wire == GATEWAY_JSON) {
		ret->text = wants_numbers(ec->call.op) ? protocol_json_encode(ec->call.op, ec->call.out)
			    : ec->call.out		? json_dumps(ec->call.out, JSON_COMPACT)
							: mc_strdup("{}");
		ret->len = strlen(ret->text);
		return;
	}
	ret->text = protocol_xml_answer(ec->call.op, ec->call.out, ec->request_id, &ret->len, &err);
	if (ret->text)
		return;
	mc_log(MC_LOG_ERROR, "gateway", "answer cannot be encoded", "reason", mc_err_msg(err), NULL);
	action_fail(&ec->call, API_INTERNAL);
	answer_error(req, ec, ret);
}

void gateway_request_answer(struct gateway_request *req, struct engine_call *ec, struct gateway_answer *ret)
{
	static const char *const types[] = {
		[GATEWAY_QUERY] = "text/xml;charset=UTF-8", [GATEWAY_JSON] = "application/x-amz-json-1.1",
		[GATEWAY_CBOR] = "application/cbor", [GATEWAY_REST] = "application/json",
	};

	if (ec->action && ec->action->flags & (ACTION_WRITE | ACTION_BACKEND))
		MC_CRASH_POINT(); /* done, and nobody was told */
	ret->type = types[req->wire];
	if (req->wire == GATEWAY_CBOR)
		ret->protocol = CBOR_PROTOCOL;
	if (ec->call.error) {
		answer_error(req, ec, ret);
		return;
	}
	if (req->plain) {
		ret->status = 200;
		ret->type = req->plain_type;
		ret->text = MC_STEAL(req->plain);
		ret->len = strlen(ret->text);
		return;
	}
	answer_document(req, ec, ret);
}

void gateway_request_free(struct gateway_request *req)
{
	free(req->body);
	free(req->plain);
	protocol_form_free(&req->form);
}
