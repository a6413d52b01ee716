/* One lock per instance id, so that requests for one instance follow each other
 * and those for others do not wait. */
#ifndef MC_HYPERVISOR_KEYLOCK_H
#define MC_HYPERVISOR_KEYLOCK_H

struct keylock;

struct keylock *keylock_new(void);
void keylock_free(struct keylock *k);

/* Wait for and take the lock of this key. */
void keylock_lock(struct keylock *k, const char *key);
void keylock_unlock(struct keylock *k, const char *key);

#endif
