/* The AWS CLI's names of operations and parameters: DescribeVpcs, describe-vpcs. */
#ifndef MC_CLI_NAME_H
#define MC_CLI_NAME_H

#include <stddef.h>

#include "api/model/model.h"

#define NAME_MAX_LEN 160

/* The kebab-case form, by the AWS CLI's own rules (Ipv6CidrBlock: ipv6-cidr-block). */
void name_kebab(const char *name, char out[NAME_MAX_LEN]);

/* The operation of a kebab-case name; NULL where the service has none. */
const struct model_operation *name_operation(const struct model_service *service,
					     const char *kebab);

/* The same over all services; EC2's stands for itself, of other services NULL where several have one of this name. */
const struct model_operation *name_any_operation(const char *kebab);

/* How the operation is asked for: "run-instances", or with its service where the name alone is not its: "kms tag-resource". */
void name_words(const struct model_operation *op, char out[NAME_MAX_LEN]);

/* "dlm, kms, rbin": the services that have an operation of this name. Allocated, "" for none. */
char *name_services(const char *kebab);

/* How many single edits lie between two texts (Levenshtein); for hints. */
size_t name_distance(const char *a, const char *b);

#endif
