/* Checks that many actions begin with. */
#include <stdarg.h>

#include "api/action.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

int action_invalid(struct call *call, const char *format, ...)
{
	mc_autofree char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = mc_vstrf(format, ap);
	va_end(ap);
	return action_fail(call, API_INVALID_PARAMETER, text);
}

/* Volumes have no code of their own for it. */
int action_malformed(struct call *call, enum kind kind, const char *id)
{
	const struct kind_info *k = kind_info(kind);

	if (kind != KIND_VOLUME)
		return action_fail(call, API_MALFORMED_ID, k->malformed, id ? id : "", k->prefix);
	if (!id || !*id)
		return action_invalid(call, "Value () for parameter volumeId is invalid. Parameter may not be null or empty");
	return action_invalid(call, "Value (%s) for parameter volumeId is invalid. Expected: 'vol-...'.", id);
}

int action_check_quota(struct call *call, long n, long quota, const char *code, const char *things)
{
	return quota && n >= quota ? action_fail(call, API_LIMIT, code, things) : 0;
}

/* false, an empty list and an empty text, which some clients send for what is not there, ask for nothing; neither does
 * a structure of such. */
static bool asks(const json_t *value)
{
	const char *name;
	json_t *member;

	json_object_foreach((json_t *)value, name, member)
		if (asks(member))
			return true;
	return value && !json_is_object(value) && !json_is_false(value) && !(json_is_array(value) && json_array_size(value) == 0) &&
	       !(json_is_string(value) && json_string_length(value) == 0);
}

int action_refuse_members(struct call *call, const char *const *members, const char *why)
{
	for (; *members; members++) {
		mc_autofree char *text = NULL;

		if (!asks(json_object_get(call->in, *members)))
			continue;
		text = mc_strf("The parameter %s is not supported by this cloud: %s", *members, why);
		return action_fail(call, API_UNSUPPORTED, text);
	}
	return 0;
}

const char *action_text(const struct call *call, const char *member)
{
	const char *text = mc_json_str(call->in, member, NULL);

	return text && *text ? text : NULL;
}
