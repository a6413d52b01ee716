#include "cli/key_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"

char *key_file_home(mc_err **err)
{
	const char *home = getenv("HOME");

	if (home && *home == '/')
		return mc_strf("%s/.minicloud", home);
	mc_err_set(err, 0, "HOME is not set");
	return NULL;
}

static char *key_directory(mc_err **err)
{
	const char *chosen = getenv("MINICLOUD_KEYS");
	mc_autofree char *home = NULL;

	if (chosen && *chosen)
		return mc_strdup(chosen);
	home = key_file_home(err);
	return home ? mc_strf("%s/keys", home) : NULL;
}

char *key_file_path(const char *key_name, mc_err **err)
{
	mc_autofree char *directory = key_directory(err);

	if (!directory)
		return NULL;
	if (!*key_name || *key_name == '.' || strchr(key_name, '/')) {
		mc_err_set(err, 0, "a key pair named '%s' cannot be kept in a file", key_name);
		return NULL;
	}
	return mc_strf("%s/%s.pem", directory, key_name);
}

char *key_file_save(const char *key_name, const char *material, mc_err **err)
{
	mc_autofree char *path = key_file_path(key_name, err);
	mc_autofree char *directory = path ? key_directory(err) : NULL;

	if (!directory || mc_fs_mkdirs(directory, 0700, err) < 0)
		return NULL;

	mc_autofree char *old = mc_strf("%s.old", path);

	if (rename(path, old) < 0 && errno != ENOENT) {
		mc_err_set(err, errno, "cannot set %s aside", path);
		return NULL;
	}
	if (mc_fs_write(path, material, strlen(material), 0600, err) < 0)
		return NULL;
	return MC_STEAL(path);
}
