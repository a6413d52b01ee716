/* Helpers over jansson, and the field tables that every message is checked by. */
#ifndef MC_COMMON_JSON_H
#define MC_COMMON_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

/* Typed reads with a default; the object may be NULL. Strings are borrowed. */
const char *mc_json_str(const json_t *obj, const char *key, const char *def);
int64_t mc_json_int(const json_t *obj, const char *key, int64_t def);
bool mc_json_bool(const json_t *obj, const char *key, bool def);
/* The member if it is an array / object, else NULL. Borrowed. */
json_t *mc_json_arr(const json_t *obj, const char *key);
json_t *mc_json_obj(const json_t *obj, const char *key);
/* The i-th element's string, or NULL. */
const char *mc_json_at(const json_t *arr, size_t i);

/* Does the array hold this string? */
bool mc_json_has_str(const json_t *arr, const char *text);

/* Read a whole file as one JSON document. NULL and *err on failure. New reference. */
json_t *mc_json_load(const char *path, mc_err **err);

enum mc_field_type {
	MC_FIELD_STRING,  /* min..max: length */
	MC_FIELD_INTEGER, /* min..max: value */
	MC_FIELD_BOOLEAN,
	MC_FIELD_OBJECT,  /* sub: its fields */
	MC_FIELD_OBJECTS, /* array of objects; sub: their fields; min..max: length */
	MC_FIELD_STRINGS, /* array of strings; check: each; min..max: length */
};

struct mc_field {
	const char *name;
	enum mc_field_type type;
	bool required;
	int64_t min, max; /* both 0: no bound */
	/* Further check of a string (an id, an address ...). NULL: none. */
	bool (*check)(const char *text);
	const struct mc_field *sub; /* ends with a row whose name is NULL */
};

/* Check doc against the table (ended by a NULL name): every required member
 * there, no unknown member, types, ranges, checks. JSON null counts as absent.
 * 0, or -1 with *err naming the member by its path ("enis[3].mac"). */
int mc_fields_check(const struct mc_field *table, const json_t *doc, mc_err **err);

/* Ready-made checks for tables. */
bool mc_check_id(const char *text);        /* any well-formed resource id */
bool mc_check_ipv4(const char *text);      /* canonical dotted quad */
bool mc_check_cidr4(const char *text);     /* a.b.c.d/n, host bits zero */
bool mc_check_mac(const char *text);       /* lower case, colons */
bool mc_check_hostname(const char *text);  /* labels of [a-z0-9-], dots between */
bool mc_check_ifname(const char *text);
bool mc_check_path(const char *text);      /* absolute, no "..", no control characters */

#endif
