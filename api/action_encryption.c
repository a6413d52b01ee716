/* EBS encryption by default: EnableEbsEncryptionByDefault and its like. */
#include <string.h>

#include "api/action.h"
#include "api/encryption_default.h"
#include "api/kms.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

static char *fact_name(const char *what, const char *account, const char *region)
{
	return mc_strf("ebs/%s/%s/%s", what, account, region);
}

bool encryption_by_default(struct store_tx *tx, const char *account, const char *region)
{
	mc_autofree char *name = fact_name("encryption-by-default", account, region);
	const char *value = store_fact(tx, name);

	return value && strcmp(value, "on") == 0;
}

const struct resource *encryption_default_key(struct store_tx *tx, const char *account, const char *region)
{
	mc_autofree char *name = fact_name("default-key", account, region);
	const char *id = store_fact(tx, name);
	const struct resource *key = id && *id ? kms_key_find(tx, account, region, id) : NULL;

	return key ? key : kms_key_default(tx, account, region);
}

static int set_default(struct call *call, bool on)
{
	mc_autofree char *name = fact_name("encryption-by-default", call->caller->account, call->caller->region);

	store_set_fact(call->tx, name, on ? "on" : "off");
	call->out = json_pack("{s:b}", "EbsEncryptionByDefault", on);
	return 0;
}

static int enable(struct call *call)
{
	return set_default(call, true);
}

static int disable(struct call *call)
{
	return set_default(call, false);
}

static int get(struct call *call)
{
	call->out = json_pack("{s:b}", "EbsEncryptionByDefault",
			      encryption_by_default(call->tx, call->caller->account, call->caller->region));
	return 0;
}

static int show_key(struct call *call)
{
	const struct resource *key = encryption_default_key(call->tx, call->caller->account, call->caller->region);
	mc_autofree char *arn = kms_key_arn(key);

	call->out = json_pack("{s:s}", "KmsKeyId", arn);
	return 0;
}

static void set_key(struct call *call, const char *id)
{
	mc_autofree char *name = fact_name("default-key", call->caller->account, call->caller->region);

	store_set_fact(call->tx, name, id);
}

static int modify_key(struct call *call)
{
	const char *text = mc_json_str(call->in, "KmsKeyId", "");
	const struct resource *key = kms_key_find(call->tx, call->caller->account, call->caller->region, text);

	if (!key)
		return action_refuse(call, "InvalidKMSKey.NotFound", "The KMS key '%s' does not exist", text);
	if (key->state != KMS_KEY_ENABLED)
		return action_refuse(call, "InvalidKMSKey.InvalidState", "The KMS key provided is in an incorrect state");
	set_key(call, kms_key_id(key));
	return show_key(call);
}

static int reset_key(struct call *call)
{
	set_key(call, "");
	return show_key(call);
}

const struct action actions_encryption[] = {
	{ .service = "ec2", .name = "EnableEbsEncryptionByDefault", .fn = enable, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DisableEbsEncryptionByDefault", .fn = disable, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "GetEbsEncryptionByDefault", .fn = get },
	{ .service = "ec2", .name = "GetEbsDefaultKmsKeyId", .fn = show_key, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ModifyEbsDefaultKmsKeyId", .fn = modify_key, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ResetEbsDefaultKmsKeyId", .fn = reset_key, .flags = ACTION_WRITE },
	{ 0 },
};
