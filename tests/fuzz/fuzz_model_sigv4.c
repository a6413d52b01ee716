/* Any request to the verifier of signatures. None that we have not signed may
 * pass; one that we have signed must name the same service and region.
 * Input: "METHOD PATH?QUERY\n", "Name: value\n" lines, an empty line, the body. */
#include "api/protocol/sigv4.h"

#include <strings.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "tests/fuzz/fuzz.h"

#define KEY "AKIAIOSFODNN7EXAMPLE"
#define NOW "20261121T040010Z"

/* Of the run's seed, so that no input of another run can hold a signature made with it. */
static char secret[41];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	uint64_t drawn[2];

	fuzz_secret(*argc, *argv, drawn, sizeof(drawn));
	snprintf(secret, sizeof(secret), "%016llx%016llxaaaaaaaa", (unsigned long long)drawn[0], (unsigned long long)drawn[1]);
	return 0;
}

static int lookup(void *ctx, const char *access_key, char *out)
{
	(void)ctx;
	if (strcmp(access_key, KEY) != 0)
		return 1;
	snprintf(out, SIGV4_MAX_SECRET, "%s", secret);
	return 0;
}

static void parse_first(char *line, struct sigv4_request *req)
{
	char *path = line + strcspn(line, " "), *query;

	if (*path)
		*path++ = '\0';
	query = path + strcspn(path, "?");
	if (*query)
		*query++ = '\0';
	req->method = line;
	req->path = path;
	req->query = query;
}

static size_t parse_headers(char **rest, size_t *len, struct sigv4_header *headers, size_t max)
{
	size_t n = 0;

	while (*len) {
		char *line = fuzz_line(rest, len), *value = line + strcspn(line, ":");

		if (!*line)
			break;
		if (*value)
			*value++ = '\0';
		value += strspn(value, " ");
		if (n < max)
			headers[n++] = (struct sigv4_header){ .name = line, .value = value };
	}
	return n;
}

/* The same request with a signature of ours in place of its own. */
static void sign_and_verify(struct sigv4_request *req, struct sigv4_header *headers)
{
	static const struct sigv4_credentials credentials = { KEY, secret, "us-east-1", "ec2" };
	struct sigv4_result result;
	struct protocol_error error;
	size_t kept = 0;

	for (size_t i = 0; i < req->n_headers; i++)
		if (strcasecmp(headers[i].name, "authorization") != 0)
			headers[kept++] = headers[i];
	req->n_headers = kept;

	mc_autofree char *signature = sigv4_sign(req, &credentials);

	if (!signature)
		return;
	headers[req->n_headers++] = (struct sigv4_header){ "Authorization", signature };
	if (sigv4_verify(req, lookup, NULL, &result, &error) < 0)
		return;
	FUZZ_CHECK(strcmp(result.access_key, KEY) == 0 && !result.presigned);
	FUZZ_CHECK(strcmp(result.region, "us-east-1") == 0 && strcmp(result.service, "ec2") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mc_autofree char *text = fuzz_text(data, size);
	char *rest = text;
	struct sigv4_header headers[SIGV4_MAX_HEADERS + 1];
	struct sigv4_request req = { .headers = headers, .default_service = "ec2" };
	struct sigv4_result result;
	struct protocol_error error = { 0 };

	mc_clock_parse(NOW, &req.now);
	parse_first(fuzz_line(&rest, &size), &req);
	req.n_headers = parse_headers(&rest, &size, headers, SIGV4_MAX_HEADERS);
	req.body = rest;
	req.body_len = size;
	FUZZ_CHECK(sigv4_verify(&req, lookup, NULL, &result, &error) < 0);
	FUZZ_CHECK(error.status >= 400 && error.code[0] && error.message[0]);
	sign_and_verify(&req, headers);
	return 0;
}
