/* Confinement to a few files without namespaces: landlock(7). */
#ifndef MC_STORAGED_LANDLOCK_H
#define MC_STORAGED_LANDLOCK_H

struct landlock_rule {
	const char *path;  /* ends a table when NULL; an absent path is skipped */
	enum { LANDLOCK_READ, LANDLOCK_RUN, LANDLOCK_WRITE } may; /* RUN: read and execute all below */
};

/* From now on this process may reach what the rules name and nothing else. System
 * calls only. 0 or -1 and errno (ENOSYS, EOPNOTSUPP: the kernel has none). */
int landlock_apply(const struct landlock_rule *rules);

#endif
