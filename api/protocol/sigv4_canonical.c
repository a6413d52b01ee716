#include "api/protocol/sigv4_canonical.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/protocol/buffer.h"
#include "api/protocol/form.h"
#include "common/cleanup.h"
#include "common/fs.h"

#define HASH_LEN 32

static void to_hex(const unsigned char hash[HASH_LEN], char out[SIGV4_HEX_LEN])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < HASH_LEN; i++) {
		out[2 * i] = digits[hash[i] >> 4];
		out[2 * i + 1] = digits[hash[i] & 15];
	}
	out[2 * HASH_LEN] = '\0';
}

void sigv4_hash(const void *data, size_t len, char out[SIGV4_HEX_LEN])
{
	unsigned char hash[HASH_LEN];

	/* Fails only where libcrypto is broken or out of memory: never go on then. */
	if (EVP_Digest(data ? data : "", len, hash, NULL, EVP_sha256(), NULL) != 1)
		abort();
	to_hex(hash, out);
}

const char *sigv4_header(const struct sigv4_request *req, const char *name)
{
	for (size_t i = 0; i < req->n_headers; i++)
		if (strcasecmp(req->headers[i].name, name) == 0)
			return req->headers[i].value;
	return NULL;
}

/* AWS's own URI encoding: everything but A-Za-z0-9-._~ (and '/' in paths). */
static void add_encoded(struct buffer *b, const char *text, size_t len, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '.' || c == '_' || c == '~' || (keep_slash && c == '/')) {
			buffer_add(b, &c, 1);
		} else {
			char escape[] = { '%', digits[c >> 4], digits[c & 15] };

			buffer_add(b, escape, sizeof(escape));
		}
	}
}

struct pair {
	char *name, *value; /* encoded */
};

static int compare_pair(const void *a, const void *b)
{
	const struct pair *left = a, *right = b;
	int r = strcmp(left->name, right->name);

	return r ? r : strcmp(left->value, right->value);
}

/* Decode what the client encoded in its own way and encode it in AWS's. */
static char *recode(const char *text, size_t len)
{
	mc_autofree char *plain = mc_alloc(len + 1);
	long n = protocol_form_unescape(text, len, plain);
	struct buffer b = { 0 };

	if (n < 0)
		add_encoded(&b, text, len, false);
	else
		add_encoded(&b, plain, (size_t)n, false);
	return buffer_take(&b, NULL);
}

static size_t split_query(const char *query, struct pair *pairs)
{
	size_t n = 0;

	while (*query) {
		size_t len = strcspn(query, "&"), name = strcspn(query, "=&");

		if (len > 0) {
			bool value = name < len;

			pairs[n].name = recode(query, name);
			pairs[n].value = recode(value ? query + name + 1 : "",
						value ? len - name - 1 : 0);
			n++;
		}
		query += len + (query[len] == '&');
	}
	return n;
}

static void add_query(struct buffer *b, const char *query)
{
	size_t max = 1, n;

	for (const char *p = query; *p; p++)
		max += *p == '&';

	mc_autofree struct pair *pairs = mc_alloc(max * sizeof(*pairs));
	const char *separator = "";

	n = split_query(query, pairs);
	qsort(pairs, n, sizeof(*pairs), compare_pair);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(pairs[i].name, "X-Amz-Signature") != 0) {
			buffer_texts(b, separator, pairs[i].name, "=", pairs[i].value, NULL);
			separator = "&";
		}
		free(pairs[i].name);
		free(pairs[i].value);
	}
}

/* A header's value without outer blanks, runs of blanks made one. */
static void add_folded(struct buffer *b, const char *value)
{
	const char *separator = "";

	while (*(value += strspn(value, " \t"))) {
		size_t len = strcspn(value, " \t");

		buffer_text(b, separator);
		buffer_add(b, value, len);
		separator = " ";
		value += len;
	}
}

/* "name:value,value\n" of all headers of this name. False: there is none. */
static bool add_header(struct buffer *b, const struct sigv4_request *req, const char *name,
		       size_t len)
{
	bool found = false;

	for (size_t i = 0; i < req->n_headers; i++) {
		const struct sigv4_header *h = &req->headers[i];

		if (strncasecmp(h->name, name, len) != 0 || h->name[len] != '\0')
			continue;
		if (found)
			buffer_text(b, ",");
		else
			buffer_add(b, name, len);
		if (!found)
			buffer_text(b, ":");
		add_folded(b, h->value);
		found = true;
	}
	buffer_text(b, "\n");
	return found;
}

char *sigv4_canonical(const struct sigv4_request *req, const char *signed_headers,
		      const char *payload)
{
	auto_buffer struct buffer b = { 0 };

	buffer_texts(&b, req->method, "\n", NULL);
	add_encoded(&b, *req->path ? req->path : "/", *req->path ? strlen(req->path) : 1, true);
	buffer_text(&b, "\n");
	add_query(&b, req->query ? req->query : "");
	buffer_text(&b, "\n");
	for (const char *p = signed_headers; *p;) {
		size_t len = strcspn(p, ";");

		if (!add_header(&b, req, p, len))
			return NULL;
		p += len + (p[len] == ';');
	}
	buffer_texts(&b, "\n", signed_headers, "\n", payload, NULL);
	return buffer_take(&b, NULL);
}

static void hmac(const void *key, size_t key_len, const char *text, unsigned char out[HASH_LEN])
{
	unsigned int len = HASH_LEN;

	if (!HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), out,
		  &len))
		abort();
}

static void signing_key(const struct sigv4_scope *scope, const char *secret,
			unsigned char out[HASH_LEN])
{
	char first[4 + SIGV4_MAX_SECRET];
	unsigned char key[HASH_LEN];

	snprintf(first, sizeof(first), "AWS4%s", secret);
	hmac(first, strlen(first), scope->date, key);
	hmac(key, sizeof(key), scope->region, out);
	hmac(out, HASH_LEN, scope->service, key);
	hmac(key, sizeof(key), "aws4_request", out);
	OPENSSL_cleanse(first, sizeof(first));
	OPENSSL_cleanse(key, sizeof(key));
}

void sigv4_signature(const char *canonical, const char *stamp, const struct sigv4_scope *scope,
		     const char *secret, char out[SIGV4_HEX_LEN])
{
	unsigned char key[HASH_LEN], signature[HASH_LEN];
	char hash[SIGV4_HEX_LEN];

	sigv4_hash(canonical, strlen(canonical), hash);

	mc_autofree char *to_sign = mc_strf("AWS4-HMAC-SHA256\n%s\n%s/%s/%s/aws4_request\n%s",
					    stamp, scope->date, scope->region, scope->service,
					    hash);

	signing_key(scope, secret, key);
	hmac(key, sizeof(key), to_sign, signature);
	to_hex(signature, out);
	OPENSSL_cleanse(key, sizeof(key));
}
