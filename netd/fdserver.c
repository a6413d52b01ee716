#include "netd/fdserver.h"

#include <string.h>

#include "common/id.h"
#include "common/ipc.h"
#include "netd/vpc.h"

static bool check_op(const char *text)
{
	return strcmp(text, "metadata") == 0 || strcmp(text, "endpoint") == 0;
}

static bool check_vpc(const char *text)
{
	return mc_id_valid("vpc", text);
}

static bool check_endpoint(const char *text)
{
	return mc_id_valid("vpce", text);
}

static bool check_eni(const char *text)
{
	return mc_id_valid("eni", text);
}

static const struct mc_field request_fields[] = {
	{ "op", MC_FIELD_STRING, true, 0, 0, check_op, NULL },
	{ "vpc", MC_FIELD_STRING, true, 0, 0, check_vpc, NULL },
	{ "endpoint", MC_FIELD_STRING, false, 0, 0, check_endpoint, NULL },
	{ "eni", MC_FIELD_STRING, false, 0, 0, check_eni, NULL },
	{ "port", MC_FIELD_INTEGER, false, 1, 65535, NULL, NULL },
	{ .name = NULL },
};

static int open_endpoint(struct netd *netd, const json_t *request, int *ret_fd, mc_err **err)
{
	const char *endpoint = mc_json_str(request, "endpoint", NULL);
	int port = (int)mc_json_int(request, "port", 0);

	if (!endpoint || (port != 80 && port != 443)) {
		mc_err_set(err, 0, "an endpoint's socket is of an endpoint and on port 80 or 443");
		return MC_IPC_BAD_REQUEST;
	}
	return vpc_endpoint_socket(netd, mc_json_str(request, "vpc", ""), endpoint,
				   mc_json_str(request, "eni", NULL), port, ret_fd, err);
}

static int handle(void *ctx, const json_t *request, int fd, int *ret_fd, mc_err **err)
{
	struct netd *netd = ctx;

	(void)fd; /* nothing is taken */
	if (strcmp(mc_json_str(request, "op", ""), "endpoint") == 0)
		return open_endpoint(netd, request, ret_fd, err);
	return vpc_metadata_socket(netd, mc_json_str(request, "vpc", ""), ret_fd, err);
}

struct mc_fdserver *fdserver_start(struct netd *netd, int listen_fd, const uid_t *allowed, mc_err **err)
{
	return mc_fdserver_start(listen_fd, request_fields, handle, netd, allowed, err);
}
