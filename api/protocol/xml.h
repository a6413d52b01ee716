/* XML answers of EC2 Query and awsQuery, in the order and with the names of the model. */
#ifndef MC_API_PROTOCOL_XML_H
#define MC_API_PROTOCOL_XML_H

#include <jansson.h>
#include <stddef.h>

#include "api/model/model.h"
#include "api/protocol/buffer.h"
#include "common/error.h"

/* The answer of op as XML text, allocated, NUL-terminated, *ret_len bytes.
 * doc is in the model's names and may be NULL for an empty one; members that are
 * absent or null are omitted, empty lists are there (<vpcSet/>). An EC2 operation
 * without an output of its own answers <return>true</return>, as AWS does.
 * A member the model does not know, or one of the wrong type, is a fault of ours:
 * NULL and *err. Characters XML cannot carry become U+FFFD. */
char *protocol_xml_answer(const struct model_operation *op, const json_t *doc,
			  const char *request_id, size_t *ret_len, mc_err **err);

/* Make *out (what it held is dropped) the inside of a structure's element, encoded:
 * a NUL, which marks it, and the text. protocol_xml_answer() takes it, as a JSON
 * string, where the model has that structure: an answer of thousands of items then
 * never exists as a tree. 0, or -1 and *err. */
int protocol_xml_inside(const struct model_shape *shape, const json_t *doc, struct buffer *out,
			mc_err **err);

/* An error answer in the service's form (service NULL: EC2's), allocated text.
 * status: the HTTP status, which makes awsQuery's <Type> (Sender or Receiver). */
char *protocol_xml_error(const struct model_service *service, int status, const char *code,
			 const char *message, const char *request_id);

#endif
