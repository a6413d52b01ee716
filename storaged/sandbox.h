/* Where qemu-img meets a file that nobody trusts: its own user, mount, network,
 * pid, IPC and UTS namespaces, a root with nothing but libraries, the one file to
 * read and the one to write, a system call filter, limits. Needs no privilege,
 * only unprivileged user namespaces. */
#ifndef MC_STORAGED_SANDBOX_H
#define MC_STORAGED_SANDBOX_H

#include <stdint.h>

#include "common/error.h"
#include "common/spawn.h"
#include "storaged/offspring.h"

/* The names the two files have inside. */
#define SANDBOX_SOURCE "/source"
#define SANDBOX_TARGET "/target"

struct sandbox;

/* Builds the filter once. NULL and *err on failure. */
struct sandbox *sandbox_new(mc_err **err);
void sandbox_free(struct sandbox *sandbox);

struct sandbox_job {
	const char *const *argv;  /* argv[0] absolute, below /usr */
	const char *source;       /* existing file, read only inside */
	const char *target;       /* existing file, written inside */
	uint64_t target_bytes;    /* the most it may grow to */
	unsigned timeout_s;       /* of wall time */
};

/* Run it to its end. 0: it ran, see *ret; -1 and *err: the sandbox could not be
 * made (then nothing of the job ran). Free *ret with mc_spawn_result_free(). */
int sandbox_run(const struct sandbox *sandbox, const struct offspring *offspring,
		const struct sandbox_job *job, struct mc_spawn_result *ret, mc_err **err);

#endif
