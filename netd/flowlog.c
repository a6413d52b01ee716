#include "netd/flowlog.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uthash.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/log.h"
#include "netd/flowrecord.h"
#include "netd/flowspool.h"
#include "netd/netns.h"
#include "netd/nft.h"
#include "netd/state.h"
#include "netd/vpcrules.h"

#define AREA "flowlog"
#define RETRY_S 10 /* after a failure */

struct row {
	char id[MC_ID_LEN];
	struct flow_sides sides;
	int64_t due[FLOW_INTERVAL_MAX]; /* on the boot clock; 0: the interval does not run */
	UT_hash_handle hh;
};

struct flowlog {
	struct row *rows; /* by id */
	int stop_fd, wake_fd; /* -1: no thread */
	pthread_t thread;
	struct netd *netd;
};

static struct row *find(const struct flowlog *f, const char *vpc_id)
{
	struct row *row;

	HASH_FIND_STR(f->rows, vpc_id, row);
	return row;
}

static struct row *find_or_add(struct flowlog *f, const char *vpc_id)
{
	static const struct flow_sides first = FLOW_SIDES_INIT;
	struct row *row = find(f, vpc_id);

	if (row)
		return row;
	row = mc_alloc(sizeof(*row));
	snprintf(row->id, sizeof(row->id), "%s", vpc_id);
	row->sides = first;
	HASH_ADD_STR(f->rows, id, row);
	return row;
}

const struct flow_sides *flowlog_sides(const struct flowlog *f, const char *vpc_id)
{
	static const struct flow_sides first = FLOW_SIDES_INIT;
	const struct row *row = find(f, vpc_id);

	return row ? &row->sides : &first;
}

static int64_t wall_seconds(void)
{
	return mc_clock_wall() / MC_SECOND;
}

/* --- when ------------------------------------------------------------------------------------ */

/* From when the interval's lines are to begin, for a first one now. */
static int64_t begin_interval(const char *dir, enum flow_interval i)
{
	int64_t since = flowspool_since(dir, i), now = wall_seconds();

	if (since > 0 && since <= now)
		return since;
	flowspool_set_since(dir, i, now, NULL);
	return now;
}

static void schedule(struct row *row, enum flow_interval i, int64_t in_s)
{
	row->due[i] = mc_clock_boot() + (in_s > 0 ? in_s : 0) * MC_SECOND;
}

void flowlog_applied(const struct netd *netd, const struct wanted *w)
{
	mc_autofree char *dir = state_dir(netd, w->id);
	struct flowlog *f = netd->flows;
	struct row *row = w->n_flow_logs > 0 ? find_or_add(f, w->id) : find(f, w->id);

	for (int i = 0; row && i < FLOW_INTERVAL_MAX; i++) {
		enum flow_interval interval = (enum flow_interval)i;

		if (!flowrules_used(w, interval)) {
			row->due[i] = 0;
			flowspool_set_since(dir, interval, 0, NULL);
		} else if (!row->due[i]) {
			int64_t since = begin_interval(dir, interval);

			schedule(row, interval,
				 since + flowrules_seconds(interval) - wall_seconds());
		}
	}
	if (row && f->wake_fd >= 0)
		eventfd_write(f->wake_fd, 1);
}

static void drop(struct flowlog *f, struct row *row)
{
	HASH_DEL(f->rows, row);
	free(row);
}

void flowlog_forget(struct flowlog *f, const char *vpc_id)
{
	struct row *row = find(f, vpc_id);

	if (row)
		drop(f, row);
}

static const struct wanted_flow_log *log_by_id(const struct wanted *w, const char *id)
{
	for (size_t i = 0; i < w->n_flow_logs; i++)
		if (strcmp(w->flow_logs[i].id, id) == 0)
			return &w->flow_logs[i];
	return NULL;
}

static bool same_interface(const struct wanted *before, const struct wanted *w, const char *id)
{
	const struct wanted_eni *a = wanted_eni_by_id(before, id), *b = wanted_eni_by_id(w, id);

	return !a || (b && a->ip == b->ip && strcmp(a->mac, b->mac) == 0);
}

bool flowlog_pending(const struct wanted *before, const struct wanted *w)
{
	for (size_t i = 0; i < before->n_flow_logs; i++) {
		const struct wanted_flow_log *a = &before->flow_logs[i], *b = log_by_id(w, a->id);

		if (!b || a->interval != b->interval || a->traffic != b->traffic ||
		    !json_equal(a->enis, b->enis))
			return true;
		for (size_t k = 0; k < json_array_size(a->enis); k++)
			if (!same_interface(before, w, mc_json_at(a->enis, k)))
				return true;
	}
	return false;
}

/* --- writing down -------------------------------------------------------------------------------- */

static char other_side(char side)
{
	return side == 'a' ? 'b' : 'a';
}

/* From now on packets are counted on the interval's other side. */
static int change_sides(const struct netd *netd, const struct wanted *w, struct row *row,
			enum flow_interval i, int ns_fd, mc_err **err)
{
	struct flow_sides sides = row->sides;
	auto_ruleset struct ruleset *rules = NULL;

	sides.of[i] = other_side(sides.of[i]);
	rules = vpcrules_build(w, &sides);
	if (nft_apply(ns_fd, &rules, rulecache_of(netd->rules, w->id), NULL, err) < 0)
		return -1;
	row->sides = sides;
	return 0;
}

static json_t *texts_of(const struct wanted *w, const struct flow_records *r, enum flow_interval i,
			int64_t start, int64_t end, bool whole, size_t *ret_n)
{
	json_t *texts = json_object();
	size_t n;

	for (size_t k = 0; k < w->n_flow_logs; k++) {
		const struct wanted_flow_log *log = &w->flow_logs[k];
		mc_autofree char *text = NULL;

		if (log->interval != flowrules_seconds(i))
			continue;
		text = flowrecord_text(r, w, log, start, end, whole, &n);
		json_object_set_new(texts, log->file, json_string(text));
		*ret_n += n;
	}
	return texts;
}

static int read_side(const struct wanted *w, enum flow_interval i, char side, int ns_fd,
		     struct flow_records *ret, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_NETFILTER, ns_fd, err);

	return sk ? flowrecord_read(sk, w, i, side, ret, err) : -1;
}

/* One side's lines for the time from start to end, and its elements taken away. */
struct span {
	int64_t start, end;
	bool whole;
};

static int drain(const struct netd *netd, const struct wanted *w, enum flow_interval i, char side, int ns_fd,
		 const struct span *span, size_t *ret_n, mc_err **err)
{
	const char *log_dir = netd->config.flow_log_dir;
	mc_autofree char *dir = state_dir(netd, w->id);
	char active = find_or_add(netd->flows, w->id)->sides.of[i];
	mc_auto_json json_t *texts = NULL;
	struct flow_records records;
	int r;

	if (read_side(w, i, side, ns_fd, &records, err) < 0)
		return -1;
	if (json_object_size(records.keys) == 0 && !span->whole) {
		flowrecord_free(&records);
		return 0;
	}
	texts = texts_of(w, &records, i, span->start, span->end, span->whole, ret_n);
	r = flowspool_write(dir, log_dir, i, records.keys, texts, active, span->end, err);
	flowrecord_free(&records);
	if (r == 0)
		r = flowspool_end(dir, log_dir, i, ns_fd, NULL, err);
	/* Elements were taken away behind its back. */
	nft_cache_forget(rulecache_of(netd->rules, w->id));
	return r;
}

/* A netd that was killed when it had changed sides has left the one it was about to read. */
static int flush(const struct netd *netd, const struct wanted *w, int ns_fd, enum flow_interval i,
		 bool whole, size_t *ret_n, mc_err **err)
{
	mc_autofree char *dir = state_dir(netd, w->id);
	struct row *row = find_or_add(netd->flows, w->id);
	struct span left = { begin_interval(dir, i), wall_seconds(), false }, rest = { left.start, left.end, whole };

	if (mc_fs_mkdirs(netd->config.flow_log_dir, 0755, err) < 0 ||
	    flowspool_end(dir, netd->config.flow_log_dir, i, ns_fd, NULL, err) < 0 ||
	    drain(netd, w, i, other_side(row->sides.of[i]), ns_fd, &left, ret_n, err) < 0 ||
	    change_sides(netd, w, row, i, ns_fd, err) < 0)
		return -1;
	return drain(netd, w, i, other_side(row->sides.of[i]), ns_fd, &rest, ret_n, err);
}

int flowlog_flush(const struct netd *netd, const struct wanted *w, int ns_fd, size_t *ret_n,
		  mc_err **err)
{
	size_t n = 0;

	for (int i = 0; i < FLOW_INTERVAL_MAX; i++)
		if (flowrules_used(w, (enum flow_interval)i) &&
		    flush(netd, w, ns_fd, (enum flow_interval)i, false, &n, err) < 0)
			return -1;
	if (ret_n)
		*ret_n = n;
	return 0;
}

int flowlog_recover(const struct netd *netd, const char *vpc_id, int ns_fd, mc_err **err)
{
	mc_autofree char *dir = state_dir(netd, vpc_id);

	for (int i = 0; i < FLOW_INTERVAL_MAX; i++) {
		char active = '\0';

		if (flowspool_end(dir, netd->config.flow_log_dir, (enum flow_interval)i, ns_fd,
				  &active, err) < 0)
			return -1;
		if (active)
			find_or_add(netd->flows, vpc_id)->sides.of[i] = active == 'b' ? 'b' : 'a';
	}
	return 0;
}

/* --- in time ---------------------------------------------------------------------------------------- */

static int flush_due(struct netd *netd, const char *vpc_id, enum flow_interval i, mc_err **err)
{
	auto_wanted struct wanted *w = state_load(netd, vpc_id, NULL);
	mc_autofree char *path = state_netns(netd, vpc_id);
	mc_auto_fd int ns = -1;
	size_t n = 0;

	if (!w || !netns_pinned(path) || !flowrules_used(w, i))
		return 0;
	ns = netns_open(path, err);
	return ns < 0 ? -1 : flush(netd, w, ns, i, true, &n, err);
}

static void visit(struct netd *netd, struct row *row, enum flow_interval i)
{
	mc_auto_err mc_err *err = NULL;
	int r = flush_due(netd, row->id, i, &err);

	if (r < 0)
		mc_log(MC_LOG_ERROR, AREA, mc_err_msg(err), "vpc", row->id, NULL);
	schedule(row, i, r < 0 ? RETRY_S : flowrules_seconds(i));
}

/* Write what is due; the milliseconds until the next, -1 for none. */
static int write_due(struct flowlog *f)
{
	auto_netd_lock(f->netd);
	int64_t next = 0, now = mc_clock_boot();

	for (struct row *row = f->rows; row; row = row->hh.next)
		for (int i = 0; i < FLOW_INTERVAL_MAX; i++) {
			if (row->due[i] && row->due[i] <= now)
				visit(f->netd, row, (enum flow_interval)i);
			if (row->due[i] && (!next || row->due[i] < next))
				next = row->due[i];
		}
	now = mc_clock_boot();
	return !next ? -1 : next <= now ? 0 : (int)((next - now) / MC_MS) + 1;
}

static void *run(void *arg)
{
	struct flowlog *f = arg;
	struct pollfd p[2] = { { .fd = f->stop_fd, .events = POLLIN },
			       { .fd = f->wake_fd, .events = POLLIN } };
	eventfd_t ignored;

	while (!p[0].revents)
		if (poll(p, 2, write_due(f)) > 0 && p[1].revents)
			eventfd_read(f->wake_fd, &ignored);
	return NULL;
}

struct flowlog *flowlog_new(void)
{
	struct flowlog *f = mc_alloc(sizeof(*f));

	f->stop_fd = f->wake_fd = -1;
	return f;
}

int flowlog_start(struct netd *netd, mc_err **err)
{
	struct flowlog *f = netd->flows;
	int e;

	f->netd = netd;
	f->stop_fd = eventfd(0, EFD_CLOEXEC);
	f->wake_fd = f->stop_fd < 0 ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e = f->wake_fd < 0 ? errno : pthread_create(&f->thread, NULL, run, f);
	if (e == 0)
		return 0;
	flowlog_stop(f);
	return mc_err_set(err, e, "cannot write flow logs in time");
}

void flowlog_stop(struct flowlog *f)
{
	if (f->netd && f->wake_fd >= 0 && f->thread) {
		eventfd_write(f->stop_fd, 1);
		pthread_join(f->thread, NULL);
	}
	if (f->stop_fd >= 0)
		close(f->stop_fd);
	if (f->wake_fd >= 0)
		close(f->wake_fd);
	f->stop_fd = f->wake_fd = -1;
}

void flowlog_free(struct flowlog *f)
{
	if (!f)
		return;
	while (f->rows)
		drop(f, f->rows);
	free(f);
}
