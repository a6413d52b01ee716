/* Foreign images are looked into by a process of their own: this same program, in the sandbox, with little
 * memory and time. Only what it found comes back. */
#ifndef MC_STORAGED_READER_H
#define MC_STORAGED_READER_H

#include "storaged/foreign.h"
#include "storaged/sandbox.h"

/* The flag of main() that makes it the reader: `--read-image FORMAT FILE`. */
#define READER_FLAG "--read-image"

/* In the sandbox: read, write the findings to stdout, return the exit status. */
int reader_main(const char *format, const char *path);

enum reader_outcome { READER_OK, READER_REFUSED };

/* Have the file looked into; cancel_fd: 0 or -1 for none.
 * READER_OK and *ret; READER_REFUSED and *err saying what is wrong with it; -1 and *err where the reader could not
 * run. */
int reader_run(const struct sandbox *sandbox, const struct offspring *offspring, const char *source,
	       enum foreign_format format, int cancel_fd, struct foreign *ret, mc_err **err);

#endif
