#include "netd/doctor_kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>

#include "common/cleanup.h"
#include "common/finding.h"
#include "netd/link.h"
#include "netd/netd.h"
#include "netd/nft.h"
#include "netd/skeleton.h"

#define BRIDGE "mbprobe"
#define VETH "mtprobe"
#define TAP "mtprobe1"

struct probe {
	json_t *findings;
	struct nl_sock *sk;
	int failed;
};

static void missing(struct probe *p, const char *feature, const char *modules, const mc_err *err)
{
	mc_autofree char *remedy = NULL;

	if (asprintf(&remedy, "load the kernel modules (modprobe %s), or use a kernel that has them", modules) < 0)
		remedy = NULL;
	mc_finding_add(p->findings, "kernel-feature", MC_FINDING_ERROR, remedy, "the kernel lacks %s: %s", feature, mc_err_msg(err));
	p->failed++;
}

static void try_bridge(struct probe *p)
{
	static const unsigned char mac[ADDR_MAC_LEN] = { 0x02, 0, 0, 0, 0, 1 };
	mc_auto_err mc_err *err = NULL;

	if (link_add_bridge(p->sk, BRIDGE, mac, &err) < 0)
		missing(p, "bridges", "bridge", err);
}

/* A port of the bridge, kept apart from the others. */
static int try_port(struct probe *p, mc_err **err)
{
	struct link_info bridge, port;

	if (link_find(p->sk, BRIDGE, &bridge, err) <= 0 || link_find(p->sk, VETH, &port, err) <= 0)
		return 0; /* said already */
	return link_set_master(p->sk, port.index, bridge.index, err) < 0 || link_set_guest_port(p->sk, port.index, err) < 0 ? -1 : 0;
}

static void try_veth(struct probe *p)
{
	static const unsigned char macs[][ADDR_MAC_LEN] = { { 0x02, 0, 0, 0, 0, 2 }, { 0x02, 0, 0, 0, 0, 3 } };
	mc_auto_fd int ns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	mc_auto_err mc_err *err = NULL, *port_err = NULL;

	if (link_add_veth(p->sk, VETH, macs[0], LINK_INSIDE, "mtprobe0", macs[1], ns, &err) < 0)
		missing(p, "virtual Ethernet pairs", "veth", err);
	else if (try_port(p, &port_err) < 0)
		missing(p, "isolated bridge ports", "bridge", port_err);
}

/* Taps are libvirt's to make; a device that only it may open is none of ours. */
static void try_tap(struct probe *p)
{
	mc_auto_fd int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	mc_auto_err mc_err *err = NULL;

	memcpy(request.ifr_name, TAP, sizeof(TAP));
	if ((fd < 0 && (errno == EACCES || errno == EPERM)) || (fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0))
		return;
	mc_err_set(&err, errno, "/dev/net/tun");
	missing(p, "tap devices", "tun", err);
}

static void try_nft(struct probe *p)
{
	mc_auto_err mc_err *err = NULL;
	auto_nft struct nft_ctx *nft = nft_open(-1, &err);

	if (!nft || nft_run(nft, skeleton_vpc, &err) < 0)
		missing(p, "nftables features that a VPC's rules use",
			"nf_tables nft_ct nft_nat nft_meta_bridge nft_limit nf_conntrack", err);
}

/* The namespace goes with the thread. */
static void *run(void *arg)
{
	struct probe *p = arg;
	mc_auto_err mc_err *err = NULL;

	if (unshare(CLONE_NEWNET) < 0) {
		mc_err_set(&err, errno, "unshare");
		mc_finding_add(p->findings, "kernel-feature", MC_FINDING_ERROR,
			       "use a kernel with CONFIG_NET_NS, and let netd keep CAP_SYS_ADMIN",
			       "no network namespace can be made: %s", mc_err_msg(err));
		p->failed++;
		return NULL;
	}
	p->sk = netlink_open(NETLINK_ROUTE, -1, &err);
	if (!p->sk)
		return NULL;
	try_bridge(p);
	try_veth(p);
	try_tap(p);
	try_nft(p);
	nl_socket_free(p->sk);
	return NULL;
}

void doctor_kernel(json_t *findings)
{
	struct probe p = { .findings = findings };
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, &p) != 0)
		return;
	pthread_join(thread, NULL);
	if (p.failed == 0)
		mc_finding_add(findings, "kernel-feature", MC_FINDING_OK, NULL,
			       "the kernel has network namespaces, bridges with isolated ports, veth, tap and nftables");
}
