#include "hypervisor/secret.h"

#include <errno.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "hypervisor/connection.h"

#define KEY_MAX 256

bool secret_key_valid(const char *key)
{
	return mc_id_valid("dk", key);
}

/* As the UUIDs of domains: a prefix, then the digits of the id. */
void secret_uuid(const char *key, char out[MC_UUID_LEN])
{
	const char *hex = strchr(key, '-') + 1;

	snprintf(out, MC_UUID_LEN, "5ec2e700-0000-4%.3s-8%.3s-%.11s0", hex, hex + 3, hex + 6);
}

void secret_put_xml(struct xml *x, const char *key)
{
	char uuid[MC_UUID_LEN];

	if (!key)
		return;
	secret_uuid(key, uuid);
	xml_begin(x, "encryption", "format", "luks", NULL);
	xml_empty(x, "secret", "type", "passphrase", "uuid", uuid, NULL);
	xml_end(x);
}

/* --- taking ----------------------------------------------------------------- */

static bool check_op(const char *text)
{
	return strcmp(text, "key") == 0;
}

static const struct mc_field request_fields[] = {
	{ .name = "op", .type = MC_FIELD_STRING, .required = true, .check = check_op },
	{ .name = "key", .type = MC_FIELD_STRING, .required = true, .check = secret_key_valid },
	{ 0 },
};

static char *secret_xml(const char *key)
{
	struct xml *x = xml_new();
	char uuid[MC_UUID_LEN];

	secret_uuid(key, uuid);
	xml_begin(x, "secret", "ephemeral", "yes", "private", "yes", NULL);
	xml_leaf(x, "description", key, NULL);
	xml_leaf(x, "uuid", uuid, NULL);
	xml_end(x);
	return xml_finish(x);
}

static int set_value(virConnectPtr conn, const char *key, const unsigned char *value, size_t n, mc_err **err)
{
	mc_autofree char *xml = secret_xml(key);
	virSecretPtr secret = virSecretDefineXML(conn, xml, 0);
	int r = secret ? virSecretSetValue(secret, value, n, 0) : -1;
	int outcome = r < 0 ? connection_outcome(conn, err, "take a key") : MC_IPC_OK;

	if (secret)
		virSecretFree(secret);
	return outcome;
}

static int take(void *ctx, const json_t *request, int fd, int *ret_fd, mc_err **err)
{
	struct hypervisor *h = ctx;
	unsigned char value[KEY_MAX];
	ssize_t n = fd < 0 ? -1 : pread(fd, value, sizeof(value), 0);
	virConnectPtr conn;
	int outcome;

	(void)ret_fd;
	if (n <= 0 || n == KEY_MAX) {
		mc_err_set(err, 0, "a key comes in a memfd, of at most %d bytes", KEY_MAX - 1);
		return MC_IPC_BAD_REQUEST;
	}
	conn = connection_get(h->connection, err);
	outcome = conn ? set_value(conn, mc_json_str(request, "key", ""), value, (size_t)n, err) : MC_IPC_UNAVAILABLE;
	OPENSSL_cleanse(value, sizeof(value));
	if (conn)
		virConnectClose(conn);
	return outcome;
}

struct mc_fdserver *secret_server_start(struct hypervisor *h, int listen_fd, const uid_t *allowed, mc_err **err)
{
	return mc_fdserver_start(listen_fd, request_fields, take, h, allowed, err);
}

/* --- forgetting ------------------------------------------------------------- */

static int forget(virConnectPtr conn, const char *key, mc_err **err)
{
	char uuid[MC_UUID_LEN];
	virSecretPtr secret;
	int r;

	secret_uuid(key, uuid);
	secret = virSecretLookupByUUIDString(conn, uuid);
	r = secret ? virSecretUndefine(secret) : -1;
	if (secret)
		virSecretFree(secret);
	return r == 0 || virGetLastErrorCode() == VIR_ERR_NO_SECRET ? MC_IPC_OK : connection_outcome(conn, err, "forget a key");
}

int secret_forget(struct hypervisor *h, const char *key, mc_err **err)
{
	virConnectPtr conn;
	int outcome;

	if (!secret_key_valid(key)) {
		mc_err_set(err, 0, "\"%s\" is no key's id", key);
		return MC_IPC_BAD_REQUEST;
	}
	conn = connection_get(h->connection, err);
	outcome = conn ? forget(conn, key, err) : MC_IPC_UNAVAILABLE;
	if (conn)
		virConnectClose(conn);
	return outcome;
}
