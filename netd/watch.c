#include "netd/watch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>
#include <utlist.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"
#include "netd/appliance.h"
#include "netd/dnsmasq.h"
#include "netd/natgw.h"
#include "netd/netlink.h"
#include "netd/netns.h"
#include "netd/nftnews.h"
#include "netd/port.h"
#include "netd/state.h"
#include "netd/vpc.h"

#define AREA "watch"
/* Before a dnsmasq that died is started again, doubling, so that one that cannot live does not
 * spin us; one that lived for the longest of them starts anew. */
#define BREATH_MIN (250 * MC_MS)
#define BREATH_MAX (60 * MC_SECOND)
/* Between two repairs of nft rules: two programs that fight for them must not eat the machine. */
#define PAUSE_MS 100
#define EVENTS_MAX 64
#define HOST_TABLE "minicloud" /* of host.c, family inet */

/* What is watched of one VPC; of the root namespace with an empty id and no process; of a NAT
 * gateway of the VPC, which has a namespace of its own. */
struct target {
	UT_hash_handle hh;      /* by id, of the VPCs themselves */
	struct target *nats;    /* the first NAT gateway's; of one: the next one's */
	struct target *prev, *next; /* while it is uneasy */
	char id[MC_ID_LEN];
	char nat[MC_ID_LEN];    /* the interface of the NAT gateway; "": it is the VPC itself */
	uint32_t addr;          /* the NAT gateway's */
	int pidfd;              /* of its dnsmasq, -1 */
	struct nl_sock *events; /* NULL: it has no namespace */
	ino_t ns;               /* of which they are */
	bool touched;           /* by a transaction whose end is still to be heard of */
	bool doubt;             /* its tables are to be looked at */
	bool dead;              /* there should be a dnsmasq, for guests, and is none: at `due` it is started */
	bool uneasy;            /* one of these two: it is in the list */
	int64_t due, breath, died; /* boot clock, ns */
};

struct watch {
	struct netd *netd;
	int stop_fd, epoll_fd;
	struct target *vpcs;   /* by id; the root namespace is one of them */
	struct target *uneasy;
	pthread_t thread;
};

/* --- targets ------------------------------------------------------------------------------ */

static void close_process(struct target *t)
{
	if (t->pidfd >= 0)
		close(t->pidfd);
	t->pidfd = -1;
}

static void target_close(struct target *t)
{
	close_process(t);
	nl_socket_free(t->events);
	t->events = NULL;
}

static void target_free(struct watch *w, struct target *t)
{
	if (t->uneasy)
		DL_DELETE(w->uneasy, t);
	target_close(t);
	free(t);
}

static void note_uneasy(struct watch *w, struct target *t)
{
	if (t->uneasy || (!t->doubt && !t->dead))
		return;
	t->uneasy = true;
	DL_APPEND(w->uneasy, t);
}

static void hear(const struct watch *w, int fd, struct target *t)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = t };

	if (fd >= 0)
		epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

static bool is_wanted(const struct wanted *wanted, const struct target *t)
{
	const struct wanted_eni *e = wanted && *t->nat ? wanted_eni_by_id(wanted, t->nat) : NULL;

	return *t->nat ? e && e->kind == WANTED_NAT && e->ip == t->addr : wanted && wanted->n_enis > 0;
}

/* The namespace of an active VPC, or of its NAT gateway; -1 for none. Under the lock: what a PUT
 * is about to make is not missing. */
static int open_namespace(const struct netd *netd, const struct target *t)
{
	auto_wanted struct wanted *wanted = state_load(netd, t->id, NULL);
	mc_autofree char *file = *t->nat ? appliance_file(t->id, t->nat, t->addr) : mc_strdup(t->id);
	mc_autofree char *path = state_netns(netd, file);

	return is_wanted(wanted, t) && netns_pinned(path) ? netns_open(path, NULL) : -1;
}

static ino_t inode_of(int ns)
{
	struct stat s;

	return ns >= 0 && fstat(ns, &s) == 0 ? s.st_ino : 0;
}

/* Of another namespace than before, or of none. The old subscription is read to its end after the new
 * one stands: nothing is missed between. */
static void renew_events(const struct watch *w, struct target *t, int ns)
{
	struct nftnews last = { .table = *t->id ? NULL : HOST_TABLE, .touched = t->touched };
	struct nl_sock *old = t->events;
	bool there = !*t->id || ns >= 0;

	t->events = there ? nftnews_open(ns) : NULL;
	t->ns = inode_of(ns);
	t->touched = false;
	if (old)
		nftnews_read(old, &last);
	t->doubt = there && (t->doubt || last.foreign || last.doubt || !old);
	if (last.foreign && *t->id && !*t->nat)
		rulecache_of(w->netd->rules, t->id)->distrusted = true;
	nl_socket_free(old);
	hear(w, t->events ? nl_socket_get_fd(t->events) : -1, t);
}

/* Open what there is to be watched now. A subscription stays as long as its namespace: to close one takes the kernel ten
 * milliseconds after a change, in which nobody else would have the lock. */
static void target_refresh(struct watch *w, struct target *t)
{
	auto_netd_lock(w->netd);
	mc_autofree char *dir = state_dir(w->netd, t->id);
	mc_auto_fd int ns = *t->id ? open_namespace(w->netd, t) : -1;

	if (!t->events || t->ns != inode_of(ns))
		renew_events(w, t, ns);
	close_process(t);
	t->pidfd = ns >= 0 && !*t->nat ? netns_lift(dnsmasq_hold(dir)) : -1;
	t->dead = ns >= 0 && !*t->nat && t->pidfd < 0 && port_any(ns);
	if (!t->dead)
		t->due = 0;
	hear(w, t->pidfd, t);
	note_uneasy(w, t);
}

static struct target *target_new(const char *id)
{
	struct target *t = mc_alloc(sizeof(*t));

	snprintf(t->id, sizeof(t->id), "%s", id);
	t->pidfd = -1;
	return t;
}

static struct target *ensure_vpc(struct watch *w, const char *id)
{
	struct target *t;

	HASH_FIND_STR(w->vpcs, id, t);
	if (t)
		return t;
	t = target_new(id);
	HASH_ADD_STR(w->vpcs, id, t);
	return t;
}

static void ensure_nat(struct target *vpc, const struct wanted_eni *e)
{
	struct target *t = vpc->nats;

	while (t && (strcmp(t->nat, e->id) != 0 || t->addr != e->ip))
		t = t->nats;
	if (t)
		return;
	t = target_new(vpc->id);
	memcpy(t->nat, e->id, sizeof(t->nat));
	t->addr = e->ip;
	t->nats = vpc->nats;
	vpc->nats = t;
}

static void ensure_nats(const struct watch *w, struct target *vpc)
{
	auto_netd_lock(w->netd);
	auto_wanted struct wanted *wanted = *vpc->id ? state_load(w->netd, vpc->id, NULL) : NULL;

	for (size_t i = 0; wanted && i < wanted->n_nats; i++) {
		const struct wanted_eni *e = wanted_eni_by_id(wanted, wanted->nats[i].eni);

		if (e)
			ensure_nat(vpc, e);
	}
}

/* Those of the VPC that have nothing left to be watched. */
static void forget_gone(struct watch *w, struct target *vpc)
{
	for (struct target **at = &vpc->nats, *t; (t = *at);) {
		if (t->events) {
			at = &t->nats;
			continue;
		}
		*at = t->nats;
		target_free(w, t);
	}
	if (vpc->events || vpc->nats)
		return;
	HASH_DEL(w->vpcs, vpc);
	target_free(w, vpc);
}

static void watch_vpc(struct watch *w, const char *id)
{
	struct target *vpc = ensure_vpc(w, id);

	ensure_nats(w, vpc);
	for (struct target *t = vpc; t; t = t->nats)
		target_refresh(w, t);
	forget_gone(w, vpc);
}

/* --- our rules, changed by others ----------------------------------------------------------- */

static void note_repair(struct netd *netd, const struct target *t, const struct nftnews *n)
{
	auto_netd_lock(netd);
	struct repairs *r = &netd->repairs;

	r->n++;
	r->last = mc_clock_wall();
	memcpy(r->where, t->id, sizeof(r->where));
	memcpy(r->who, n->who, sizeof(r->who));
}

static void restore_host(struct netd *netd)
{
	auto_netd_lock(netd);
	mc_auto_err mc_err *err = NULL;

	netd->host.nft->distrusted = true;
	if (host_restore(&netd->host, &err) < 0)
		mc_log(MC_LOG_ERROR, AREA, "cannot restore the host's table", "reason", mc_err_msg(err), NULL);
}

static void restore_nat(struct netd *netd, const struct target *t)
{
	auto_netd_lock(netd);
	auto_wanted struct wanted *wanted = state_load(netd, t->id, NULL);
	const struct wanted_eni *eni = wanted ? wanted_eni_by_id(wanted, t->nat) : NULL;
	mc_auto_fd int ns = open_namespace(netd, t);
	mc_auto_err mc_err *err = NULL;

	if (ns >= 0 && eni && natgw_restore(ns, eni, &err) < 0)
		mc_log(MC_LOG_ERROR, AREA, "cannot restore a NAT gateway's table", "reason", mc_err_msg(err), NULL);
}

static void distrust(struct netd *netd, const char *vpc_id)
{
	auto_netd_lock(netd);

	rulecache_of(netd->rules, vpc_id)->distrusted = true;
}

/* Everything is made anew in one transaction: no packet passes between. */
static void restore_rules(struct netd *netd, const struct target *t, const struct nftnews *n)
{
	mc_log(MC_LOG_WARNING, AREA, "somebody changed our nft rules: restoring them", "vpc", *t->id ? t->id : NULL, "who",
	       *n->who ? n->who : NULL, NULL);
	if (*t->nat) {
		restore_nat(netd, t);
	} else if (*t->id) {
		distrust(netd, t->id);
		vpc_restore(netd, t->id);
	} else {
		restore_host(netd);
	}
	note_repair(netd, t, n);
}

static bool nat_stands(struct netd *netd, const struct target *t)
{
	auto_netd_lock(netd);
	mc_auto_fd int ns = open_namespace(netd, t);

	return ns < 0 || natgw_stands(ns);
}

static bool tables_stand(struct netd *netd, const struct target *t)
{
	return *t->nat ? nat_stands(netd, t) : vpc_tables_stand(netd, t->id);
}

/* True when they had to be restored. Our own transactions delete tables too, to make them anew:
 * what is missing now counts. */
static bool look_at_rules(struct netd *netd, struct target *t)
{
	struct nftnews news = { .table = *t->id ? NULL : HOST_TABLE, .touched = t->touched, .doubt = t->doubt };

	if (!t->events)
		return false;
	nftnews_read(t->events, &news);
	t->touched = news.touched;
	t->doubt = false;
	if (!news.foreign && (!news.doubt || tables_stand(netd, t)))
		return false;
	restore_rules(netd, t, &news);
	return true;
}

/* --- a dnsmasq that died ---------------------------------------------------------------------- */

/* It is started again after a breath; where the last death was long ago, at once. */
static void schedule(struct target *t)
{
	int64_t now = mc_clock_boot();

	mc_log(MC_LOG_WARNING, AREA, "dnsmasq ended", "vpc", t->id, NULL);
	if (now - t->died > BREATH_MAX + t->breath)
		t->breath = 0;
	t->died = now;
	t->due = now + t->breath;
	t->breath = t->breath ? 2 * t->breath : BREATH_MIN;
	if (t->breath > BREATH_MAX)
		t->breath = BREATH_MAX;
}

static void look_at_process(struct target *t)
{
	struct pollfd p = { .fd = t->pidfd, .events = POLLIN };

	if (t->pidfd < 0 || poll(&p, 1, 0) <= 0)
		return;
	close_process(t);
	t->dead = true;
}

static void revive(struct watch *w, struct target *t)
{
	if (t->dead && !t->due)
		schedule(t);
	if (!t->dead || t->due > mc_clock_boot())
		return;
	t->due = 0;
	vpc_restore(w->netd, t->id);
	target_refresh(w, t);
}

/* --- the thread --------------------------------------------------------------------------------- */

static void take_changes(struct watch *w)
{
	mc_auto_json json_t *ids = NULL;
	eventfd_t ignored;

	eventfd_read(w->netd->changed_fd, &ignored);
	{
		auto_netd_lock(w->netd);

		ids = w->netd->changed;
		w->netd->changed = json_object();
	}
	for (void *i = json_object_iter(ids); i; i = json_object_iter_next(ids, i))
		watch_vpc(w, json_object_iter_key(i));
}

/* Milliseconds to the next dnsmasq that is due, -1 for none. */
static int next_due(const struct watch *w)
{
	int64_t now = mc_clock_boot(), best = -1;

	for (const struct target *t = w->uneasy; t; t = t->next) {
		int64_t left = t->due > now ? (t->due - now) / MC_MS + 1 : 0;

		if (t->dead && (best < 0 || left < best))
			best = left;
	}
	return (int)best;
}

/* What is due or in doubt. True when rules were restored. */
static bool look_around(struct watch *w)
{
	struct target *t, *next;
	bool restored = false;

	DL_FOREACH_SAFE(w->uneasy, t, next) {
		revive(w, t);
		restored = (t->doubt && look_at_rules(w->netd, t)) || restored;
		t->uneasy = t->doubt || t->dead;
		if (!t->uneasy)
			DL_DELETE(w->uneasy, t);
	}
	return restored;
}

static bool handle(struct watch *w, const struct epoll_event *events, int n)
{
	bool restored = false, changed = false;

	for (int i = 0; i < n; i++) {
		struct target *t = events[i].data.ptr;

		if (!t) {
			changed = true;
			continue;
		}
		look_at_process(t);
		note_uneasy(w, t);
		restored = look_at_rules(w->netd, t) || restored;
	}
	/* Targets may go here, so that what the events named is looked at before. */
	if (changed)
		take_changes(w);
	return look_around(w) || restored;
}

/* True when it is time to end. */
static bool stop_within(const struct watch *w, int ms)
{
	struct pollfd p = { .fd = w->stop_fd, .events = POLLIN };

	return poll(&p, 1, ms) > 0;
}

static void watch_all(struct watch *w)
{
	mc_auto_json json_t *ids = state_list(w->netd);

	watch_vpc(w, "");
	for (size_t i = 0; i < json_array_size(ids); i++)
		watch_vpc(w, mc_json_at(ids, i));
	look_around(w);
}

static void *run(void *arg)
{
	struct watch *w = arg;
	struct epoll_event events[EVENTS_MAX];
	struct target *vpc, *after;
	int pause_ms = 0;

	watch_all(w);
	while (!stop_within(w, pause_ms)) {
		int n = epoll_wait(w->epoll_fd, events, EVENTS_MAX, next_due(w));

		pause_ms = handle(w, events, n > 0 ? n : 0) ? PAUSE_MS : 0;
	}
	HASH_ITER(hh, w->vpcs, vpc, after) {
		HASH_DEL(w->vpcs, vpc);
		for (struct target *t = vpc, *next; t; t = next) {
			next = t->nats;
			target_free(w, t);
		}
	}
	return NULL;
}

static void watch_free(struct watch *w)
{
	if (w->stop_fd >= 0)
		close(w->stop_fd);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	free(w);
}

void watch_tell(struct netd *netd, const char *vpc_id)
{
	json_object_set_new(netd->changed, vpc_id, json_true());
	eventfd_write(netd->changed_fd, 1);
}

struct watch *watch_start(struct netd *netd, mc_err **err)
{
	struct watch *w = mc_alloc(sizeof(*w));
	int e;

	w->netd = netd;
	w->stop_fd = eventfd(0, EFD_CLOEXEC);
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	hear(w, w->stop_fd, NULL);
	hear(w, netd->changed_fd, NULL);
	e = w->stop_fd < 0 || w->epoll_fd < 0 ? errno : pthread_create(&w->thread, NULL, run, w);
	if (e == 0)
		return w;
	mc_err_set(err, e, "cannot watch");
	watch_free(w);
	return NULL;
}

void watch_stop(struct watch *w)
{
	if (!w)
		return;
	eventfd_write(w->stop_fd, 1);
	pthread_join(w->thread, NULL);
	watch_free(w);
}
