#include "api/feed.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/log.h"

#define BEAT (15 * MC_SECOND)
#define EPOCH_BYTES 4

struct event {
	enum kind kind;
	char account[16], region[32];
	char *text; /* with its id and the empty line at its end */
};

struct feed_reader {
	struct feed *feed;
	struct feed_reader *next;
	struct feed_sleep sleep;
	char account[16], region[32];
	bool kinds[KIND_MAX];
	uint64_t at;        /* the next event's number */
	char *pending;      /* what is under way, from `sent` on */
	size_t sent;
	bool asleep, beat;
};

struct feed {
	pthread_mutex_t lock;
	char epoch[2 * EPOCH_BYTES + 1]; /* numbers mean nothing to another process */
	struct event ring[FEED_RING];
	uint64_t n;                      /* the next event's number */
	struct feed_reader *readers;
	unsigned n_readers;
	int64_t beaten;
};

struct feed *feed_new(void)
{
	struct feed *f = mc_alloc(sizeof(*f));

	pthread_mutex_init(&f->lock, NULL);
	mc_random_hex(EPOCH_BYTES, f->epoch);
	f->n = 1;
	f->beaten = mc_clock_boot();
	return f;
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < FEED_RING; i++)
		free(f->ring[i].text);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* --- writing ------------------------------------------------------------- */

static const char *state_word(const struct store_change *c, int state)
{
	const struct state_machine *m = kind_info(c->kind)->machine;

	return m && state >= 0 ? m->names[state] : NULL;
}

static json_t *data_of(const struct store_change *c)
{
	const char *request = mc_log_request_id();
	char now[MC_ISO8601_LEN];

	mc_clock_iso8601(mc_clock_wall(), now);
	return json_pack("{s:s, s:s, s:s, s:s, s:s*, s:s*, s:s, s:s*}", "kind", kind_info(c->kind)->name, "id", c->id,
			 "region", c->region, "change", c->from < 0 ? "created" : c->to < 0 ? "deleted" : "changed",
			 "from", state_word(c, c->from), "to", state_word(c, c->to), "time", now,
			 "request", strcmp(request, "-") == 0 ? NULL : request);
}

static char *event_text(const struct feed *f, uint64_t number, const char *event, const json_t *data)
{
	mc_autofree char *text = json_dumps(data, JSON_COMPACT);

	return mc_strf("id: %s-%llu\nevent: %s\ndata: %s\n\n", f->epoch, (unsigned long long)number, event, text);
}

static void wake(struct feed_reader *r)
{
	if (!r->asleep)
		return;
	r->asleep = false;
	r->sleep.wake(r->sleep.ctx);
}

static bool wants(const struct feed_reader *r, const struct event *e)
{
	return r->kinds[e->kind] && strcmp(r->account, e->account) == 0 &&
	       (!*r->region || strcmp(r->region, e->region) == 0);
}

void feed_change(void *feed, const struct store_change *c)
{
	struct feed *f = feed;
	mc_auto_json json_t *data = data_of(c);
	struct event *e;

	pthread_mutex_lock(&f->lock);
	e = &f->ring[f->n % FEED_RING];
	free(e->text);
	e->kind = c->kind;
	memcpy(e->account, c->account, sizeof(e->account));
	memcpy(e->region, c->region, sizeof(e->region));
	e->text = event_text(f, f->n++, c->from != c->to && kind_info(c->kind)->machine ? "state" : "change", data);
	for (struct feed_reader *r = f->readers; r; r = r->next)
		if (wants(r, e))
			wake(r);
		else if (r->at + 1 == f->n)
			r->at = f->n; /* else the ring would leave it behind in its sleep */
	pthread_mutex_unlock(&f->lock);
}

void feed_tick(struct feed *f)
{
	int64_t now = mc_clock_boot();

	pthread_mutex_lock(&f->lock);
	if (now - f->beaten >= BEAT) {
		f->beaten = now;
		for (struct feed_reader *r = f->readers; r; r = r->next) {
			r->beat = true;
			wake(r);
		}
	}
	pthread_mutex_unlock(&f->lock);
}

/* --- reading ------------------------------------------------------------- */

/* "instance,volume" into a table, all where it is NULL. False: one is unknown. */
static bool take_kinds(const char *kinds, bool ret[KIND_MAX])
{
	mc_autofree char *copy = mc_strdup(kinds && *kinds ? kinds : NULL);
	char *save = NULL;

	for (int k = 0; k < KIND_MAX; k++)
		ret[k] = !copy;
	for (char *name = copy ? strtok_r(copy, ",", &save) : NULL; name; name = strtok_r(NULL, ",", &save)) {
		enum kind kind = kind_by_name(name);

		if (kind == KIND_MAX)
			return false;
		ret[kind] = true;
	}
	return true;
}

bool feed_kinds_valid(const char *kinds)
{
	bool table[KIND_MAX];

	return take_kinds(kinds, table);
}

/* The number behind a client's id; f->n and *ret_reason where it cannot be gone on from. */
static uint64_t place_of(const struct feed *f, const char *id, const char **ret_reason)
{
	size_t len = strlen(f->epoch);
	const char *digits = id ? id + strnlen(id, len + 1) : "";
	char *end = NULL;
	uint64_t number;

	*ret_reason = !id || !*id ? "listening" : "unknown";
	if (!*digits || strncmp(id, f->epoch, len) != 0 || id[len] != '-' || *digits < '0' || *digits > '9')
		return f->n;
	number = strtoull(digits, &end, 10) + 1;
	if (*end || number > f->n)
		return f->n;
	*ret_reason = "missed";
	if (f->n - number > FEED_RING)
		return f->n;
	*ret_reason = NULL;
	return number;
}

/* Tell the reader that what it knows may be out of date, and go on from now. */
static void resync(struct feed_reader *r, const char *reason)
{
	mc_auto_json json_t *data = json_pack("{s:s}", "reason", reason);

	r->at = r->feed->n;
	/* The id of the last event there was: going on behind it misses nothing. */
	r->pending = event_text(r->feed, r->at - 1, "resync", data);
	r->sent = 0;
}

struct feed_reader *feed_join(struct feed *f, const struct feed_filter *filter, const char *last_id,
			      const struct feed_sleep *sleep)
{
	struct feed_reader *r = mc_alloc(sizeof(*r));
	const char *reason;

	r->feed = f;
	r->sleep = *sleep;
	snprintf(r->account, sizeof(r->account), "%s", filter->account);
	snprintf(r->region, sizeof(r->region), "%s", filter->region ? filter->region : "");
	pthread_mutex_lock(&f->lock);
	if (f->n_readers == FEED_READERS_MAX || !take_kinds(filter->kinds, r->kinds)) {
		pthread_mutex_unlock(&f->lock);
		free(r);
		return NULL;
	}
	r->at = place_of(f, last_id, &reason);
	if (reason)
		resync(r, reason);
	r->next = f->readers;
	f->readers = r;
	f->n_readers++;
	pthread_mutex_unlock(&f->lock);
	return r;
}

/* The next text for this reader into r->pending. False: there is none. */
static bool fetch(struct feed_reader *r)
{
	struct feed *f = r->feed;

	if (f->n - r->at > FEED_RING) {
		resync(r, "missed");
		return true;
	}
	while (r->at < f->n) {
		const struct event *e = &f->ring[r->at++ % FEED_RING];

		if (!wants(r, e))
			continue;
		r->pending = mc_strdup(e->text);
		r->sent = 0;
		return true;
	}
	if (!r->beat)
		return false;
	r->pending = mc_strdup(":\n\n");
	r->sent = 0;
	return true;
}

static size_t take(struct feed_reader *r, char *buf, size_t max)
{
	size_t left = strlen(r->pending + r->sent), n = left < max ? left : max;

	memcpy(buf, r->pending + r->sent, n);
	r->sent += n;
	if (n == left) {
		free(r->pending);
		r->pending = NULL;
	}
	return n;
}

size_t feed_read(struct feed_reader *r, char *buf, size_t max)
{
	size_t n = 0;

	pthread_mutex_lock(&r->feed->lock);
	while (n < max && (r->pending || fetch(r))) {
		r->beat = false;
		n += take(r, buf + n, max - n);
	}
	if (n == 0) {
		r->asleep = true;
		r->sleep.sleep(r->sleep.ctx);
	}
	pthread_mutex_unlock(&r->feed->lock);
	return n;
}

void feed_leave(struct feed_reader *r)
{
	struct feed_reader **at;

	if (!r)
		return;
	pthread_mutex_lock(&r->feed->lock);
	for (at = &r->feed->readers; *at != r;)
		at = &(*at)->next;
	*at = r->next;
	r->feed->n_readers--;
	pthread_mutex_unlock(&r->feed->lock);
	free(r->pending);
	free(r);
}

unsigned feed_readers(struct feed *f)
{
	unsigned n;

	pthread_mutex_lock(&f->lock);
	n = f->n_readers;
	pthread_mutex_unlock(&f->lock);
	return n;
}

uint64_t feed_count(struct feed *f)
{
	uint64_t n;

	pthread_mutex_lock(&f->lock);
	n = f->n - 1;
	pthread_mutex_unlock(&f->lock);
	return n;
}
