#include "storaged/fdserver.h"

#include <string.h>

#include "common/id.h"
#include "common/ipc.h"
#include "storaged/volume.h"

static bool check_op(const char *text)
{
	return strcmp(text, "key") == 0;
}

static bool check_volume(const char *text)
{
	return mc_id_valid("vol", text);
}

static const struct mc_field request_fields[] = {
	{"op", MC_FIELD_STRING, true, 0, 0, check_op, NULL},
	{"volume", MC_FIELD_STRING, true, 0, 0, check_volume, NULL},
	{.name = NULL},
};

/* Only while somebody is said to have it open: nobody else needs its key. */
static int give_key(void *ctx, const json_t *request, int fd, int *ret_fd, mc_err **err)
{
	struct storage *storage = ctx;
	const char *id = mc_json_str(request, "volume", "");
	int open = volume_is_open(storage, id, err), r;
	char key[MC_ID_LEN];
	struct volume v;

	(void)fd; /* nothing is taken */
	r = open < 0 ? -1 : volume_find(storage, id, &v, err);
	if (r != MC_IPC_OK)
		return r;
	if (vault_layer_key(storage->vault, v.layer.id, key, err) < 0)
		return -1;
	if (open && key[0])
		return vault_data_key_fd(storage->vault, key, ret_fd, err);
	mc_err_set(err, 0, "volume %s is not %s", id, open ? "encrypted" : "open");
	return MC_IPC_CONFLICT;
}

struct mc_fdserver *fdserver_start(struct storage *storage, int listen_fd, const uid_t *allowed, mc_err **err)
{
	return mc_fdserver_start(listen_fd, request_fields, give_key, storage, allowed, err);
}
