/* The AWS service models (operations, shapes, members) as read-only tables, made
 * at build time by generate.py from botocore's data. Everything returned here is
 * constant, lives as long as the program and belongs to the tables.
 * A name is always the model's: "RunInstances", "ImageId", in the AWS CLI's keys. */
#ifndef MC_API_MODEL_MODEL_H
#define MC_API_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>

enum model_protocol {
	MODEL_PROTOCOL_EC2,   /* EC2 Query: lists as Name.1, XML answers with <item> */
	MODEL_PROTOCOL_QUERY, /* awsQuery: lists as Name.member.1, XML answers with <member> */
	MODEL_PROTOCOL_JSON,  /* JSON 1.0/1.1 */
	MODEL_PROTOCOL_REST_JSON, /* method and path name the operation; JSON bodies */
};

enum model_type {
	MODEL_STRUCTURE,
	MODEL_LIST,
	MODEL_MAP,
	MODEL_STRING,
	MODEL_INTEGER, /* 32 bits */
	MODEL_LONG,    /* 64 bits */
	MODEL_BOOLEAN,
	MODEL_FLOAT,
	MODEL_DOUBLE,
	MODEL_TIMESTAMP, /* ISO 8601 text in documents */
	MODEL_BLOB,      /* base64 text in documents */
	MODEL_TYPE_MAX
};

struct model_service;
struct model_operation;
struct model_shape;
struct model_member;

/* "ec2", "sts" ... (the name in a credential scope); NULL where there is none. */
const struct model_service *model_service(const char *name);
size_t model_service_count(void);
const struct model_service *model_service_at(size_t i);
const char *model_service_name(const struct model_service *service);
const char *model_service_version(const struct model_service *service); /* "2016-11-15" */
const char *model_service_namespace(const struct model_service *service); /* of XML answers */
enum model_protocol model_service_protocol(const struct model_service *service);
size_t model_service_operations(const struct model_service *service);

/* The operations in the order of their names. */
const struct model_operation *model_operation_at(const struct model_service *service, size_t i);
/* By name, exactly as written; NULL where the service has none such (or is NULL). */
const struct model_operation *model_operation(const struct model_service *service,
					      const char *name);
const char *model_operation_name(const struct model_operation *op);
const char *model_operation_doc(const struct model_operation *op); /* one sentence, may be "" */
const struct model_service *model_operation_service(const struct model_operation *op);
/* Always a structure, empty where the operation takes nothing. */
const struct model_shape *model_operation_input(const struct model_operation *op);
/* NULL where the operation answers nothing of its own. */
const struct model_shape *model_operation_output(const struct model_operation *op);
/* The client token's member of the input (ClientToken), or NULL. */
const struct model_member *model_operation_token(const struct model_operation *op);
/* Does it page by NextToken, and which output member holds the rows ("Reservations")? */
bool model_operation_paginated(const struct model_operation *op);
const char *model_operation_result_key(const struct model_operation *op); /* NULL: none */

/* REST: "GET", "/snapshots/{snapshotId}/blocks", and the HTTP status of success; else "", "" and 200. */
const char *model_operation_method(const struct model_operation *op);
const char *model_operation_uri(const struct model_operation *op);
int model_operation_status(const struct model_operation *op);

const char *model_shape_name(const struct model_shape *shape);
enum model_type model_shape_type(const struct model_shape *shape);
/* Members of a structure, in the model's order, which is the order of XML answers. */
size_t model_shape_members(const struct model_shape *shape);
const struct model_member *model_shape_member(const struct model_shape *shape, size_t i);
/* The member by name, or by its name in a query request (len bytes); NULL: none. */
const struct model_member *model_shape_find(const struct model_shape *shape, const char *name);
const struct model_member *model_shape_find_wire(const struct model_shape *shape,
						 const char *wire, size_t len);
/* What a list holds, or a map's values; NULL for other types. */
const struct model_shape *model_shape_element(const struct model_shape *shape);
/* The XML name of a list's element: "item", "member" ... */
const char *model_shape_item(const struct model_shape *shape);
bool model_shape_flattened(const struct model_shape *shape);
/* A string's allowed values; none where it is free. */
size_t model_shape_enums(const struct model_shape *shape);
const char *model_shape_enum(const struct model_shape *shape, size_t i);
bool model_shape_enum_has(const struct model_shape *shape, const char *value);
/* May values besides the listed ones be sent (instance types)? */
bool model_shape_enum_open(const struct model_shape *shape);
/* A timestamp that JSON answers hold as ISO 8601 text, not as a number? */
bool model_shape_iso8601(const struct model_shape *shape);
/* Smallest and largest value, or length of a string, list or blob. False: no bounds. */
bool model_shape_bounds(const struct model_shape *shape, double *ret_min, double *ret_max);

const char *model_member_name(const struct model_member *member);
const char *model_member_wire(const struct model_member *member); /* in query requests */
const char *model_member_xml(const struct model_member *member);  /* in XML answers */
const char *model_member_doc(const struct model_member *member);  /* inputs only, may be "" */
const struct model_shape *model_member_shape(const struct model_member *member);
bool model_member_required(const struct model_member *member);
bool model_member_token(const struct model_member *member); /* an idempotency token */
/* REST: where the member travels; its name there is model_member_xml(). */
enum model_location { MODEL_IN_BODY, MODEL_IN_URI, MODEL_IN_QUERY, MODEL_IN_HEADER, MODEL_IS_BODY };
enum model_location model_member_location(const struct model_member *member);

/* --- waiters: how the AWS CLI's `wait` knows that something is so ------------------- */

struct model_waiter;
struct model_acceptor;

enum model_match {
	MODEL_MATCH_PATH,     /* the expression is `expected` */
	MODEL_MATCH_PATH_ALL, /* all its values are, and there are some */
	MODEL_MATCH_PATH_ANY, /* one of its values is */
	MODEL_MATCH_SOME,     /* there are values at the path */
	MODEL_MATCH_STATUS,   /* the HTTP status is */
	MODEL_MATCH_ERROR,    /* the error's code is */
};

enum model_verdict { MODEL_WAITER_RETRY, MODEL_WAITER_SUCCESS, MODEL_WAITER_FAILURE };

size_t model_service_waiters(const struct model_service *service);
const struct model_waiter *model_waiter_at(const struct model_service *service, size_t i);
const char *model_waiter_name(const struct model_waiter *waiter); /* "InstanceRunning" */
const struct model_operation *model_waiter_operation(const struct model_waiter *waiter);
unsigned model_waiter_delay(const struct model_waiter *waiter); /* seconds between two looks */
unsigned model_waiter_attempts(const struct model_waiter *waiter);
/* Its conditions: the first that holds decides. */
size_t model_waiter_acceptors(const struct model_waiter *waiter);
const struct model_acceptor *model_waiter_acceptor(const struct model_waiter *waiter, size_t i);
enum model_match model_acceptor_match(const struct model_acceptor *acceptor);
enum model_verdict model_acceptor_verdict(const struct model_acceptor *acceptor);
const char *model_acceptor_expected(const struct model_acceptor *acceptor);   /* as text */
const char *model_acceptor_expression(const struct model_acceptor *acceptor); /* JMESPath */
/* The same as names with dots between, arrays looked through; "" where it is more than that. */
const char *model_acceptor_path(const struct model_acceptor *acceptor);

#endif
