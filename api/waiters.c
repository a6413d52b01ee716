#include "api/waiters.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/json.h"

#define PATIENCE (20 * MC_SECOND)

struct waiter {
	char vpc[MC_ID_LEN];
	int64_t generation, deadline;
	waiter_fn *fn;
	void *ctx;
	struct waiter *next;
};

struct waiters {
	pthread_mutex_t mutex;
	json_t *applied; /* {vpc: generation} */
	struct waiter *list;
};

struct waiters *waiters_new(void)
{
	struct waiters *w = mc_alloc(sizeof(*w));

	pthread_mutex_init(&w->mutex, NULL);
	w->applied = json_object();
	return w;
}

void waiters_free(struct waiters *w)
{
	if (!w)
		return;
	while (w->list) {
		struct waiter *next = w->list->next;

		free(w->list);
		w->list = next;
	}
	json_decref(w->applied);
	pthread_mutex_destroy(&w->mutex);
	free(w);
}

int64_t waiters_applied(struct waiters *w, const char *vpc_id)
{
	int64_t n;

	pthread_mutex_lock(&w->mutex);
	n = mc_json_int(w->applied, vpc_id, 0);
	pthread_mutex_unlock(&w->mutex);
	return n;
}

void waiters_add(struct waiters *w, const char *vpc_id, int64_t generation, waiter_fn *fn, void *ctx)
{
	struct waiter *one;

	pthread_mutex_lock(&w->mutex);
	if (mc_json_int(w->applied, vpc_id, 0) >= generation) {
		pthread_mutex_unlock(&w->mutex);
		fn(ctx, true);
		return;
	}
	one = mc_alloc(sizeof(*one));
	snprintf(one->vpc, sizeof(one->vpc), "%s", vpc_id);
	one->generation = generation;
	one->deadline = mc_clock_boot() + PATIENCE;
	one->fn = fn;
	one->ctx = ctx;
	one->next = w->list;
	w->list = one;
	pthread_mutex_unlock(&w->mutex);
}

static void call_all(struct waiter *ready, bool applied)
{
	while (ready) {
		struct waiter *next = ready->next;

		ready->fn(ready->ctx, applied);
		free(ready);
		ready = next;
	}
}

/* Take those out that are ready (vpc not NULL) or late (vpc NULL). */
static struct waiter *take(struct waiters *w, const char *vpc, int64_t generation, int64_t now)
{
	struct waiter **p = &w->list, *taken = NULL;

	while (*p) {
		struct waiter *one = *p;
		bool due = vpc ? strcmp(one->vpc, vpc) == 0 && one->generation <= generation
			       : one->deadline <= now;

		if (!due) {
			p = &one->next;
			continue;
		}
		*p = one->next;
		one->next = taken;
		taken = one;
	}
	return taken;
}

void waiters_confirm(struct waiters *w, const char *vpc_id, int64_t generation)
{
	struct waiter *ready;

	pthread_mutex_lock(&w->mutex);
	if (generation > mc_json_int(w->applied, vpc_id, 0))
		json_object_set_new(w->applied, vpc_id, json_integer(generation));
	ready = take(w, vpc_id, mc_json_int(w->applied, vpc_id, 0), 0);
	pthread_mutex_unlock(&w->mutex);
	call_all(ready, true);
}

void waiters_forget(struct waiters *w, const char *vpc_id)
{
	pthread_mutex_lock(&w->mutex);
	json_object_del(w->applied, vpc_id);
	pthread_mutex_unlock(&w->mutex);
}

int64_t waiters_expire(struct waiters *w)
{
	int64_t next = INT64_MAX;
	struct waiter *late;

	pthread_mutex_lock(&w->mutex);
	late = take(w, NULL, 0, mc_clock_boot());
	for (struct waiter *one = w->list; one; one = one->next)
		if (one->deadline < next)
			next = one->deadline;
	pthread_mutex_unlock(&w->mutex);
	call_all(late, false);
	return next;
}
