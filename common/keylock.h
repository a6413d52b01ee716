/* Work on one id at a time; different ids go on in parallel. */
#ifndef MC_COMMON_KEYLOCK_H
#define MC_COMMON_KEYLOCK_H

#include <stdbool.h>

struct mc_keylock;

struct mc_keylock *mc_keylock_new(void);
void mc_keylock_free(struct mc_keylock *lock); /* nothing may be held; NULL is fine */

/* Wait until nobody holds key, then hold it. key must stay valid until the unlock. */
void mc_keylock_lock(struct mc_keylock *lock, const char *key);
void mc_keylock_unlock(struct mc_keylock *lock, const char *key);
/* The same without waiting: false where somebody holds it. */
bool mc_keylock_try(struct mc_keylock *lock, const char *key);

/* Hold for a scope: mc_keylock_hold struct mc_keylock_guard g = mc_keylock_guard(lock, key); */
struct mc_keylock_guard {
	struct mc_keylock *lock;
	const char *key;
};

static inline struct mc_keylock_guard mc_keylock_guard(struct mc_keylock *lock, const char *key)
{
	mc_keylock_lock(lock, key);
	return (struct mc_keylock_guard){ lock, key };
}

static inline void mc_keylock_guard_end(struct mc_keylock_guard *g)
{
	mc_keylock_unlock(g->lock, g->key);
}
#define mc_keylock_hold __attribute__((cleanup(mc_keylock_guard_end), unused))

#endif
