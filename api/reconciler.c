#include "api/reconciler.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uthash.h>

#include "api/feed.h"
#include "api/waiters.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/log.h"

#define AREA "reconciler"
#define TICK (1 * MC_SECOND)      /* how often waiting requests are checked for lateness */
#define FIRST_PAUSE (50 * MC_MS)  /* a daemon that was killed is back in that */
#define MAX_PAUSE (30 * MC_SECOND)
#define SWEEP "sweep"             /* in the queue like the id of a resource */

struct item {
	char id[MC_ID_LEN];
	char request[MC_UUID_LEN]; /* the last one that changed it; "" where it was none */
	int64_t due;               /* boot clock */
	size_t at;                 /* its place in the queue, unless busy */
	bool busy, again;
	bool early;        /* it is looked at before its pause was over, since something woke it */
	unsigned failures; /* in a row, each after its pause */
	char *reason; /* of the last failure; NULL: the last step did not fail */
	UT_hash_handle hh;
};

/* Those that are not busy: a heap, the next one due on top. */
struct queue {
	struct item **items;
	size_t n, cap;
};

struct job {
	void (*fn)(void *ctx);
	void *ctx;
	struct job *next;
};

struct reconciler {
	struct api *api;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	struct item *items;
	struct queue queue;
	struct job *first, **last;
	bool stopping;
	pthread_t *threads;
	unsigned n;
};

static step_fn *const steps[KIND_MAX] = {
	[KIND_INSTANCE] = step_instance,
	[KIND_VPC] = step_vpc,
	[KIND_VOLUME] = step_volume,
	[KIND_NAT_GATEWAY] = step_nat_gateway,
	[KIND_SNAPSHOT] = step_snapshot,
	[KIND_IMAGE] = step_image,
	[KIND_IMPORT_IMAGE] = step_transfer,
	[KIND_IMPORT_SNAPSHOT] = step_transfer,
	[KIND_EXPORT_IMAGE] = step_transfer,
	[KIND_VPC_PEERING] = step_peering,
	[KIND_KMS_KEY] = step_kms_key,
	[KIND_LIFECYCLE_POLICY] = step_lifecycle,
};

static step_fn *step_of(const char *id)
{
	enum kind kind = kind_by_id(id);

	if (strcmp(id, SWEEP) == 0)
		return step_sweep;
	return kind == KIND_MAX ? NULL : steps[kind];
}

/* --- the queue (under the mutex) ------------------------------------------- */

static void place(struct queue *q, struct item *i, size_t at)
{
	q->items[at] = i;
	i->at = at;
}

static void move_up(struct queue *q, struct item *i, size_t at)
{
	for (; at > 0 && q->items[(at - 1) / 2]->due > i->due; at = (at - 1) / 2)
		place(q, q->items[(at - 1) / 2], at);
	place(q, i, at);
}

static void move_down(struct queue *q, struct item *i, size_t at)
{
	size_t child;

	for (; (child = 2 * at + 1) < q->n; at = child) {
		if (child + 1 < q->n && q->items[child + 1]->due < q->items[child]->due)
			child++;
		if (q->items[child]->due >= i->due)
			break;
		place(q, q->items[child], at);
	}
	place(q, i, at);
}

static void enqueue(struct queue *q, struct item *i)
{
	if (q->n == q->cap) {
		q->cap = q->cap ? q->cap * 2 : 64;
		q->items = realloc(q->items, q->cap * sizeof(struct item *));
		if (!q->items)
			abort();
	}
	move_up(q, i, q->n++);
}

static void dequeue_first(struct queue *q)
{
	struct item *last = q->items[--q->n];

	if (q->n > 0)
		move_down(q, last, 0);
}

/* The one that is due, or NULL and when to look again. */
static struct item *next_item(struct reconciler *r, int64_t now, int64_t *ret_due)
{
	struct item *first = r->queue.n ? r->queue.items[0] : NULL;

	*ret_due = first && first->due < now + TICK ? first->due : now + TICK;
	return first && first->due <= now ? first : NULL;
}

static void forget_item(struct reconciler *r, struct item *i)
{
	HASH_DEL(r->items, i);
	free(i->reason);
	free(i);
}

/* The pause after a failure. Only a try that waited for its pause makes the next one longer:
 * many wakes while a backend is away say nothing of how long it stays away. */
static int64_t pause_after(struct item *i)
{
	int64_t delay = FIRST_PAUSE << (i->failures < 10 ? i->failures : 10);

	if (!i->early || !i->failures)
		i->failures++;
	return delay < MAX_PAUSE ? delay : MAX_PAUSE;
}

/* reason: of a failure, taken over. */
static void settle(struct reconciler *r, struct item *i, int result, int64_t delay, char *reason)
{
	int64_t now = mc_clock_boot();

	i->busy = false;
	free(i->reason);
	i->reason = reason;
	if (result < 0)
		delay = pause_after(i);
	else
		i->failures = 0;
	i->early = false;
	if (i->again || result == STEP_AGAIN) {
		i->early = i->again;
		i->again = false;
		i->due = now;
	} else if (result == STEP_DONE) {
		forget_item(r, i);
		return;
	} else {
		i->due = now + delay;
	}
	enqueue(&r->queue, i);
}

static void wait_until(struct reconciler *r, int64_t due, int64_t now)
{
	struct timespec ts;
	int64_t left = due > now ? due - now : 0;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	left += ts.tv_nsec;
	ts.tv_sec += left / MC_SECOND;
	ts.tv_nsec = left % MC_SECOND;
	pthread_cond_timedwait(&r->cond, &r->mutex, &ts);
}

/* --- the workers ------------------------------------------------------------ */

/* What is done for a request bears its id, in this log and in those of the backends. */
static int run_step(struct reconciler *r, const char *id, const char *request, int64_t *ret_delay, char **ret_reason)
{
	mc_err *err = NULL;
	int result;

	mc_log_set_request_id(request);
	result = step_of(id)(r->api, id, ret_delay, &err);
	if (result < 0)
		mc_log(MC_LOG_WARNING, AREA, "step failed, will be tried again", "id", id, "reason", mc_err_msg(err), NULL);
	*ret_reason = result < 0 ? mc_strdup(mc_err_msg(err)) : NULL;
	mc_err_free(err);
	mc_log_set_request_id(NULL);
	return result;
}

static void run_job(struct reconciler *r)
{
	struct job *job = r->first;

	r->first = job->next;
	if (!r->first)
		r->last = &r->first;
	pthread_mutex_unlock(&r->mutex);
	job->fn(job->ctx);
	mc_log_set_request_id(NULL);
	free(job);
	pthread_mutex_lock(&r->mutex);
}

static void run_item(struct reconciler *r, struct item *i)
{
	char request[MC_UUID_LEN], *reason;
	int64_t delay = 0;
	int result;

	dequeue_first(&r->queue);
	i->busy = true;
	i->again = false;
	memcpy(request, i->request, sizeof(request));
	pthread_mutex_unlock(&r->mutex);
	result = run_step(r, i->id, request, &delay, &reason);
	pthread_mutex_lock(&r->mutex);
	settle(r, i, result, delay, reason);
}

static void *worker(void *arg)
{
	struct reconciler *r = arg;

	pthread_mutex_lock(&r->mutex);
	while (!r->stopping) {
		int64_t due, now = mc_clock_boot();
		struct item *i;

		if (r->first) {
			run_job(r);
			continue;
		}
		i = next_item(r, now, &due);
		if (i) {
			run_item(r, i);
			continue;
		}
		pthread_mutex_unlock(&r->mutex);
		waiters_expire(r->api->waiters);
		feed_tick(r->api->feed);
		memory_tidy(&r->api->memory);
		pthread_mutex_lock(&r->mutex);
		/* What came while the mutex was free has changed `due` or the jobs. */
		if (!r->first && !r->stopping && !next_item(r, mc_clock_boot(), &due))
			wait_until(r, due, mc_clock_boot());
	}
	pthread_mutex_unlock(&r->mutex);
	return NULL;
}

/* --- outside ---------------------------------------------------------------- */

void reconciler_wake(struct reconciler *r, const char *id, int64_t delay)
{
	const char *request = mc_log_request_id();
	int64_t due = mc_clock_boot() + delay;
	struct item *i;

	if (!r || !step_of(id))
		return;
	pthread_mutex_lock(&r->mutex);
	HASH_FIND_STR(r->items, id, i);
	if (!i) {
		i = mc_alloc(sizeof(*i));
		strncpy(i->id, id, sizeof(i->id) - 1);
		i->due = due;
		HASH_ADD_STR(r->items, id, i);
		enqueue(&r->queue, i);
	} else if (i->busy) {
		i->again = true;
	} else if (due < i->due) {
		i->early = true;
		i->due = due;
		move_up(&r->queue, i, i->at);
	}
	if (strcmp(request, "-") != 0)
		snprintf(i->request, sizeof(i->request), "%s", request);
	pthread_cond_signal(&r->cond);
	pthread_mutex_unlock(&r->mutex);
}

static void wake_kind(struct reconciler *r, enum kind kind)
{
	struct store_tx *tx = store_read(r->api->store);
	struct store_iter it = store_iter(tx, kind, NULL, NULL);
	const struct resource *res;

	while ((res = store_next_bare(&it)))
		reconciler_wake(r, res->id, 0);
	store_end(tx);
}

void reconciler_wake_all(struct reconciler *r)
{
	for (int k = 0; k < KIND_MAX; k++)
		if (steps[k])
			wake_kind(r, (enum kind)k);
	reconciler_wake(r, SWEEP, 0);
}

void reconciler_failing(struct reconciler *r, unsigned times, void (*fn)(void *ctx, const char *id, unsigned n, const char *reason),
			void *ctx)
{
	pthread_mutex_lock(&r->mutex);
	for (struct item *i = r->items; i; i = i->hh.next)
		if (i->failures >= times && i->reason)
			fn(ctx, i->id, i->failures, i->reason);
	pthread_mutex_unlock(&r->mutex);
}

void reconciler_call(struct reconciler *r, void (*fn)(void *ctx), void *ctx)
{
	struct job *job = mc_alloc(sizeof(*job));

	job->fn = fn;
	job->ctx = ctx;
	pthread_mutex_lock(&r->mutex);
	*r->last = job;
	r->last = &job->next;
	pthread_cond_signal(&r->cond);
	pthread_mutex_unlock(&r->mutex);
}

static void on_change(void *ctx, enum kind kind, const char *id)
{
	(void)kind;
	reconciler_wake(ctx, id, 0);
}

struct reconciler *reconciler_start(struct api *api, unsigned workers, mc_err **err)
{
	struct reconciler *r = mc_alloc(sizeof(*r));
	pthread_condattr_t attr;

	r->api = api;
	r->last = &r->first;
	pthread_mutex_init(&r->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->cond, &attr);
	pthread_condattr_destroy(&attr);
	r->threads = mc_alloc(workers * sizeof(*r->threads));
	store_on_change(api->store, on_change, r);
	for (; r->n < workers; r->n++)
		if ((errno = pthread_create(&r->threads[r->n], NULL, worker, r))) {
			mc_err_set(err, errno, "cannot start a worker");
			reconciler_stop(r);
			return NULL;
		}
	return r;
}

void reconciler_stop(struct reconciler *r)
{
	struct item *i, *tmp;

	if (!r)
		return;
	pthread_mutex_lock(&r->mutex);
	r->stopping = true;
	pthread_cond_broadcast(&r->cond);
	pthread_mutex_unlock(&r->mutex);
	for (unsigned n = 0; n < r->n; n++)
		pthread_join(r->threads[n], NULL);
	store_on_change(r->api->store, NULL, NULL);
	HASH_ITER(hh, r->items, i, tmp)
		forget_item(r, i);
	while (r->first) {
		struct job *next = r->first->next;

		free(r->first);
		r->first = next;
	}
	free(r->queue.items);
	pthread_cond_destroy(&r->cond);
	pthread_mutex_destroy(&r->mutex);
	free(r->threads);
	free(r);
}
