#include "api/action.h"

static int get_caller_identity(struct call *call)
{
	call->out = json_pack("{s:s, s:s, s:s}", "UserId", call->caller->user_id, "Account", call->caller->account, "Arn",
			      call->caller->arn);
	return 0;
}

const struct action actions_sts[] = {
	{ .service = "sts", .name = "GetCallerIdentity", .fn = get_caller_identity, .flags = ACTION_GLOBAL },
	{ 0 },
};
