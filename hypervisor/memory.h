/* Which memory of the host may be promised to one more guest. MemAvailable (proc(5)) alone would
 * promise it over and over: a guest that runs takes its memory only when it touches it. */
#ifndef MC_HYPERVISOR_MEMORY_H
#define MC_HYPERVISOR_MEMORY_H

#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

struct memory;

struct memory_room {
	int64_t total_mib, available_mib; /* the host's MemTotal and MemAvailable */
	int64_t promised_mib;             /* of it, to guests that have not touched it yet */
	int64_t free_mib;                 /* what a guest may still have; never below 0 */
};

/* proc: "/proc", borrowed. reserve_mib is for the host alone. qemu_uid: whose QEMUs count. */
struct memory *memory_new(const char *proc, int64_t reserve_mib, uid_t qemu_uid);
void memory_free(struct memory *m);

/* 0, or -1 and *err. */
int memory_room(struct memory *m, struct memory_room *ret, mc_err **err);

/* May this instance be started with so much? MC_IPC_OK promises it until memory_started(), by
 * when its QEMU is there and counts itself; MC_IPC_NO_CAPACITY and *err; or -1 and *err. */
int memory_admit(struct memory *m, const char *id, int64_t wanted_mib, mc_err **err);

/* Its QEMU has been started, or has not. */
void memory_started(struct memory *m, const char *id);

#endif
