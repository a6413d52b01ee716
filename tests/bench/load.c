/* Send one HTTP request over and over on some connections, for some seconds.
 *
 * usage: load HOST PORT REQUEST-FILE CONNECTIONS SECONDS
 *
 * Prints one JSON line: requests answered with 200, bytes of bodies, seconds, the
 * median and the 99th percentile of the latency in microseconds. Each connection
 * ends the request it is in, so that a slow server too answers at least once. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 64
#define MAX_SAMPLES 1000000
#define BUFFER (256 * 1024)
#define HEADER_MAX 16384

struct load {
	struct addrinfo *address;
	char *request;
	size_t request_len;
	double end;
};

struct connection {
	const struct load *load;
	int fd;
	unsigned long good, bad;
	unsigned long long body_bytes;
	float *samples; /* seconds */
	size_t n_samples;
	char buffer[BUFFER];
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool reconnect(struct connection *c)
{
	const struct addrinfo *a = c->load->address;
	int one = 1;

	if (c->fd >= 0)
		close(c->fd);
	c->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return c->fd >= 0 && connect(c->fd, a->ai_addr, a->ai_addrlen) == 0;
}

static bool send_request(struct connection *c)
{
	const struct load *l = c->load;

	for (size_t sent = 0; sent < l->request_len;) {
		ssize_t n = send(c->fd, l->request + sent, l->request_len - sent, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		sent += (size_t)n;
	}
	return true;
}

/* Read to the end of the header: its length and in *ret_have what has come. 0: broken. */
static size_t read_header(struct connection *c, size_t *ret_have)
{
	size_t have = 0;

	while (have < HEADER_MAX) {
		ssize_t n = recv(c->fd, c->buffer + have, HEADER_MAX - have, 0);
		char *end;

		if (n <= 0)
			return 0;
		have += (size_t)n;
		c->buffer[have] = '\0';
		end = strstr(c->buffer, "\r\n\r\n");
		if (end) {
			*ret_have = have;
			return (size_t)(end - c->buffer) + 4;
		}
	}
	return 0;
}

/* Read the rest of a body; length -1: to the end of the stream. */
static bool read_body(struct connection *c, long long length, size_t have)
{
	unsigned long long seen = have;

	while (length < 0 || seen < (unsigned long long)length) {
		ssize_t n = recv(c->fd, c->buffer, BUFFER - 1, 0);

		if (n < 0 || (n == 0 && length >= 0))
			return false;
		if (n == 0)
			break;
		seen += (unsigned long long)n;
	}
	c->body_bytes += seen;
	return true;
}

/* One request and its answer. False: the connection is of no more use. */
static bool exchange(struct connection *c, bool *ret_good)
{
	size_t have = 0, header = send_request(c) ? read_header(c, &have) : 0;
	const char *length;
	long long n;
	bool closes;

	*ret_good = false;
	if (header == 0)
		return false;
	c->buffer[header - 1] = '\0';
	length = strcasestr(c->buffer, "\r\nContent-Length:");
	n = length ? strtoll(length + 17, NULL, 10) : -1;
	closes = strncmp(c->buffer, "HTTP/1.0", 8) == 0 || strcasestr(c->buffer, "\r\nConnection: close");
	*ret_good = strncmp(c->buffer + 9, "200", 3) == 0;
	return read_body(c, n, have - header) && !closes;
}

static void *run(void *arg)
{
	struct connection *c = arg;
	bool open = reconnect(c);

	while (c->n_samples == 0 || (now() < c->load->end && c->n_samples < MAX_SAMPLES)) {
		double began = now();
		bool good;

		if (!open && !reconnect(c))
			die("cannot connect");
		open = exchange(c, &good);
		c->good += good;
		c->bad += !good;
		c->samples[c->n_samples++] = (float)(now() - began);
	}
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	const float *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void report(struct connection *const *c, size_t n, double seconds)
{
	unsigned long good = 0, bad = 0;
	unsigned long long bytes = 0;
	size_t total = 0;
	float *all;

	for (size_t i = 0; i < n; i++)
		total += c[i]->n_samples;
	all = malloc(total * sizeof(*all));
	if (!all)
		die("memory");
	total = 0;
	for (size_t i = 0; i < n; i++) {
		good += c[i]->good;
		bad += c[i]->bad;
		bytes += c[i]->body_bytes;
		memcpy(all + total, c[i]->samples, c[i]->n_samples * sizeof(*all));
		total += c[i]->n_samples;
	}
	qsort(all, total, sizeof(*all), by_value);
	printf("{\"requests\": %lu, \"failed\": %lu, \"bytes\": %llu, \"seconds\": %.6f, \"p50_us\": %.0f, "
	       "\"p99_us\": %.0f}\n", good, bad, bytes, seconds, (double)all[total / 2] * 1e6,
	       (double)all[total * 99 / 100] * 1e6);
	free(all);
}

static void read_request(const char *path, struct load *l)
{
	FILE *f = fopen(path, "re");

	l->request = malloc(BUFFER);
	if (!f || !l->request)
		die(path);
	l->request_len = fread(l->request, 1, BUFFER, f);
	fclose(f);
}

static struct connection *connection_new(const struct load *l)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c || !(c->samples = malloc(MAX_SAMPLES * sizeof(*c->samples))))
		die("memory");
	c->load = l;
	c->fd = -1;
	return c;
}

int main(int argc, char **argv)
{
	struct load l = { 0 };
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct connection *c[MAX_CONNECTIONS];
	pthread_t threads[MAX_CONNECTIONS];
	size_t n = argc == 6 ? strtoul(argv[4], NULL, 10) : 0;
	double began;

	if (n < 1 || n > MAX_CONNECTIONS || getaddrinfo(argv[1], argv[2], &hints, &l.address) != 0) {
		fprintf(stderr, "usage: load HOST PORT REQUEST-FILE CONNECTIONS SECONDS\n");
		return 2;
	}
	read_request(argv[3], &l);
	began = now();
	l.end = began + strtod(argv[5], NULL);
	for (size_t i = 0; i < n; i++) {
		c[i] = connection_new(&l);
		if (pthread_create(&threads[i], NULL, run, c[i]) != 0)
			die("thread");
	}
	for (size_t i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	report(c, n, now() - began);
	return 0;
}
