#include "api/memory.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"

#define WORTH_IT (2 << 20) /* bytes */

void memory_init(void)
{
	/* An answer of megabytes goes back to the system when it is sent; by default the
	 * allocator would keep what was once in use, for each thread anew. */
	mallopt(M_MMAP_THRESHOLD, 256 << 10);
	mallopt(M_ARENA_MAX, 2);
}

/* Pages of our own, in bytes: resident without shared (proc(5), statm). 0 where /proc does not say. */
static int64_t own(void)
{
	char text[128] = "", *at = text;
	mc_auto_fd int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	int64_t resident;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return 0;
	strtoll(text, &at, 10);
	resident = strtoll(at, &at, 10);
	return (resident - strtoll(at, NULL, 10)) * sysconf(_SC_PAGESIZE);
}

/* Bytes that are ours and used for nothing. */
static int64_t idle(void)
{
	struct mallinfo2 info = mallinfo2();

	return own() - (int64_t)(info.uordblks + info.hblkhd);
}

void memory_tidy(struct memory *m)
{
	int64_t now = mc_clock_boot();

	if (now < m->next)
		return;
	m->next = now + MC_SECOND;
	if (idle() < m->idle + WORTH_IT)
		return;
	malloc_trim(0);
	m->idle = idle();
}
