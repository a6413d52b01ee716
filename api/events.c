/* The hypervisor's event stream: each event makes its instance be looked at. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "api/reconciler.h"
#include "common/ipc.h"
#include "common/log.h"

#define RECONNECT_MS 100

static int on_event(void *ctx, const json_t *doc)
{
	struct api *api = ctx;
	const char *id = mc_json_str(doc, "instance", NULL);

	if (strcmp(mc_json_str(doc, "event", ""), "resync") == 0)
		reconciler_wake_all(api->reconciler);
	else if (id)
		reconciler_wake(api->reconciler, id, 0);
	return 0;
}

/* What happened while nobody listened is found by looking at everything: each stream
 * begins with a resync. */
static void *follow(void *arg)
{
	struct api *api = arg;

	reconciler_wake_all(api->reconciler);
	for (;;) {
		mc_err *err = NULL;

		mc_ipc_follow(api->config.hypervisor, "/v1/events", on_event, api, &err);
		mc_log(MC_LOG_DEBUG, "events", "stream ended", "reason", mc_err_msg(err), NULL);
		mc_err_free(err);
		poll(NULL, 0, RECONNECT_MS); /* a daemon that restarts has no event for us */
	}
	return NULL;
}

int events_start(struct api *api, mc_err **err)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, follow, api);

	if (r)
		return mc_err_set(err, r, "cannot start the event thread");
	pthread_detach(thread);
	return 0;
}
