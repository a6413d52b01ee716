/* EC2 Query and awsQuery requests: flat parameters become a typed document. */
#ifndef MC_API_PROTOCOL_QUERY_H
#define MC_API_PROTOCOL_QUERY_H

#include <jansson.h>
#include <stddef.h>

#include "api/model/model.h"
#include "api/protocol/error.h"
#include "api/protocol/form.h"

/* Decode the parameters of op into a document in the model's names ({"ImageId":
 * "ami-...", "MinCount": 1, "Filters": [{"Name": ..., "Values": [...]}]}), checked
 * by model_validate(). Action, Version and what belongs to a presigned URL are
 * skipped; a parameter the model does not know is UnknownParameter. List indexes
 * start at 1 and leave no holes, in any order. 0 and *ret_doc (new reference), or
 * -1 with *ret_error. */
int protocol_query_decode(const struct model_operation *op, const struct protocol_param *params,
			  size_t n, json_t **ret_doc, struct protocol_error *ret_error);

#endif
