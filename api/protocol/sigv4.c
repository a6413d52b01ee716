#include "api/protocol/sigv4.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/protocol/buffer.h"
#include "api/protocol/form.h"
#include "api/protocol/sigv4_canonical.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"

#define WINDOW (300 * MC_SECOND)            /* how far a signed request's date may be off */
#define PRESIGNED_AHEAD (900 * MC_SECOND)   /* how far ahead a presigned date may be */
#define PRESIGNED_MAX 604800                /* seconds: a week */
#define ALGORITHM "AWS4-HMAC-SHA256"
#define UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"

/* What a request says about its own signature. */
struct claim {
	char *access_key, *date; /* of the scope */
	char *region, *service, *terminator;
	char *signed_headers, *signature;
	const char *stamp; /* x-amz-date */
	int64_t when, expires; /* ns; expires: 0 for the header form */
	bool presigned;
	char *store; /* what the texts point into */
	struct protocol_form query;
};

enum refusal {
	NO_AUTHENTICATION,
	INCOMPLETE,
	UNKNOWN_KEY,
	BAD_SIGNATURE,
	EXPIRED,
	EARLY,
	REFUSAL_MAX
};

struct refusal_text {
	int status;
	const char *code, *message;
};

/* EC2 answers in its own way; all query and JSON services alike. */
static const struct refusal_text refusals_ec2[REFUSAL_MAX] = {
	[NO_AUTHENTICATION] = { 400, "MissingParameter",
		"The request must contain the parameter AWSAccessKeyId" },
	[INCOMPLETE] = { 400, "IncompleteSignature",
		"The request signature does not conform to AWS standards." },
	[UNKNOWN_KEY] = { 401, "AuthFailure",
		"AWS was not able to validate the provided access credentials" },
	[BAD_SIGNATURE] = { 401, "AuthFailure",
		"AWS was not able to validate the provided access credentials" },
	[EXPIRED] = { 400, "RequestExpired", "Request has expired." },
	[EARLY] = { 400, "RequestExpired", "Request has expired." },
};

static const struct refusal_text refusals_other[REFUSAL_MAX] = {
	[NO_AUTHENTICATION] = { 403, "MissingAuthenticationToken",
		"Request is missing Authentication Token" },
	[INCOMPLETE] = { 400, "IncompleteSignature",
		"The request signature does not conform to AWS standards." },
	[UNKNOWN_KEY] = { 403, "InvalidClientTokenId",
		"The security token included in the request is invalid." },
	[BAD_SIGNATURE] = { 403, "SignatureDoesNotMatch",
		"The request signature we calculated does not match the signature you provided. "
		"Check your AWS Secret Access Key and signing method. Consult the service "
		"documentation for details." },
	[EXPIRED] = { 403, "SignatureDoesNotMatch", "Signature expired" },
	[EARLY] = { 403, "SignatureDoesNotMatch", "Signature not yet current" },
};

static int refuse(struct protocol_error *error, const char *service, enum refusal why,
		  const char *detail)
{
	bool ec2 = strcmp(service, "ec2") == 0;
	const struct refusal_text *t = ec2 ? &refusals_ec2[why] : &refusals_other[why];

	/* EC2 keeps to itself what was wrong with a signature. */
	if (!detail || (ec2 && why != INCOMPLETE))
		return protocol_error_set(error, t->status, t->code, "%s", t->message);
	return protocol_error_set(error, t->status, t->code, "%s", detail);
}

static void claim_deinit(struct claim *c)
{
	protocol_form_free(&c->query);
	free(c->store);
}

/* KEY/20261121/us-east-1/ec2/aws4_request, cut in place from the right: an access
 * key may hold anything. */
static int parse_credential(struct claim *c, char *text)
{
	char **parts[] = { &c->terminator, &c->service, &c->region, &c->date };

	for (size_t i = 0; i < MC_ARRAY_SIZE(parts); i++) {
		char *slash = strrchr(text, '/');

		if (!slash)
			return -1;
		*slash = '\0';
		*parts[i] = slash + 1;
	}
	c->access_key = text;
	return 0;
}

static bool is_name(const char *text, size_t max)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n < max && text[n] == '\0';
}

static bool is_access_key(const char *text)
{
	size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

	return n > 0 && n < SIGV4_MAX_KEY && text[n] == '\0';
}

/* Exactly "20261121T040000Z": what is signed has one form only. */
static bool is_stamp(const char *text)
{
	static const char form[] = "ddddddddTddddddZ";

	for (size_t i = 0; i < sizeof(form); i++)
		if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	return true;
}

/* Lower-case names, sorted strictly, no empty one: one list has one form only. */
static bool signed_headers_valid(const char *list)
{
	const char *previous = NULL;
	size_t previous_len = 0, n = 0;

	for (const char *p = list;; n++) {
		size_t len = strcspn(p, ";");

		if (len == 0 || n >= SIGV4_MAX_HEADERS ||
		    strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789-_.!#$%&'*+^`|~") < len)
			return false;
		if (previous) {
			int r = strncmp(previous, p, previous_len < len ? previous_len : len);

			if (r > 0 || (r == 0 && previous_len >= len))
				return false;
		}
		if (!p[len])
			return true;
		previous = p;
		previous_len = len;
		p += len + 1;
	}
}

static bool signs_header(const char *list, const char *name)
{
	size_t want = strlen(name);

	for (const char *p = list; *p;) {
		size_t len = strcspn(p, ";");

		if (len == want && strncmp(p, name, len) == 0)
			return true;
		p += len + (p[len] == ';');
	}
	return false;
}

/* "Credential=..., SignedHeaders=..., Signature=...", in any order, cut in place. */
static int parse_authorization(struct claim *c, char *text)
{
	char *credential = NULL, *next = text;

	while (next) {
		char *field = next + strspn(next, " \t");
		char *comma = strchr(field, ',');

		next = comma ? comma + 1 : NULL;
		if (comma)
			*comma = '\0';
		field[strcspn(field, " \t")] = '\0';
		if (strncmp(field, "Credential=", 11) == 0)
			credential = field + 11;
		else if (strncmp(field, "SignedHeaders=", 14) == 0)
			c->signed_headers = field + 14;
		else if (strncmp(field, "Signature=", 10) == 0)
			c->signature = field + 10;
	}
	if (!credential || !c->signed_headers || !c->signature)
		return -1;
	return parse_credential(c, credential);
}

static int claim_from_header(struct claim *c, const struct sigv4_request *req,
			     const char *authorization, struct protocol_error *error)
{
	size_t prefix = strlen(ALGORITHM);

	if (strncmp(authorization, ALGORITHM, prefix) != 0 || authorization[prefix] != ' ')
		return refuse(error, req->default_service, INCOMPLETE, NULL);
	c->store = mc_strdup(authorization + prefix + 1);
	if (parse_authorization(c, c->store) < 0)
		return refuse(error, req->default_service, INCOMPLETE,
			"Authorization header requires 'Credential', 'Signature' and "
			"'SignedHeaders' parameters.");
	c->stamp = sigv4_header(req, "x-amz-date");
	if (!c->stamp)
		return refuse(error, c->service, INCOMPLETE,
			"Authorization header requires existence of a 'X-Amz-Date' header.");
	return 0;
}

static int64_t parse_expires(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (strspn(text, "0123456789") != strlen(text) || end == text || n < 1 ||
	    n > PRESIGNED_MAX)
		return 0;
	return n * MC_SECOND;
}

static int claim_from_query(struct claim *c, const struct sigv4_request *req,
			    struct protocol_error *error)
{
	const char *algorithm = protocol_form_get(&c->query, "X-Amz-Algorithm");
	const char *credential = protocol_form_get(&c->query, "X-Amz-Credential");
	const char *headers = protocol_form_get(&c->query, "X-Amz-SignedHeaders");
	const char *signature = protocol_form_get(&c->query, "X-Amz-Signature");
	const char *expires = protocol_form_get(&c->query, "X-Amz-Expires");

	c->presigned = true;
	c->stamp = protocol_form_get(&c->query, "X-Amz-Date");
	if (!algorithm || strcmp(algorithm, ALGORITHM) != 0 || !credential || !headers ||
	    !signature || !c->stamp)
		return refuse(error, req->default_service, INCOMPLETE,
			"AWS query-string parameters must include 'X-Amz-Algorithm', "
			"'X-Amz-Credential', 'X-Amz-Signature', 'X-Amz-SignedHeaders' and "
			"'X-Amz-Date'.");

	size_t key = strlen(credential) + 1, list = strlen(headers) + 1;

	c->store = mc_alloc(key + list + strlen(signature) + 1);
	memcpy(c->store, credential, key);
	c->signed_headers = memcpy(c->store + key, headers, list);
	c->signature = memcpy(c->store + key + list, signature, strlen(signature) + 1);
	if (parse_credential(c, c->store) < 0)
		return refuse(error, req->default_service, INCOMPLETE, NULL);
	/* STS's presigned URLs may come without; AWS then takes 15 minutes. */
	c->expires = expires ? parse_expires(expires) : PRESIGNED_AHEAD;
	if (c->expires == 0)
		return refuse(error, c->service, INCOMPLETE,
			"X-Amz-Expires must be a number of seconds from 1 to 604800.");
	return 0;
}

static int claim_parse(struct claim *c, const struct sigv4_request *req,
		       struct protocol_error *error)
{
	const char *authorization = sigv4_header(req, "authorization");
	const char *query = req->query ? req->query : "";

	if (authorization)
		return claim_from_header(c, req, authorization, error);
	if (protocol_form_parse(&c->query, query, strlen(query), error) < 0)
		return -1;
	if (protocol_form_get(&c->query, "X-Amz-Signature"))
		return claim_from_query(c, req, error);
	return refuse(error, req->default_service, NO_AUTHENTICATION, NULL);
}

/* Everything about the claim that needs no secret. */
static int claim_check(struct claim *c, const struct sigv4_request *req,
		       struct protocol_error *error)
{
	/* Headers that change what the request means or who sends it. */
	static const char *const must_sign[] = { "x-amz-date", "x-amz-target",
						 "x-amz-security-token" };

	if (!is_name(c->service, 64) || !is_name(c->region, 64))
		return refuse(error, req->default_service, INCOMPLETE, NULL);
	if (strcmp(c->terminator, "aws4_request") != 0)
		return refuse(error, c->service, BAD_SIGNATURE,
			"Credential should be scoped with a valid terminator: 'aws4_request'.");
	if (!is_stamp(c->stamp) || mc_clock_parse(c->stamp, &c->when) < 0)
		return refuse(error, c->service, INCOMPLETE,
			"Date must be in ISO-8601 'basic format'.");
	if (strlen(c->date) != 8 || strncmp(c->date, c->stamp, 8) != 0)
		return refuse(error, c->service, BAD_SIGNATURE,
			"Date in Credential scope does not match YYYYMMDD from ISO-8601 version "
			"of date from HTTP.");
	if (!signed_headers_valid(c->signed_headers))
		return refuse(error, c->service, INCOMPLETE, NULL);
	if (!signs_header(c->signed_headers, "host"))
		return refuse(error, c->service, BAD_SIGNATURE,
			"'Host' must be a 'SignedHeader' in the AWS Authorization.");
	for (size_t i = 0; i < MC_ARRAY_SIZE(must_sign); i++)
		if (sigv4_header(req, must_sign[i]) &&
		    !signs_header(c->signed_headers, must_sign[i]))
			return refuse(error, c->service, BAD_SIGNATURE,
				"All 'X-Amz-' headers that bear on the request must be signed.");
	return 0;
}

static int check_time(const struct claim *c, const struct sigv4_request *req,
		      struct protocol_error *error)
{
	int64_t ahead = c->presigned ? PRESIGNED_AHEAD : WINDOW;
	int64_t behind = c->presigned ? c->expires : WINDOW;

	if (c->when - req->now > ahead)
		return refuse(error, c->service, EARLY, NULL);
	if (req->now - c->when > behind)
		return refuse(error, c->service, EXPIRED, NULL);
	return 0;
}

/* The hash line of the canonical request. A hash that was sent must be the body's;
 * a client may leave its body unsigned only by saying so, which is then signed. */
static int payload_line(const struct claim *c, const struct sigv4_request *req,
			char out[SIGV4_HEX_LEN], struct protocol_error *error)
{
	const char *sent = sigv4_header(req, "x-amz-content-sha256");

	if (!sent && c->presigned)
		sent = protocol_form_get(&c->query, "X-Amz-Content-Sha256");
	if (sent && strcmp(sent, UNSIGNED_PAYLOAD) == 0) {
		snprintf(out, SIGV4_HEX_LEN, "%s", sent);
		return 0;
	}
	sigv4_hash(req->body, req->body_len, out);
	if (sent && strcmp(sent, out) != 0)
		return refuse(error, c->service, BAD_SIGNATURE,
			"The provided 'x-amz-content-sha256' header does not match what was "
			"computed.");
	return 0;
}

static int check_signature(const struct claim *c, const struct sigv4_request *req,
			   sigv4_lookup *lookup, void *ctx, struct protocol_error *error)
{
	struct sigv4_scope scope = { c->date, c->region, c->service };
	char payload[SIGV4_HEX_LEN], want[SIGV4_HEX_LEN], secret[SIGV4_MAX_SECRET] = "";
	bool known = is_access_key(c->access_key) && lookup(ctx, c->access_key, secret) == 0;

	if (payload_line(c, req, payload, error) < 0) {
		OPENSSL_cleanse(secret, sizeof(secret));
		return -1;
	}

	mc_autofree char *canonical = sigv4_canonical(req, c->signed_headers, payload);

	/* Signed also with the empty secret of an unknown key, so that the time taken
	 * does not tell which keys exist. */
	sigv4_signature(canonical ? canonical : "", c->stamp, &scope, secret, want);
	OPENSSL_cleanse(secret, sizeof(secret));

	bool same = strlen(c->signature) == SIGV4_HEX_LEN - 1 &&
		    CRYPTO_memcmp(c->signature, want, SIGV4_HEX_LEN - 1) == 0;

	if (!known)
		return refuse(error, c->service, UNKNOWN_KEY, NULL);
	if (!canonical || !same)
		return refuse(error, c->service, BAD_SIGNATURE, NULL);
	return 0;
}

int sigv4_verify(const struct sigv4_request *req, sigv4_lookup *lookup, void *ctx,
		 struct sigv4_result *ret, struct protocol_error *error)
{
	__attribute__((cleanup(claim_deinit))) struct claim c = { 0 };

	if (claim_parse(&c, req, error) < 0 || claim_check(&c, req, error) < 0 ||
	    check_time(&c, req, error) < 0 || check_signature(&c, req, lookup, ctx, error) < 0)
		return -1;
	snprintf(ret->access_key, sizeof(ret->access_key), "%s", c.access_key);
	snprintf(ret->region, sizeof(ret->region), "%s", c.region);
	snprintf(ret->service, sizeof(ret->service), "%s", c.service);
	ret->date = c.when;
	ret->presigned = c.presigned;
	ret->security_token = c.presigned ? NULL : sigv4_header(req, "x-amz-security-token");
	return 0;
}

static int compare_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *lower(const char *text)
{
	char *out = mc_strdup(text);

	for (char *p = out; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';
	return out;
}

/* "host;x-amz-date": the names of all headers, each once. */
static char *all_headers(const struct sigv4_request *req)
{
	mc_autofree char **names = mc_alloc((req->n_headers + 1) * sizeof(*names));
	struct buffer out = { 0 };

	for (size_t i = 0; i < req->n_headers; i++)
		names[i] = lower(req->headers[i].name);
	qsort(names, req->n_headers, sizeof(*names), compare_name);
	for (size_t i = 0; i < req->n_headers; i++)
		if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
			buffer_texts(&out, i ? ";" : "", names[i], NULL);
	for (size_t i = 0; i < req->n_headers; i++)
		free(names[i]);
	return buffer_take(&out, NULL);
}

char *sigv4_sign(const struct sigv4_request *req, const struct sigv4_credentials *credentials)
{
	const char *stamp = sigv4_header(req, "x-amz-date");
	char date[9], payload[SIGV4_HEX_LEN], signature[SIGV4_HEX_LEN];

	if (!stamp || strlen(stamp) != SIGV4_STAMP_LEN - 1 || !sigv4_header(req, "host"))
		return NULL;
	snprintf(date, sizeof(date), "%.8s", stamp);
	sigv4_hash(req->body, req->body_len, payload);

	struct sigv4_scope scope = { date, credentials->region, credentials->service };
	mc_autofree char *headers = all_headers(req);
	mc_autofree char *canonical = sigv4_canonical(req, headers, payload);

	if (!canonical) /* a ';' in a name */
		return NULL;
	sigv4_signature(canonical, stamp, &scope, credentials->secret, signature);
	return mc_strf("%s Credential=%s/%s/%s/%s/aws4_request, SignedHeaders=%s, Signature=%s",
		       ALGORITHM, credentials->access_key, date, credentials->region,
		       credentials->service, headers, signature);
}
