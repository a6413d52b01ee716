/* Readers of the generated model tables. */
#include "api/model/model.h"

#include <stdlib.h>
#include <string.h>

#include "api/model/tables.h"

static const char *text(uint32_t offset)
{
	return model_strings + offset;
}

size_t model_service_count(void)
{
	return model_services_count;
}

const struct model_service *model_service_at(size_t i)
{
	return i < model_services_count ? &model_services[i] : NULL;
}

const struct model_service *model_service(const char *name)
{
	for (size_t i = 0; i < model_services_count; i++)
		if (strcmp(text(model_services[i].name), name) == 0)
			return &model_services[i];
	return NULL;
}

const char *model_service_name(const struct model_service *service)
{
	return text(service->name);
}

const char *model_service_version(const struct model_service *service)
{
	return text(service->version);
}

const char *model_service_namespace(const struct model_service *service)
{
	return text(service->xmlns);
}

enum model_protocol model_service_protocol(const struct model_service *service)
{
	return (enum model_protocol)service->protocol;
}

size_t model_service_operations(const struct model_service *service)
{
	return service->count;
}

const struct model_operation *model_operation_at(const struct model_service *service, size_t i)
{
	return i < service->count ? &model_operations[service->first + i] : NULL;
}

static int compare_operation(const void *key, const void *row)
{
	return strcmp(key, text(((const struct model_operation *)row)->name));
}

const struct model_operation *model_operation(const struct model_service *service,
					      const char *name)
{
	if (!service)
		return NULL;
	return bsearch(name, &model_operations[service->first], service->count,
		       sizeof(struct model_operation), compare_operation);
}

const char *model_operation_name(const struct model_operation *op)
{
	return text(op->name);
}

const char *model_operation_doc(const struct model_operation *op)
{
	return text(op->doc);
}

const struct model_service *model_operation_service(const struct model_operation *op)
{
	return &model_services[op->service];
}

const struct model_shape *model_operation_input(const struct model_operation *op)
{
	return &model_shapes[op->input];
}

const struct model_shape *model_operation_output(const struct model_operation *op)
{
	return op->output ? &model_shapes[op->output] : NULL;
}

const struct model_member *model_operation_token(const struct model_operation *op)
{
	if (op->token == MODEL_NO_MEMBER)
		return NULL;
	return model_shape_member(model_operation_input(op), op->token);
}

bool model_operation_paginated(const struct model_operation *op)
{
	return op->flags & MODEL_OPERATION_PAGINATED;
}

const char *model_operation_result_key(const struct model_operation *op)
{
	return op->result_key ? text(op->result_key) : NULL;
}

const char *model_operation_method(const struct model_operation *op)
{
	return text(op->method);
}

const char *model_operation_uri(const struct model_operation *op)
{
	return text(op->uri);
}

int model_operation_status(const struct model_operation *op)
{
	return op->status;
}

const char *model_shape_name(const struct model_shape *shape)
{
	return text(shape->name);
}

enum model_type model_shape_type(const struct model_shape *shape)
{
	return (enum model_type)shape->type;
}

size_t model_shape_members(const struct model_shape *shape)
{
	return shape->type == MODEL_STRUCTURE ? shape->count : 0;
}

const struct model_member *model_shape_member(const struct model_shape *shape, size_t i)
{
	return i < model_shape_members(shape) ? &model_members[shape->first + i] : NULL;
}

const struct model_member *model_shape_find(const struct model_shape *shape, const char *name)
{
	size_t n = model_shape_members(shape);

	for (size_t i = 0; i < n; i++) {
		const struct model_member *m = &model_members[shape->first + i];

		if (strcmp(text(m->name), name) == 0)
			return m;
	}
	return NULL;
}

const struct model_member *model_shape_find_wire(const struct model_shape *shape,
						 const char *wire, size_t len)
{
	size_t n = model_shape_members(shape);

	for (size_t i = 0; i < n; i++) {
		const struct model_member *m = &model_members[shape->first + i];
		const char *name = text(m->wire);

		if (strncmp(name, wire, len) == 0 && name[len] == '\0')
			return m;
	}
	return NULL;
}

const struct model_shape *model_shape_element(const struct model_shape *shape)
{
	if (shape->type != MODEL_LIST && shape->type != MODEL_MAP)
		return NULL;
	return &model_shapes[shape->element];
}

const char *model_shape_item(const struct model_shape *shape)
{
	return text(shape->item);
}

bool model_shape_flattened(const struct model_shape *shape)
{
	return shape->flags & MODEL_SHAPE_FLATTENED;
}

size_t model_shape_enums(const struct model_shape *shape)
{
	return shape->type == MODEL_STRING ? shape->count : 0;
}

const char *model_shape_enum(const struct model_shape *shape, size_t i)
{
	return i < model_shape_enums(shape) ? text(model_enums[shape->first + i]) : NULL;
}

bool model_shape_enum_has(const struct model_shape *shape, const char *value)
{
	size_t n = model_shape_enums(shape);

	for (size_t i = 0; i < n; i++)
		if (strcmp(text(model_enums[shape->first + i]), value) == 0)
			return true;
	return false;
}

bool model_shape_enum_open(const struct model_shape *shape)
{
	return shape->flags & MODEL_SHAPE_OPEN;
}

bool model_shape_iso8601(const struct model_shape *shape)
{
	return shape->flags & MODEL_SHAPE_ISO8601;
}

bool model_shape_bounds(const struct model_shape *shape, double *ret_min, double *ret_max)
{
	if (!shape->bounds)
		return false;
	*ret_min = model_bounds[shape->bounds].min;
	*ret_max = model_bounds[shape->bounds].max;
	return true;
}

const char *model_member_name(const struct model_member *member)
{
	return text(member->name);
}

const char *model_member_wire(const struct model_member *member)
{
	return text(member->wire);
}

const char *model_member_xml(const struct model_member *member)
{
	return text(member->xml);
}

const char *model_member_doc(const struct model_member *member)
{
	return text(member->doc);
}

const struct model_shape *model_member_shape(const struct model_member *member)
{
	return &model_shapes[member->shape];
}

bool model_member_required(const struct model_member *member)
{
	return member->flags & MODEL_MEMBER_REQUIRED;
}

bool model_member_token(const struct model_member *member)
{
	return member->flags & MODEL_MEMBER_TOKEN;
}

enum model_location model_member_location(const struct model_member *member)
{
	if (member->flags & MODEL_MEMBER_URI)
		return MODEL_IN_URI;
	if (member->flags & MODEL_MEMBER_QUERY)
		return MODEL_IN_QUERY;
	if (member->flags & MODEL_MEMBER_HEADER)
		return MODEL_IN_HEADER;
	return member->flags & MODEL_MEMBER_PAYLOAD ? MODEL_IS_BODY : MODEL_IN_BODY;
}

size_t model_service_waiters(const struct model_service *service)
{
	return service->waiters;
}

const struct model_waiter *model_waiter_at(const struct model_service *service, size_t i)
{
	return i < service->waiters ? &model_waiters[service->first_waiter + i] : NULL;
}

const char *model_waiter_name(const struct model_waiter *waiter)
{
	return text(waiter->name);
}

const struct model_operation *model_waiter_operation(const struct model_waiter *waiter)
{
	return &model_operations[waiter->operation];
}

unsigned model_waiter_delay(const struct model_waiter *waiter)
{
	return waiter->delay;
}

unsigned model_waiter_attempts(const struct model_waiter *waiter)
{
	return waiter->attempts;
}

size_t model_waiter_acceptors(const struct model_waiter *waiter)
{
	return waiter->count;
}

const struct model_acceptor *model_waiter_acceptor(const struct model_waiter *waiter, size_t i)
{
	return i < waiter->count ? &model_acceptors[waiter->first + i] : NULL;
}

enum model_match model_acceptor_match(const struct model_acceptor *acceptor)
{
	return (enum model_match)acceptor->match;
}

enum model_verdict model_acceptor_verdict(const struct model_acceptor *acceptor)
{
	return (enum model_verdict)acceptor->verdict;
}

const char *model_acceptor_expected(const struct model_acceptor *acceptor)
{
	return text(acceptor->expected);
}

const char *model_acceptor_expression(const struct model_acceptor *acceptor)
{
	return text(acceptor->expression);
}

const char *model_acceptor_path(const struct model_acceptor *acceptor)
{
	return text(acceptor->path);
}
