/* Run programs: argument vectors only, CLOEXEC everywhere, bounded output. */
#ifndef MC_COMMON_SPAWN_H
#define MC_COMMON_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/error.h"

struct mc_spawn {
	const char *const *argv;  /* argv[0] is looked up in PATH; ends with NULL */
	const char *const *env;   /* NULL: a minimal environment (PATH, LANG=C.UTF-8) */
	int stdin_fd;             /* 0 or -1: /dev/null */
	unsigned timeout_ms;      /* 0: none; after it the child is killed */
	size_t max_output;        /* bytes kept of stdout and of stderr each; 0: 64 KiB */
	int (*in_child)(void *arg); /* runs in the child before exec (sandbox); non-zero ends it */
	void *arg;
	bool shares_memory; /* as vfork(2): what in_child writes is written here, too; as dear with much memory as with little,
			     * and with many descriptors as with few: the child has none above its standard ones and child_fd */
	int child_fd;       /* with shares_memory: the highest descriptor that in_child uses; 0: none */
	int cancel_fd;            /* the child is killed when it becomes readable; 0 or -1: none */
	void (*on_output)(void *ctx, const char *text, size_t n); /* sees stdout as it comes; NULL: nobody */
	void *output_ctx;
};

struct mc_spawn_result {
	int status; /* exit status; 128+signal when killed by one */
	int timed_out, cancelled;
	char *out, *errout; /* NUL-terminated, owned by the result */
};

/* Run and wait. 0 when the program could be run (look at result->status),
 * -1 and *err when it could not. Free the result with mc_spawn_result_free(). */
int mc_spawn_run(const struct mc_spawn *spawn, struct mc_spawn_result *result, mc_err **err);
void mc_spawn_result_free(struct mc_spawn_result *result);

/* Start a long-lived child with stdout and stderr to log_fd (-1: ours). Its pid, or -1 and *err. */
pid_t mc_spawn_start(const struct mc_spawn *spawn, int log_fd, mc_err **err);

/* The process's start time (field 22 of /proc/PID/stat), 0 where it is gone.
 * A pid is only ever trusted together with it. */
unsigned long long mc_proc_start_time(pid_t pid);

#define mc_auto_spawn_result __attribute__((cleanup(mc_spawn_result_free)))

#endif
