#include "storaged/routes.h"

#include <stdlib.h>
#include <string.h>

#include "storaged/block.h"
#include "storaged/doctor.h"
#include "storaged/export.h"
#include "storaged/image.h"
#include "storaged/import.h"
#include "storaged/kms.h"
#include "storaged/merge.h"
#include "storaged/snapshot.h"
#include "storaged/snapshot_copy.h"
#include "storaged/storage.h"
#include "storaged/volume.h"

#define SIZE_GIB_MAX 65536 /* 64 TiB */

static bool check_image_id(const char *text)
{
	return mc_id_valid("ami", text);
}

static bool check_snapshot_id(const char *text)
{
	return mc_id_valid("snap", text);
}

static bool check_copied_id(const char *text)
{
	return mc_id_valid("snap", text) || mc_id_valid("ami", text);
}

static bool check_volume_id(const char *text)
{
	return mc_id_valid("vol", text);
}

static bool check_opener(const char *text)
{
	return mc_id_valid("i", text);
}

static bool check_sha256(const char *text)
{
	return strlen(text) == SHA256_LEN - 1 && strspn(text, "0123456789abcdef") == SHA256_LEN - 1;
}

static const struct mc_field image_fields[] = {
	{"source", MC_FIELD_STRING, true, 1, 4000, mc_check_path, NULL},
	{"sha256", MC_FIELD_STRING, false, 0, 0, check_sha256, NULL},
	{NULL, MC_FIELD_STRING, false, 0, 0, NULL, NULL},
};

static const struct mc_field volume_fields[] = {
	{"size_gib", MC_FIELD_INTEGER, true, 1, SIZE_GIB_MAX, NULL, NULL},
	{"image", MC_FIELD_STRING, false, 0, 0, check_image_id, NULL},
	{"snapshot", MC_FIELD_STRING, false, 0, 0, check_snapshot_id, NULL},
	{"kms_key", MC_FIELD_STRING, false, 0, 0, vault_key_id, NULL},
	{"shared", MC_FIELD_BOOLEAN, false, 0, 0, NULL, NULL},
	{"opener", MC_FIELD_STRING, false, 0, 0, check_opener, NULL},
	{NULL, MC_FIELD_STRING, false, 0, 0, NULL, NULL},
};

static const struct mc_field snapshot_fields[] = {
	{"volume", MC_FIELD_STRING, false, 0, 0, check_volume_id, NULL},
	{"copy", MC_FIELD_STRING, false, 0, 0, check_copied_id, NULL},
	{"kms_key", MC_FIELD_STRING, false, 0, 0, vault_key_id, NULL},
	{"owner", MC_FIELD_STRING, false, 1, SNAPSHOT_OWNER_LEN - 1, NULL, NULL},
	{NULL, MC_FIELD_STRING, false, 0, 0, NULL, NULL},
};

static const struct mc_field no_fields[] = {{NULL, MC_FIELD_STRING, false, 0, 0, NULL, NULL}};

static const struct mc_field settle_fields[] = {
	{"done", MC_FIELD_BOOLEAN, true, 0, 0, NULL, NULL},
	{NULL, MC_FIELD_STRING, false, 0, 0, NULL, NULL},
};

static const struct mc_field grow_fields[] = {
	{"size_gib", MC_FIELD_INTEGER, true, 1, SIZE_GIB_MAX, NULL, NULL},
	{NULL, MC_FIELD_STRING, false, 0, 0, NULL, NULL},
};

static const struct mc_field share_fields[] = {
	{"shared", MC_FIELD_BOOLEAN, true, 0, 0, NULL, NULL},
	{NULL, MC_FIELD_STRING, false, 0, 0, NULL, NULL},
};

static const struct mc_field opener_fields[] = {
	{"opener", MC_FIELD_STRING, true, 0, 0, check_opener, NULL},
	{NULL, MC_FIELD_STRING, false, 0, 0, NULL, NULL},
};

static const struct mc_field encrypt_fields[] = {
	{"plaintext", MC_FIELD_STRING, true, 1, KMS_TEXT_MAX, NULL, NULL},
	{"context", MC_FIELD_STRING, false, 0, KMS_CONTEXT_MAX, NULL, NULL},
	{NULL, MC_FIELD_STRING, false, 0, 0, NULL, NULL},
};

static const struct mc_field decrypt_fields[] = {
	{"ciphertext", MC_FIELD_STRING, true, 1, KMS_TEXT_MAX, NULL, NULL},
	{"context", MC_FIELD_STRING, false, 0, KMS_CONTEXT_MAX, NULL, NULL},
	{NULL, MC_FIELD_STRING, false, 0, 0, NULL, NULL},
};

static const struct mc_field generate_fields[] = {
	{"bytes", MC_FIELD_INTEGER, true, 1, 1024, NULL, NULL},
	{"plaintext", MC_FIELD_BOOLEAN, false, 0, 0, NULL, NULL},
	{"context", MC_FIELD_STRING, false, 0, KMS_CONTEXT_MAX, NULL, NULL},
	{NULL, MC_FIELD_STRING, false, 0, 0, NULL, NULL},
};

static const struct mc_field reencrypt_fields[] = {
	{"ciphertext", MC_FIELD_STRING, true, 1, KMS_TEXT_MAX, NULL, NULL},
	{"context", MC_FIELD_STRING, false, 0, KMS_CONTEXT_MAX, NULL, NULL},
	{"from", MC_FIELD_STRING, true, 0, 0, vault_key_id, NULL},
	{"from_context", MC_FIELD_STRING, false, 0, KMS_CONTEXT_MAX, NULL, NULL},
	{NULL, MC_FIELD_STRING, false, 0, 0, NULL, NULL},
};

static int put_image(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return image_put(ctx, req->vars[0], mc_json_str(req->body, "source", ""),
			 mc_json_str(req->body, "sha256", NULL), ret_body, err);
}

static int get_image(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return image_get(ctx, req->vars[0], ret_body, err);
}

static int delete_image(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	(void)ret_body;
	return image_delete(ctx, req->vars[0], err);
}

static int list_images(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	(void)req;
	return image_list(ctx, ret_body, err);
}

static int both_given(const char *one, const char *other, mc_err **err)
{
	mc_err_set(err, 0, "%s and %s: give one of them", one, other);
	return MC_IPC_BAD_REQUEST;
}

static int put_volume(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	const char *image = mc_json_str(req->body, "image", NULL), *snapshot = mc_json_str(req->body, "snapshot", NULL);
	struct volume_wanted wanted = {.size_gib = mc_json_int(req->body, "size_gib", 0),
				       .source = image ? image : snapshot,
				       .kms_key = mc_json_str(req->body, "kms_key", NULL),
				       .shared = mc_json_bool(req->body, "shared", false),
				       .opener = mc_json_str(req->body, "opener", NULL)};

	return image && snapshot ? both_given("image", "snapshot", err)
				 : volume_put(ctx, req->vars[0], &wanted, ret_body, err);
}

static int get_volume(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return volume_get(ctx, req->vars[0], ret_body, err);
}

static int delete_volume(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	(void)ret_body;
	return volume_delete(ctx, req->vars[0], err);
}

static int list_volumes(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	(void)req;
	return volume_list(ctx, ret_body, err);
}

static int share_volume(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return volume_share(ctx, req->vars[0], mc_json_bool(req->body, "shared", false), ret_body, err);
}

static int grow_volume(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return volume_grow(ctx, req->vars[0], mc_json_int(req->body, "size_gib", 0), ret_body, err);
}

static int open_volume(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return volume_open(ctx, req->vars[0], mc_json_str(req->body, "opener", ""), ret_body, err);
}

static int close_volume(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return volume_close(ctx, req->vars[0], mc_json_str(req->body, "opener", ""), ret_body, err);
}

static int merge_volume(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return merge_live(ctx, req->vars[0], ret_body, err);
}

static int settle_merge(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return merge_settle_live(ctx, req->vars[0], mc_json_bool(req->body, "done", false), ret_body, err);
}

static int put_snapshot(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	const char *volume = mc_json_str(req->body, "volume", NULL), *copy = mc_json_str(req->body, "copy", NULL);
	const char *owner = mc_json_str(req->body, "owner", "");

	if (!volume == !copy)
		return both_given("volume", "copy", err);
	return volume ? snapshot_put(ctx, req->vars[0], volume, owner, ret_body, err)
		      : snapshot_copy(ctx, req->vars[0], copy, mc_json_str(req->body, "kms_key", NULL), owner, ret_body, err);
}

static int get_snapshot(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return snapshot_get(ctx, req->vars[0], ret_body, err);
}

static int delete_snapshot(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return snapshot_delete(ctx, req->vars[0], ret_body, err);
}

static int list_snapshots(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	(void)req;
	return snapshot_list(ctx, ret_body, err);
}

static int take_snapshot(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return snapshot_take(ctx, req->vars[0], ret_body, err);
}

static int abandon_snapshot(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	(void)ret_body;
	return snapshot_abandon(ctx, req->vars[0], err);
}

typedef int kms_fn(struct vault *vault, const char *key, json_t *body, json_t **ret, mc_err **err);

static int with_key(struct storage *storage, const struct mc_ipc_request *req, kms_fn *fn, json_t **ret_body, mc_err **err)
{
	if (vault_key_id(req->vars[0]))
		return fn(storage->vault, req->vars[0], req->body, ret_body, err);
	mc_err_set(err, 0, "\"%s\" is no key's id", req->vars[0]);
	return MC_IPC_BAD_REQUEST;
}

static int encrypt(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return with_key(ctx, req, kms_encrypt, ret_body, err);
}

static int decrypt(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return with_key(ctx, req, kms_decrypt, ret_body, err);
}

static int generate(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return with_key(ctx, req, kms_generate, ret_body, err);
}

static int reencrypt(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return with_key(ctx, req, kms_reencrypt, ret_body, err);
}

static int destroy(struct vault *vault, const char *key, json_t *body, json_t **ret, mc_err **err)
{
	(void)body;
	(void)ret;
	return vault_destroy(vault, key, err);
}

static int destroy_key(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return with_key(ctx, req, destroy, ret_body, err);
}

static const struct mc_field rotate_fields[] = {
	{"times", MC_FIELD_INTEGER, true, 1, 100000, NULL, NULL},
	{NULL, MC_FIELD_STRING, false, 0, 0, NULL, NULL},
};

static int rotate(struct vault *vault, const char *key, json_t *body, json_t **ret_body, mc_err **err)
{
	(void)ret_body;
	return vault_rotate(vault, key, mc_json_int(body, "times", 0), err);
}

static int rotate_key(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return with_key(ctx, req, rotate, ret_body, err);
}

#define BLOCKS_MAX 10000

/* A number of at most 12 digits, def where it is absent, -1 where it is none. */
static int64_t number(const char *text, int64_t def)
{
	size_t n = text ? strlen(text) : 0;

	if (!text)
		return def;
	return n > 0 && n <= 12 && strspn(text, "0123456789") == n ? strtoll(text, NULL, 10) : -1;
}

static int bad(const char *what, mc_err **err)
{
	mc_err_set(err, 0, "%s", what);
	return MC_IPC_BAD_REQUEST;
}

static int list_blocks(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	const char *first = mc_json_str(req->query, "first", NULL);
	struct block_range range = {number(mc_json_str(req->query, "from", NULL), 0),
				    number(mc_json_str(req->query, "max", NULL), BLOCKS_MAX)};

	if (range.from < 0 || range.max < 1 || range.max > BLOCKS_MAX || (first && !check_snapshot_id(first)))
		return bad("from, max or first is malformed", err);
	return block_list(ctx, req->vars[0], first, &range, ret_body, err);
}

static int read_block(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	int64_t index = number(req->vars[1], -1);

	(void)ret_body;
	return index < 0 ? bad("the block's index is no number", err) : block_send(ctx, req->vars[0], index, req->upgrade, err);
}

static int write_block(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	int64_t index = number(req->vars[1], -1);
	const char *sha256 = mc_json_str(req->query, "sha256", "");

	(void)ret_body;
	if (index < 0 || !check_sha256(sha256))
		return bad("the block's index or hash is malformed", err);
	return block_receive(ctx, req->vars[0], index, sha256, req->upgrade, err);
}

static int get_written(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return block_written(ctx, req->vars[0], ret_body, err);
}

static const struct mc_field import_fields[] = {
	{"source", MC_FIELD_STRING, true, 1, 4000, NULL, NULL},
	{"format", MC_FIELD_STRING, true, 1, 16, NULL, NULL},
	{"kms_key", MC_FIELD_STRING, false, 0, 0, vault_key_id, NULL},
	{"owner", MC_FIELD_STRING, false, 1, SNAPSHOT_OWNER_LEN - 1, NULL, NULL},
	{NULL, MC_FIELD_STRING, false, 0, 0, NULL, NULL},
};

static const struct mc_field export_fields[] = {
	{"source", MC_FIELD_STRING, true, 0, 0, check_copied_id, NULL},
	{"format", MC_FIELD_STRING, true, 1, 16, NULL, NULL},
	{"target", MC_FIELD_STRING, true, 1, 2000, NULL, NULL},
	{NULL, MC_FIELD_STRING, false, 0, 0, NULL, NULL},
};

static int put_import(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	struct import_wanted wanted = {mc_json_str(req->body, "source", ""), mc_json_str(req->body, "format", ""),
				       mc_json_str(req->body, "kms_key", NULL), mc_json_str(req->body, "owner", NULL)};

	return import_put(ctx, req->vars[0], &wanted, ret_body, err);
}

static int get_import(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return import_get(ctx, req->vars[0], ret_body, err);
}

static int delete_import(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	(void)ret_body;
	return import_delete(ctx, req->vars[0], err);
}

static int put_export(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return export_put(ctx, req->vars[0], mc_json_str(req->body, "source", ""), mc_json_str(req->body, "format", ""),
			  mc_json_str(req->body, "target", ""), ret_body, err);
}

static int get_export(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return export_get(ctx, req->vars[0], ret_body, err);
}

static int delete_export(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	(void)ret_body;
	return export_delete(ctx, req->vars[0], err);
}

static int get_findings(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	(void)req;
	*ret_body = doctor_report(ctx, err);
	return *ret_body ? MC_IPC_OK : -1;
}

static int get_host(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	struct storage *storage = ctx;
	struct store_space space;

	(void)req;
	if (store_space(&storage->store, &space, err) < 0)
		return -1;
	*ret_body = json_pack("{s:s, s:I, s:I, s:I}", "store", storage->store.dir, "total_bytes",
			      (json_int_t)space.total_bytes, "free_bytes", (json_int_t)space.free_bytes,
			      "reserve_bytes", (json_int_t)space.reserve_bytes);
	return MC_IPC_OK;
}

const struct mc_ipc_route storaged_routes[] = {
	{"GET", "/v1/images", {NULL}, NULL, list_images, NULL, "all images"},
	{"PUT", "/v1/images/{}", {"ami"}, image_fields, put_image, NULL, "import an image"},
	{"GET", "/v1/images/{}", {"ami"}, NULL, get_image, NULL, "one image"},
	{"DELETE", "/v1/images/{}", {"ami"}, NULL, delete_image, NULL, "hide an image, free it when unused"},
	{"GET", "/v1/volumes", {NULL}, NULL, list_volumes, NULL, "all volumes"},
	{"PUT", "/v1/volumes/{}", {"vol"}, volume_fields, put_volume, NULL, "make a volume"},
	{"GET", "/v1/volumes/{}", {"vol"}, NULL, get_volume, NULL, "one volume"},
	{"DELETE", "/v1/volumes/{}", {"vol"}, NULL, delete_volume, NULL, "remove a volume"},
	{"POST", "/v1/volumes/{}/grow", {"vol"}, grow_fields, grow_volume, NULL, "make a volume larger"},
	{"POST", "/v1/volumes/{}/share", {"vol"}, share_fields, share_volume, NULL, "let several QEMUs have a volume open, or one alone"},
	{"POST", "/v1/volumes/{}/open", {"vol"}, opener_fields, open_volume, NULL, "an instance will write to it"},
	{"POST", "/v1/volumes/{}/close", {"vol"}, opener_fields, close_volume, NULL, "it writes no more"},
	{"POST", "/v1/volumes/{}/merge", {"vol"}, no_fields, merge_volume, NULL, "what its QEMU should merge"},
	{"POST", "/v1/volumes/{}/merge/settle", {"vol"}, settle_fields, settle_merge, NULL, "its QEMU merges no more"},
	{"GET", "/v1/snapshots", {NULL}, NULL, list_snapshots, NULL, "all snapshots"},
	{"PUT", "/v1/snapshots/{}", {"snap"}, snapshot_fields, put_snapshot, NULL, "take or prepare a snapshot, or copy one"},
	{"GET", "/v1/snapshots/{}", {"snap"}, NULL, get_snapshot, NULL, "one snapshot"},
	{"DELETE", "/v1/snapshots/{}", {"snap"}, NULL, delete_snapshot, NULL, "forget a snapshot, free what nothing needs"},
	{"POST", "/v1/snapshots/{}/take", {"snap"}, no_fields, take_snapshot, NULL, "its QEMU has switched"},
	{"POST", "/v1/snapshots/{}/abandon", {"snap"}, no_fields, abandon_snapshot, NULL, "its QEMU never will"},
	{"POST", "/v1/keys/{}/encrypt", {NULL}, encrypt_fields, encrypt, NULL, "encrypt a few bytes under a key"},
	{"POST", "/v1/keys/{}/decrypt", {NULL}, decrypt_fields, decrypt, NULL, "decrypt them"},
	{"POST", "/v1/keys/{}/generate", {NULL}, generate_fields, generate, NULL, "random bytes, encrypted"},
	{"POST", "/v1/keys/{}/reencrypt", {NULL}, reencrypt_fields, reencrypt, NULL, "from one key to another"},
	{"POST", "/v1/keys/{}/rotate", {NULL}, rotate_fields, rotate_key, NULL, "see that its material has been replaced so many times"},
	{"DELETE", "/v1/keys/{}", {NULL}, NULL, destroy_key, NULL, "destroy a key for ever"},
	{"GET", "/v1/snapshots/{}/blocks", {"snap"}, NULL, list_blocks, NULL, "which blocks of 512 KiB have data, or differ"},
	{MC_IPC_UPGRADE, "/v1/snapshots/{}/blocks/{}", {"snap", NULL}, NULL, read_block, NULL, "one block's bytes"},
	{"GET", "/v1/volumes/{}/blocks", {"vol"}, NULL, get_written, NULL, "how many blocks were written one by one"},
	{MC_IPC_UPGRADE, "/v1/volumes/{}/blocks/{}", {"vol", NULL}, NULL, write_block, NULL, "write one block of a closed volume"},
	{"PUT", "/v1/imports/{}", {"snap"}, import_fields, put_import, NULL, "have a snapshot made of a file, or see how far that is"},
	{"GET", "/v1/imports/{}", {"snap"}, NULL, get_import, NULL, "how far it is"},
	{"DELETE", "/v1/imports/{}", {"snap"}, NULL, delete_import, NULL, "end it, forget it"},
	{"PUT", "/v1/exports/{}", {"export-ami"}, export_fields, put_export, NULL, "have a file made of a snapshot or an image"},
	{"GET", "/v1/exports/{}", {"export-ami"}, NULL, get_export, NULL, "how far it is"},
	{"DELETE", "/v1/exports/{}", {"export-ami"}, NULL, delete_export, NULL, "end it, forget it"},
	{"GET", "/v1/findings", {NULL}, NULL, get_findings, NULL, "what was looked at on this host, and what is wrong"},
	{"GET", "/v1/host", {NULL}, NULL, get_host, NULL, "room in the store"},
	{NULL, NULL, {NULL}, NULL, NULL, NULL, NULL},
};
