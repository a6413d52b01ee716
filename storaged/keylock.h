/* Work on one id at a time; different ids go on in parallel. */
#ifndef MC_STORAGED_KEYLOCK_H
#define MC_STORAGED_KEYLOCK_H

struct keylock;

struct keylock *keylock_new(void);
void keylock_free(struct keylock *lock); /* nothing may be held; NULL is fine */

/* Wait until nobody holds key, then hold it. key must stay valid until the unlock. */
void keylock_lock(struct keylock *lock, const char *key);
void keylock_unlock(struct keylock *lock, const char *key);

/* Hold for a scope: keylock_hold struct keylock_guard g = keylock_guard(lock, key); */
struct keylock_guard {
	struct keylock *lock;
	const char *key;
};

static inline struct keylock_guard keylock_guard(struct keylock *lock, const char *key)
{
	keylock_lock(lock, key);
	return (struct keylock_guard){lock, key};
}

static inline void keylock_guard_end(struct keylock_guard *g)
{
	keylock_unlock(g->lock, g->key);
}
#define keylock_hold __attribute__((cleanup(keylock_guard_end), unused))

#endif
