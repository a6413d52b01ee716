/* The options of an operation: the members of its input, under the AWS CLI's names. */
#ifndef MC_CLI_OPTION_H
#define MC_CLI_OPTION_H

#include <stdbool.h>

#include "api/model/model.h"
#include "cli/name.h"

struct option_match {
	const struct model_member *member;
	bool is_switch; /* takes no value */
	bool value;     /* of the switch */
};

/* The member's option without its dashes: "image-id"; no: the switch for false. */
void option_name(const struct model_member *member, bool no, char out[NAME_MAX_LEN]);

/* Is the option a pair of switches (--x, --no-x)? */
bool option_is_switch(const struct model_member *member);

/* Find "image-id" among the members. False: there is none. */
bool option_find(const struct model_shape *input, const char *name, struct option_match *ret);

#endif
