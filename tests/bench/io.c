/* What a disk does for a guest, measured inside it.
 *
 * usage: io DEVICE read|write seq|rand BLOCK COUNT SPAN    prints operations a second
 *        io DEVICE worst BLOCK SPAN STOP                   writes until the file STOP is there; prints the slowest one's ms
 *        io DEVICE serve SPAN                              for each line "read|write seq|rand BLOCK SECONDS" does so for so
 *                                                          long and prints "OPERATIONS SECONDS"; ends with its input
 *
 * SPAN: bytes from the beginning on that are used. Past the page cache (O_DIRECT); a write has reached the
 * host's file when it returns. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOST (1 << 20) /* bytes of an operation */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The same places each time it runs. */
static uint64_t draw(void)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static int once(int fd, int writing, char *block, size_t size, off_t at)
{
	return (writing ? pwrite(fd, block, size, at) : pread(fd, block, size, at)) == (ssize_t)size ? 0 : -1;
}

static int rate(int fd, char **argv, char *block)
{
	int writing = strcmp(argv[2], "write") == 0, random = strcmp(argv[3], "rand") == 0;
	size_t size = (size_t)atol(argv[4]), count = (size_t)atol(argv[5]), places = (size_t)atol(argv[6]) / size;
	double began = now();

	for (size_t i = 0; i < count; i++)
		if (once(fd, writing, block, size, (off_t)((random ? draw() : i) % places * size)) < 0)
			return -1;
	printf("%.3f\n", (double)count / (now() - began));
	return 0;
}

static int worst(int fd, char **argv, char *block)
{
	size_t size = (size_t)atol(argv[3]), places = (size_t)atol(argv[4]) / size;
	double slowest = 0;

	for (size_t i = 0; access(argv[5], F_OK) < 0; i++) {
		double began = now(), took;

		if (once(fd, 1, block, size, (off_t)(i % places * size)) < 0)
			return -1;
		took = now() - began;
		slowest = took > slowest ? took : slowest;
	}
	printf("%.3f\n", slowest * 1000);
	return 0;
}

/* One line's worth. */
static int turn(int fd, int writing, int random, size_t size, size_t span, double seconds, char *block)
{
	static size_t next;
	size_t places = span / size, count = 0;
	double began = now(), took;

	do {
		if (once(fd, writing, block, size, (off_t)((random ? draw() : next++) % places * size)) < 0)
			return -1;
		count++;
		took = now() - began;
	} while (took < seconds);
	printf("%zu %.6f\n", count, took);
	return fflush(stdout);
}

static int serve(int fd, size_t span, char *block)
{
	char way[8], order[8];
	size_t size;
	double seconds;

	while (scanf("%7s %7s %zu %lf", way, order, &size, &seconds) == 4)
		if (size == 0 || size > MOST || turn(fd, strcmp(way, "write") == 0, strcmp(order, "rand") == 0, size, span, seconds, block) < 0)
			return -1;
	return 0;
}

int main(int argc, char **argv)
{
	int fd = argc > 2 ? open(argv[1], O_RDWR | O_DIRECT) : -1, r = -1;
	void *block = NULL;

	if (fd >= 0 && posix_memalign(&block, 4096, MOST) == 0) {
		memset(block, 7, MOST);
		r = argc == 7 ? rate(fd, argv, block) : argc == 6 ? worst(fd, argv, block) : argc == 4 ? serve(fd, (size_t)atol(argv[3]), block) : -1;
	}
	if (r < 0)
		perror("io");
	return r < 0;
}
