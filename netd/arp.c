#include "netd/arp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "netd/netlink.h"
#include "netd/netns.h"
#include "netd/port.h"
#include "netd/vpc.h"
#include "netd/vpc_parts.h"

#define ROUND (MC_SECOND / 2) /* each is asked in every round until it answers */
#define ROUNDS 4

struct guest {
	char id[MC_ID_LEN];
	unsigned char mac[ADDR_MAC_LEN];
	uint32_t ip, router;
	char bridge[IFNAMSIZ];
	bool answers;
};

struct asking {
	struct guest *guests;
	size_t n;
	int fd, error;
};

/* --- whom ------------------------------------------------------------------ */

static void add_guest(struct asking *a, const struct wanted *w, const struct wanted_eni *eni)
{
	const struct wanted_subnet *subnet = &w->subnets[eni->subnet];
	struct guest *g = &a->guests[a->n++];

	snprintf(g->id, sizeof(g->id), "%s", eni->id);
	mac_parse(eni->mac, g->mac);
	g->ip = eni->ip;
	g->router = wanted_gateway(subnet);
	mc_id_bridge(subnet->id, g->bridge);
}

static int find_guests(struct asking *a, const struct wanted *w, int ns, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, ns, err);
	mc_autofree struct link_info *links = NULL;
	size_t n = 0;

	if (!sk || link_list(sk, &links, &n, err) < 0)
		return -1;
	a->guests = mc_alloc((w->n_enis + 1) * sizeof(*a->guests));
	for (size_t i = 0; i < w->n_enis; i++)
		if (w->enis[i].kind == WANTED_INSTANCE && port_plugged(&w->enis[i], links, n))
			add_guest(a, w, &w->enis[i]);
	return 0;
}

/* --- asking ----------------------------------------------------------------- */

static int open_here(void *arg)
{
	struct asking *a = arg;

	a->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ARP));
	if (a->fd < 0)
		a->error = errno;
	return 0;
}

/* RFC 826, from the router's address and its bridge's, to the guest alone. */
static void send_request(const struct asking *a, const struct guest *g)
{
	struct ether_arp arp = { .ea_hdr = { .ar_hrd = htons(ARPHRD_ETHER), .ar_pro = htons(ETHERTYPE_IP), .ar_hln = ETH_ALEN,
					     .ar_pln = 4, .ar_op = htons(ARPOP_REQUEST) } };
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP), .sll_halen = ETH_ALEN };
	uint32_t spa = htonl(g->router), tpa = htonl(g->ip);
	struct ifreq request = { .ifr_ifindex = 0 };

	memcpy(request.ifr_name, g->bridge, sizeof(request.ifr_name));
	if (ioctl(a->fd, SIOCGIFHWADDR, &request) < 0)
		return;
	memcpy(arp.arp_sha, request.ifr_hwaddr.sa_data, ETH_ALEN);
	if (ioctl(a->fd, SIOCGIFINDEX, &request) < 0)
		return;
	to.sll_ifindex = request.ifr_ifindex;
	memcpy(to.sll_addr, g->mac, ETH_ALEN);
	memcpy(arp.arp_spa, &spa, sizeof(spa));
	memcpy(arp.arp_tpa, &tpa, sizeof(tpa));
	(void)sendto(a->fd, &arp, sizeof(arp), 0, (struct sockaddr *)&to, sizeof(to)); /* what is not sent is not answered */
}

static void note_answer(struct asking *a, const struct ether_arp *arp)
{
	uint32_t spa;

	memcpy(&spa, arp->arp_spa, sizeof(spa));
	for (size_t i = 0; i < a->n; i++)
		if (a->guests[i].ip == ntohl(spa) && memcmp(arp->arp_sha, a->guests[i].mac, ADDR_MAC_LEN) == 0)
			a->guests[i].answers = true;
}

static bool all_answered(const struct asking *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (!a->guests[i].answers)
			return false;
	return true;
}

/* Whatever a guest says by ARP shows that it lives. Until all have, or this boot time. */
static void listen_until(struct asking *a, int64_t end)
{
	int64_t left;

	while (!all_answered(a) && (left = end - mc_clock_boot()) > 0) {
		struct pollfd p = { .fd = a->fd, .events = POLLIN };
		struct ether_arp arp;

		if (poll(&p, 1, (int)(left / MC_MS) + 1) > 0 && recv(a->fd, &arp, sizeof(arp), 0) == (ssize_t)sizeof(arp))
			note_answer(a, &arp);
	}
}

static void ask(struct asking *a)
{
	for (int round = 0; round < ROUNDS && !all_answered(a); round++) {
		int64_t end = mc_clock_boot() + ROUND;

		for (size_t i = 0; i < a->n; i++)
			if (!a->guests[i].answers)
				send_request(a, &a->guests[i]);
		listen_until(a, end);
	}
}

/* Under netd's lock: who there is, and a socket among them. */
static int prepare(struct netd *netd, const char *vpc_id, struct asking *a, mc_err **err)
{
	auto_wanted struct wanted *w = NULL;
	mc_auto_fd int ns = -1;
	auto_netd_lock(netd);
	int r = vpc_load_active(netd, vpc_id, &w, &ns, err);

	if (r != MC_IPC_OK)
		return r;
	if (find_guests(a, w, ns, err) < 0 || netns_call(ns, open_here, a, err) < 0)
		return -1;
	return a->error ? mc_err_set(err, a->error, "a packet socket in %s", vpc_id) : MC_IPC_OK;
}

int arp_ask(struct netd *netd, const char *vpc_id, json_t **ret, mc_err **err)
{
	struct asking a = { .fd = -1 };
	json_t *enis;
	int r = prepare(netd, vpc_id, &a, err);

	if (r == MC_IPC_OK) {
		ask(&a);
		enis = json_array();
		for (size_t i = 0; i < a.n; i++)
			json_array_append_new(enis, json_pack("{s:s, s:b}", "id", a.guests[i].id, "answers", a.guests[i].answers));
		*ret = json_pack("{s:o}", "enis", enis);
	}
	if (a.fd >= 0)
		close(a.fd);
	free(a.guests);
	return r;
}
