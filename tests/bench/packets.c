/* Packets between two network namespaces, for some seconds.
 *
 * usage: packets WHAT PROCESSORS SERVER-NAMESPACE CLIENT-NAMESPACE ADDRESS PORT SECONDS
 *
 * WHAT is `requests` (one byte each way on one TCP connection), `connects` (a connection for each such
 * request), `stream` (bytes on one TCP connection) or `datagrams` (small ones over UDP). The server binds
 * to ADDRESS in its namespace. PROCESSORS is 2: each end has one of its own; prints how many a second came about.
 * Or 1: both ends share one, and seconds are those that it worked for them, so that all of the work for a packet counts
 * and nothing else. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER (128 * 1024)
#define BATCH 32 /* datagrams at once */
#define WARM_UP 0.05

struct work {
	const char *what;
	bool stream; /* TCP */
	void (*serve)(int fd);
	double (*measure)(const struct sockaddr_in *to, double seconds);
};

static clockid_t seconds_of = CLOCK_MONOTONIC;
static _Atomic unsigned long arrived; /* what the server counts for the client */

static void die(const char *what)
{
	fprintf(stderr, "packets: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(seconds_of, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A socket belongs for good to the namespace that it was made in. */
static void enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		die(path);
	close(fd);
}

static int new_socket(bool stream)
{
	int one = 1, fd = socket(AF_INET, (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	if (stream)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return fd;
}

static int connect_to(const struct sockaddr_in *to, bool stream)
{
	int fd = new_socket(stream);

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
		die("connect");
	return fd;
}

/* --- what the server does ------------------------------------------------------------ */

/* One connection after the other. */
static void serve_requests(int listener)
{
	int fd;
	char c;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		while (recv(fd, &c, 1, 0) == 1)
			if (send(fd, &c, 1, MSG_NOSIGNAL) != 1)
				break;
		close(fd);
	}
}

static void serve_stream(int listener)
{
	static char buffer[BUFFER];
	int fd = accept(listener, NULL, NULL);
	ssize_t n;

	while ((n = recv(fd, buffer, sizeof(buffer), 0)) > 0)
		atomic_fetch_add(&arrived, (unsigned long)n);
	close(fd);
}

static void serve_datagrams(int fd)
{
	static char buffers[BATCH][64];
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH];
	int n;

	memset(messages, 0, sizeof(messages));
	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){ buffers[i], sizeof(buffers[i]) };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while ((n = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL)) > 0)
		atomic_fetch_add(&arrived, (unsigned long)n);
}

/* --- what the client does ------------------------------------------------------------- */

static void request(int fd)
{
	char c = 1;

	if (send(fd, &c, 1, MSG_NOSIGNAL) != 1 || recv(fd, &c, 1, 0) != 1)
		die("request");
}

static double measure_requests(const struct sockaddr_in *to, double seconds)
{
	int fd = connect_to(to, true);
	double began = now(), warm = began + WARM_UP, t;
	unsigned long n = 0;

	while (now() < warm)
		request(fd);
	began = now();
	do {
		for (int i = 0; i < 16; i++)
			request(fd);
		n += 16;
		t = now();
	} while (t < began + seconds);
	close(fd);
	return (double)n / (t - began);
}

static double measure_connects(const struct sockaddr_in *to, double seconds)
{
	double began = now(), t;
	unsigned long n = 0;

	do {
		int fd = connect_to(to, true);

		request(fd);
		close(fd);
		n++;
		t = now();
	} while (t < began + seconds);
	return (double)n / (t - began);
}

/* Send until the time is over; what arrived between the warming and the end. */
static double measure_sent(int fd, double seconds, void (*send_some)(int fd))
{
	double began = now(), t;
	unsigned long before;

	while (now() < began + WARM_UP)
		send_some(fd);
	before = atomic_load(&arrived);
	began = now();
	do {
		send_some(fd);
		t = now();
	} while (t < began + seconds);
	return (double)(atomic_load(&arrived) - before) / (t - began);
}

static void send_bytes(int fd)
{
	static char buffer[BUFFER];

	if (send(fd, buffer, sizeof(buffer), MSG_NOSIGNAL) < 0)
		die("send");
}

static double measure_stream(const struct sockaddr_in *to, double seconds)
{
	int fd = connect_to(to, true);
	double rate = measure_sent(fd, seconds, send_bytes);

	close(fd);
	return rate;
}

/* The receiver gets its turn after each batch: what counts is what arrives. */
static void send_datagrams(int fd)
{
	for (int i = 0; i < BATCH; i++)
		send(fd, "datagram", 8, 0);
	sched_yield();
}

static double measure_datagrams(const struct sockaddr_in *to, double seconds)
{
	int fd = connect_to(to, false);
	double rate = measure_sent(fd, seconds, send_datagrams);

	close(fd);
	return rate;
}

static const struct work works[] = {
	{ "requests", true, serve_requests, measure_requests },
	{ "connects", true, serve_requests, measure_connects },
	{ "stream", true, serve_stream, measure_stream },
	{ "datagrams", false, serve_datagrams, measure_datagrams },
};

/* --- together ----------------------------------------------------------------------------- */

struct server {
	const struct work *work;
	int fd, processor;
};

/* The calling thread. */
static void run_on(int processor)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(processor, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		die("sched_setaffinity");
}

static void *serve(void *arg)
{
	const struct server *s = arg;

	run_on(s->processor);
	s->work->serve(s->fd);
	return NULL;
}

static int bound_socket(const struct work *work, const struct sockaddr_in *at)
{
	int fd = new_socket(work->stream);

	if (bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 || (work->stream && listen(fd, 128) < 0))
		die("bind");
	return fd;
}

static const struct work *find(const char *what)
{
	for (size_t i = 0; i < sizeof(works) / sizeof(*works); i++)
		if (strcmp(works[i].what, what) == 0)
			return &works[i];
	fprintf(stderr, "packets: there is no %s\n", what);
	exit(2);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct server server;
	pthread_t thread;

	if (argc != 8) {
		fputs("usage: packets WHAT PROCESSORS SERVER-NAMESPACE CLIENT-NAMESPACE ADDRESS PORT SECONDS\n", stderr);
		return 2;
	}
	server.work = find(argv[1]);
	server.processor = strcmp(argv[2], "2") == 0;
	if (server.processor == 0)
		seconds_of = CLOCK_PROCESS_CPUTIME_ID;
	at.sin_port = htons((uint16_t)strtoul(argv[6], NULL, 10));
	if (inet_pton(AF_INET, argv[5], &at.sin_addr) != 1)
		die(argv[5]);
	enter(argv[3]);
	server.fd = bound_socket(server.work, &at);
	enter(argv[4]);
	run_on(0);
	if (pthread_create(&thread, NULL, serve, &server) != 0)
		die("thread");
	printf("%.1f\n", server.work->measure(&at, strtod(argv[7], NULL)));
	fflush(stdout);
	_exit(0);
}
