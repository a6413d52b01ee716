/* What is generic about every API call, around its action. */
#ifndef MC_API_ENGINE_H
#define MC_API_ENGINE_H

#include "api/action.h"
#include "api/api.h"

struct engine_call {
	struct call call;
	struct caller caller;
	const struct action *action;
	json_t *in;          /* owned */
	char request_id[MC_UUID_LEN];
	int status;          /* HTTP status of a refusal by the wire layer; 0: by the error table */
	void (*done)(struct engine_call *ec);
	void *ctx;           /* of the gateway */
};

enum engine_result {
	ENGINE_DONE, /* call.error and call.out hold the answer */
	ENGINE_WAIT, /* engine_wait() must be called once the answer may come from another thread */
};

/* A call with a fresh request id. */
struct engine_call *engine_call_new(struct api *api);
void engine_call_free(struct engine_call *ec);

/* Run the operation of `service` on ec->in for ec->caller, as far as it goes
 * without waiting: unknown or unbuilt operations, dry run, client token,
 * transaction, action, commit. */
enum engine_result engine_run(struct engine_call *ec, const char *service,
			      const struct model_operation *op);

/* Run a page's action (api/page.h) on ec->in, as far as it goes without waiting. */
enum engine_result engine_run_page(struct engine_call *ec, const struct action *action);

/* After ENGINE_WAIT: done(ec) is called, maybe at once and maybe from a worker,
 * when the backend has confirmed, or the patience of 20 s has ended (Unavailable). */
void engine_wait(struct engine_call *ec, void (*done)(struct engine_call *ec));

#endif
