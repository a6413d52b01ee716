/* Where qemu-img meets a file that nobody trusts: its own user, mount, network,
 * pid, IPC and UTS namespaces, a root with nothing but libraries, the one file to
 * read and the one to write, a system call filter, limits. Needs no privilege,
 * only unprivileged user namespaces; where there are none (in a chroot, in most
 * containers), Landlock keeps it to the same files under the same filter and limits. */
#ifndef MC_STORAGED_SANDBOX_H
#define MC_STORAGED_SANDBOX_H

#include <stdint.h>

#include "common/error.h"
#include "common/spawn.h"
#include "storaged/offspring.h"

enum sandbox_kind { SANDBOX_NAMESPACES, SANDBOX_LANDLOCK, SANDBOX_NONE, SANDBOX_KIND_MAX };
const char *sandbox_kind_name(enum sandbox_kind kind);

/* Arguments that stand for the two files. */
#define SANDBOX_SOURCE "/source"
#define SANDBOX_TARGET "/target"
/* As argv[0]: the program that runs, ours. */
#define SANDBOX_SELF "/self"

struct sandbox;

/* Of kind SANDBOX_NAMESPACES until sandbox_choose(). Builds the filter once. NULL and *err on failure. */
struct sandbox *sandbox_new(mc_err **err);
void sandbox_free(struct sandbox *sandbox);

enum sandbox_kind sandbox_kind_of(const struct sandbox *sandbox);

struct sandbox_job {
	const char *const *argv;  /* argv[0] absolute, below /usr, or SANDBOX_SELF */
	const char *source;       /* existing file, read only inside */
	const char *target;       /* existing file, written inside; NULL: none */
	uint64_t target_bytes;    /* the most it may grow to */
	unsigned timeout_s;       /* of wall time */
	uint64_t memory_bytes;    /* of address space; 0: as much as qemu-img may need */
	int cancel_fd;            /* it is ended when this becomes readable; 0 or -1: none */
	void (*on_output)(void *ctx, const char *text, size_t n); /* sees what it writes; NULL: nobody */
	void *output_ctx;
};

/* Run it to its end. 0: it ran, see *ret; -1 and *err: the sandbox could not be
 * made (then nothing of the job ran). Free *ret with mc_spawn_result_free(). */
int sandbox_run(const struct sandbox *sandbox, const struct offspring *offspring,
		const struct sandbox_job *job, struct mc_spawn_result *ret, mc_err **err);

/* Try the kinds from `best` on with a program that does nothing and keep the first that
 * works; file: any existing one of ours. The kind kept, with *err saying why a
 * better one does not work; SANDBOX_NONE: sandbox_run() will always fail. */
enum sandbox_kind sandbox_choose(struct sandbox *sandbox, const struct offspring *offspring,
				 enum sandbox_kind best, const char *file, mc_err **err);

#endif
