#include "hypervisor/keylock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"

struct entry {
	struct entry *next;
	char *key;
	unsigned users; /* the holder and those who wait */
	pthread_mutex_t lock;
};

struct keylock {
	pthread_mutex_t lock;
	struct entry *entries;
};

struct keylock *keylock_new(void)
{
	struct keylock *k = mc_alloc(sizeof(*k));

	pthread_mutex_init(&k->lock, NULL);
	return k;
}

void keylock_free(struct keylock *k)
{
	if (!k)
		return;
	pthread_mutex_destroy(&k->lock);
	free(k);
}

static struct entry **find(struct keylock *k, const char *key)
{
	struct entry **at = &k->entries;

	while (*at && strcmp((*at)->key, key) != 0)
		at = &(*at)->next;
	return at;
}

static struct entry *entry_new(const char *key)
{
	struct entry *e = mc_alloc(sizeof(*e));

	e->key = mc_strdup(key);
	pthread_mutex_init(&e->lock, NULL);
	return e;
}

void keylock_lock(struct keylock *k, const char *key)
{
	struct entry **at, *e;

	pthread_mutex_lock(&k->lock);
	at = find(k, key);
	if (!*at)
		*at = entry_new(key);
	e = *at;
	e->users++;
	pthread_mutex_unlock(&k->lock);
	pthread_mutex_lock(&e->lock);
}

void keylock_unlock(struct keylock *k, const char *key)
{
	struct entry **at, *e;

	pthread_mutex_lock(&k->lock);
	at = find(k, key);
	e = *at;
	pthread_mutex_unlock(&e->lock);
	if (--e->users == 0) {
		*at = e->next;
		pthread_mutex_destroy(&e->lock);
		free(e->key);
		free(e);
	}
	pthread_mutex_unlock(&k->lock);
}
