/* Cleanup attributes: a resource is released when its variable leaves scope.
 * Hand it on with MC_STEAL(var) on success. */
#ifndef MC_COMMON_CLEANUP_H
#define MC_COMMON_CLEANUP_H

#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

static inline void mc_cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void mc_cleanup_json(json_t **p)
{
	json_decref(*p);
}

static inline void mc_cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define mc_autofree __attribute__((cleanup(mc_cleanup_free)))
#define mc_auto_json __attribute__((cleanup(mc_cleanup_json)))
#define mc_auto_fd __attribute__((cleanup(mc_cleanup_fd)))

/* Take the pointer out of an auto variable so that its cleanup does nothing. */
#define MC_STEAL(p) ({ __typeof__(p) mc_stolen_ = (p); (p) = NULL; mc_stolen_; })
#define MC_STEAL_FD(fd) ({ int mc_stolen_ = (fd); (fd) = -1; mc_stolen_; })
#define MC_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
