/* The instance types on offer, from a table the operator may change. */
#ifndef MC_API_INSTANCE_TYPE_H
#define MC_API_INSTANCE_TYPE_H

#include <jansson.h>

#include "common/error.h"

/* Read deploy/instance-types.json's form: {"t3.nano": {"vcpus": 2, "memory_mib": 512,
 * "doc": the InstanceTypeInfo of DescribeInstanceTypes}}, in the file's order.
 * NULL and *err (naming the file) on failure. New reference. */
json_t *instance_types_load(const char *path, mc_err **err);

/* The same from a parsed document, for tests. */
json_t *instance_types_read(const json_t *file, mc_err **err);

#endif
