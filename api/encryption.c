#include "api/encryption.h"

#include <string.h>

#include "api/api.h"
#include "api/encryption_default.h"
#include "api/kms.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/crash.h"
#include "common/fdserver.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/json.h"

/* --- choosing --------------------------------------------------------------- */

static int unknown_key(struct call *call, const char *text)
{
	return action_refuse(call, "InvalidKMSKey.NotFound", "The KMS key '%s' does not exist", text);
}

static int bad_state(struct call *call)
{
	return action_refuse(call, "InvalidKMSKey.InvalidState", "The KMS key provided is in an incorrect state");
}

const char *encryption_key_id(const json_t *doc)
{
	const char *arn = mc_json_str(doc, "KmsKeyId", NULL), *slash = arn ? strrchr(arn, '/') : NULL;

	return slash ? slash + 1 : NULL;
}

/* The key of what it is made of, if it can be used here. NULL: there is none, or it is of another region. */
static const struct resource *key_of_source(struct call *call, const struct resource *source)
{
	const char *id = source ? encryption_key_id(source->doc) : NULL;

	return id ? kms_key_by_id(call->tx, call->caller->region, id) : NULL;
}

/* What is named, else the source's own, else the default. NULL after action_fail. */
static const struct resource *choose_key(struct call *call, const char *named, const struct resource *source)
{
	const struct resource *key;

	if (named) {
		key = kms_key_find(call->tx, call->caller->account, call->caller->region, named);
		if (!key)
			unknown_key(call, named);
		return key;
	}
	key = key_of_source(call, source);
	return key ? key : encryption_default_key(call->tx, call->caller->account, call->caller->region);
}

/* The data key of the source must be had, too. */
static int check_source(struct call *call, const struct resource *source)
{
	const char *id = source ? encryption_key_id(source->doc) : NULL;
	const struct resource *key = id ? kms_key_by_id(call->tx, source->region, id) : NULL;

	return id && (!key || key->state != KMS_KEY_ENABLED) ? bad_state(call) : 0;
}

int encryption_choose(struct call *call, const json_t *wish, const struct resource *source, char **ret_arn)
{
	const char *named = mc_json_str(wish, "KmsKeyId", NULL);
	bool asked = mc_json_bool(wish, "Encrypted", false);
	const struct resource *key;

	*ret_arn = NULL;
	if (named && !*named)
		named = NULL;
	if (named && !asked)
		return action_refuse(call, "InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set.");
	if (check_source(call, source))
		return 1;
	if (!asked && !(source && encryption_key_id(source->doc)) &&
	    !encryption_by_default(call->tx, call->caller->account, call->caller->region))
		return 0;
	key = choose_key(call, named, source);
	if (!key)
		return 1;
	if (key->state != KMS_KEY_ENABLED)
		return bad_state(call);
	*ret_arn = kms_key_arn(key);
	return 0;
}

void encryption_show(json_t *doc, const char *arn)
{
	json_object_set_new(doc, "Encrypted", json_boolean(arn));
	json_object_del(doc, "KmsKeyId");
	if (arn)
		json_object_set_new(doc, "KmsKeyId", json_string(arn));
}

/* --- using ------------------------------------------------------------------- */

bool encryption_usable(struct store_tx *tx, const struct resource *volume)
{
	const char *id = encryption_key_id(volume->doc);
	const struct resource *key = id ? kms_key_by_id(tx, volume->region, id) : NULL;

	return !id || (key && key->state == KMS_KEY_ENABLED);
}

int encryption_check(struct api *api, const char *volume, mc_err **err)
{
	struct store_tx *tx = store_read(api->store);
	const struct resource *vol = store_get(tx, volume);
	bool usable = !vol || encryption_usable(tx, vol);

	store_end(tx);
	if (usable)
		return MC_IPC_OK;
	mc_err_set(err, 0, "the KMS key of %s cannot be used", volume);
	return MC_IPC_DENIED;
}

int encryption_hand_over(struct api *api, const char *volume, const char *key, mc_err **err)
{
	mc_auto_json json_t *ask = json_pack("{s:s, s:s}", "op", "key", "volume", volume);
	mc_auto_json json_t *give = json_pack("{s:s, s:s}", "op", "key", "key", key);
	mc_auto_fd int fd = -1;
	int o;

	MC_CRASH_POINT();
	o = mc_fdserver_call(api->config.storaged_fd, ask, -1, &fd, err);
	if (o == MC_IPC_OK)
		o = mc_fdserver_call(api->config.hypervisor_fd, give, fd, NULL, err);
	MC_CRASH_POINT();
	return o;
}
