#include "api/protocol/cbor.h"

#include <cbor.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "api/protocol/buffer.h"
#include "api/protocol/validate.h"
#include "common/cleanup.h"
#include "common/clock.h"

#define TAG_EPOCH 1 /* RFC 8949, 3.4.2: seconds since 1970 */
#define HEAD_MAX 16 /* no item's head is longer */

bool protocol_cbor_path(const char *path, struct protocol_cbor_path *ret)
{
	static const char before[] = "/service/", between[] = "/operation/";
	const char *slash;

	if (strncmp(path, before, sizeof(before) - 1) != 0)
		return false;
	ret->service = path + sizeof(before) - 1;
	slash = strchr(ret->service, '/');
	if (!slash || slash == ret->service || strncmp(slash, between, sizeof(between) - 1) != 0)
		return false;
	ret->service_len = (size_t)(slash - ret->service);
	ret->operation = slash + sizeof(between) - 1;
	return *ret->operation && !strchr(ret->operation, '/');
}

/* --- reading: one item's head after the other ----------------------------------- */

enum token_kind {
	TOKEN_NONE, /* an item that no request has */
	TOKEN_INTEGER, TOKEN_NUMBER, TOKEN_BOOLEAN, TOKEN_NULL, TOKEN_BYTES, TOKEN_TEXT, TOKEN_LIST, TOKEN_MAP, TOKEN_TAG,
	TOKEN_BREAK,
};

struct token {
	enum token_kind kind;
	bool open;         /* a list, map, text or bytes without a length: until a break */
	bool negative, yes;
	uint64_t n;        /* value (of a negative one: -1 - value), tag, or how many */
	double number;
	const unsigned char *data;
	size_t len;
};

struct reader {
	const unsigned char *at;
	size_t left;
	const char *wrong; /* constant; NULL: nothing yet */
};

static void put(void *ctx, enum token_kind kind, uint64_t n, bool negative)
{
	*(struct token *)ctx = (struct token){ .kind = kind, .n = n, .negative = negative };
}

static void put_open(void *ctx, enum token_kind kind)
{
	*(struct token *)ctx = (struct token){ .kind = kind, .open = true };
}

static void on_uint8(void *ctx, uint8_t n) { put(ctx, TOKEN_INTEGER, n, false); }
static void on_uint16(void *ctx, uint16_t n) { put(ctx, TOKEN_INTEGER, n, false); }
static void on_uint32(void *ctx, uint32_t n) { put(ctx, TOKEN_INTEGER, n, false); }
static void on_uint64(void *ctx, uint64_t n) { put(ctx, TOKEN_INTEGER, n, false); }
static void on_negint8(void *ctx, uint8_t n) { put(ctx, TOKEN_INTEGER, n, true); }
static void on_negint16(void *ctx, uint16_t n) { put(ctx, TOKEN_INTEGER, n, true); }
static void on_negint32(void *ctx, uint32_t n) { put(ctx, TOKEN_INTEGER, n, true); }
static void on_negint64(void *ctx, uint64_t n) { put(ctx, TOKEN_INTEGER, n, true); }
static void on_array(void *ctx, size_t n) { put(ctx, TOKEN_LIST, n, false); }
static void on_map(void *ctx, size_t n) { put(ctx, TOKEN_MAP, n, false); }
static void on_tag(void *ctx, uint64_t n) { put(ctx, TOKEN_TAG, n, false); }
static void on_null(void *ctx) { put(ctx, TOKEN_NULL, 0, false); }
static void on_break(void *ctx) { put(ctx, TOKEN_BREAK, 0, false); }
static void on_open_array(void *ctx) { put_open(ctx, TOKEN_LIST); }
static void on_open_map(void *ctx) { put_open(ctx, TOKEN_MAP); }
static void on_open_bytes(void *ctx) { put_open(ctx, TOKEN_BYTES); }
static void on_open_text(void *ctx) { put_open(ctx, TOKEN_TEXT); }

static void on_double(void *ctx, double number)
{
	*(struct token *)ctx = (struct token){ .kind = TOKEN_NUMBER, .number = number };
}

static void on_float(void *ctx, float number)
{
	on_double(ctx, (double)number);
}

static void on_boolean(void *ctx, bool yes)
{
	*(struct token *)ctx = (struct token){ .kind = TOKEN_BOOLEAN, .yes = yes };
}

static void on_bytes(void *ctx, cbor_data data, size_t len)
{
	*(struct token *)ctx = (struct token){ .kind = TOKEN_BYTES, .data = data, .len = len };
}

static void on_text(void *ctx, cbor_data data, size_t len)
{
	*(struct token *)ctx = (struct token){ .kind = TOKEN_TEXT, .data = data, .len = len };
}

static const struct cbor_callbacks callbacks = {
	.uint8 = on_uint8, .uint16 = on_uint16, .uint32 = on_uint32, .uint64 = on_uint64,
	.negint8 = on_negint8, .negint16 = on_negint16, .negint32 = on_negint32, .negint64 = on_negint64,
	.byte_string_start = on_open_bytes, .byte_string = on_bytes, .string = on_text, .string_start = on_open_text,
	.indef_array_start = on_open_array, .array_start = on_array, .indef_map_start = on_open_map, .map_start = on_map,
	.tag = on_tag, .float2 = on_float, .float4 = on_float, .float8 = on_double, .undefined = on_null, .null = on_null,
	.boolean = on_boolean, .indef_break = on_break,
};

/* Always NULL, for callers to return. */
static json_t *refuse(struct reader *r, const char *why)
{
	if (!r->wrong)
		r->wrong = why;
	return NULL;
}

static bool next(struct reader *r, struct token *ret)
{
	struct cbor_decoder_result result;

	ret->kind = TOKEN_NONE;
	result = cbor_stream_decode(r->at, r->left, &callbacks, ret);
	if (result.status != CBOR_DECODER_FINISHED || ret->kind == TOKEN_NONE) {
		refuse(r, result.status == CBOR_DECODER_NEDATA ? "it ends too early" : "an item is malformed");
		return false;
	}
	r->at += result.read;
	r->left -= result.read;
	return true;
}

static json_t *read_value(struct reader *r, const struct token *t, unsigned depth);

static json_t *read_integer(struct reader *r, const struct token *t)
{
	if (t->n > INT64_MAX)
		return refuse(r, "an integer has more than 64 bits");
	return json_integer(t->negative ? -1 - (json_int_t)t->n : (json_int_t)t->n);
}

/* JSON has no numbers that are none: as texts they are refused where a number is wanted. */
static json_t *read_number(double number)
{
	return isfinite(number) ? json_real(number) : json_string(isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
}

/* Text and bytes, whole or in pieces, into out. */
static bool gather(struct reader *r, const struct token *t, struct buffer *out)
{
	struct token piece;

	if (!t->open) {
		buffer_add(out, t->data, t->len);
		return true;
	}
	while (next(r, &piece) && piece.kind == t->kind && !piece.open)
		buffer_add(out, piece.data, piece.len);
	if (piece.kind == TOKEN_BREAK)
		return true;
	refuse(r, "a piece of text is malformed");
	return false;
}

static json_t *read_text(struct reader *r, const struct token *t)
{
	auto_buffer struct buffer b = { 0 };
	json_t *text;

	if (!gather(r, t, &b))
		return NULL;
	text = json_stringn(b.data ? b.data : "", b.len);
	return text ? text : refuse(r, "a text is not UTF-8");
}

static json_t *read_bytes(struct reader *r, const struct token *t)
{
	auto_buffer struct buffer b = { 0 };
	mc_autofree char *text = NULL;

	if (!gather(r, t, &b))
		return NULL;
	text = malloc(b.len / 3 * 4 + 5);
	if (!text)
		abort();
	EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)(b.data ? b.data : ""), (int)b.len);
	return json_string(text);
}

/* The head of the i-th element, or false at the end or where something is wrong. */
static bool next_element(struct reader *r, const struct token *t, uint64_t i, struct token *ret)
{
	return (t->open || i < t->n) && next(r, ret) && !(t->open && ret->kind == TOKEN_BREAK);
}

static json_t *read_list(struct reader *r, const struct token *t, unsigned depth)
{
	mc_auto_json json_t *list = json_array();
	struct token one;

	for (uint64_t i = 0; next_element(r, t, i, &one); i++) {
		json_t *value = read_value(r, &one, depth);

		if (!value)
			return NULL;
		json_array_append_new(list, value);
	}
	return r->wrong ? NULL : MC_STEAL(list);
}

static json_t *read_map(struct reader *r, const struct token *t, unsigned depth)
{
	mc_auto_json json_t *map = json_object();
	struct token head;

	for (uint64_t i = 0; next_element(r, t, i, &head); i++) {
		mc_auto_json json_t *key = head.kind == TOKEN_TEXT ? read_text(r, &head) : refuse(r, "a name is no text");
		json_t *value;

		if (!key || strlen(json_string_value(key)) != json_string_length(key))
			return refuse(r, "a name holds a NUL character");
		if (json_object_get(map, json_string_value(key)))
			return refuse(r, "a name is there twice");
		value = next(r, &head) ? read_value(r, &head, depth) : NULL;
		if (!value)
			return NULL;
		json_object_set_new(map, json_string_value(key), value);
	}
	return r->wrong ? NULL : MC_STEAL(map);
}

static json_t *read_tagged(struct reader *r, const struct token *t, unsigned depth)
{
	struct token inner;

	if (t->n != TAG_EPOCH)
		return refuse(r, "a tag is not known here");
	if (!next(r, &inner))
		return NULL;
	if (inner.kind != TOKEN_INTEGER && inner.kind != TOKEN_NUMBER)
		return refuse(r, "a time is no number");
	return read_value(r, &inner, depth);
}

static json_t *read_value(struct reader *r, const struct token *t, unsigned depth)
{
	if (depth == 0)
		return refuse(r, "it is nested too deeply");
	switch (t->kind) {
	case TOKEN_INTEGER: return read_integer(r, t);
	case TOKEN_NUMBER: return read_number(t->number);
	case TOKEN_BOOLEAN: return json_boolean(t->yes);
	case TOKEN_NULL: return json_null();
	case TOKEN_BYTES: return read_bytes(r, t);
	case TOKEN_TEXT: return read_text(r, t);
	case TOKEN_LIST: return read_list(r, t, depth - 1);
	case TOKEN_MAP: return read_map(r, t, depth - 1);
	case TOKEN_TAG: return read_tagged(r, t, depth - 1);
	case TOKEN_BREAK:
	case TOKEN_NONE: break;
	}
	return refuse(r, "there is an end without a beginning");
}

static json_t *parse(const char *body, size_t len, struct reader *r)
{
	mc_auto_json json_t *doc = NULL;
	struct token head;

	if (len == 0)
		return json_object();
	*r = (struct reader){ .at = (const unsigned char *)body, .left = len };
	doc = next(r, &head) ? read_value(r, &head, PROTOCOL_MAX_DEPTH) : NULL;
	if (doc && r->left)
		return refuse(r, "something follows it");
	return MC_STEAL(doc);
}

int protocol_cbor_decode(const struct model_operation *op, const char *body, size_t len, json_t **ret_doc,
			 struct protocol_error *ret_error)
{
	struct reader r = { .wrong = NULL };
	mc_auto_json json_t *doc = parse(body, len, &r);

	if (!doc)
		return protocol_error_set(ret_error, 400, "SerializationException", "The body is not valid CBOR: %s.", r.wrong);
	if (!json_is_object(doc))
		return protocol_error_set(ret_error, 400, "SerializationException", "The body must be a CBOR map.");
	if (model_validate(op, doc, ret_error) < 0)
		return -1;
	*ret_doc = MC_STEAL(doc);
	return 0;
}

/* --- writing --------------------------------------------------------------------- */

static void write_value(struct buffer *b, const struct model_shape *shape, const json_t *value);

static void write_text(struct buffer *b, const char *text, size_t len)
{
	unsigned char head[HEAD_MAX];

	buffer_add(b, head, cbor_encode_string_start(len, head, sizeof(head)));
	buffer_add(b, text, len);
}

static void write_integer(struct buffer *b, json_int_t n)
{
	unsigned char head[HEAD_MAX];

	buffer_add(b, head, n < 0 ? cbor_encode_negint((uint64_t)(-1 - n), head, sizeof(head))
				  : cbor_encode_uint((uint64_t)n, head, sizeof(head)));
}

static void write_double(struct buffer *b, double number)
{
	unsigned char head[HEAD_MAX];

	buffer_add(b, head, cbor_encode_double(number, head, sizeof(head)));
}

static void write_time(struct buffer *b, const char *text)
{
	unsigned char head[HEAD_MAX];
	int64_t ns;

	if (mc_clock_parse(text, &ns) < 0) {
		write_text(b, text, strlen(text));
		return;
	}
	buffer_add(b, head, cbor_encode_tag(TAG_EPOCH, head, sizeof(head)));
	write_double(b, (double)(ns / MC_MS) / 1000);
}

static void write_blob(struct buffer *b, const char *base64)
{
	size_t n = strlen(base64), pad = strspn(base64 + strcspn(base64, "="), "=");
	mc_autofree unsigned char *bytes = malloc(n / 4 * 3 + 4);
	unsigned char head[HEAD_MAX];
	int len = bytes ? EVP_DecodeBlock(bytes, (const unsigned char *)base64, (int)n) : -1;
	size_t real = len < (int)pad ? 0 : (size_t)len - pad;

	buffer_add(b, head, cbor_encode_bytestring_start(real, head, sizeof(head)));
	buffer_add(b, bytes, real);
}

static void write_list(struct buffer *b, const struct model_shape *element, const json_t *list)
{
	unsigned char head[HEAD_MAX];

	buffer_add(b, head, cbor_encode_array_start(json_array_size(list), head, sizeof(head)));
	for (size_t i = 0; i < json_array_size(list); i++)
		write_value(b, element, json_array_get(list, i));
}

/* A structure's members that are null are not there. */
static void write_map(struct buffer *b, const struct model_shape *shape, const struct model_shape *element, json_t *map)
{
	unsigned char head[HEAD_MAX];
	const char *key;
	json_t *value;
	size_t n = 0;

	json_object_foreach(map, key, value)
		n += !json_is_null(value);
	buffer_add(b, head, cbor_encode_map_start(n, head, sizeof(head)));
	json_object_foreach(map, key, value) {
		const struct model_member *m = element || !shape ? NULL : model_shape_find(shape, key);

		if (json_is_null(value))
			continue;
		write_text(b, key, strlen(key));
		write_value(b, element ? element : m ? model_member_shape(m) : NULL, value);
	}
}

static void write_string(struct buffer *b, enum model_type type, const json_t *value)
{
	if (type == MODEL_TIMESTAMP)
		write_time(b, json_string_value(value));
	else if (type == MODEL_BLOB)
		write_blob(b, json_string_value(value));
	else
		write_text(b, json_string_value(value), json_string_length(value));
}

/* shape NULL: what the model does not know is written as it is. */
static void write_value(struct buffer *b, const struct model_shape *shape, const json_t *value)
{
	enum model_type type = shape ? model_shape_type(shape) : MODEL_TYPE_MAX;
	unsigned char head[HEAD_MAX];

	if (json_is_object(value))
		write_map(b, shape, type == MODEL_MAP ? model_shape_element(shape) : NULL, (json_t *)value);
	else if (json_is_array(value))
		write_list(b, type == MODEL_LIST ? model_shape_element(shape) : NULL, value);
	else if (json_is_string(value))
		write_string(b, type, value);
	else if (json_is_real(value) || (json_is_integer(value) && (type == MODEL_DOUBLE || type == MODEL_FLOAT)))
		write_double(b, json_number_value(value));
	else if (json_is_integer(value))
		write_integer(b, json_integer_value(value));
	else if (json_is_boolean(value))
		buffer_add(b, head, cbor_encode_bool(json_is_true(value), head, sizeof(head)));
	else
		buffer_add(b, head, cbor_encode_null(head, sizeof(head)));
}

char *protocol_cbor_encode(const struct model_operation *op, const json_t *doc, size_t *ret_len)
{
	mc_auto_json json_t *empty = json_object();
	struct buffer b = { 0 };

	write_value(&b, model_operation_output(op), doc ? doc : empty);
	return buffer_take(&b, ret_len);
}

char *protocol_cbor_error(const char *code, const char *message, size_t *ret_len)
{
	mc_auto_json json_t *doc = json_pack("{s:s, s:s}", "__type", code, "message", message);
	struct buffer b = { 0 };

	write_value(&b, NULL, doc);
	return buffer_take(&b, ret_len);
}
