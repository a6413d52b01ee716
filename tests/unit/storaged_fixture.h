/* A storage of a test's own: its records and its directory of layers, and nothing that runs. */
#ifndef MC_TESTS_STORAGED_FIXTURE_H
#define MC_TESTS_STORAGED_FIXTURE_H

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "storaged/storage.h"
#include "tests/unit/scratch_directory.h"

struct fixture {
	struct scratch_directory dir;
	struct storage storage;
};

static inline int set_up(void **state)
{
	struct fixture *f = mc_alloc(sizeof(*f));
	mc_autofree char *path = NULL;

	f->dir = scratch_directory_make();
	path = mc_strf("%s/db", f->dir.path);
	f->storage.graph = graph_open(path, NULL);
	f->storage.store.dir_fd = open(f->dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = f;
	return f->storage.graph ? 0 : -1;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	graph_close(f->storage.graph);
	close(f->storage.store.dir_fd);
	scratch_directory_remove(&f->dir);
	free(f);
	return 0;
}

#endif
