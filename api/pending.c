#include "api/pending.h"

#include "api/api.h"
#include "api/waiters.h"
#include "common/json.h"

#define MEMBER "pending" /* of the resource's spec: {what: generation} */

void pending_note(struct call *call, struct resource *r, const char *vpc, const char *what, int64_t generation)
{
	int64_t applied = waiters_applied(call->api->waiters, vpc);
	json_t *kept = json_object(), *value;
	const char *key;

	json_object_foreach(mc_json_obj(r->spec, MEMBER), key, value)
		if (json_integer_value(value) > applied)
			json_object_set(kept, key, value);
	json_object_set_new(kept, what, json_integer(generation));
	json_object_set_new(r->spec, MEMBER, kept);
}

bool pending_join(struct call *call, const struct resource *r, const char *vpc, const char *what)
{
	int64_t generation = mc_json_int(mc_json_obj(r->spec, MEMBER), what, 0);

	if (generation <= waiters_applied(call->api->waiters, vpc))
		return false;
	/* Changed again, the VPC is queued again, should nobody be about to bring it in force. */
	store_edit(call->tx, vpc);
	action_wait(call, vpc, generation);
	return true;
}
