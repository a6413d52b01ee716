/* The system calls that a program in the sandbox may make. */
#ifndef MC_STORAGED_SYSCALL_FILTER_H
#define MC_STORAGED_SYSCALL_FILTER_H

#include <linux/filter.h>

#include "common/error.h"

/* The filter as a program, so that a child has nothing to allocate; the caller frees
 * ret->filter. 0 or -1 and *err. */
int syscall_filter_make(struct sock_fprog *ret, mc_err **err);

/* Put it on this process for good. A system call. 0 or -1 and errno. */
int syscall_filter_apply(const struct sock_fprog *filter);

#endif
