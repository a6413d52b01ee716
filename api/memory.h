/* What the allocator keeps of memory that is not used any more. */
#ifndef MC_API_MEMORY_H
#define MC_API_MEMORY_H

#include <stdatomic.h>
#include <stdint.h>

struct memory {
	_Atomic int64_t next; /* when to look, boot clock */
	_Atomic int64_t idle; /* bytes that the last look could not give back */
};

/* At start, before there are threads: few arenas, and large blocks straight from the system. */
void memory_init(void);
/* Often, from any thread: give back to the system what is free, where it has become more. A look a
 * second; milliseconds where there is something to give. */
void memory_tidy(struct memory *m);

#endif
