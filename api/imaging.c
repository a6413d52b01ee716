#include "api/imaging.h"

#include <string.h>

#include "api/attachment.h"
#include "api/image.h"
#include "api/reconciler.h"
#include "api/state.h"
#include "common/json.h"

static const json_t *imaging(const struct resource *inst)
{
	return inst->state == INSTANCE_RUNNING ? mc_json_obj(inst->spec, "imaging") : NULL;
}

bool imaging_under_way(const struct resource *inst)
{
	return imaging(inst) != NULL;
}

bool imaging_is_down(const struct resource *inst)
{
	return mc_json_bool(imaging(inst), "down", false);
}

int64_t imaging_since(const struct resource *inst, int64_t other)
{
	return mc_json_int(imaging(inst), "since", other);
}

/* --- the instance's side ---------------------------------------------------- */

int imaging_now_down(struct api *api, const struct resource *inst, mc_err **err)
{
	struct store_tx *tx;
	struct resource *r;

	if (attachments_pause(api, inst, err) < 0)
		return -1;
	tx = store_write(api->store);
	r = store_edit(tx, inst->id);
	if (!r || !imaging(r)) {
		store_end(tx);
		return STEP_AGAIN;
	}
	json_object_set_new(mc_json_obj(r->spec, "imaging"), "down", json_true());
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

struct pending {
	struct api *api;
	struct store_tx *tx;
	bool any;
};

static void look(void *ctx, const char *id)
{
	struct pending *p = ctx;
	const struct resource *r = store_get(p->tx, id);

	if (!r || r->state != SNAPSHOT_PENDING)
		return;
	p->any = true;
	reconciler_wake(p->api->reconciler, id, 0);
}

bool imaging_waits(struct api *api, const struct resource *inst)
{
	struct pending p = { .api = api, .tx = store_read(api->store) };
	const struct resource *image = store_get(p.tx, mc_json_str(imaging(inst), "image", ""));

	if (image) /* deregistered: nobody waits */
		image_snapshots(image, look, &p);
	store_end(p.tx);
	return p.any;
}

/* --- the snapshots' side ---------------------------------------------------- */

bool imaging_holds(struct api *api, const struct resource *snapshot)
{
	const char *id = mc_json_str(snapshot->spec, "image", NULL);
	struct store_tx *tx = id ? store_read(api->store) : NULL;
	const struct resource *vol = tx ? store_get(tx, mc_json_str(snapshot->spec, "volume", "")) : NULL;
	const json_t *instances = vol ? mc_json_arr(vol->spec, "instances") : NULL;
	bool holds = false;

	for (size_t i = 0; i < json_array_size(instances) && !holds; i++) {
		const struct resource *inst = store_get(tx, mc_json_at(instances, i));
		const json_t *now = inst ? imaging(inst) : NULL;

		holds = now && strcmp(mc_json_str(now, "image", ""), id) == 0 && !mc_json_bool(now, "down", false);
	}
	if (tx)
		store_end(tx);
	return holds;
}
