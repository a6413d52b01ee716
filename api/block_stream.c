#include "api/block_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/json.h"

#define PATIENCE_S 60 /* of what storaged does with a block, and of the disk */
#define MAX_LINE 4096

/* A connection on which neither side waits for ever. */
static int connect_to(struct api *api, const char *path, int *ret_fd, mc_err **err)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd, o = mc_ipc_upgrade(api->config.storaged, path, &fd, err);

	if (o != MC_IPC_OK)
		return o;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0) {
		close(fd);
		return mc_err_set(err, errno, "setsockopt");
	}
	*ret_fd = fd;
	return MC_IPC_OK;
}

/* What comes until the end or until max bytes are there: their number. */
static size_t receive(int fd, char *buf, size_t max)
{
	size_t done = 0;
	ssize_t n = 1;

	while (done < max && n > 0) {
		n = recv(fd, buf + done, max - done, 0);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			done += (size_t)n;
	}
	return done;
}

static int send_all(int fd, const char *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = send(fd, data + done, len - done, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -1;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int block_stream_read(struct api *api, const char *snapshot, int64_t index, char **ret_data, mc_err **err)
{
	mc_autofree char *path = mc_strf("/v1/snapshots/%s/blocks/%lld", snapshot, (long long)index);
	mc_autofree char *data = mc_alloc(BLOCK_BYTES);
	mc_auto_fd int fd = -1;
	int o = connect_to(api, path, &fd, err);

	if (o != MC_IPC_OK)
		return o;
	if (receive(fd, data, BLOCK_BYTES) != BLOCK_BYTES) {
		mc_err_set(err, 0, "block %lld of %s did not come whole", (long long)index, snapshot);
		return MC_IPC_UNAVAILABLE;
	}
	*ret_data = MC_STEAL(data);
	return MC_IPC_OK;
}

int block_stream_write(struct api *api, const char *volume, int64_t index, const void *data, const char *sha256, mc_err **err)
{
	mc_autofree char *path = mc_strf("/v1/volumes/%s/blocks/%lld?sha256=%s", volume, (long long)index, sha256);
	mc_auto_json json_t *line = NULL;
	mc_auto_fd int fd = -1;
	char text[MAX_LINE];
	json_error_t where;
	int o = connect_to(api, path, &fd, err);

	if (o != MC_IPC_OK)
		return o;
	if (send_all(fd, data, BLOCK_BYTES) == 0)
		line = json_loadb(text, receive(fd, text, sizeof(text)), 0, &where);
	if (!line) {
		mc_err_set(err, 0, "storaged did not say that it has block %lld of %s", (long long)index, volume);
		return MC_IPC_UNAVAILABLE;
	}
	if (strcmp(mc_json_str(line, "outcome", ""), "ok") == 0)
		return MC_IPC_OK;
	mc_err_set(err, 0, "%s", mc_json_str(line, "message", ""));
	return (int)mc_ipc_outcome_parse(mc_json_str(line, "outcome", ""));
}
