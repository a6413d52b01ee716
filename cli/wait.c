/* `minicloud wait instance-running --instance-ids ...`, the waiters of the AWS CLI. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/name.h"
#include "cli/path.h"
#include "cli/request.h"
#include "cli/transport.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/json.h"

#define INTERVAL_MS 1000
#define LIMIT (600 * MC_SECOND)

struct waiter {
	const char *name, *operation;
	const char *path, *want; /* all values at the path are one of these (spaces between);
				  * want NULL: that the operation answers is enough */
	const char *fail;        /* any of these ends the wait in vain */
	const char *gone;        /* an error code that counts as success; "" none */
	const char *missing;     /* an error code that only means "not yet" */
};

static const struct waiter waiters[] = {
	{ "instance-exists", "DescribeInstances", NULL, NULL, "", "", "InvalidInstanceID.NotFound" },
	{ "instance-running", "DescribeInstances", "Reservations.Instances.State.Name", "running",
	  "shutting-down terminated stopping", "", "InvalidInstanceID.NotFound" },
	{ "instance-stopped", "DescribeInstances", "Reservations.Instances.State.Name", "stopped",
	  "pending terminated", "", "" },
	{ "instance-terminated", "DescribeInstances", "Reservations.Instances.State.Name",
	  "terminated", "pending stopping", "InvalidInstanceID.NotFound", "" },
	{ "instance-status-ok", "DescribeInstanceStatus", "InstanceStatuses.InstanceStatus.Status",
	  "ok", "", "", "InvalidInstanceID.NotFound" },
	{ "system-status-ok", "DescribeInstanceStatus", "InstanceStatuses.SystemStatus.Status",
	  "ok", "", "", "" },
	{ "image-exists", "DescribeImages", "Images.State", NULL, "", "", "InvalidAMIID.NotFound" },
	{ "image-available", "DescribeImages", "Images.State", "available", "failed", "", "" },
	{ "key-pair-exists", "DescribeKeyPairs", NULL, NULL, "", "", "InvalidKeyPair.NotFound" },
	{ "security-group-exists", "DescribeSecurityGroups", NULL, NULL, "", "",
	  "InvalidGroup.NotFound" },
	{ "volume-available", "DescribeVolumes", "Volumes.State", "available", "deleted", "", "" },
	{ "volume-in-use", "DescribeVolumes", "Volumes.State", "in-use", "deleted", "", "" },
	{ "volume-deleted", "DescribeVolumes", "Volumes.State", "deleted", "",
	  "InvalidVolume.NotFound", "" },
	{ "snapshot-completed", "DescribeSnapshots", "Snapshots.State", "completed", "error", "",
	  "" },
	{ "vpc-exists", "DescribeVpcs", NULL, NULL, "", "", "InvalidVpcID.NotFound" },
	{ "vpc-available", "DescribeVpcs", "Vpcs.State", "available", "", "", "" },
	{ "subnet-available", "DescribeSubnets", "Subnets.State", "available", "", "", "" },
	{ "network-interface-available", "DescribeNetworkInterfaces", "NetworkInterfaces.Status",
	  "available", "", "", "" },
};

static const struct waiter *find(const char *name)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(waiters); i++)
		if (strcmp(waiters[i].name, name) == 0)
			return &waiters[i];
	return NULL;
}

static void print_help(void)
{
	puts("minicloud wait CONDITION [options of the operation it asks]\n\nConditions:");
	for (size_t i = 0; i < MC_ARRAY_SIZE(waiters); i++) {
		char name[NAME_MAX_LEN];

		name_kebab(waiters[i].operation, name);
		printf("  %-28s options of %s\n", waiters[i].name, name);
	}
	puts("\nIt ends with 0 when the condition holds, with 255 when it cannot hold any more\n"
	     "or did not within ten minutes.");
}

/* Is text one of the words? */
static bool is_word(const char *words, const char *text)
{
	size_t len = strlen(text);

	for (const char *p = words; *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		if (n == len && strncmp(p, text, n) == 0)
			return true;
		p += n;
	}
	return false;
}

enum verdict { NOT_YET, DONE, IN_VAIN };

static enum verdict judge(const struct waiter *w, const json_t *doc, const char **ret_state)
{
	mc_auto_json json_t *states = w->path ? path_all(doc, w->path) : NULL;
	size_t wanted = 0, n = json_array_size(states);

	if (!w->path)
		return DONE;
	for (size_t i = 0; i < n; i++) {
		const char *state = mc_json_at(states, i);

		if (state && is_word(w->fail, state)) {
			*ret_state = state;
			return IN_VAIN;
		}
		wanted += !w->want || (state && is_word(w->want, state));
	}
	return n && wanted == n ? DONE : NOT_YET;
}

static int in_vain(const struct waiter *w, const char *why)
{
	fprintf(stderr, "minicloud: wait %s: %s\n", w->name, why);
	return CLI_FAILURE;
}

/* Ask once. 0: done; -1: not yet; else an exit code. */
static int ask(struct cli *cli, const struct waiter *w, const struct request *r)
{
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *doc = NULL;
	const char *state = "", *code;
	int got = transport_call(cli, r->op, r->doc, &doc, &err);

	if (got < 0)
		return cli_failed(err);
	code = mc_json_str(doc, "code", "");
	if (got == 1 && strcmp(code, w->gone) == 0)
		return 0;
	if (got == 1 && strcmp(code, w->missing) == 0)
		return -1;
	if (got == 1) {
		fprintf(stderr, "An error occurred (%s) when calling the %s operation: %s\n", code,
			w->operation, mc_json_str(doc, "message", ""));
		return CLI_API;
	}
	switch (judge(w, doc, &state)) {
	case DONE: return 0;
	case NOT_YET: return -1;
	case IN_VAIN: break;
	}
	fprintf(stderr, "minicloud: wait %s: it is %s and will not get there\n", w->name, state);
	return CLI_FAILURE;
}

static int poll_until(struct cli *cli, const struct waiter *w, const struct request *r)
{
	const struct timespec interval = { INTERVAL_MS / 1000, INTERVAL_MS % 1000 * 1000000L };
	int64_t end = mc_clock_boot() + LIMIT;

	do {
		int code = ask(cli, w, r);

		if (code >= 0)
			return code;
		nanosleep(&interval, NULL);
	} while (mc_clock_boot() < end);
	return in_vain(w, "not within ten minutes");
}

int command_wait(struct cli *cli, int argc, char **argv)
{
	__attribute__((cleanup(request_deinit))) struct request r = { 0 };
	const struct waiter *w = argc ? find(argv[0]) : NULL;
	int code;

	if (argc && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "help") == 0)) {
		print_help();
		return CLI_OK;
	}
	if (!w)
		return cli_usage("wait", "wait for what? '%s' is no condition",
				 argc ? argv[0] : "");
	code = request_parse(model_operation(model_service("ec2"), w->operation), argc - 1,
			     argv + 1, &r);
	if (code)
		return code;
	if (!r.help)
		return poll_until(cli, w, &r);
	print_help();
	return CLI_OK;
}
