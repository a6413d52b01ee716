#include "storaged/block.h"

#include <errno.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "common/fs.h"
#include "storaged/layer.h"
#include "storaged/merge.h"
#include "storaged/qemu_block.h"
#include "storaged/snapshot.h"
#include "storaged/volume.h"

#define PATIENCE_MS 30000 /* of the other end */
#define HASH_BYTES 32
#define WINDOW_FIRST (1L << 14) /* blocks mapped at a time: 8 GiB, more where little is there */
#define WINDOW_MAX (1L << 20)
#define WINDOW_MIN 64L

static int outcome_of(int r)
{
	return r == QEMU_BLOCK_BUSY ? MC_IPC_UNAVAILABLE : r == QEMU_BLOCK_NO_SPACE ? MC_IPC_NO_CAPACITY : r;
}

static int64_t blocks_of(int64_t size_gib)
{
	return size_gib << 11;
}

/* A snapshot whose layers nobody changes until merge_read_end(). */
static int hold(struct storage *storage, const char *id, struct snapshot *ret, mc_err **err)
{
	int r = snapshot_taken(storage, id, ret, err);

	return r == MC_IPC_OK ? merge_read(storage, ret->layer.id, err) : r;
}

/* --- listing -------------------------------------------------------------- */

#define CHAIN_MAX 64

struct chain {
	struct snapshot snapshot;
	char ids[CHAIN_MAX][MC_ID_LEN];
	int n;
	int own; /* so many of them, from the top, the other one has not */
};

static int add_layer(void *ctx, const struct layer *layer)
{
	struct chain *c = ctx;

	if (c->n == CHAIN_MAX)
		return -1;
	snprintf(c->ids[c->n++], MC_ID_LEN, "%s", layer->id);
	return 0;
}

static int chain_load(struct storage *storage, const char *id, struct chain *ret, mc_err **err)
{
	struct chain c = {.n = 0};
	int r = snapshot_taken(storage, id, &c.snapshot, err);

	if (r == MC_IPC_OK)
		r = graph_chain(storage->graph, c.snapshot.layer.id, add_layer, &c, err);
	c.own = c.n;
	if (r == MC_IPC_OK)
		*ret = c;
	return r;
}

/* Layers they share are at the chains' lower ends. False: none. */
static bool chains_meet(struct chain *a, struct chain *b)
{
	while (a->own > 0 && b->own > 0 && strcmp(a->ids[a->own - 1], b->ids[b->own - 1]) == 0) {
		a->own--;
		b->own--;
	}
	return a->own < a->n;
}

enum { HAS_DATA = 1, IS_OWN = 2 }; /* of a block: by any layer, by one of its own */

struct window {
	int64_t from, n;
	unsigned char *flags[2]; /* of the first and the second snapshot's blocks */
};

static void mark_extent(const struct window *w, const struct chain *c, unsigned char *flags, const json_t *extent)
{
	int64_t start = mc_json_int(extent, "start", 0), end = start + mc_json_int(extent, "length", 0);
	bool own = mc_json_bool(extent, "present", false) && mc_json_int(extent, "depth", c->n) < c->own;
	unsigned char flag = (unsigned char)((mc_json_bool(extent, "data", false) ? HAS_DATA : 0) | (own ? IS_OWN : 0));

	for (int64_t i = start / BLOCK_BYTES; flag && i * BLOCK_BYTES < end; i++)
		if (i >= w->from && i < w->from + w->n)
			flags[i - w->from] |= flag;
}

/* Flags of the blocks of one snapshot; one that is smaller has none there. */
static int window_map(struct storage *storage, const struct window *w, const struct chain *c, unsigned char *flags, mc_err **err)
{
	auto_qemu_img_file file = {.key_fd = -1};
	mc_auto_json json_t *extents = NULL;
	json_t *extent;
	size_t i;
	int r;

	memset(flags, 0, (size_t)w->n);
	if (w->from >= blocks_of(c->snapshot.size_gib))
		return QEMU_BLOCK_OK;
	if (layer_open(storage, c->snapshot.layer.id, true, &file, err) != MC_IPC_OK)
		return -1;
	r = qemu_block_map(&storage->offspring, &file, (uint64_t)w->from * BLOCK_BYTES, (uint64_t)w->n * BLOCK_BYTES, &extents, err);
	if (r != QEMU_BLOCK_OK)
		return r;
	json_array_foreach(extents, i, extent)
		mark_extent(w, c, flags, extent);
	return QEMU_BLOCK_OK;
}

struct listing {
	struct storage *storage;
	struct chain *first, *second; /* first NULL: what holds data */
	json_t *blocks;
	int64_t at, end;
	size_t max;
};

static bool listed(const struct listing *l, unsigned char first, unsigned char second)
{
	return l->first ? (first | second) & IS_OWN : second & HAS_DATA;
}

/* Up to the window's end, or until the list is full. */
static void list_window(struct listing *l, const struct window *w)
{
	for (int64_t i = 0; i < w->n && json_array_size(l->blocks) < l->max; i++) {
		unsigned char first = w->flags[0][i], second = w->flags[1][i];

		l->at = w->from + i + 1;
		if (listed(l, first, second))
			json_array_append_new(l->blocks, json_pack("[I, b, b]", (json_int_t)(w->from + i), first & HAS_DATA,
								   second & HAS_DATA));
	}
}

static int list_blocks(struct listing *l, mc_err **err)
{
	mc_autofree unsigned char *flags = mc_alloc(2 * WINDOW_MAX);
	int64_t step = WINDOW_FIRST;
	int r = QEMU_BLOCK_OK;

	while (l->at < l->end && json_array_size(l->blocks) < l->max) {
		struct window w = {l->at, l->end - l->at < step ? l->end - l->at : step, {flags, flags + WINDOW_MAX}};

		r = l->first ? window_map(l->storage, &w, l->first, w.flags[0], err) : QEMU_BLOCK_OK;
		if (r == QEMU_BLOCK_OK)
			r = window_map(l->storage, &w, l->second, w.flags[1], err);
		if (r == QEMU_BLOCK_TOO_MUCH && step > WINDOW_MIN) {
			step /= 4;
			continue;
		}
		if (r != QEMU_BLOCK_OK)
			return outcome_of(r);
		list_window(l, &w);
		step = step * 4 < WINDOW_MAX ? step * 4 : WINDOW_MAX;
	}
	return MC_IPC_OK;
}

/* With the layers held, so that their chains stay as they are while they are looked at. */
static int list_held(struct listing *l, const char *snapshot, const char *first, mc_err **err)
{
	int r = chain_load(l->storage, snapshot, l->second, err);

	if (r == MC_IPC_OK && first)
		r = chain_load(l->storage, first, l->first, err);
	if (r != MC_IPC_OK)
		return r;
	if (first && !chains_meet(l->first, l->second)) {
		mc_err_set(err, 0, "%s and %s have no layer in common", first, snapshot);
		return MC_IPC_CONFLICT;
	}
	l->end = blocks_of(l->second->snapshot.size_gib);
	return list_blocks(l, err);
}

static int list_two(struct listing *l, const char *snapshot, const char *first, mc_err **err)
{
	struct snapshot s = {.id = ""};
	int r = first ? hold(l->storage, first, &s, err) : MC_IPC_OK;

	if (r != MC_IPC_OK)
		return r;
	r = list_held(l, snapshot, first, err);
	if (first)
		merge_read_end(l->storage, s.layer.id);
	return r;
}

int block_list(struct storage *storage, const char *snapshot, const char *first, const struct block_range *range, json_t **ret,
	       mc_err **err)
{
	struct chain a = {.n = 0}, b = {.n = 0};
	mc_auto_json json_t *blocks = json_array();
	struct listing l = {storage, first ? &a : NULL, &b, blocks, range->from, 0, (size_t)range->max};
	struct snapshot s;
	int r = hold(storage, snapshot, &s, err);

	if (r != MC_IPC_OK)
		return r;
	r = list_two(&l, snapshot, first, err);
	merge_read_end(storage, s.layer.id);
	if (r != MC_IPC_OK)
		return r;
	*ret = json_pack("{s:I, s:O}", "size_gib", (json_int_t)b.snapshot.size_gib, "blocks", blocks);
	if (l.at < l.end)
		json_object_set_new(*ret, "next", json_integer(l.at));
	return MC_IPC_OK;
}

/* --- moving --------------------------------------------------------------- */

static int new_memory(mc_err **err)
{
	int fd = memfd_create("block", MFD_CLOEXEC);

	return fd >= 0 ? fd : mc_err_set(err, errno, "memfd_create");
}

/* Within the patience: 0, or -1 where the peer has gone, or sleeps. */
static int ready(int sock, short events)
{
	struct pollfd p = {.fd = sock, .events = events};

	return poll(&p, 1, PATIENCE_MS) == 1 ? 0 : -1;
}

static void send_all(int sock, const char *data, size_t len)
{
	size_t done = 0;

	while (done < len && ready(sock, POLLOUT) == 0) {
		ssize_t n = send(sock, data + done, len - done, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return;
		done += n > 0 ? (size_t)n : 0;
	}
}

/* All of a block, or -1. */
static int receive_all(int sock, char *data)
{
	size_t done = 0;

	while (done < BLOCK_BYTES) {
		ssize_t n = ready(sock, POLLIN) == 0 ? recv(sock, data + done, BLOCK_BYTES - done, 0) : 0;

		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return -1;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int check_index(int64_t index, int64_t size_gib, mc_err **err)
{
	if (index < blocks_of(size_gib))
		return MC_IPC_OK;
	mc_err_set(err, 0, "there are %lld blocks", (long long)blocks_of(size_gib));
	return MC_IPC_BAD_REQUEST;
}

static int read_block(struct storage *storage, const struct snapshot *s, int64_t index, char *data, mc_err **err)
{
	auto_qemu_img_file file = {.key_fd = -1};
	mc_auto_fd int fd = new_memory(err);
	int r = fd < 0 ? -1 : layer_open(storage, s->layer.id, true, &file, err);

	if (r != MC_IPC_OK)
		return r;
	r = qemu_block_read(&storage->offspring, &file, index, fd, err);

	if (r != QEMU_BLOCK_OK)
		return outcome_of(r);
	if (pread(fd, data, BLOCK_BYTES, 0) != BLOCK_BYTES)
		return mc_err_set(err, errno, "block %lld of %s is not whole", (long long)index, s->id);
	return MC_IPC_OK;
}

int block_send(struct storage *storage, const char *snapshot, int64_t index, struct mc_ipc_upgrade *upgrade, mc_err **err)
{
	mc_autofree char *data = mc_alloc(BLOCK_BYTES);
	struct snapshot s;
	int r = hold(storage, snapshot, &s, err), sock;

	if (r != MC_IPC_OK)
		return r;
	r = check_index(index, s.size_gib, err);
	if (r == MC_IPC_OK)
		r = read_block(storage, &s, index, data, err);
	merge_read_end(storage, s.layer.id);
	if (r != MC_IPC_OK)
		return r;
	sock = mc_ipc_upgrade_accept(upgrade);
	if (sock >= 0)
		send_all(sock, data, BLOCK_BYTES);
	return MC_IPC_OK;
}

static void hash_of(const char *data, size_t len, char ret_hex[SHA256_LEN])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (EVP_Digest(data, len, md, &n, EVP_sha256(), NULL) != 1)
		abort();
	for (unsigned i = 0; i < HASH_BYTES; i++)
		snprintf(ret_hex + 2 * i, 3, "%02x", md[i]);
}

/* A volume that may be written to: nobody has it open. Under its lock. */
static int writable(struct storage *storage, const char *id, int64_t index, struct volume *ret, mc_err **err)
{
	int open = volume_is_open(storage, id, err);
	int r = open < 0 ? -1 : volume_find(storage, id, ret, err);

	if (r == MC_IPC_OK && open) {
		mc_err_set(err, 0, "%s is open", id);
		return MC_IPC_IN_USE;
	}
	if (r == MC_IPC_OK)
		r = check_index(index, ret->size_gib, err);
	return r == MC_IPC_OK ? storage_room(storage, BLOCK_BYTES, err) : r;
}

static int write_block(struct storage *storage, const char *volume, int64_t index, int fd, const char *hex, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, volume);
	struct graph_block block = {.volume = volume, .index = index, .sha256 = hex};
	auto_qemu_img_file file = {.key_fd = -1};
	struct volume v;
	int r = writable(storage, volume, index, &v, err);

	if (r != MC_IPC_OK)
		return r;
	/* QEMU's own lock keeps others from the top; what it stands on is read. */
	r = v.layer.parent[0] ? merge_read(storage, v.layer.parent, err) : MC_IPC_OK;
	if (r != MC_IPC_OK)
		return r;
	r = layer_open(storage, v.layer.id, true, &file, err);
	r = r == MC_IPC_OK ? qemu_block_write(&storage->offspring, &file, index, fd, err) : -1;
	if (v.layer.parent[0])
		merge_read_end(storage, v.layer.parent);
	if (r != QEMU_BLOCK_OK)
		return outcome_of(r);
	MC_CRASH_POINT();
	return graph_block_put(storage->graph, &block, err) < 0 ? -1 : MC_IPC_OK;
}

static int take_block(struct storage *storage, const char *volume, int64_t index, const char *sha256, int sock, mc_err **err)
{
	mc_autofree char *data = mc_alloc(BLOCK_BYTES);
	mc_auto_fd int fd = new_memory(err);
	char hex[SHA256_LEN];

	if (fd < 0)
		return -1;
	if (receive_all(sock, data) < 0) {
		mc_err_set(err, 0, "the block did not come whole");
		return MC_IPC_BAD_REQUEST;
	}
	hash_of(data, BLOCK_BYTES, hex);
	if (strcmp(hex, sha256) != 0) {
		mc_err_set(err, 0, "the block's hash is another one");
		return MC_IPC_BAD_REQUEST;
	}
	if (pwrite(fd, data, BLOCK_BYTES, 0) != BLOCK_BYTES)
		return mc_err_set(err, errno, "cannot keep a block");
	return write_block(storage, volume, index, fd, hex, err);
}

int block_receive(struct storage *storage, const char *volume, int64_t index, const char *sha256, struct mc_ipc_upgrade *upgrade,
		  mc_err **err)
{
	mc_auto_json json_t *line = NULL;
	mc_autofree char *text = NULL;
	struct volume v;
	int r, sock;

	mc_keylock_lock(storage->locks, volume);
	r = writable(storage, volume, index, &v, err);
	mc_keylock_unlock(storage->locks, volume);
	if (r != MC_IPC_OK)
		return r;
	sock = mc_ipc_upgrade_accept(upgrade);
	if (sock < 0)
		return MC_IPC_OK;
	r = take_block(storage, volume, index, sha256, sock, err);
	line = json_pack("{s:s, s:s}", "outcome", r == MC_IPC_OK ? "ok" : mc_ipc_outcome_name(r < 0 ? MC_IPC_INTERNAL : (enum mc_ipc_outcome)r),
			 "message", r == MC_IPC_OK ? "" : mc_err_msg(*err));
	text = json_dumps(line, JSON_COMPACT);
	send_all(sock, text, strlen(text));
	send_all(sock, "\n", 1);
	return r;
}

/* --- counting ------------------------------------------------------------- */

struct sum {
	EVP_MD_CTX *md;
	int64_t blocks, written;
};

static int add_hash(void *ctx, const struct graph_block *block)
{
	struct sum *s = ctx;
	unsigned char hash[HASH_BYTES];

	for (size_t i = 0; i < HASH_BYTES; i++) {
		unsigned byte = 0;

		if (sscanf(block->sha256 + 2 * i, "%2x", &byte) != 1)
			return -1;
		hash[i] = (unsigned char)byte;
	}
	s->blocks++;
	s->written = block->written > s->written ? block->written : s->written;
	return EVP_DigestUpdate(s->md, hash, sizeof(hash)) == 1 ? 0 : -1;
}

int block_written(struct storage *storage, const char *volume, json_t **ret, mc_err **err)
{
	struct sum s = {.md = EVP_MD_CTX_new()};
	unsigned char hash[EVP_MAX_MD_SIZE];
	char hex[SHA256_LEN];
	struct volume v;
	int r = volume_find(storage, volume, &v, err);

	if (r == MC_IPC_OK && (!s.md || EVP_DigestInit_ex(s.md, EVP_sha256(), NULL) != 1))
		r = mc_err_set(err, 0, "SHA-256 cannot be had");
	if (r == MC_IPC_OK)
		r = graph_blocks(storage->graph, volume, add_hash, &s, err);
	if (r == MC_IPC_OK && EVP_DigestFinal_ex(s.md, hash, NULL) != 1)
		r = mc_err_set(err, 0, "SHA-256 cannot be had");
	EVP_MD_CTX_free(s.md);
	if (r != MC_IPC_OK)
		return r;
	for (unsigned i = 0; i < HASH_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	*ret = json_pack("{s:I, s:s, s:I}", "blocks", (json_int_t)s.blocks, "sha256", hex, "written", (json_int_t)s.written);
	return MC_IPC_OK;
}
