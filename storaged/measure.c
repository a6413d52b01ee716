#include "storaged/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/log.h"
#include "storaged/qcow2.h"

int measure_layer(const struct storage *storage, const char *layer, int64_t *ret_bytes, mc_err **err)
{
	mc_autofree char *name = store_name(layer);
	mc_auto_fd int fd = openat(storage->store.dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct qcow2_header header;
	uint64_t size, bytes;

	if (fd < 0)
		return mc_err_set(err, errno, "cannot open %s", name);
	if (qcow2_header_read(fd, &header, &size, err) < 0 || qcow2_extents_check(fd, &header, size, &bytes, err) < 0)
		return -1;
	*ret_bytes = (int64_t)bytes;
	return 0;
}

/* One that goes or is merged meanwhile may look like anything: nothing of it is recorded then. */
static int measure_one(struct storage *storage, const char *layer, uint64_t moment, mc_err **err)
{
	int64_t bytes;

	if (measure_layer(storage, layer, &bytes, err) < 0)
		return -1;
	return graph_layer_measured(storage->graph, layer, bytes, moment, err);
}

void measure_frozen(struct storage *storage)
{
	char layer[MC_ID_LEN] = "", after[MC_ID_LEN];
	uint64_t moment;

	do {
		mc_auto_err mc_err *err = NULL;

		memcpy(after, layer, sizeof(after));
		if (graph_layer_unmeasured(storage->graph, after, layer, &moment, &err) != 0)
			return;
		if (measure_one(storage, layer, moment, &err) < 0)
			mc_log(MC_LOG_DEBUG, "measure", "not measured", "layer", layer, "reason", mc_err_msg(err), NULL);
	} while (true);
}
