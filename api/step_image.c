/* Images: what the operator offers is imported; the others are there when their snapshots are. */
#include <string.h>

#include "api/backend.h"
#include "api/cloud_time.h"
#include "api/image.h"
#include "api/reconciler.h"
#include "api/recycle_bin.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define LOOK_AGAIN MC_SECOND /* its snapshots wake it; this is for what is lost */

static int record_image(struct api *api, const char *id, const char *error, mc_err **err)
{
	struct store_tx *tx = store_write(api->store);
	struct resource *r = store_edit(tx, id);

	if (!r || r->state != IMAGE_PENDING) {
		store_end(tx);
		return STEP_AGAIN;
	}
	if (error)
		json_object_set_new(r->spec, "state_reason", json_string(error));
	state_set(tx, r, error ? IMAGE_FAILED : IMAGE_AVAILABLE);
	return store_commit(tx, err) < 0 ? -1 : STEP_DONE;
}

static int import_image(struct api *api, const struct resource *image, mc_err **err)
{
	mc_auto_json json_t *body = json_pack("{s:s, s:s*}", "source", mc_json_str(image->spec, "source", ""), "sha256",
					      mc_json_str(image->spec, "sha256", NULL));
	const char *stored = mc_json_str(image->spec, "stored", image->id);
	int o = backend_call(api, BACKEND_STORAGED, "PUT", body, NULL, err, "/v1/images/%s", stored);
	mc_autofree char *error = NULL;

	if (o < 0 || o == MC_IPC_INTERNAL || backend_transient(o))
		return -1;
	if (o != MC_IPC_OK) {
		error = mc_strf("Client.InvalidParameterValue: %s", err ? mc_err_msg(*err) : "");
		mc_log(MC_LOG_WARNING, "image", "import refused", "id", image->id, "reason", error, NULL);
		mc_err_clear(err);
	}
	return record_image(api, image->id, error, err);
}

struct progress {
	struct store_tx *tx;
	bool pending, failed;
};

static void look(void *ctx, const char *id)
{
	struct progress *p = ctx;
	const struct resource *r = store_get(p->tx, id);

	p->pending |= r && r->state == SNAPSHOT_PENDING;
	p->failed |= !r || r->state == SNAPSHOT_ERROR;
}

static int await_snapshots(struct api *api, const struct resource *image, int64_t *ret_delay, mc_err **err)
{
	struct progress p = { .tx = store_read(api->store) };

	image_snapshots(image, look, &p);
	store_end(p.tx);
	*ret_delay = LOOK_AGAIN;
	if (p.pending)
		return STEP_NOT_YET;
	return record_image(api, image->id, p.failed ? "Server.InternalError: A snapshot of the image could not be taken" : NULL, err);
}

/* Its time in the recycle bin is over. */
static int step_recoverable(struct api *api, const struct resource *was, int64_t *ret_delay, mc_err **err)
{
	int64_t exit = recycle_bin_exit(was);
	struct store_tx *tx;
	const struct resource *r;

	if (cloud_time(api) < exit) {
		*ret_delay = cloud_time_until(api, exit);
		return STEP_NOT_YET;
	}
	tx = store_write(api->store);
	r = store_get(tx, was->id);
	if (r && r->state == IMAGE_RECOVERABLE && recycle_bin_exit(r) == exit)
		store_delete(tx, r->id);
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

int step_image(struct api *api, const char *id, int64_t *ret_delay, mc_err **err)
{
	struct store_tx *tx = store_read(api->store);
	const struct resource *found = store_find(tx, KIND_IMAGE, NULL, NULL, id);
	struct resource *image = found ? resource_clone(found) : NULL;
	int r = STEP_DONE;

	store_end(tx);
	if (image && image->state == IMAGE_PENDING)
		r = image_offered(image) ? import_image(api, image, err) : await_snapshots(api, image, ret_delay, err);
	else if (image && image->state == IMAGE_RECOVERABLE)
		r = step_recoverable(api, image, ret_delay, err);
	resource_free(image);
	return r;
}
