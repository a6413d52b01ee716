#include "common/json.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/id.h"

const char *mc_json_str(const json_t *obj, const char *key, const char *def)
{
	const char *text = json_string_value(json_object_get(obj, key));

	return text ? text : def;
}

int64_t mc_json_int(const json_t *obj, const char *key, int64_t def)
{
	const json_t *v = json_object_get(obj, key);

	return json_is_integer(v) ? json_integer_value(v) : def;
}

bool mc_json_bool(const json_t *obj, const char *key, bool def)
{
	const json_t *v = json_object_get(obj, key);

	return json_is_boolean(v) ? json_is_true(v) : def;
}

json_t *mc_json_arr(const json_t *obj, const char *key)
{
	json_t *v = json_object_get(obj, key);

	return json_is_array(v) ? v : NULL;
}

json_t *mc_json_obj(const json_t *obj, const char *key)
{
	json_t *v = json_object_get(obj, key);

	return json_is_object(v) ? v : NULL;
}

const char *mc_json_at(const json_t *arr, size_t i)
{
	return json_string_value(json_array_get(arr, i));
}

bool mc_json_has_str(const json_t *arr, const char *text)
{
	size_t i;
	json_t *v;

	json_array_foreach(arr, i, v)
		if (json_is_string(v) && strcmp(json_string_value(v), text) == 0)
			return true;
	return false;
}

json_t *mc_json_load(const char *path, mc_err **err)
{
	json_error_t e;
	json_t *doc = json_load_file(path, JSON_REJECT_DUPLICATES, &e);

	if (!doc)
		mc_err_set(err, 0, "%s:%d: %s", path, e.line, e.text);
	return doc;
}

static int check_object(const struct mc_field *table, const json_t *doc, const char *path,
			mc_err **err);

static bool out_of_bounds(const struct mc_field *f, int64_t n)
{
	return (f->min || f->max) && (n < f->min || n > f->max);
}

static int bad(mc_err **err, const char *path, const char *what)
{
	return mc_err_set(err, 0, "%s %s", path, what);
}

static int check_string(const struct mc_field *f, const json_t *v, const char *path, mc_err **err)
{
	if (!json_is_string(v))
		return bad(err, path, "must be a string");
	if (strlen(json_string_value(v)) != json_string_length(v))
		return bad(err, path, "holds a NUL");
	if (f->type == MC_FIELD_STRING && out_of_bounds(f, (int64_t)json_string_length(v)))
		return bad(err, path, "has a wrong length");
	if (f->check && !f->check(json_string_value(v)))
		return bad(err, path, "is malformed");
	return 0;
}

static int check_integer(const struct mc_field *f, const json_t *v, const char *path, mc_err **err)
{
	if (!json_is_integer(v))
		return bad(err, path, "must be an integer");
	if (out_of_bounds(f, json_integer_value(v)))
		return mc_err_set(err, 0, "%s must be between %" PRId64 " and %" PRId64, path,
				  f->min, f->max);
	return 0;
}

static int check_elements(const struct mc_field *f, const json_t *arr, const char *path,
			  mc_err **err)
{
	size_t i;
	json_t *v;

	if (!json_is_array(arr))
		return bad(err, path, "must be an array");
	if (out_of_bounds(f, (int64_t)json_array_size(arr)))
		return bad(err, path, "has a wrong number of elements");
	json_array_foreach(arr, i, v) {
		mc_autofree char *at = mc_strf("%s[%zu]", path, i);
		int r = f->type == MC_FIELD_STRINGS ? check_string(f, v, at, err)
						    : check_object(f->sub, v, at, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_field(const struct mc_field *f, const json_t *v, const char *path, mc_err **err)
{
	switch (f->type) {
	case MC_FIELD_STRING:
		return check_string(f, v, path, err);
	case MC_FIELD_INTEGER:
		return check_integer(f, v, path, err);
	case MC_FIELD_BOOLEAN:
		return json_is_boolean(v) ? 0 : bad(err, path, "must be true or false");
	case MC_FIELD_OBJECT:
		return check_object(f->sub, v, path, err);
	case MC_FIELD_OBJECTS:
	case MC_FIELD_STRINGS:
		return check_elements(f, v, path, err);
	}
	return bad(err, path, "has no known type");
}

static const struct mc_field *find_field(const struct mc_field *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

static int check_object(const struct mc_field *table, const json_t *doc, const char *path,
			mc_err **err)
{
	const char *key, *dot = *path ? "." : "";
	json_t *v;

	if (!json_is_object(doc))
		return bad(err, *path ? path : "message", "must be an object");
	json_object_foreach((json_t *)doc, key, v) {
		const struct mc_field *f = find_field(table, key);
		mc_autofree char *at = mc_strf("%s%s%.64s", path, dot, key);

		if (!f)
			return bad(err, at, "is not known");
		if (!json_is_null(v) && check_field(f, v, at, err) < 0)
			return -1;
	}
	for (; table->name; table++) {
		v = json_object_get(doc, table->name);
		if (table->required && (!v || json_is_null(v)))
			return mc_err_set(err, 0, "%s%s%s is missing", path, dot, table->name);
	}
	return 0;
}

int mc_fields_check(const struct mc_field *table, const json_t *doc, mc_err **err)
{
	return check_object(table, doc, "", err);
}

bool mc_check_id(const char *text)
{
	return mc_id_valid_any(text);
}

bool mc_check_ipv4(const char *text)
{
	struct in_addr a;
	char back[INET_ADDRSTRLEN];

	return inet_pton(AF_INET, text, &a) == 1 && inet_ntop(AF_INET, &a, back, sizeof(back)) &&
	       strcmp(back, text) == 0;
}

bool mc_check_cidr4(const char *text)
{
	char addr[INET_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	struct in_addr a;
	unsigned long bits;
	char *end;

	if (!slash || (size_t)(slash - text) >= sizeof(addr) || slash[1] < '0' || slash[1] > '9')
		return false;
	snprintf(addr, sizeof(addr), "%.*s", (int)(slash - text), text);
	bits = strtoul(slash + 1, &end, 10);
	if (*end || bits > 32 || !mc_check_ipv4(addr) || inet_pton(AF_INET, addr, &a) != 1)
		return false;
	return bits == 32 || (ntohl(a.s_addr) & (0xffffffffu >> bits)) == 0;
}

bool mc_check_mac(const char *text)
{
	if (strlen(text) != 17)
		return false;
	for (int i = 0; i < 17; i++)
		if (i % 3 == 2 ? text[i] != ':' : !memchr("0123456789abcdef", text[i], 16))
			return false;
	return true;
}

bool mc_check_hostname(const char *text)
{
	size_t label = 0;

	if (!*text || strlen(text) > 253)
		return false;
	for (; *text; text++) {
		if (*text == '.') {
			if (label == 0 || text[-1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-", *text) ||
		    (label == 0 && *text == '-') || ++label > 63)
			return false;
	}
	return label > 0 && text[-1] != '-';
}

bool mc_check_ifname(const char *text)
{
	size_t n = strlen(text);

	return n > 0 && n < MC_IFNAME_LEN && strcmp(text, ".") != 0 && strcmp(text, "..") != 0 &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n;
}

bool mc_check_path(const char *text)
{
	if (text[0] != '/' || strlen(text) > 1023)
		return false;
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
		if (p[0] == '/' && p[1] == '.' && p[2] == '.' && (p[3] == '/' || !p[3]))
			return false;
	}
	return true;
}
