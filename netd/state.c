#include "netd/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "common/fs.h"
#include "common/id.h"
#include "netd/wanted_change.h"

#define WANTED "wanted.json"
#define CHANGES "changes"
#define MARK "applying"
#define CHANGES_MAX (64 << 10) /* bytes: some hundreds, which are read again with each load */

char *state_dir(const struct netd *netd, const char *vpc_id)
{
	return mc_strf("%s/%s", netd->config.state_dir, vpc_id);
}

char *state_netns(const struct netd *netd, const char *vpc_id)
{
	return mc_strf("%s/%s", netd->config.netns_dir, vpc_id);
}

int state_init(const struct netd *netd, mc_err **err)
{
	const char *const dirs[] = { netd->config.netns_dir, netd->config.state_dir };

	for (size_t i = 0; i < MC_ARRAY_SIZE(dirs); i++) {
		if (mc_fs_mkdirs(dirs[i], 0750, err) < 0)
			return -1;
		if (access(dirs[i], W_OK | X_OK) < 0)
			return mc_err_set(err, errno, "cannot write in %s", dirs[i]);
	}
	return 0;
}

int state_begin(const struct netd *netd, const char *vpc_id, bool *ret_unfinished, mc_err **err)
{
	mc_autofree char *dir = state_dir(netd, vpc_id);
	mc_autofree char *mark = mc_strf("%s/" MARK, dir);
	mc_auto_fd int fd = -1;
	bool unfinished;

	if (mc_fs_mkdirs(dir, 0750, err) < 0)
		return -1;
	unfinished = access(mark, F_OK) == 0;
	fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		return mc_err_set(err, errno, "cannot make %s", mark);
	MC_CRASH_POINT();
	*ret_unfinished = unfinished;
	return 0;
}

static int drop_file(const char *dir, const char *name, mc_err **err)
{
	mc_autofree char *path = mc_strf("%s/%s", dir, name);

	return mc_fs_remove(path, err);
}

/* The changes behind the old document do not follow from the new one: they are nothing before they go. */
static int write_document(const char *dir, const json_t *doc, mc_err **err)
{
	mc_autofree char *path = mc_strf("%s/" WANTED, dir);
	mc_autofree char *text = json_dumps(doc, JSON_COMPACT);

	if (!text)
		return mc_err_set(err, ENOMEM, "cannot write %s", path);
	if (mc_fs_write(path, text, strlen(text), 0640, err) < 0)
		return -1;
	return drop_file(dir, CHANGES, err);
}

int state_finish(const struct netd *netd, const char *vpc_id, const json_t *doc, mc_err **err)
{
	mc_autofree char *dir = state_dir(netd, vpc_id);

	return doc && write_document(dir, doc, err) < 0 ? -1 : drop_file(dir, MARK, err);
}

/* --- changes behind the document ----------------------------------------------------- */

static int open_changes(const struct netd *netd, const char *vpc_id, int flags, char **ret_path, mc_err **err)
{
	mc_autofree char *dir = state_dir(netd, vpc_id);
	mc_autofree char *path = mc_strf("%s/" CHANGES, dir);
	int fd = open(path, flags | O_CLOEXEC, 0640);

	if (fd < 0)
		return mc_err_set(err, errno, "cannot open %s", path);
	*ret_path = MC_STEAL(path);
	return fd;
}

/* Empty, or ended by a whole line? */
static bool is_whole(int fd, off_t size)
{
	char last;

	return size == 0 || (pread(fd, &last, 1, size - 1) == 1 && last == '\n');
}

int state_append(const struct netd *netd, const char *vpc_id, const json_t *change, off_t *ret_size, mc_err **err)
{
	mc_autofree char *words = json_dumps(change, JSON_COMPACT), *line = mc_strf("%s\n", words ? words : "");
	mc_autofree char *path = NULL;
	mc_auto_fd int fd = open_changes(netd, vpc_id, O_RDWR | O_CREAT | O_APPEND, &path, err);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	ssize_t len = (ssize_t)strlen(line);

	if (fd < 0)
		return -1;
	if (!words || size < 0)
		return mc_err_set(err, words ? errno : ENOMEM, "cannot write %s", path);
	if (size + len > CHANGES_MAX || !is_whole(fd, size))
		return 0;
	if (MC_CRASH_AROUND(write(fd, line, (size_t)len)) != len)
		return mc_err_set(err, errno, "cannot write %s", path);
	*ret_size = size;
	return 1;
}

int state_retract(const struct netd *netd, const char *vpc_id, off_t size, mc_err **err)
{
	mc_autofree char *path = NULL;
	mc_auto_fd int fd = open_changes(netd, vpc_id, O_RDWR, &path, err);

	if (fd < 0)
		return -1;
	return ftruncate(fd, size) < 0 ? mc_err_set(err, errno, "cannot cut %s", path) : 0;
}

/* What does not follow was before the document, or never came to its end. */
static void add_changes(const char *dir, struct wanted *w)
{
	mc_autofree char *path = mc_strf("%s/" CHANGES, dir);
	mc_autofree char *text = mc_fs_read(path, CHANGES_MAX, NULL, NULL);

	for (char *line = text, *end; line && (end = strchr(line, '\n')); line = end + 1) {
		mc_auto_json json_t *change = json_loadb(line, (size_t)(end - line), 0, NULL);

		if (change && mc_fields_check(wanted_change_fields, change, NULL) == 0)
			wanted_change_keep(wanted_change_new(w, change, NULL));
	}
}

static int remove_files(const char *path, mc_err **err)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return errno == ENOENT ? 0 : mc_err_set(err, errno, "cannot read %s", path);
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (MC_CRASH_AROUND(unlinkat(dirfd(dir), entry->d_name, 0)) < 0)
			r = mc_err_set(err, errno, "cannot remove %s/%s", path, entry->d_name);
	}
	closedir(dir);
	return r;
}

int state_remove(const struct netd *netd, const char *vpc_id, mc_err **err)
{
	mc_autofree char *dir = state_dir(netd, vpc_id);

	if (remove_files(dir, err) < 0)
		return -1;
	if (MC_CRASH_AROUND(rmdir(dir)) < 0 && errno != ENOENT)
		return mc_err_set(err, errno, "cannot remove %s", dir);
	return 0;
}

struct wanted *state_load(const struct netd *netd, const char *vpc_id, mc_err **err)
{
	mc_autofree char *dir = state_dir(netd, vpc_id);
	mc_autofree char *path = mc_strf("%s/" WANTED, dir);
	mc_auto_json json_t *doc = NULL;
	struct wanted *w;

	if (access(path, F_OK) < 0)
		return NULL;
	doc = mc_json_load(path, err);
	if (!doc || mc_fields_check(wanted_fields, doc, err) < 0)
		return NULL;
	w = wanted_parse(vpc_id, doc, &netd->host.pool, err);
	if (w)
		add_changes(dir, w);
	return w;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void note_ids(const char *path, json_t *seen)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (mc_id_valid("vpc", entry->d_name))
			json_object_set_new(seen, entry->d_name, json_true());
	closedir(dir);
}

json_t *state_list(const struct netd *netd)
{
	mc_auto_json json_t *seen = json_object();
	mc_autofree const char **names = NULL;
	json_t *list = json_array();
	const char *key;
	json_t *value;
	size_t n = 0;

	note_ids(netd->config.netns_dir, seen);
	note_ids(netd->config.state_dir, seen);
	names = mc_alloc((json_object_size(seen) + 1) * sizeof(*names));
	json_object_foreach(seen, key, value)
		names[n++] = key;
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(names[i]));
	return list;
}
