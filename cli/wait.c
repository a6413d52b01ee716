/* `minicloud wait instance-running --instance-ids ...`, the waiters of the AWS CLI. They
 * follow what happens (GET /v1/events) and ask again when something did, and besides as often as
 * AWS's do: for conditions that come of themselves, and where there is no stream. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/help.h"
#include "cli/request.h"
#include "cli/stream.h"
#include "cli/transport.h"
#include "cli/waiter.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define RECONNECT_MS 1000

static int in_vain(const struct model_waiter *w, const char *why)
{
	fprintf(stderr, "minicloud: Waiter %s failed: %s\n", model_waiter_name(w), why);
	return CLI_FAILURE;
}

/* Errors that come of the moment and not of the question. */
static bool is_passing(const json_t *doc)
{
	static const char *const codes[] = { "Unavailable", "InternalError", "RequestLimitExceeded", "ServiceUnavailable" };

	for (size_t i = 0; i < MC_ARRAY_SIZE(codes); i++)
		if (strcmp(mc_json_str(doc, "code", ""), codes[i]) == 0)
			return true;
	return false;
}

/* Ask once. 0: it is so; -1: not yet; else an exit code. *asked: it has answered before, so a
 * daemon that does not answer now is one that restarts. */
static int ask(struct cli *cli, const struct model_waiter *w, const struct request *r, bool *asked)
{
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *doc = NULL;
	mc_autofree char *why = NULL;
	int got = transport_call(cli, r->op, r->doc, &doc, &err), verdict;

	if (got < 0 && *asked)
		return -1;
	if (got < 0)
		return cli_failed(err);
	*asked = true;
	if (got == 1 && is_passing(doc))
		return -1;
	verdict = waiter_judge(w, got == 0, doc, &why, &err);
	if (verdict < 0)
		return cli_failed(err);
	if (verdict == MODEL_WAITER_FAILURE)
		return in_vain(w, why);
	return verdict == MODEL_WAITER_SUCCESS ? 0 : -1;
}

static int wait_for(struct cli *cli, const struct model_waiter *w, const struct request *r, struct stream *stream)
{
	int64_t end = mc_clock_boot() + (int64_t)model_waiter_delay(w) * model_waiter_attempts(w) * MC_SECOND;
	int delay_ms = (int)model_waiter_delay(w) * 1000;
	bool asked = false;

	for (;;) {
		int64_t left;
		int code = ask(cli, w, r, &asked);

		if (code >= 0)
			return code;
		left = (end - mc_clock_boot()) / MC_MS;
		if (left <= 0)
			return in_vain(w, "Max attempts exceeded");
		if (stream_wait(stream, left < delay_ms ? (int)left : delay_ms, NULL, 0) == STREAM_NONE)
			poll(NULL, 0, left < RECONNECT_MS ? (int)left : RECONNECT_MS);
	}
}

static int follow(struct cli *cli, const struct model_waiter *w, const struct request *r)
{
	mc_autofree char *query = mc_strf("?region=%s", cli->region);
	struct stream *stream = stream_new(cli, query);
	int code = wait_for(cli, w, r, stream);

	stream_free(stream);
	return code;
}

int command_wait(struct cli *cli, int argc, char **argv)
{
	__attribute__((cleanup(request_deinit))) struct request r = { 0 };
	const struct model_waiter *w = argc ? waiter_find(argv[0]) : NULL;
	int code;

	if (!w)
		return cli_usage("wait", argc ? "wait for what? '%s' is no condition" : "wait for what?%s",
				 argc ? argv[0] : "");
	code = request_parse(model_waiter_operation(w), argc - 1, argv + 1, &r);
	if (code)
		return code;
	if (!r.help)
		return follow(cli, w, &r);
	help_waiter(&(struct manual){ .out = stdout }, w);
	return CLI_OK;
}
