#include "netd/port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "netd/netns.h"

#define PASSING_WAIT_MS 1000
#define TAP_PREFIX "mt"
#define APPLIANCE_PREFIX "ma"
#define SELF_NS "/proc/thread-self/ns/net"

void port_name(const struct wanted_eni *eni, char out[MC_IFNAME_LEN])
{
	mc_id_tap(eni->id, out);
	if (eni->kind != WANTED_INSTANCE)
		memcpy(out, APPLIANCE_PREFIX, strlen(APPLIANCE_PREFIX));
}

/* The root namespace and the VPC's. */
struct sides {
	struct nl_sock *root, *inside;
	int ns_fd;
	const struct port_ready *ready;
};

static void sides_close(struct sides *s)
{
	nl_socket_free(s->root);
	nl_socket_free(s->inside);
}
#define auto_sides __attribute__((cleanup(sides_close)))

static int sides_open(struct sides *s, int ns_fd, mc_err **err)
{
	s->ns_fd = ns_fd;
	s->root = netlink_open(NETLINK_ROUTE, -1, err);
	s->inside = s->root ? netlink_open(NETLINK_ROUTE, ns_fd, err) : NULL;
	return s->inside ? 0 : -1;
}

/* A tap goes when its QEMU ends, at any moment: what failed on one that is gone is no
 * failure. True, with *err cleared, when the link is no longer there. */
static bool vanished(struct nl_sock *sk, const struct link_info *tap, mc_err **err)
{
	struct link_info now;
	int r = link_find(sk, tap->name, &now, NULL);

	if (r < 0 || (r > 0 && now.index == tap->index))
		return false;
	mc_err_clear(err);
	return true;
}

/* A tap that waits in the root namespace is the newer one: what has its name inside is a
 * left-over. It goes down at once, so that nothing of the guest meets the host. */
static int fetch(const struct sides *s, const char *tap, mc_err **err)
{
	struct link_info waiting, stale;
	int r = link_find(s->root, tap, &waiting, err);

	if (r <= 0)
		return r;
	if (waiting.up && link_set_up(s->root, waiting.index, false, err) < 0)
		return vanished(s->root, &waiting, err) ? 0 : -1;
	r = link_find(s->inside, tap, &stale, err);
	if (r < 0 || (r > 0 && link_delete(s->inside, stale.index, err) < 0))
		return -1;
	if (link_move(s->root, waiting.index, s->ns_fd, err) < 0)
		return vanished(s->root, &waiting, err) ? 0 : -1;
	return 0;
}

/* The kernel takes notice of a link that is up in its own time; the first packet shall pass. What
 * is not so by then is as it may. */
static void wait_passing(struct nl_sock *sk, struct nl_sock *events, const char *port,
			 const char *bridge)
{
	int64_t end = mc_clock_boot() + PASSING_WAIT_MS * MC_MS;
	struct link_info p, b;

	for (;;) {
		int64_t left = (end - mc_clock_boot()) / MC_MS;

		if (link_find(sk, port, &p, NULL) <= 0 || link_find(sk, bridge, &b, NULL) <= 0 ||
		    !p.carrier || (p.forwarding && b.running) || left <= 0)
			return;
		link_events_wait(events, (int)left);
	}
}

/* The order is the point: nothing passes until the port is isolated; up comes last. */
int port_attach(struct nl_sock *sk, int ns_fd, const struct link_info *link,
		const struct link_info *bridge, const struct wanted_eni *eni, mc_err **err)
{
	auto_netlink struct nl_sock *events = NULL;
	unsigned char mac[ADDR_MAC_LEN];

	if (link->master == bridge->index && link->up)
		return 0;
	events = link_events(ns_fd, err);
	mac_parse(eni->mac, mac);
	if (!events || (link->up && link_set_up(sk, link->index, false, err) < 0))
		return -1;
	if ((link->master != bridge->index &&
	     link_set_master(sk, link->index, bridge->index, err) < 0) ||
	    link_set_guest_port(sk, link->index, err) < 0 ||
	    link_add_fdb(sk, link->index, mac, err) < 0 ||
	    link_set_up(sk, link->index, true, err) < 0)
		return -1;
	wait_passing(sk, events, link->name, bridge->name);
	return 0;
}

static int plug(const struct sides *s, const struct wanted *w, const struct wanted_eni *eni,
		bool *ret_plugged, mc_err **err)
{
	char tap_name[MC_IFNAME_LEN], bridge_name[MC_IFNAME_LEN];
	struct link_info tap, bridge;
	int r;

	mc_id_tap(eni->id, tap_name);
	mc_id_bridge(w->subnets[eni->subnet].id, bridge_name);
	if (fetch(s, tap_name, err) < 0 || (r = link_find(s->inside, tap_name, &tap, err)) < 0)
		return mc_err_wrap(err, "%s", eni->id);
	*ret_plugged = false;
	if (r == 0)
		return 0;
	r = link_find(s->inside, bridge_name, &bridge, err);
	if (r == 0)
		return mc_err_set(err, ENODEV, "%s: bridge %s", eni->id, bridge_name);
	if (r > 0 && s->ready->call(s->ready->arg, err) < 0)
		return -1;
	if (r < 0 || port_attach(s->inside, s->ns_fd, &tap, &bridge, eni, err) < 0)
		return vanished(s->inside, &tap, err) ? 0 : mc_err_wrap(err, "%s", eni->id);
	*ret_plugged = true;
	return 0;
}

int port_plug(const struct wanted *w, const struct wanted_eni *eni, int ns_fd, const struct port_ready *ready,
	      bool *ret_plugged, mc_err **err)
{
	auto_sides struct sides s = { .ns_fd = -1, .ready = ready };

	return sides_open(&s, ns_fd, err) < 0 ? -1 : plug(&s, w, eni, ret_plugged, err);
}

int port_plug_all(const struct wanted *w, int ns_fd, const struct port_ready *ready, mc_err **err)
{
	auto_sides struct sides s = { .ns_fd = -1, .ready = ready };
	bool plugged;

	if (sides_open(&s, ns_fd, err) < 0)
		return -1;
	for (size_t i = 0; i < w->n_enis; i++)
		if (w->enis[i].kind == WANTED_INSTANCE &&
		    plug(&s, w, &w->enis[i], &plugged, err) < 0)
			return -1;
	return 0;
}

static bool is_tap(const struct link_info *link)
{
	return strncmp(link->name, TAP_PREFIX, strlen(TAP_PREFIX)) == 0;
}

static json_t *tap_names(const struct wanted *w)
{
	json_t *names = json_object();
	char tap[MC_IFNAME_LEN];

	for (size_t i = 0; w && i < w->n_enis; i++) {
		mc_id_tap(w->enis[i].id, tap);
		json_object_set_new(names, tap, json_true());
	}
	return names;
}

/* Where the root namespace has the name already, this one is a left-over and goes. */
static int put_out(const struct sides *s, const struct link_info *tap, int root_ns, mc_err **err)
{
	if (link_set_up(s->inside, tap->index, false, err) < 0 ||
	    (tap->master && link_set_master(s->inside, tap->index, 0, err) < 0))
		return vanished(s->inside, tap, err) ? 0 : -1;
	if (link_move(s->inside, tap->index, root_ns, NULL) == 0)
		return 0;
	return link_delete(s->inside, tap->index, err);
}

int port_unplug(const struct wanted *w, int ns_fd, mc_err **err)
{
	auto_sides struct sides s = { .ns_fd = -1 };
	mc_autofree struct link_info *links = NULL;
	mc_auto_json json_t *wanted_taps = tap_names(w);
	mc_auto_err mc_err *later = NULL;
	mc_auto_fd int root_ns = netns_open(SELF_NS, err);
	size_t n;
	int r = 0;

	if (root_ns < 0 || sides_open(&s, ns_fd, err) < 0 ||
	    link_list(s.inside, &links, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (!is_tap(&links[i]) || json_object_get(wanted_taps, links[i].name))
			continue;
		if (put_out(&s, &links[i], root_ns, r == 0 ? err : &later) < 0)
			r = -1;
	}
	return r;
}

bool port_any(int ns_fd)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, ns_fd, NULL);
	mc_autofree struct link_info *links = NULL;
	size_t n = 0;
	bool any = !sk || link_list(sk, &links, &n, NULL) < 0;

	for (size_t i = 0; i < n && !any; i++)
		any = is_tap(&links[i]);
	return any;
}

bool port_plugged(const struct wanted_eni *eni, const struct link_info *links, size_t n)
{
	char tap[MC_IFNAME_LEN];

	mc_id_tap(eni->id, tap);
	for (size_t i = 0; i < n; i++)
		if (strcmp(links[i].name, tap) == 0)
			return links[i].master && links[i].up;
	return false;
}
