/* The programs we start must not outlive us unseen: one that went on writing after
 * our death would undo what the next start tidies up. They are killed with us, and
 * hold a lock that the next start waits for. */
#ifndef MC_STORAGED_OFFSPRING_H
#define MC_STORAGED_OFFSPRING_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/error.h"

struct offspring {
	int lock_fd; /* read-only, of a file that nothing is in */
	pid_t parent;
};

/* Take the lock file, waiting (or not, and failing) for what an earlier process of ours left
 * running, and for another storaged on the same records. 0 or -1 and *err. */
int offspring_open(struct offspring *offspring, const char *lock_path, bool wait, mc_err **err);
void offspring_close(struct offspring *offspring);

/* In the child, before exec: die with the parent, keep the lock. Only system calls.
 * Again after anything that changes credentials: the kernel forgets the first then. 0 or -1. */
int offspring_bind(const struct offspring *offspring);

#endif
