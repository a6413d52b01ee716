/* Guests that talk from the moment their taps exist: raw frames out of each tap, whatever its link does, and a count
 * of what comes in.
 *
 * usage: window, which reads lines
 *   add TAP MAC ADDRESS GATEWAY-MAC TARGET[,TARGET...]   a guest: the n-th one, from 0, has number n; write "."
 *   look                                                 write "RECEIVER SENDER KIND COUNT" for each count, and "."
 *
 * Each guest sends frames of all kinds to its targets, again and again: A to UDP port 7, I to port 9, E to port 8, S to
 * port 7 from an address that is not its own, M to port 7 from a MAC that is not its own, L no IP at all, to all of
 * its segment. A frame carries its kind and its sender's number. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define GUESTS_MAX 128
#define TARGETS_MAX 64
#define FRAME 64
#define PAUSE_MS 1
#define MARK_AT 42 /* behind Ethernet, IP and UDP */

enum kind { ALLOWED, NOT_IN, NOT_OUT, FALSE_IP, FALSE_MAC, NO_IP, KINDS };

static const char letters[] = "AIESML";
static const int ports[KINDS] = { 7, 9, 8, 7, 7, 7 };

struct guest {
	int fd;
	unsigned char mac[6], gateway[6];
	in_addr_t ip, targets[TARGETS_MAX];
	int n_targets, turn;
};

static struct guest guests[GUESTS_MAX];
static int n_guests;
static unsigned counts[GUESTS_MAX][GUESTS_MAX][KINDS]; /* by receiver, sender */

static void must(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(2);
	}
}

/* As libvirt makes them: up at once. */
static int open_tap(const char *name)
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), s = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI };

	must(fd, "/dev/net/tun");
	must(s, "socket");
	memcpy(r.ifr_name, name, strlen(name));
	must(ioctl(fd, TUNSETIFF, &r), "TUNSETIFF");
	r.ifr_flags = IFF_UP;
	must(ioctl(s, SIOCSIFFLAGS, &r), "SIOCSIFFLAGS");
	close(s);
	return fd;
}

static void read_mac(const char *text, unsigned char *ret)
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", ret, ret + 1, ret + 2, ret + 3, ret + 4, ret + 5) != 6)
		must(-1, text);
}

static void add(char *line)
{
	struct guest *g = &guests[n_guests];
	char tap[IFNAMSIZ], mac[18], ip[16], gateway[18], targets[2048];

	if (n_guests == GUESTS_MAX || sscanf(line, "add %15s %17s %15s %17s %2047s", tap, mac, ip, gateway, targets) != 5)
		must(-1, line);
	read_mac(mac, g->mac);
	read_mac(gateway, g->gateway);
	g->ip = inet_addr(ip);
	for (char *t = strtok(targets, ","); t && g->n_targets < TARGETS_MAX; t = strtok(NULL, ","))
		g->targets[g->n_targets++] = inet_addr(t);
	g->fd = open_tap(tap);
	n_guests++;
}

static uint16_t checksum(const unsigned char *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)(data[i] << 8 | data[i + 1]);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)~(sum + (sum >> 16));
}

static void put16(unsigned char *at, int value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

/* Where no link is up, or nobody takes it, a frame is lost: others follow. */
static void send_frame(const struct guest *g, int number, enum kind kind, in_addr_t target)
{
	unsigned char f[FRAME] = { 0 };
	in_addr_t from = kind == FALSE_IP ? inet_addr("192.0.2.77") : g->ip;

	memcpy(f, g->gateway, 6);
	if (kind == NO_IP)
		memset(f, 0xff, 6);
	memcpy(f + 6, g->mac, 6);
	f[11] ^= kind == FALSE_MAC ? 0x55 : 0;
	put16(f + 12, kind == NO_IP ? 0x88b5 : 0x0800);
	f[14] = 0x45;
	put16(f + 16, FRAME - 14);
	f[22] = 64;
	f[23] = 17;
	memcpy(f + 26, &from, 4);
	memcpy(f + 30, &target, 4);
	put16(f + 24, checksum(f + 14, 20));
	put16(f + 34, ports[kind]); /* what two send each other are two ways of one connection */
	put16(f + 36, ports[kind]);
	put16(f + 38, FRAME - 34);
	memcpy(f + MARK_AT, "window", 6);
	f[MARK_AT + 6] = (unsigned char)kind;
	f[MARK_AT + 7] = (unsigned char)number;
	(void)!write(g->fd, f, sizeof(f));
}

static void receive(int number)
{
	unsigned char f[2048];
	ssize_t n;

	while ((n = read(guests[number].fd, f, sizeof(f))) > 0)
		if (n >= MARK_AT + 8 && memcmp(f + MARK_AT, "window", 6) == 0 && f[MARK_AT + 6] < KINDS &&
		    f[MARK_AT + 7] < GUESTS_MAX)
			counts[number][f[MARK_AT + 7]][f[MARK_AT + 6]]++;
}

static void turn(int number)
{
	struct guest *g = &guests[number];
	in_addr_t target = g->targets[g->turn++ % g->n_targets];

	for (int kind = 0; kind < KINDS; kind++)
		send_frame(g, number, (enum kind)kind, target);
	receive(number);
}

static void look(void)
{
	for (int to = 0; to < n_guests; to++)
		for (int from = 0; from < n_guests; from++)
			for (int kind = 0; kind < KINDS; kind++)
				if (counts[to][from][kind])
					printf("%d %d %c %u\n", to, from, letters[kind], counts[to][from][kind]);
}

static void obey(char *line)
{
	if (strncmp(line, "add ", 4) == 0)
		add(line);
	else
		look();
	puts(".");
	fflush(stdout);
}

int main(void)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	char line[4096];

	setvbuf(stdin, NULL, _IONBF, 0);
	for (;;) {
		must(poll(&in, 1, n_guests ? PAUSE_MS : -1), "poll");
		if (in.revents && !fgets(line, sizeof(line), stdin))
			return 0;
		if (in.revents)
			obey(line);
		for (int i = 0; i < n_guests; i++)
			turn(i);
	}
}
