#include "common/keylock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"

/* As many as there are server threads: a list is enough. */
struct held {
	const char *key;
	struct held *next;
};

struct mc_keylock {
	pthread_mutex_t mutex;
	pthread_cond_t released;
	struct held *held;
};

struct mc_keylock *mc_keylock_new(void)
{
	struct mc_keylock *lock = mc_alloc(sizeof(*lock));

	pthread_mutex_init(&lock->mutex, NULL);
	pthread_cond_init(&lock->released, NULL);
	return lock;
}

void mc_keylock_free(struct mc_keylock *lock)
{
	if (!lock)
		return;
	pthread_cond_destroy(&lock->released);
	pthread_mutex_destroy(&lock->mutex);
	free(lock);
}

static struct held **find(struct mc_keylock *lock, const char *key)
{
	struct held **h = &lock->held;

	while (*h && strcmp((*h)->key, key) != 0)
		h = &(*h)->next;
	return h;
}

/* Under the mutex, where nobody holds it. */
static void hold(struct mc_keylock *lock, const char *key)
{
	struct held *mine = mc_alloc(sizeof(*mine));

	mine->key = key;
	mine->next = lock->held;
	lock->held = mine;
}

void mc_keylock_lock(struct mc_keylock *lock, const char *key)
{
	pthread_mutex_lock(&lock->mutex);
	while (*find(lock, key))
		pthread_cond_wait(&lock->released, &lock->mutex);
	hold(lock, key);
	pthread_mutex_unlock(&lock->mutex);
}

bool mc_keylock_try(struct mc_keylock *lock, const char *key)
{
	bool free_now;

	pthread_mutex_lock(&lock->mutex);
	free_now = !*find(lock, key);
	if (free_now)
		hold(lock, key);
	pthread_mutex_unlock(&lock->mutex);
	return free_now;
}

void mc_keylock_unlock(struct mc_keylock *lock, const char *key)
{
	struct held **h, *mine;

	pthread_mutex_lock(&lock->mutex);
	h = find(lock, key);
	mine = *h;
	if (mine)
		*h = mine->next;
	pthread_cond_broadcast(&lock->released);
	pthread_mutex_unlock(&lock->mutex);
	free(mine);
}
