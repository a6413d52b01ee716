#include "netd/watch.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/log.h"
#include "netd/dnsmasq.h"
#include "netd/netlink.h"
#include "netd/netns.h"
#include "netd/state.h"
#include "netd/vpc.h"

#define AREA "watch"
/* Between repairs in a row, doubling, so that a dnsmasq that cannot live does not spin us. */
#define BREATH_MIN_MS 250
#define BREATH_MAX_MS 60000

struct watch {
	struct netd *netd;
	int stop_fd;
	int breath_ms;
	pthread_t thread;
};

/* What is watched of one VPC; of the root namespace with an empty id and no process. */
struct target {
	char id[MC_ID_LEN];
	bool seen; /* its tables were looked at since the events are heard */
	bool dead; /* there should be a dnsmasq and is none */
	int pidfd;
	struct nl_sock *events;
};

static struct nl_sock *open_events(int ns_fd)
{
	mc_auto_err mc_err *err = NULL;
	struct nl_sock *sk = netlink_open(NETLINK_NETFILTER, ns_fd, &err);

	if (!sk)
		return NULL;
	nl_socket_disable_seq_check(sk);
	nl_socket_set_nonblocking(sk);
	if (nl_socket_add_memberships(sk, NFNLGRP_NFTABLES, 0) == 0)
		return sk;
	nl_socket_free(sk);
	return NULL;
}

static int on_event(struct nl_msg *msg, void *arg)
{
	int type = nlmsg_hdr(msg)->nlmsg_type;

	if (type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE))
		*(bool *)arg = true;
	return NL_OK;
}

/* Did somebody delete a table? Lost events count as yes. */
static bool table_lost(struct nl_sock *sk)
{
	bool lost = false;
	int r;

	nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, on_event, &lost);
	do
		r = nl_recvmsgs_default(sk);
	while (r >= 0);
	return lost || r != -NLE_AGAIN;
}

static void target_open(const struct netd *netd, const char *vpc_id, struct target *t)
{
	mc_autofree char *dir = state_dir(netd, vpc_id);
	mc_autofree char *path = state_netns(netd, vpc_id);
	auto_wanted struct wanted *wanted = state_load(netd, vpc_id, NULL, NULL);
	bool active = wanted && wanted->n_enis > 0 && netns_pinned(path);
	mc_auto_fd int ns = active ? netns_open(path, NULL) : -1;

	snprintf(t->id, sizeof(t->id), "%s", vpc_id);
	t->pidfd = ns < 0 ? -1 : dnsmasq_hold(dir);
	t->dead = ns >= 0 && t->pidfd < 0;
	t->events = ns < 0 ? NULL : open_events(ns);
}

/* Under the lock: what a PUT is about to make is not missing. */
static struct target *open_targets(struct netd *netd, size_t *ret_n)
{
	auto_netd_lock(netd);
	mc_auto_json json_t *ids = state_list(netd);
	size_t n = json_array_size(ids);
	struct target *rows = mc_alloc((n + 1) * sizeof(*rows));

	for (size_t i = 0; i < n; i++)
		target_open(netd, mc_json_at(ids, i), &rows[i]);
	rows[n] = (struct target){ .pidfd = -1, .events = open_events(-1) };
	*ret_n = n + 1;
	return rows;
}

static void close_targets(struct target *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (rows[i].pidfd >= 0)
			close(rows[i].pidfd);
		nl_socket_free(rows[i].events);
	}
	free(rows);
}

/* Each target takes two places behind the two descriptors of our own; -1 is skipped by poll. */
static struct pollfd *poll_list(const struct watch *w, const struct target *rows, size_t n)
{
	struct pollfd *p = mc_alloc((2 + 2 * n) * sizeof(*p));

	p[0] = (struct pollfd){ .fd = w->stop_fd, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = w->netd->changed_fd, .events = POLLIN };
	for (size_t i = 0; i < n; i++) {
		p[2 + 2 * i] = (struct pollfd){ .fd = rows[i].pidfd, .events = POLLIN };
		p[3 + 2 * i] = (struct pollfd){
			.fd = rows[i].events ? nl_socket_get_fd(rows[i].events) : -1,
			.events = POLLIN };
	}
	return p;
}

static void repair(struct netd *netd, const struct target *t, const char *why)
{
	mc_log(MC_LOG_WARNING, AREA, why, "vpc", *t->id ? t->id : NULL, NULL);
	if (*t->id)
		vpc_restore(netd, t->id);
	else
		vpc_restore_all(netd);
}

/* True when something had to be repaired. Our own transactions delete tables too, to make
 * them anew: only what is missing now counts. */
static bool look(struct netd *netd, struct target *t, const struct pollfd *p)
{
	bool died = t->dead || p[0].revents;
	bool doubt = !t->seen || (p[1].revents && table_lost(t->events));
	bool lost = doubt && !vpc_tables_stand(netd, t->id);

	t->seen = true;

	if (died)
		repair(netd, t, "dnsmasq ended");
	else if (lost)
		repair(netd, t, "an nft table was deleted");
	return died || lost;
}

static bool look_at_all(struct netd *netd, struct target *rows, size_t n,
			const struct pollfd *p)
{
	bool repaired = false;

	for (size_t i = 0; i < n; i++)
		repaired = look(netd, &rows[i], &p[2 * i]) || repaired;
	return repaired;
}

/* One round with one list of targets: until VPCs come or go, or something was repaired. */
static bool watch_round(const struct watch *w)
{
	size_t n;
	struct target *rows = open_targets(w->netd, &n);
	mc_autofree struct pollfd *p = poll_list(w, rows, n);
	bool repaired = look_at_all(w->netd, rows, n, p + 2);

	while (!repaired && !p[0].revents && !p[1].revents)
		if (poll(p, 2 + 2 * n, -1) > 0 && !p[0].revents)
			repaired = look_at_all(w->netd, rows, n, p + 2);
	close_targets(rows, n);
	return repaired;
}

/* True when it is time to end. */
static bool stop_within(const struct watch *w, int ms)
{
	struct pollfd p = { .fd = w->stop_fd, .events = POLLIN };

	return poll(&p, 1, ms) > 0;
}

static void *run(void *arg)
{
	struct watch *w = arg;
	eventfd_t ignored;

	do {
		eventfd_read(w->netd->changed_fd, &ignored);
		if (!watch_round(w))
			w->breath_ms = 0;
		else if (w->breath_ms < BREATH_MAX_MS)
			w->breath_ms = w->breath_ms ? 2 * w->breath_ms : BREATH_MIN_MS;
	} while (!stop_within(w, w->breath_ms));
	return NULL;
}

struct watch *watch_start(struct netd *netd, mc_err **err)
{
	struct watch *w = mc_alloc(sizeof(*w));
	int e;

	w->netd = netd;
	w->stop_fd = eventfd(0, EFD_CLOEXEC);
	e = w->stop_fd < 0 ? errno : pthread_create(&w->thread, NULL, run, w);
	if (e == 0)
		return w;
	mc_err_set(err, e, "cannot watch");
	if (w->stop_fd >= 0)
		close(w->stop_fd);
	free(w);
	return NULL;
}

void watch_stop(struct watch *w)
{
	if (!w)
		return;
	eventfd_write(w->stop_fd, 1);
	pthread_join(w->thread, NULL);
	close(w->stop_fd);
	free(w);
}
