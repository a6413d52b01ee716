#include "storaged/qemu_block.h"

#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/spawn.h"

#define QEMU_IMG "/usr/bin/qemu-img"
#define QEMU_IO "/usr/bin/qemu-io"
#define TIMEOUT_MS 60000
#define MAP_BYTES (16u << 20) /* of text */

static int failed(const struct mc_spawn_result *result, const char *what, mc_err **err)
{
	mc_err_set(err, 0, "%s ended with %d: %.*s", what, result->status, (int)strcspn(result->errout, "\n"), result->errout);
	if (strstr(result->errout, " lock"))
		return QEMU_BLOCK_BUSY;
	return strstr(result->errout, "No space left") ? QEMU_BLOCK_NO_SPACE : -1;
}

/* fd is its standard input, -1: none. */
static int run(const struct offspring *offspring, const struct qemu_arguments *a, int fd, struct mc_spawn_result *result, mc_err **err)
{
	struct qemu_child child = {.offspring = offspring, .arguments = a};
	struct mc_spawn spawn = {.argv = a->v, .stdin_fd = fd, .timeout_ms = TIMEOUT_MS, .max_output = MAP_BYTES,
				 .in_child = qemu_child_bind, .arg = &child};

	if (mc_spawn_run(&spawn, result, err) < 0)
		return -1;
	return result->status == 0 ? QEMU_BLOCK_OK : failed(result, a->v[0], err);
}

int qemu_block_map(const struct offspring *offspring, const struct qemu_img_file *file, uint64_t start, uint64_t length, json_t **ret,
		   mc_err **err)
{
	mc_autofree char *from = mc_strf("--start-offset=%llu", (unsigned long long)start);
	mc_autofree char *span = mc_strf("--max-length=%llu", (unsigned long long)length);
	auto_qemu_arguments a = qemu_arguments(QEMU_IMG, "map");
	mc_auto_spawn_result struct mc_spawn_result result = {0};
	json_error_t where;
	json_t *list;
	int r;

	qemu_add(&a, "--output=json");
	qemu_add(&a, from);
	qemu_add(&a, span);
	qemu_add_file(&a, file);
	qemu_add(&a, file->name);
	r = run(offspring, &a, -1, &result, err);
	if (r != QEMU_BLOCK_OK)
		return r;
	if (strlen(result.out) >= MAP_BYTES)
		return QEMU_BLOCK_TOO_MUCH;
	list = json_loads(result.out, 0, &where);
	if (!json_is_array(list)) {
		json_decref(list);
		return mc_err_set(err, 0, "qemu-img map answered no list");
	}
	*ret = list;
	return QEMU_BLOCK_OK;
}

/* qemu-img counts from the beginning: skip blocks are among count. */
int qemu_block_read(const struct offspring *offspring, const struct qemu_img_file *file, int64_t index, int fd, mc_err **err)
{
	mc_autofree char *skip = mc_strf("skip=%lld", (long long)index);
	mc_autofree char *count = mc_strf("count=%lld", (long long)index + 1);
	mc_autofree char *from = mc_strf("if=%s", file->name);
	mc_autofree char *size = mc_strf("bs=%d", BLOCK_BYTES);
	const char *const operands[] = {"-O", "raw", size, skip, count, from, "of=/dev/fd/0"};
	auto_qemu_arguments a = qemu_arguments(QEMU_IMG, "dd");
	mc_auto_spawn_result struct mc_spawn_result result = {0};

	qemu_add_file(&a, file);
	for (size_t i = 0; i < MC_ARRAY_SIZE(operands); i++)
		qemu_add(&a, operands[i]);
	return run(offspring, &a, fd, &result, err);
}

int qemu_block_write(const struct offspring *offspring, const struct qemu_img_file *file, int64_t index, int fd, mc_err **err)
{
	mc_autofree char *write = mc_strf("write -q -s /dev/fd/0 %lld %d", (long long)index * BLOCK_BYTES, BLOCK_BYTES);
	const char *const operands[] = {"-t", "writeback", "-c", write, "-c", "flush", file->name};
	auto_qemu_arguments a = qemu_arguments(QEMU_IO, NULL);
	mc_auto_spawn_result struct mc_spawn_result result = {0};

	qemu_add_file(&a, file);
	for (size_t i = 0; i < MC_ARRAY_SIZE(operands); i++)
		qemu_add(&a, operands[i]);
	return run(offspring, &a, fd, &result, err);
}
