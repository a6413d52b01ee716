/* The AWS CLI's shorthand for structures: Name=tag:Role,Values=web,db or
 * DeviceName=/dev/xvda,Ebs={VolumeSize=8,DeleteOnTermination=true}. */
#ifndef MC_CLI_SHORTHAND_H
#define MC_CLI_SHORTHAND_H

#include <jansson.h>

#include "common/error.h"

/* Parse into objects, arrays and strings (types follow from the shape later).
 * New reference, or NULL and *err saying where the text is wrong. */
json_t *shorthand_parse(const char *text, mc_err **err);

#endif
