#include "hypervisor/memory.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/fs.h"
#include "common/ipc.h"
#include "common/json.h"
#include "hypervisor/host.h"

struct memory {
	const char *proc;
	int64_t reserve_mib;
	uid_t qemu_uid;
	pthread_mutex_t lock;
	json_t *starting; /* {id: MiB} of admitted instances whose QEMU may not be there yet */
};

struct memory *memory_new(const char *proc, int64_t reserve_mib, uid_t qemu_uid)
{
	struct memory *m = mc_alloc(sizeof(*m));

	*m = (struct memory){ .proc = proc, .reserve_mib = reserve_mib, .qemu_uid = qemu_uid, .starting = json_object() };
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

void memory_free(struct memory *m)
{
	if (!m)
		return;
	json_decref(m->starting);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* --- under the lock -------------------------------------------------------- */

struct sum {
	const struct memory *m;
	int64_t untouched_mib;
};

/* What a QEMU has taken is missing in MemAvailable already; the rest of its guest's memory is
 * not. Its own tables count as the guest's, which errs by what the reserve is for. */
static bool add_untouched(void *ctx, const struct host_qemu *qemu)
{
	struct sum *sum = ctx;
	int64_t left;

	if (qemu->uid != sum->m->qemu_uid || json_object_get(sum->m->starting, qemu->guest))
		return true;
	left = qemu->memory_mib - host_anonymous_mib(sum->m->proc, qemu->pid);
	if (left > 0)
		sum->untouched_mib += left;
	return true;
}

static int64_t promised(const struct memory *m)
{
	struct sum sum = { m, 0 };
	const char *id;
	json_t *mib;

	host_each_qemu(m->proc, add_untouched, &sum);
	json_object_foreach(m->starting, id, mib)
		sum.untouched_mib += json_integer_value(mib);
	return sum.untouched_mib;
}

static int look(const struct memory *m, struct memory_room *ret, mc_err **err)
{
	char path[64];
	struct host_memory host;
	int64_t left;

	snprintf(path, sizeof(path), "%s/meminfo", m->proc);
	if (host_memory_read(path, &host, err) < 0)
		return -1;
	*ret = (struct memory_room){ .total_mib = host.total_mib, .available_mib = host.available_mib,
				     .promised_mib = promised(m) };
	left = ret->available_mib - ret->promised_mib - m->reserve_mib;
	ret->free_mib = left > 0 ? left : 0;
	return 0;
}

/* ---------------------------------------------------------------------------- */

int memory_room(struct memory *m, struct memory_room *ret, mc_err **err)
{
	int r;

	pthread_mutex_lock(&m->lock);
	r = look(m, ret, err);
	pthread_mutex_unlock(&m->lock);
	return r;
}

int memory_admit(struct memory *m, const char *id, int64_t wanted_mib, mc_err **err)
{
	struct memory_room room;
	int outcome;

	pthread_mutex_lock(&m->lock);
	outcome = look(m, &room, err) < 0 ? -1 : wanted_mib <= room.free_mib ? MC_IPC_OK : MC_IPC_NO_CAPACITY;
	if (outcome == MC_IPC_OK)
		json_object_set_new(m->starting, id, json_integer(wanted_mib));
	pthread_mutex_unlock(&m->lock);
	if (outcome == MC_IPC_NO_CAPACITY)
		mc_err_set(err, 0, "%s wants %lld MiB of memory, the host has %lld MiB to give (%lld available, of them %lld "
			   "promised to guests, %lld kept back)", id, (long long)wanted_mib, (long long)room.free_mib,
			   (long long)room.available_mib, (long long)room.promised_mib, (long long)m->reserve_mib);
	return outcome;
}

void memory_started(struct memory *m, const char *id)
{
	pthread_mutex_lock(&m->lock);
	json_object_del(m->starting, id);
	pthread_mutex_unlock(&m->lock);
}
