#include "netd/lease.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/crash.h"
#include "common/fs.h"
#include "netd/netns.h"

#define MAX_LEASES (8u << 20) /* bytes of the file */
#define RELEASE_WAIT_MS 5000 /* a dnsmasq that has much to do is told, not replaced */
#define SERVER_PORT 67

/* --- reading -------------------------------------------------------------------------- */

/* "expiry mac ip name client-id" */
bool lease_parse(const char *line, struct lease *ret_lease)
{
	char mac[MC_MAC_LEN], ip[ADDR_TEXT_LEN];
	struct lease l;

	if (sscanf(line, "%*u %17s %15s ", mac, ip) != 2 || !mc_check_mac(mac) ||
	    !addr_parse(ip, &l.ip))
		return false;
	memcpy(l.mac, mac, sizeof(mac));
	*ret_lease = l;
	return true;
}

static bool is_stale(const struct wanted *w, const struct lease *l)
{
	const struct wanted_eni *e = wanted_eni_by_ip(w, l->ip);

	return !e || e->kind != WANTED_INSTANCE || e->ip != l->ip || strcmp(e->mac, l->mac) != 0;
}

/* The file's text, "" where there is none. NULL and *err. */
static char *read_leases(const char *path, mc_err **err)
{
	return access(path, F_OK) == 0 ? mc_fs_read(path, MAX_LEASES, NULL, err) : mc_strdup("");
}

int lease_stale(const char *path, const struct wanted *w, struct lease **ret, size_t *ret_n,
		mc_err **err)
{
	mc_autofree char *text = read_leases(path, err);
	struct lease *rows;
	size_t n = 0, lines = 1;

	if (!text)
		return -1;
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	rows = mc_alloc(lines * sizeof(*rows));
	for (char *p = text, *line; (line = strsep(&p, "\n"));)
		if (lease_parse(line, &rows[n]) && is_stale(w, &rows[n]))
			n++;
	*ret = rows;
	*ret_n = n;
	return 0;
}

int lease_filter(const char *path, const struct wanted *w, mc_err **err)
{
	mc_autofree char *text = read_leases(path, err);
	mc_autofree char *kept = NULL;
	struct lease l;
	size_t len;
	FILE *out;

	if (!text || !*text)
		return text ? 0 : -1;
	out = open_memstream(&kept, &len);
	if (!out)
		abort();
	for (char *p = text, *line; (line = strsep(&p, "\n"));)
		if (*line && (!lease_parse(line, &l) || !is_stale(w, &l)))
			fprintf(out, "%s\n", line);
	if (fclose(out) != 0)
		abort();
	return mc_fs_write(path, kept, len, 0640, err);
}

/* --- releasing -------------------------------------------------------------------------- */

void lease_packet(const struct lease *l, uint32_t server, unsigned char out[LEASE_PACKET_LEN])
{
	static const unsigned char options[] = { 0x63, 0x82, 0x53, 0x63, /* magic cookie */
						 53, 1, 7,               /* DHCPRELEASE */
						 54, 4, 0, 0, 0, 0,      /* server */
						 255 };
	uint32_t ip = htonl(l->ip), to = htonl(server);

	memset(out, 0, LEASE_PACKET_LEN);
	out[0] = 1; /* BOOTREQUEST */
	out[1] = 1; /* Ethernet */
	out[2] = ADDR_MAC_LEN;
	memcpy(out + 12, &ip, 4); /* ciaddr */
	mac_parse(l->mac, out + 28);
	memcpy(out + 236, options, sizeof(options));
	memcpy(out + 236 + 9, &to, 4);
}

struct release_args {
	const struct wanted *wanted;
	const struct lease *rows;
	size_t n;
	bool all;
};

/* Bound to the bridge, so that dnsmasq sees the packet come in where a guest's would. */
static bool send_one(const struct wanted_subnet *s, const struct lease *l)
{
	unsigned char packet[LEASE_PACKET_LEN];
	char bridge[MC_IFNAME_LEN];
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(SERVER_PORT) };
	mc_auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	mc_id_bridge(s->id, bridge);
	to.sin_addr.s_addr = htonl(wanted_gateway(s));
	lease_packet(l, wanted_gateway(s), packet);
	return fd >= 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, bridge, (socklen_t)strlen(bridge) + 1) == 0 &&
	       MC_CRASH_AROUND(sendto(fd, packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to))) ==
		       (ssize_t)sizeof(packet);
}

static int send_all(void *arg)
{
	struct release_args *a = arg;

	for (size_t i = 0; i < a->n; i++) {
		bool sent = false;

		for (size_t s = 0; s < a->wanted->n_subnets && !sent; s++)
			if (cidr_has(&a->wanted->subnets[s].cidr, a->rows[i].ip))
				sent = send_one(&a->wanted->subnets[s], &a->rows[i]);
		a->all = a->all && sent;
	}
	return 0;
}

/* dnsmasq rewrites its file in place; each write is an event. */
static int wait_written(int watch, const char *path, const struct wanted *w, bool *ret_gone,
			mc_err **err)
{
	int64_t end = mc_clock_boot() + RELEASE_WAIT_MS * MC_MS;
	char events[1024];

	for (;;) {
		mc_autofree struct lease *rows = NULL;
		struct pollfd p = { .fd = watch, .events = POLLIN };
		int64_t left = (end - mc_clock_boot()) / MC_MS;
		size_t n;

		if (lease_stale(path, w, &rows, &n, err) < 0)
			return -1;
		*ret_gone = n == 0;
		if (n == 0 || left <= 0 || poll(&p, 1, (int)left) < 0 ||
		    (p.revents && read(watch, events, sizeof(events)) < 0))
			return 0;
	}
}

int lease_release(const char *path, const struct wanted *w, int ns_fd, bool *ret_released,
		  mc_err **err)
{
	mc_autofree struct lease *rows = NULL;
	mc_auto_fd int watch = -1;
	struct release_args a = { .wanted = w, .all = true };

	if (lease_stale(path, w, &rows, &a.n, err) < 0)
		return -1;
	*ret_released = a.n == 0;
	if (a.n == 0)
		return 0;
	a.rows = rows;
	watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch < 0 || inotify_add_watch(watch, path, IN_MODIFY) < 0)
		return 0;
	if (netns_call(ns_fd, send_all, &a, err) < 0)
		return -1;
	return a.all ? wait_written(watch, path, w, ret_released, err) : 0;
}
