/* Both ends of the packets that the matrix of test_4_matrix.py looks at.
 *
 * usage: probe serve PORT      answer TCP and UDP on PORT until killed; goes into the background when it listens
 *        probe ask WAIT_MS PATIENT_MS
 *
 * ask reads lines "NAME PROTOCOL ADDRESS PORT SOURCE EXPECTED" (SOURCE "-": the system's choice), sends all
 * of them at once and writes "NAME yes" or "NAME no" for each. A probe that is expected to be answered (EXPECTED 1)
 * waits PATIENT_MS for it, so that a slow machine is no failure; the others wait WAIT_MS. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PROBES_MAX 256
#define RESEND_MS 300
#define TEXT 64

struct probe {
	char name[TEXT], protocol[8], address[TEXT], source[TEXT];
	int port, expected;
	int fd;
	int answered;
};

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int is(const struct probe *p, const char *protocol)
{
	return strcmp(p->protocol, protocol) == 0;
}

static struct sockaddr_in address_of(const char *text, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	if (inet_pton(AF_INET, text, &a.sin_addr) != 1) {
		fprintf(stderr, "probe: not an address: %s\n", text);
		exit(2);
	}
	return a;
}

static void must(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(2);
	}
}

/* --- the answering end ------------------------------------------------------------ */

static int listener(int type, int port)
{
	struct sockaddr_in any = address_of("0.0.0.0", port);
	int one = 1, fd = socket(AF_INET, type, 0);

	must(fd, "socket");
	must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), "SO_REUSEADDR");
	must(bind(fd, (struct sockaddr *)&any, sizeof(any)), "bind");
	if (type == SOCK_STREAM)
		must(listen(fd, PROBES_MAX), "listen");
	return fd;
}

static void echo(int fd)
{
	char data[TEXT];
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	ssize_t n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&peer, &len);

	if (n >= 0)
		(void)!sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&peer, len);
}

static _Noreturn void serve(int port)
{
	struct pollfd fds[] = { { .fd = listener(SOCK_STREAM, port), .events = POLLIN },
				{ .fd = listener(SOCK_DGRAM, port), .events = POLLIN } };

	must(daemon(0, 0), "daemon");
	for (;;) {
		must(poll(fds, 2, -1), "poll");
		if (fds[0].revents)
			close(accept(fds[0].fd, NULL, NULL));
		if (fds[1].revents)
			echo(fds[1].fd);
	}
}

/* --- the asking end --------------------------------------------------------------- */

static void open_probe(struct probe *p)
{
	struct sockaddr_in to = address_of(p->address, is(p, "icmp") ? 0 : p->port);

	p->fd = is(p, "icmp") ? socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_ICMP)
			      : socket(AF_INET, (is(p, "tcp") ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);
	must(p->fd, "socket");
	if (strcmp(p->source, "-") != 0) {
		struct sockaddr_in from = address_of(p->source, 0);

		must(bind(p->fd, (struct sockaddr *)&from, sizeof(from)), "bind");
	}
	if (connect(p->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS &&
	    errno != EHOSTUNREACH && errno != ENETUNREACH)
		must(-1, "connect");
}

static uint16_t checksum(const void *data, size_t len)
{
	const uint16_t *word = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < len / 2; i++)
		sum += word[i];
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)~(sum + (sum >> 16));
}

/* Datagrams get lost on a busy machine: they are sent again until the answer comes. */
static void send_probe(struct probe *p, uint16_t id)
{
	struct icmphdr ping = { .type = ICMP_ECHO, .un.echo.id = id };

	if (is(p, "udp"))
		(void)!send(p->fd, p->name, strlen(p->name), 0);
	if (!is(p, "icmp"))
		return;
	ping.checksum = checksum(&ping, sizeof(ping));
	(void)!send(p->fd, &ping, sizeof(ping), 0);
}

static int icmp_answer(const struct probe *p, uint16_t id)
{
	char data[256];
	ssize_t n;

	while ((n = recv(p->fd, data, sizeof(data), 0)) > 0) {
		const struct iphdr *ip = (const void *)data;
		const struct icmphdr *icmp = (const void *)(data + ip->ihl * 4);

		if ((size_t)n >= ip->ihl * 4 + sizeof(*icmp) && icmp->type == ICMP_ECHOREPLY && icmp->un.echo.id == id)
			return 1;
	}
	return 0;
}

static int read_probe(struct probe *p, uint16_t id)
{
	char data[TEXT];
	int error = 0;
	socklen_t len = sizeof(error);

	if (is(p, "icmp"))
		return icmp_answer(p, id);
	if (is(p, "udp"))
		return recv(p->fd, data, sizeof(data), 0) > 0;
	getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return error == 0 && getpeername(p->fd, (struct sockaddr *)&(struct sockaddr_in){ 0 },
					 &(socklen_t){ sizeof(struct sockaddr_in) }) == 0;
}

static size_t read_lines(struct probe *probes)
{
	size_t n = 0;
	char line[512];

	while (n < PROBES_MAX && fgets(line, sizeof(line), stdin)) {
		struct probe *p = &probes[n++];

		if (sscanf(line, "%63s %7s %63s %d %63s %d", p->name, p->protocol, p->address, &p->port, p->source,
			   &p->expected) != 6) {
			fprintf(stderr, "probe: not a line of mine: %s", line);
			exit(2);
		}
	}
	return n;
}

/* Is there a probe that is worth waiting for at this time? */
static int waiting(const struct probe *probes, size_t n, long past, long wait, long patient)
{
	for (size_t i = 0; i < n; i++)
		if (!probes[i].answered && past < (probes[i].expected ? patient : wait))
			return 1;
	return 0;
}

/* One look at what has come. A TCP socket that failed stays "writable": it is not asked for again. */
static void look(struct probe *probes, size_t n, uint16_t base)
{
	struct pollfd fds[PROBES_MAX];

	for (size_t i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = probes[i].answered ? -1 : probes[i].fd,
					  .events = is(&probes[i], "tcp") ? POLLOUT : POLLIN };
	must(poll(fds, n, 20), "poll");
	for (size_t i = 0; i < n; i++) {
		if (!fds[i].revents)
			continue;
		probes[i].answered = read_probe(&probes[i], (uint16_t)(base + i));
		if (!probes[i].answered && is(&probes[i], "tcp"))
			probes[i].fd = -1;
	}
}

static int ask(long wait, long patient)
{
	static struct probe probes[PROBES_MAX];
	size_t n = read_lines(probes);
	uint16_t base = (uint16_t)getpid();
	long began, sent = -RESEND_MS;

	for (size_t i = 0; i < n; i++)
		open_probe(&probes[i]);
	for (began = now_ms(); waiting(probes, n, now_ms() - began, wait, patient); look(probes, n, base)) {
		if (now_ms() - began - sent < RESEND_MS)
			continue;
		sent = now_ms() - began;
		for (size_t i = 0; i < n; i++)
			if (!probes[i].answered)
				send_probe(&probes[i], (uint16_t)(base + i));
	}
	for (size_t i = 0; i < n; i++)
		printf("%s %s\n", probes[i].name, probes[i].answered ? "yes" : "no");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(atoi(argv[2]));
	if (argc == 4 && strcmp(argv[1], "ask") == 0)
		return ask(atol(argv[2]), atol(argv[3]));
	fprintf(stderr, "usage: probe serve PORT | probe ask WAIT_MS PATIENT_MS\n");
	return 2;
}
