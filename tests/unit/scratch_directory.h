/* A directory of a test's own, for the files of what it tests. */
#ifndef MC_TESTS_SCRATCH_DIRECTORY_H
#define MC_TESTS_SCRATCH_DIRECTORY_H

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct scratch_directory {
	char path[32];
};

static inline struct scratch_directory scratch_directory_make(void)
{
	struct scratch_directory dir = {"/tmp/minicloud-test-XXXXXX"};

	assert_non_null(mkdtemp(dir.path));
	return dir;
}

/* With the files in it; fails where something else than files is. */
static inline void scratch_directory_remove(const struct scratch_directory *dir)
{
	DIR *files = opendir(dir->path);
	const struct dirent *e;

	assert_non_null(files);
	while ((e = readdir(files)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			assert_int_equal(unlinkat(dirfd(files), e->d_name, 0), 0);
	closedir(files);
	assert_int_equal(rmdir(dir->path), 0);
}

#endif
