/* ioload DEVICE read|write BYTES DEPTH SECONDS [MIB]: direct I/O at random places of the device's first MIB
 * (default 512), DEPTH at a time. Prints one line: operations, milliseconds, the longest operation's microseconds.
 * Static, so that it runs in any guest. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct load {
	int fd;
	int writing;
	size_t bytes;
	uint64_t places;
	int64_t until;
	unsigned seed;
	uint64_t operations;
	int64_t longest;
};

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *work(void *arg)
{
	struct load *l = arg;
	void *buffer;
	int64_t began = now();

	if (posix_memalign(&buffer, 4096, l->bytes))
		abort();
	memset(buffer, 0x5a, l->bytes);
	while (began < l->until) {
		off_t at = (off_t)((uint64_t)rand_r(&l->seed) % l->places * l->bytes);
		ssize_t n = l->writing ? pwrite(l->fd, buffer, l->bytes, at) : pread(l->fd, buffer, l->bytes, at);
		int64_t ended = now();

		if (n != (ssize_t)l->bytes) {
			perror("ioload");
			exit(1);
		}
		l->operations++;
		if (ended - began > l->longest)
			l->longest = ended - began;
		began = ended;
	}
	free(buffer);
	return NULL;
}

int main(int argc, char **argv)
{
	int depth = argc > 4 ? atoi(argv[4]) : 0;
	int64_t began = now(), longest = 0;
	uint64_t operations = 0, mib = argc > 6 ? strtoull(argv[6], NULL, 10) : 512;
	pthread_t threads[64];
	struct load loads[64];

	if (argc < 6 || depth < 1 || depth > 64) {
		fprintf(stderr, "usage: ioload DEVICE read|write BYTES DEPTH SECONDS [MIB]\n");
		return 2;
	}
	for (int i = 0; i < depth; i++) {
		struct load *l = &loads[i];

		*l = (struct load){ .fd = open(argv[1], O_RDWR | O_DIRECT), .writing = strcmp(argv[2], "write") == 0,
				    .bytes = strtoul(argv[3], NULL, 10), .seed = (unsigned)i + 1,
				    .until = began + (int64_t)(atof(argv[5]) * 1e9) };
		if (l->fd < 0) {
			perror(argv[1]);
			return 1;
		}
		l->places = (mib << 20) / l->bytes;
		if (pthread_create(&threads[i], NULL, work, l))
			return 1;
	}
	for (int i = 0; i < depth; i++) {
		pthread_join(threads[i], NULL);
		operations += loads[i].operations;
		longest = loads[i].longest > longest ? loads[i].longest : longest;
	}
	printf("%llu %lld %lld\n", (unsigned long long)operations, (long long)(now() - began) / 1000000,
	       (long long)longest / 1000);
	return 0;
}
