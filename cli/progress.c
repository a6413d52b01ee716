#include "cli/progress.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/human.h"
#include "cli/path.h"
#include "cli/stream.h"
#include "cli/table.h"
#include "cli/transport.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define LIMIT (600 * MC_SECOND)
#define LOOK (5 * MC_SECOND) /* for want of events */
#define TICK_MS 1000         /* the time that is shown */
#define STATE_WIDTH 13 /* shutting-down */
#define LINES_MAX 8          /* above that a summary */

struct progress {
	const struct cli *cli;
	json_t *ids;
	json_t *instances; /* as last described */
	int64_t began, looked;
	int lines;         /* drawn so far */
};

bool progress_wanted(void)
{
	return isatty(STDOUT_FILENO) && isatty(STDERR_FILENO);
}

static const char *state_of(const json_t *instance)
{
	return mc_json_str(mc_json_obj(instance, "State"), "Name", "unknown");
}

/* Describe them anew; where that fails they stay as they were. */
static void look(struct progress *p)
{
	const struct model_operation *op = model_operation(model_service("ec2"), "DescribeInstances");
	mc_auto_json json_t *doc = json_pack("{s:O}", "InstanceIds", p->ids), *answer = NULL;

	p->looked = mc_clock_boot();
	if (transport_call(p->cli, op, doc, &answer, NULL) != 0)
		return;
	json_decref(p->instances);
	p->instances = path_all(answer, "Reservations.Instances");
}

static size_t count(const struct progress *p, const char *state)
{
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(p->instances); i++)
		n += strcmp(state_of(json_array_get(p->instances, i)), state) == 0;
	return n;
}

/* --- drawing --------------------------------------------------------------------------- */

static void print_state(const struct progress *p, const char *state)
{
	const char *color = p->cli->color ? table_color(state) : NULL;

	fprintf(stderr, "%s%s%s%*s", color ? color : "", state, color ? "\033[0m" : "", strlen(state) < STATE_WIDTH ? STATE_WIDTH - (int)strlen(state) : 0, "");
}

static void print_instance(const struct progress *p, const json_t *instance, const char *age)
{
	const char *private = mc_json_str(instance, "PrivateIpAddress", "");
	const char *public = mc_json_str(instance, "PublicIpAddress", "");

	fprintf(stderr, "\r\033[K%s  ", mc_json_str(instance, "InstanceId", ""));
	print_state(p, state_of(instance));
	fprintf(stderr, "  %s%s%s  %s\n", private, *public ? "  " : "", public, age);
}

static void print_summary(const struct progress *p, const char *age)
{
	fprintf(stderr, "\r\033[K%zu instances: %zu pending, %zu running, %zu terminated  %s\n", json_array_size(p->ids),
		count(p, "pending"), count(p, "running"), count(p, "terminated"), age);
}

static void draw(struct progress *p)
{
	size_t n = json_array_size(p->instances);
	char age[HUMAN_LEN];

	human_age((mc_clock_boot() - p->began) / MC_SECOND, age);
	if (p->lines)
		fprintf(stderr, "\033[%dA", p->lines);
	for (size_t i = 0; i < n && n <= LINES_MAX; i++)
		print_instance(p, json_array_get(p->instances, i), age);
	if (n > LINES_MAX)
		print_summary(p, age);
	p->lines = n > LINES_MAX ? 1 : (int)n;
}

/* --- following --------------------------------------------------------------------------- */

static bool is_over(const struct progress *p)
{
	return json_array_size(p->instances) && count(p, "pending") == 0;
}

static void wait_for_news(struct progress *p, struct stream *stream)
{
	enum stream_news news = stream_wait(stream, TICK_MS, NULL, 0);

	if (news == STREAM_NONE)
		poll(NULL, 0, TICK_MS);
	if (news != STREAM_QUIET || mc_clock_boot() - p->looked > LOOK)
		look(p);
}

static int conclude(const struct progress *p)
{
	const json_t *first = json_array_get(p->instances, 0);
	bool one = json_array_size(p->instances) == 1;

	if (!is_over(p)) {
		fputs("minicloud: still pending; minicloud wait instance-running waits longer\n", stderr);
		return CLI_FAILURE;
	}
	for (size_t i = 0; i < json_array_size(p->instances); i++) {
		const json_t *instance = json_array_get(p->instances, i);

		if (strcmp(state_of(instance), "running") != 0)
			fprintf(stderr, "minicloud: %s did not get to run: %s\n", mc_json_str(instance, "InstanceId", ""),
				mc_json_str(mc_json_obj(instance, "StateReason"), "Message", state_of(instance)));
	}
	if (one && count(p, "running") && json_object_get(first, "PublicIpAddress") && json_object_get(first, "KeyName"))
		fprintf(stderr, "Log in with: minicloud ssh %s\n", mc_json_str(first, "InstanceId", ""));
	return count(p, "running") == json_array_size(p->ids) ? CLI_OK : CLI_FAILURE;
}

int progress_follow(const struct cli *cli, const json_t *answer)
{
	mc_autofree char *query = mc_strf("?kind=instance,network-interface&region=%s", cli->region);
	mc_auto_json json_t *ids = path_all(answer, "Instances.InstanceId");
	struct progress p = { .cli = cli, .ids = ids, .instances = path_all(answer, "Instances"), .began = mc_clock_boot() };
	struct stream *stream = stream_new(cli, query);
	int code;

	draw(&p);
	while (!is_over(&p) && mc_clock_boot() - p.began < LIMIT) {
		wait_for_news(&p, stream);
		draw(&p);
	}
	code = conclude(&p);
	stream_free(stream);
	json_decref(p.instances);
	return code;
}
