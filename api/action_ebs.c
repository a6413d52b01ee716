/* The EBS direct APIs: snapshots read and written block by block (service "ebs"). */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/backend.h"
#include "api/block_stream.h"
#include "api/block_token.h"
#include "api/encryption.h"
#include "api/reconciler.h"
#include "api/snapshot.h"
#include "api/state.h"
#include "api/upload.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define PAGE_MAX 10000
#define SIZE_MAX_GIB 65536
#define UPLOADS_MAX 100 /* pending at a time, of an account: AWS's quota */
#define HASH_BYTES 32

static int invalid(struct call *call, const char *reason, const char *text)
{
	return action_fail_rest(call, API_REST_VALIDATION, reason, "%s", text);
}

static int not_found(struct call *call, const char *id)
{
	return action_fail_rest(call, API_REST_NOT_FOUND, "SNAPSHOT_NOT_FOUND", "The snapshot '%s' does not exist.", id);
}

/* Of the caller, or shared with it where `own` is false; NULL after action_fail. */
static const struct resource *find(struct call *call, const char *member, bool own)
{
	const char *id = mc_json_str(call->in, member, "");
	const struct resource *r;

	if (!mc_id_valid("snap", id)) {
		invalid(call, "INVALID_SNAPSHOT_ID", "The snapshot ID is not valid.");
		return NULL;
	}
	r = store_find(call->tx, KIND_SNAPSHOT, NULL, call->caller->region, id);
	if (r && snapshot_shown(call, r) && (!own || strcmp(r->account, call->caller->account) == 0))
		return r;
	not_found(call, id);
	return NULL;
}

/* One that can be read: to others it is not there yet. */
static const struct resource *find_readable(struct call *call, const char *member)
{
	const struct resource *r = find(call, member, false);

	if (r && r->state != SNAPSHOT_COMPLETED) {
		not_found(call, r->id);
		return NULL;
	}
	return r;
}

/* What storaged answered instead of "ok": always 1, or -1. */
static int refused(struct call *call, int outcome)
{
	if (outcome < 0 || outcome == MC_IPC_INTERNAL)
		return -1;
	if (outcome == MC_IPC_CONFLICT)
		return invalid(call, "UNRELATED_SNAPSHOTS", "The snapshots are not of the same lineage.");
	if (outcome == MC_IPC_BAD_REQUEST)
		return invalid(call, "INVALID_BLOCK", mc_err_msg(call->err));
	if (outcome == MC_IPC_NO_CAPACITY)
		return action_fail_rest(call, API_REST_QUOTA, "DEPENDENCY_SERVICE_QUOTA_EXCEEDED", "%s", mc_err_msg(call->err));
	/* Clients try again what was throttled: it is being made, merged, or its daemon started. */
	return action_fail_rest(call, API_REST_THROTTLED, "DEPENDENCY_REQUEST_THROTTLED", "%s", mc_err_msg(call->err));
}

/* --- ListSnapshotBlocks, ListChangedBlocks ------------------------------------ */

static char *list_scope(const char *first, const char *second)
{
	return mc_strf("list %s %s", first ? first : "-", second);
}

static char *block_scope(const char *snapshot)
{
	return mc_strf("block %s", snapshot);
}

/* The block that the list begins with: 0 or action_fail. */
static int list_start(struct call *call, const char *first, const char *second, int64_t *ret)
{
	const char *token = action_text(call, "NextToken");
	mc_autofree char *scope = list_scope(first, second);

	*ret = mc_json_int(call->in, "StartingBlockIndex", 0);
	if (token && block_token_read(call, scope, token, ret) != 0)
		return invalid(call, "INVALID_PAGE_TOKEN", "The page token is not valid, or has expired.");
	return 0;
}

static int list(struct call *call, const char *first_member, const char *second_member)
{
	const struct resource *second = find_readable(call, second_member), *first = NULL;
	int64_t from;

	if (!second)
		return 1;
	if (first_member && action_text(call, first_member)) {
		first = find_readable(call, first_member);
		if (!first)
			return 1;
		if (mc_json_int(first->doc, "VolumeSize", 0) > mc_json_int(second->doc, "VolumeSize", 0))
			return invalid(call, "UNRELATED_SNAPSHOTS", "The first snapshot is larger than the second.");
	}
	if (list_start(call, first ? first->id : NULL, second->id, &from))
		return 1;
	call->job = json_pack("{s:s*, s:s, s:I, s:I}", "first", first ? first->id : NULL, "second", second->id, "from", (json_int_t)from,
			      "max", (json_int_t)mc_json_int(call->in, "MaxResults", PAGE_MAX));
	return 0;
}

static int list_snapshot_blocks(struct call *call)
{
	return list(call, NULL, "SnapshotId");
}

static int list_changed_blocks(struct call *call)
{
	return list(call, "FirstSnapshotId", "SecondSnapshotId");
}

static void add_token(struct call *call, json_t *block, const char *member, const char *snapshot, int64_t index, int64_t expires)
{
	mc_autofree char *scope = block_scope(snapshot);
	char token[BLOCK_TOKEN_LEN];

	block_token_make(call, scope, index, expires, token);
	json_object_set_new(block, member, json_string(token));
}

/* row: [index, has the first one data there, has the second]. A changed block is one of the second, be it of zeros. */
static json_t *block_of(struct call *call, const json_t *row, bool changed, int64_t expires)
{
	const char *first = mc_json_str(call->job, "first", NULL), *second = mc_json_str(call->job, "second", "");
	int64_t index = json_integer_value(json_array_get(row, 0));
	json_t *block = json_pack("{s:I}", "BlockIndex", (json_int_t)index);

	if (changed && first && json_is_true(json_array_get(row, 1)))
		add_token(call, block, "FirstBlockToken", first, index, expires);
	add_token(call, block, changed ? "SecondBlockToken" : "BlockToken", second, index, expires);
	return block;
}

static json_t *list_answer(struct call *call, const json_t *found, bool changed)
{
	int64_t expires = mc_clock_wall() + BLOCK_TOKEN_LIFE, next = mc_json_int(found, "next", -1);
	json_t *blocks = json_array(), *row, *out;
	char time[MC_ISO8601_LEN], token[BLOCK_TOKEN_LEN];
	size_t i;

	json_array_foreach(mc_json_arr(found, "blocks"), i, row)
		json_array_append_new(blocks, block_of(call, row, changed, expires));
	mc_clock_iso8601(expires, time);
	out = json_pack("{s:o, s:s, s:I, s:i}", changed ? "ChangedBlocks" : "Blocks", blocks, "ExpiryTime", time, "VolumeSize",
			(json_int_t)mc_json_int(found, "size_gib", 0), "BlockSize", BLOCK_BYTES);
	if (next >= 0) {
		mc_autofree char *scope = list_scope(mc_json_str(call->job, "first", NULL), mc_json_str(call->job, "second", ""));

		block_token_make(call, scope, next, mc_clock_wall() + 3600 * MC_SECOND, token);
		json_object_set_new(out, "NextToken", json_string(token));
	}
	return out;
}

static int list_backend(struct call *call)
{
	bool changed = strcmp(model_operation_name(call->op), "ListChangedBlocks") == 0;
	const char *first = mc_json_str(call->job, "first", NULL);
	mc_auto_json json_t *found = NULL;
	int o = backend_call(call->api, BACKEND_STORAGED, "GET", NULL, &found, &call->err, "/v1/snapshots/%s/blocks?from=%lld&max=%lld%s%s",
			     mc_json_str(call->job, "second", ""), (long long)mc_json_int(call->job, "from", 0),
			     (long long)mc_json_int(call->job, "max", PAGE_MAX), first ? "&first=" : "", first ? first : "");

	if (o != MC_IPC_OK)
		return refused(call, o);
	call->out = list_answer(call, found, changed);
	return 0;
}

/* --- GetSnapshotBlock --------------------------------------------------------- */

static int get_block(struct call *call)
{
	const struct resource *r = find_readable(call, "SnapshotId");
	int64_t index = mc_json_int(call->in, "BlockIndex", 0), named = -1;
	mc_autofree char *scope = NULL;
	int token;

	if (!r)
		return 1;
	scope = block_scope(r->id);
	token = block_token_read(call, scope, mc_json_str(call->in, "BlockToken", ""), &named);
	if (token == 1)
		return invalid(call, "INVALID_BLOCK_TOKEN", "The block token has expired.");
	if (token < 0 || named != index)
		return invalid(call, "INVALID_BLOCK_TOKEN", "The block token is not valid.");
	call->job = json_pack("{s:s, s:I}", "snapshot", r->id, "index", (json_int_t)index);
	return 0;
}

static void hash_of(const void *data, size_t len, unsigned char ret[EVP_MAX_MD_SIZE], char ret_base64[64])
{
	if (EVP_Digest(data, len, ret, NULL, EVP_sha256(), NULL) != 1)
		abort();
	EVP_EncodeBlock((unsigned char *)ret_base64, ret, HASH_BYTES);
}

static int get_block_backend(struct call *call)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	char checksum[64];
	int o = block_stream_read(call->api, mc_json_str(call->job, "snapshot", ""), mc_json_int(call->job, "index", 0), &call->blob, &call->err);

	if (o != MC_IPC_OK)
		return refused(call, o);
	call->blob_len = BLOCK_BYTES;
	hash_of(call->blob, BLOCK_BYTES, md, checksum);
	call->out = json_pack("{s:i, s:s, s:s}", "DataLength", BLOCK_BYTES, "Checksum", checksum, "ChecksumAlgorithm", "SHA256");
	return 0;
}

/* --- StartSnapshot ------------------------------------------------------------ */

static int check_uploads(struct call *call)
{
	struct store_iter it = store_iter(call->tx, KIND_SNAPSHOT, call->caller->account, call->caller->region);
	const struct resource *r;
	int n = 0;

	while ((r = store_next(&it)))
		n += r->state == SNAPSHOT_PENDING && upload_of(r);
	if (n < UPLOADS_MAX)
		return 0;
	return action_fail_rest(call, API_REST_CONCURRENT, NULL, "There are %d pending snapshots already.", n);
}

static int set_tags(struct call *call, struct resource *r)
{
	json_t *tag;
	size_t i;

	json_array_foreach(mc_json_arr(call->in, "Tags"), i, tag)
		if (action_set_tag(call, r, mc_json_str(tag, "Key", ""), mc_json_str(tag, "Value", ""))) {
			mc_autofree char *text = mc_strdup(call->error_message);

			return invalid(call, "INVALID_TAG", text);
		}
	return 0;
}

static json_t *tag_list(const struct resource *r)
{
	json_t *tags = resource_tag_list(r);

	return tags ? tags : json_array();
}

static int check_start(struct call *call, struct upload_wanted *wanted)
{
	bool encrypted = mc_json_bool(call->in, "Encrypted", false) || action_text(call, "KmsKeyArn");
	mc_auto_json json_t *wish = NULL;

	if (wanted->size_gib > SIZE_MAX_GIB)
		return invalid(call, "INVALID_VOLUME_SIZE", "The volume size is not valid.");
	if (action_text(call, "ParentSnapshotId")) {
		if (json_object_get(call->in, "Encrypted") || encrypted)
			return invalid(call, "INVALID_PARAMETER_VALUE", "Encrypted and KmsKeyArn may not be given with ParentSnapshotId.");
		wanted->parent = find_readable(call, "ParentSnapshotId");
		if (!wanted->parent)
			return 1;
		if (mc_json_int(wanted->parent->doc, "VolumeSize", 0) > wanted->size_gib)
			return invalid(call, "INVALID_VOLUME_SIZE", "The volume size is smaller than the parent snapshot's.");
	}
	wish = json_pack("{s:b, s:s*}", "Encrypted", encrypted, "KmsKeyId", action_text(call, "KmsKeyArn"));
	return encryption_choose(call, wish, wanted->parent, &wanted->kms_key) || check_uploads(call);
}

static int start_snapshot(struct call *call)
{
	struct upload_wanted wanted = { .size_gib = mc_json_int(call->in, "VolumeSize", 0), .timeout_min = mc_json_int(call->in, "Timeout", 60),
					.description = action_text(call, "Description") };
	mc_autofree char *kms_key = NULL;
	struct resource *r;
	int refused = check_start(call, &wanted);

	kms_key = wanted.kms_key;
	if (refused)
		return 1;
	r = upload_make(call, &wanted);
	if (set_tags(call, r))
		return 1;
	call->job = json_pack("[s]", r->id);
	call->out = json_pack("{s:s*, s:s, s:s, s:s, s:O, s:I, s:i, s:o, s:s*, s:s*}", "Description", wanted.description, "SnapshotId", r->id,
			      "OwnerId", r->account, "Status", "pending", "StartTime", json_object_get(r->doc, "StartTime"), "VolumeSize",
			      (json_int_t)wanted.size_gib, "BlockSize", BLOCK_BYTES, "Tags", tag_list(r), "ParentSnapshotId",
			      wanted.parent ? wanted.parent->id : NULL, "KmsKeyArn", kms_key);
	return 0;
}

/* --- PutSnapshotBlock --------------------------------------------------------- */

/* The caller's own that takes blocks now, or NULL after action_fail. */
static const struct resource *find_upload(struct call *call)
{
	const struct resource *r = find(call, "SnapshotId", true);

	if (r && (r->state != SNAPSHOT_PENDING || !upload_of(r) || mc_json_bool(upload_of(r), "complete", false))) {
		invalid(call, "INVALID_SNAPSHOT_ID", "The snapshot is not one that blocks can be written to.");
		return NULL;
	}
	return r;
}

static int check_data(struct call *call, char ret_hex[BLOCK_HASH_LEN])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	char checksum[64];

	if (call->payload_len != BLOCK_BYTES || mc_json_int(call->in, "DataLength", 0) != BLOCK_BYTES)
		return invalid(call, "INVALID_BLOCK", "A block has 524288 bytes.");
	hash_of(call->payload, BLOCK_BYTES, md, checksum);
	if (strcmp(checksum, mc_json_str(call->in, "Checksum", "")) != 0)
		return invalid(call, "INVALID_BLOCK", "The checksum is not that of the data.");
	for (size_t i = 0; i < HASH_BYTES; i++)
		snprintf(ret_hex + 2 * i, 3, "%02x", md[i]);
	return 0;
}

static int put_block(struct call *call)
{
	const struct resource *r = find_upload(call);
	int64_t index = mc_json_int(call->in, "BlockIndex", 0);
	char hex[BLOCK_HASH_LEN];

	if (!r)
		return 1;
	if (index >= mc_json_int(r->doc, "VolumeSize", 0) << 11)
		return invalid(call, "INVALID_BLOCK", "The block index is behind the end of the volume.");
	if (check_data(call, hex))
		return 1;
	call->job = json_pack("{s:s, s:s, s:I, s:s}", "snapshot", r->id, "volume", mc_json_str(upload_of(r), "volume", ""), "index",
			      (json_int_t)index, "sha256", hex);
	return 0;
}

/* How far the client says it is. */
static int note_progress(struct call *call)
{
	mc_autofree char *progress = mc_strf("%lld%%", (long long)mc_json_int(call->in, "Progress", 0));
	struct store_tx *tx;
	struct resource *r;

	if (!json_object_get(call->in, "Progress"))
		return 0;
	tx = store_write(call->api->store);
	r = store_edit(tx, mc_json_str(call->job, "snapshot", ""));
	if (!r || r->state != SNAPSHOT_PENDING || strcmp(mc_json_str(r->doc, "Progress", ""), progress) == 0) {
		store_end(tx);
		return 0;
	}
	json_object_set_new(r->doc, "Progress", json_string(progress));
	return store_commit(tx, &call->err);
}

static int put_block_backend(struct call *call)
{
	int o = block_stream_write(call->api, mc_json_str(call->job, "volume", ""), mc_json_int(call->job, "index", 0), call->payload,
				   mc_json_str(call->job, "sha256", ""), &call->err);

	if (o != MC_IPC_OK)
		return refused(call, o);
	call->out = json_pack("{s:O, s:s}", "Checksum", json_object_get(call->in, "Checksum"), "ChecksumAlgorithm", "SHA256");
	return note_progress(call);
}

/* --- CompleteSnapshot --------------------------------------------------------- */

static int complete_snapshot(struct call *call)
{
	const struct resource *r = find(call, "SnapshotId", true);

	if (!r)
		return 1;
	if (!upload_of(r) || r->state == SNAPSHOT_ERROR)
		return invalid(call, "INVALID_SNAPSHOT_ID", "The snapshot is not one that blocks can be written to.");
	call->job = json_pack("{s:s, s:s, s:b}", "snapshot", r->id, "volume", mc_json_str(upload_of(r), "volume", ""), "again",
			      mc_json_bool(upload_of(r), "complete", false));
	return 0;
}

/* Are the blocks that came those that the client has sent? 0 or action_fail. */
static int check_written(struct call *call, const json_t *written)
{
	const char *checksum = action_text(call, "Checksum"), *hex = mc_json_str(written, "sha256", "");
	unsigned char md[HASH_BYTES];
	char have[64];

	if (mc_json_int(call->in, "ChangedBlocksCount", 0) != mc_json_int(written, "blocks", 0))
		return invalid(call, "INVALID_PARAMETER_VALUE", "The count of changed blocks is not that of the blocks written.");
	for (size_t i = 0; i < HASH_BYTES; i++) {
		unsigned byte = 0;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return mc_err_set(&call->err, 0, "storaged answered no hash");
		md[i] = (unsigned char)byte;
	}
	EVP_EncodeBlock((unsigned char *)have, md, HASH_BYTES);
	if (checksum && strcmp(checksum, have) != 0)
		return invalid(call, "INVALID_PARAMETER_VALUE", "The checksum is not that of the blocks written.");
	return 0;
}

static int record_complete(struct call *call, const char *id)
{
	struct store_tx *tx = store_write(call->api->store);
	struct resource *r = store_edit(tx, id);

	if (r && r->state == SNAPSHOT_PENDING)
		json_object_set_new(mc_json_obj(r->spec, "upload"), "complete", json_true());
	return store_commit(tx, &call->err);
}

static const char *status_of(struct call *call, const char *id)
{
	struct store_tx *tx = store_read(call->api->store);
	const struct resource *r = store_get(tx, id);
	const char *name = r && (r->state == SNAPSHOT_COMPLETED || r->state == SNAPSHOT_ERROR) ? state_name(r) : "pending";

	store_end(tx);
	return name;
}

static int complete_backend(struct call *call)
{
	const char *id = mc_json_str(call->job, "snapshot", "");
	mc_auto_json json_t *written = NULL;
	mc_auto_err mc_err *err = NULL;
	int64_t delay;
	int r, o;

	if (!mc_json_bool(call->job, "again", false)) {
		o = backend_call(call->api, BACKEND_STORAGED, "GET", NULL, &written, &call->err, "/v1/volumes/%s/blocks",
				 mc_json_str(call->job, "volume", ""));
		if (o != MC_IPC_OK)
			return refused(call, o);
		r = check_written(call, written);
		if (r != 0)
			return r;
		if (record_complete(call, id) < 0)
			return -1;
	}
	for (r = STEP_AGAIN; r == STEP_AGAIN;)
		r = step_snapshot(call->api, id, &delay, &err);
	if (r < 0)
		mc_log(MC_LOG_WARNING, "snapshot", "not completed yet", "id", id, "reason", mc_err_msg(err), NULL);
	call->out = json_pack("{s:s}", "Status", status_of(call, id));
	return 0;
}

const struct action actions_ebs[] = {
	{ .service = "ebs", .name = "ListSnapshotBlocks", .fn = list_snapshot_blocks, .flags = ACTION_BACKEND, .backend = list_backend },
	{ .service = "ebs", .name = "ListChangedBlocks", .fn = list_changed_blocks, .flags = ACTION_BACKEND, .backend = list_backend },
	{ .service = "ebs", .name = "GetSnapshotBlock", .fn = get_block, .flags = ACTION_BACKEND, .backend = get_block_backend },
	{ .service = "ebs", .name = "StartSnapshot", .fn = start_snapshot, .flags = ACTION_WRITE | ACTION_BACKEND,
	  .backend = snapshot_backend },
	{ .service = "ebs", .name = "PutSnapshotBlock", .fn = put_block, .flags = ACTION_BACKEND, .backend = put_block_backend },
	{ .service = "ebs", .name = "CompleteSnapshot", .fn = complete_snapshot, .flags = ACTION_BACKEND, .backend = complete_backend },
	{ 0 },
};
