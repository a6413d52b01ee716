#include "cli/option.h"

#include <stdio.h>
#include <string.h>

#include "cli/value.h"
#include "common/cleanup.h"

/* Where the AWS CLI calls the negative of a switch something else. */
static const struct {
	const char *no, *instead;
} renamed[] = {
	{ "no-egress", "ingress" },
	{ "no-no-reboot", "reboot" },
	{ "no-disable-api-termination", "enable-api-termination" },
};

bool option_is_switch(const struct model_member *member)
{
	const struct model_shape *shape = model_member_shape(member);
	const struct model_shape *wrapped = value_wrapped(shape);

	return model_shape_type(wrapped ? wrapped : shape) == MODEL_BOOLEAN;
}

void option_name(const struct model_member *member, bool no, char out[NAME_MAX_LEN])
{
	char name[NAME_MAX_LEN];

	name_kebab(model_member_name(member), name);
	snprintf(out, NAME_MAX_LEN, "%s%.*s", no ? "no-" : "", NAME_MAX_LEN - 4, name);
	for (size_t i = 0; no && i < MC_ARRAY_SIZE(renamed); i++)
		if (strcmp(out, renamed[i].no) == 0)
			snprintf(out, NAME_MAX_LEN, "%s", renamed[i].instead);
}

bool option_find(const struct model_shape *input, const char *name, struct option_match *ret)
{
	char own[NAME_MAX_LEN];

	for (size_t i = 0; i < model_shape_members(input); i++) {
		const struct model_member *m = model_shape_member(input, i);
		bool is_switch = option_is_switch(m);

		for (int no = 0; no <= is_switch; no++) {
			option_name(m, no, own);
			if (strcmp(own, name) != 0)
				continue;
			*ret = (struct option_match){ m, is_switch, !no };
			return true;
		}
	}
	return false;
}
