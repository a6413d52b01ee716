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

#define WANTED "wanted.json"
#define MARK "applying"

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

int state_finish(const struct netd *netd, const char *vpc_id, const json_t *doc, mc_err **err)
{
	mc_autofree char *dir = state_dir(netd, vpc_id);
	mc_autofree char *path = mc_strf("%s/" WANTED, dir);
	mc_autofree char *mark = mc_strf("%s/" MARK, dir);
	mc_autofree char *text = json_dumps(doc, JSON_COMPACT);

	if (!text)
		return mc_err_set(err, ENOMEM, "cannot write %s", path);
	if (mc_fs_write(path, text, strlen(text), 0640, err) < 0)
		return -1;
	if (MC_CRASH_AROUND(unlink(mark)) < 0 && errno != ENOENT)
		return mc_err_set(err, errno, "cannot remove %s", mark);
	return 0;
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

struct wanted *state_load(const struct netd *netd, const char *vpc_id, json_t **ret_doc,
			  mc_err **err)
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
	if (w && ret_doc)
		*ret_doc = json_incref(doc);
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
