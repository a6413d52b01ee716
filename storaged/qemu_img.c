#include "storaged/qemu_img.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/spawn.h"
#include "storaged/qemu_arguments.h"

#define QEMU_IMG "/usr/bin/qemu-img"
#define QUICK_TIMEOUT_MS 60000
#define SIGNALLED 128

/* What it said, first line, without the program's name. */
static char *said(const struct mc_spawn_result *result)
{
	static const char prefix[] = "qemu-img: ";
	const char *text = result->errout;

	if (strncmp(text, prefix, sizeof(prefix) - 1) == 0)
		text += sizeof(prefix) - 1;
	return mc_strf("%.*s", (int)strcspn(text, "\n"), text);
}

/* --- running ---------------------------------------------------------------- */

enum { ENDED_WELL = 0, CANCELLED, FAILED };

/* One of these, or -1 and *err where it could not be run. */
static int run_to_end(const struct mc_spawn *spawn, struct mc_spawn_result *result, mc_err **err)
{
	if (mc_spawn_run(spawn, result, err) < 0)
		return -1;
	if (result->cancelled)
		return CANCELLED;
	return result->status == 0 ? ENDED_WELL : FAILED;
}

/* Run it on files of our own, for as long as it takes where timeout_ms is 0 or it can be cancelled (cancel_fd >= 0).
 * 0 where it ended well, 1 where it was cancelled, or -1 and *err. */
static int run_long(struct qemu_child *child, const char *const *argv, unsigned timeout_ms, int cancel_fd, mc_err **err)
{
	struct mc_spawn spawn = {.argv = argv, .timeout_ms = timeout_ms, .cancel_fd = cancel_fd, .in_child = qemu_child_bind, .arg = child};
	mc_auto_spawn_result struct mc_spawn_result result = {0};
	mc_autofree char *words = NULL;
	int r = run_to_end(&spawn, &result, err);

	if (r != FAILED)
		return r;
	words = said(&result);
	return mc_err_set(err, 0, "qemu-img %s ended with %d: %s", argv[1], result.status, words);
}

static int run(const struct offspring *offspring, const char *const *argv, mc_err **err)
{
	struct qemu_child child = {.offspring = offspring};

	return run_long(&child, argv, QUICK_TIMEOUT_MS, -1, err);
}

static int run_arguments(const struct offspring *offspring, const struct qemu_arguments *a, mc_err **err)
{
	struct qemu_child child = {.offspring = offspring, .arguments = a};

	return run_long(&child, a->v, QUICK_TIMEOUT_MS, -1, err);
}

static int run_humbly(const struct offspring *offspring, const struct qemu_arguments *a, int cancel_fd, mc_err **err)
{
	struct qemu_child child = {.offspring = offspring, .arguments = a, .humble = cancel_fd >= 0};

	return run_long(&child, a->v, cancel_fd < 0 ? QUICK_TIMEOUT_MS : 0, cancel_fd, err);
}

static struct qemu_arguments quietly(const char *verb, const struct qemu_img_file *file)
{
	struct qemu_arguments a = qemu_arguments(QEMU_IMG, verb);

	qemu_add(&a, "-q");
	qemu_add_file(&a, file);
	return a;
}

/* --- verbs ------------------------------------------------------------------ */

int qemu_img_create(const struct offspring *offspring, const char *path, const char *backing,
		    uint64_t virtual_bytes, mc_err **err)
{
	mc_autofree char *size = mc_strf("%llu", (unsigned long long)virtual_bytes);
	const char *const plain[] = {QEMU_IMG, "create", "-q", "-f", "qcow2", path, size, NULL};
	const char *const overlay[] = {QEMU_IMG, "create", "-q", "-f", "qcow2", "-b", backing, "-F", "qcow2", path, size, NULL};

	return run(offspring, backing ? overlay : plain, err);
}

int qemu_img_quiet(const struct offspring *offspring, const char *path, mc_err **err)
{
	const char *const argv[] = {QEMU_IMG, "info", "-f", "qcow2", path, NULL};

	return run(offspring, argv, err);
}

static void add_base(struct qemu_arguments *a, const char *backing)
{
	qemu_add(a, "-F");
	qemu_add(a, "qcow2");
	qemu_add(a, "-b");
	qemu_add(a, backing);
}

int qemu_img_rename_backing(const struct offspring *offspring, const struct qemu_img_file *file, const char *backing, mc_err **err)
{
	auto_qemu_arguments a = quietly("rebase", file);

	qemu_add(&a, "-u");
	add_base(&a, backing);
	qemu_add(&a, file->name);
	return run_arguments(offspring, &a, err);
}

int qemu_img_commit(const struct offspring *offspring, const struct qemu_img_file *file, int cancel_fd, mc_err **err)
{
	auto_qemu_arguments a = quietly("commit", file);

	qemu_add(&a, "-d");
	qemu_add(&a, file->name);
	return run_humbly(offspring, &a, cancel_fd, err);
}

int qemu_img_pull(const struct offspring *offspring, const struct qemu_img_file *file, const char *backing, int cancel_fd,
		  mc_err **err)
{
	auto_qemu_arguments a = quietly("rebase", file);

	add_base(&a, backing);
	qemu_add(&a, file->name);
	return run_humbly(offspring, &a, cancel_fd, err);
}

int qemu_img_mend(const struct offspring *offspring, const struct qemu_img_file *file, mc_err **err)
{
	auto_qemu_arguments a = quietly("check", file);

	qemu_add(&a, "-r");
	qemu_add(&a, "leaks");
	qemu_add(&a, file->name);
	return run_arguments(offspring, &a, err);
}

int qemu_img_resize(const struct offspring *offspring, const struct qemu_img_file *file, uint64_t virtual_bytes, mc_err **err)
{
	mc_autofree char *size = mc_strf("%llu", (unsigned long long)virtual_bytes);
	auto_qemu_arguments a = quietly("resize", file);

	qemu_add(&a, file->name);
	qemu_add(&a, size);
	return run_arguments(offspring, &a, err);
}

int qemu_img_zero(const struct offspring *offspring, const struct qemu_img_file *file, uint64_t bytes, mc_err **err)
{
	mc_autofree char *source = mc_strf("json:{\"driver\":\"null-co\",\"read-zeroes\":true,\"size\":%llu}", (unsigned long long)bytes);
	auto_qemu_arguments a = qemu_arguments(QEMU_IMG, "convert");
	struct qemu_child child = {.offspring = offspring, .arguments = &a, .humble = true};

	qemu_add_key(&a, QEMU_IMG_TARGET_KEY, file->key_fd);
	qemu_add(&a, "-n");
	qemu_add(&a, "-O");
	qemu_add(&a, "raw");
	qemu_add(&a, source);
	qemu_add(&a, file->name);
	return run_long(&child, a.v, 0, -1, err);
}

/* --- long ones that are watched --------------------------------------------- */

/* It writes "    (12.34/100%)" and a carriage return, again and again. */
static void on_output(void *ctx, const char *text, size_t n)
{
	const struct qemu_img_watch *watch = ctx;
	const char *at = memrchr(text, '(', n);
	int percent = 0;

	if (!watch->percent || !at || !memchr(at, '/', n - (size_t)(at - text)))
		return;
	for (at++; at < text + n && *at >= '0' && *at <= '9' && percent <= 100; at++)
		percent = percent * 10 + (*at - '0');
	if (percent <= 100)
		watch->percent(watch->ctx, percent);
}

/* Run one of ours to its end, or until it is cancelled. Returns as qemu_img_copy(); *what says what failed. */
static int run_watched(struct mc_spawn *spawn, const struct qemu_img_watch *watch, const char *what, mc_err **err)
{
	mc_auto_spawn_result struct mc_spawn_result result = {0};
	mc_autofree char *words = NULL;
	int r;

	spawn->cancel_fd = watch ? watch->cancel_fd : -1;
	spawn->on_output = watch ? on_output : NULL;
	spawn->output_ctx = (void *)watch;
	r = run_to_end(spawn, &result, err);
	if (r != FAILED)
		return r;
	words = said(&result);
	return mc_err_set(err, 0, "it cannot be %s: %s", what, words);
}

int qemu_img_copy(const struct offspring *offspring, const struct qemu_img_file *source, const struct qemu_img_file *target,
		  const struct qemu_img_watch *watch, mc_err **err)
{
	auto_qemu_arguments a = qemu_arguments(QEMU_IMG, "convert");
	struct qemu_child child = {.offspring = offspring, .arguments = &a};
	struct mc_spawn spawn = {.argv = a.v, .in_child = qemu_child_bind, .arg = &child};

	qemu_add(&a, "-p");
	qemu_add_file(&a, source);
	qemu_add_key(&a, QEMU_IMG_TARGET_KEY, target->key_fd);
	qemu_add(&a, "-n");
	qemu_add(&a, "--target-is-zero");
	qemu_add(&a, "-O");
	qemu_add(&a, target->format ? target->format : "qcow2");
	qemu_add(&a, source->name);
	qemu_add(&a, target->name);
	return run_watched(&spawn, watch, "copied", err);
}

int qemu_img_import(const struct sandbox *sandbox, const struct offspring *offspring,
		    const struct qemu_img_copy *copy, mc_err **err)
{
	const char *const argv[] = {QEMU_IMG, "convert", "-p", "-f", copy->driver, "-O", "qcow2",
				    SANDBOX_SOURCE, SANDBOX_TARGET, NULL};
	struct sandbox_job job = {.argv = argv, .source = copy->source, .target = copy->target,
				  .target_bytes = copy->data_bytes, .timeout_s = copy->timeout_s,
				  .cancel_fd = copy->watch.cancel_fd, .on_output = on_output, .output_ctx = (void *)&copy->watch};
	mc_auto_spawn_result struct mc_spawn_result result = {0};
	mc_autofree char *words = NULL;

	if (sandbox_run(sandbox, offspring, &job, &result, err) < 0)
		return -1;
	words = said(&result);
	if (result.cancelled)
		return mc_err_set(err, 0, "it was cancelled"), QEMU_IMG_CANCELLED;
	if (result.timed_out)
		mc_err_set(err, 0, "it could not be copied within %u s", copy->timeout_s);
	else if (result.status > SIGNALLED)
		mc_err_set(err, 0, "it cannot be copied: signal %d ended the copy", result.status - SIGNALLED);
	else if (result.status != 0)
		mc_err_set(err, 0, "it cannot be copied: %s", words);
	else
		return QEMU_IMG_OK;
	return strstr(result.errout, "No space left") ? QEMU_IMG_NO_SPACE : QEMU_IMG_BAD_SOURCE;
}

struct export_child {
	struct qemu_child child;
	int dir_fd;
};

static int export_child(void *arg)
{
	struct export_child *c = arg;

	return fcntl(c->dir_fd, F_SETFD, 0) < 0 ? -1 : qemu_child_bind(&c->child);
}

int qemu_img_export(const struct offspring *offspring, const char *layer, const char *driver, const char *options,
		    int dir_fd, const char *name, const struct qemu_img_watch *watch, mc_err **err)
{
	/* By the descriptor: whatever becomes of the path, it is this directory. */
	mc_autofree char *target = mc_strf("/proc/self/fd/%d/%s", dir_fd, name);
	struct export_child child = {{.offspring = offspring, .humble = true}, dir_fd};
	const char *const plain[] = {QEMU_IMG, "convert", "-p", "-f", "qcow2", "-O", driver, layer, target, NULL};
	const char *const more[] = {QEMU_IMG, "convert", "-p", "-f", "qcow2", "-O", driver, "-o", options, layer, target, NULL};
	struct mc_spawn spawn = {.argv = options ? more : plain, .in_child = export_child, .arg = &child};

	return run_watched(&spawn, watch, "written", err);
}
