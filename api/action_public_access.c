/* GetImageBlockPublicAccessState, GetSnapshotBlockPublicAccessState and what switches them. */
#include <string.h>

#include "api/public_access.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define UNBLOCKED "unblocked"
#define BLOCK_ALL "block-all-sharing"

static char *fact_name(const struct call *call, const char *what)
{
	return mc_strf("ebs/block-public-%ss/%s/%s", what, call->caller->account, call->caller->region);
}

static const char *mode_of(struct call *call, const char *what)
{
	mc_autofree char *name = fact_name(call, what);
	const char *mode = store_fact(call->tx, name);

	return mode ? mode : UNBLOCKED;
}

static void set_mode(struct call *call, const char *what, const char *mode)
{
	mc_autofree char *name = fact_name(call, what);

	store_set_fact(call->tx, name, mode);
}

/* --- asking ----------------------------------------------------------------- */

int public_access_check_image(struct call *call)
{
	if (strcmp(mode_of(call, "image"), UNBLOCKED) == 0)
		return 0;
	return action_fail(call, API_NOT_PERMITTED, "You can't publicly share this image because block public access for AMIs is enabled "
			   "for this account. To publicly share the image, you must call the DisableImageBlockPublicAccess API.");
}

int public_access_check_snapshot(struct call *call)
{
	if (strcmp(mode_of(call, "snapshot"), UNBLOCKED) == 0)
		return 0;
	return action_fail(call, API_NOT_PERMITTED, "You can't publicly share this snapshot because block public access for snapshots is "
			   "enabled for this account. To publicly share the snapshot, you must call the DisableSnapshotBlockPublicAccess "
			   "API.");
}

/* --- images ----------------------------------------------------------------- */

static int answer_image(struct call *call)
{
	call->out = json_pack("{s:s}", "ImageBlockPublicAccessState", mode_of(call, "image"));
	return 0;
}

static int enable_image(struct call *call)
{
	set_mode(call, "image", mc_json_str(call->in, "ImageBlockPublicAccessState", ""));
	return answer_image(call);
}

static int disable_image(struct call *call)
{
	set_mode(call, "image", UNBLOCKED);
	return answer_image(call);
}

static int get_image(struct call *call)
{
	answer_image(call);
	json_object_set_new(call->out, "ManagedBy", json_string("account"));
	return 0;
}

/* --- snapshots -------------------------------------------------------------- */

/* Those that are public already stay so in their attribute, and are private while all sharing is blocked. */
static void hide_public(struct call *call, bool hide)
{
	struct store_iter it = store_iter(call->tx, KIND_SNAPSHOT, call->caller->account, call->caller->region);
	const struct resource *r;

	while ((r = store_next(&it)))
		if (mc_json_bool(r->spec, "hidden", false) != (hide && mc_json_bool(r->spec, "public", false)))
			json_object_set_new(store_edit(call->tx, r->id)->spec, "hidden", json_boolean(hide));
}

static int set_snapshot_mode(struct call *call, const char *mode)
{
	set_mode(call, "snapshot", mode);
	hide_public(call, strcmp(mode, BLOCK_ALL) == 0);
	call->out = json_pack("{s:s}", "State", mode);
	return 0;
}

static int enable_snapshot(struct call *call)
{
	const char *mode = mc_json_str(call->in, "State", "");

	if (strcmp(mode, UNBLOCKED) == 0)
		return action_invalid(call, "The value '%s' is not valid for State; valid values are block-all-sharing and "
				      "block-new-sharing.", mode);
	return set_snapshot_mode(call, mode);
}

static int disable_snapshot(struct call *call)
{
	return set_snapshot_mode(call, UNBLOCKED);
}

static int get_snapshot(struct call *call)
{
	call->out = json_pack("{s:s, s:s}", "State", mode_of(call, "snapshot"), "ManagedBy", "account");
	return 0;
}

const struct action actions_public_access[] = {
	{ .service = "ec2", .name = "EnableImageBlockPublicAccess", .fn = enable_image, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DisableImageBlockPublicAccess", .fn = disable_image, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "GetImageBlockPublicAccessState", .fn = get_image },
	{ .service = "ec2", .name = "EnableSnapshotBlockPublicAccess", .fn = enable_snapshot, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DisableSnapshotBlockPublicAccess", .fn = disable_snapshot, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "GetSnapshotBlockPublicAccessState", .fn = get_snapshot },
	{ 0 },
};
