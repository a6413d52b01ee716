/* The form of the generated tables (build/gen/model_tables.c). Only model.c and
 * the generated file know it. Texts are offsets into one pool and shapes are
 * indexes, so that the tables need no relocation and stay shared and read-only.
 * Offset 0 is the empty text, shape 0 an empty structure that stands for "none". */
#ifndef MC_API_MODEL_TABLES_H
#define MC_API_MODEL_TABLES_H

#include <stdint.h>

enum model_shape_flag { MODEL_SHAPE_FLATTENED = 1, MODEL_SHAPE_OPEN = 2, MODEL_SHAPE_ISO8601 = 4 };
enum model_member_flag {
	MODEL_MEMBER_REQUIRED = 1, MODEL_MEMBER_TOKEN = 2,
	/* REST: not in the JSON body */
	MODEL_MEMBER_URI = 4, MODEL_MEMBER_QUERY = 8, MODEL_MEMBER_HEADER = 16, MODEL_MEMBER_PAYLOAD = 32,
};
enum model_operation_flag { MODEL_OPERATION_PAGINATED = 1 };

#define MODEL_NO_MEMBER 0xffff

struct model_member {
	uint32_t name, wire, xml, doc;
	uint16_t shape;
	uint16_t flags;
};

struct model_shape {
	uint32_t name;
	uint32_t item;   /* list: XML name of the element */
	uint16_t first;  /* structure: first member; string: first enum value */
	uint16_t count;
	uint16_t element; /* list, map: shape of the values */
	uint16_t bounds;  /* index, 0: none */
	uint8_t type, flags;
};

struct model_bounds {
	double min, max;
};

struct model_operation {
	uint32_t name, doc, result_key;
	uint32_t method, uri; /* REST */
	uint16_t status;      /* HTTP, of success */
	uint16_t input, output;
	uint16_t token; /* index in the input's members */
	uint8_t service, flags;
};

struct model_acceptor {
	uint32_t expression, path, expected;
	uint8_t match, verdict;
};

struct model_waiter {
	uint32_t name;
	uint16_t operation;
	uint16_t delay, attempts;
	uint16_t first, count; /* acceptors */
};

struct model_service {
	uint32_t name, version, xmlns;
	uint16_t first, count; /* operations */
	uint16_t first_waiter, waiters;
	uint8_t protocol;
};

extern const char model_strings[];
extern const uint32_t model_enums[];
extern const struct model_bounds model_bounds[];
extern const struct model_member model_members[];
extern const struct model_shape model_shapes[];
extern const struct model_operation model_operations[];
extern const struct model_acceptor model_acceptors[];
extern const struct model_waiter model_waiters[];
extern const struct model_service model_services[];
extern const uint32_t model_services_count;

#endif
