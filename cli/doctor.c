/* `minicloud doctor`: what is wrong with the host of this cloud, and what to do about it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/manual.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/transport.h"
#include "cli/tty.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/finding.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/json.h"
#include "common/spawn.h"

#define SKEW_BAD (300 * MC_SECOND) /* signatures are refused from here on */
#define SKEW_NOTED (30 * MC_SECOND)
#define PATIENCE_MS 15000
#define LOW_BYTES (1u << 30)
#define INDENT 10
#define WIDTH_MIN 40
#define WIDTH_MAX 120

/* --- without the API ------------------------------------------------------------------ */

static void add_all(json_t *all, const char *daemon, const json_t *findings)
{
	json_t *f;
	size_t i;

	json_array_foreach((json_t *)findings, i, f) {
		json_t *named = json_pack("{s:s}", "daemon", daemon);

		json_object_update(named, f);
		json_array_append_new(all, named);
	}
}

/* The daemon's program, beside ours or on the path. Allocated. */
static char *program_of(const char *daemon)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash, *beside;

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	beside = slash ? mc_strf("%.*s/minicloud-%s", (int)(slash - self), self, daemon) : NULL;
	if (beside && access(beside, X_OK) == 0)
		return beside;
	free(beside);
	return mc_strf("minicloud-%s", daemon);
}

/* What a daemon that does not serve would say of the host. NULL: nothing. New reference. */
static json_t *ask_program(const char *daemon)
{
	mc_autofree char *program = program_of(daemon);
	mc_autofree char *home = mc_strf("MINICLOUD_HOME=%s", mc_config_home()), *run = mc_strf("MINICLOUD_RUN=%s", mc_config_run_dir());
	const char *const argv[] = { program, "--findings", "yes", NULL };
	const char *const env[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", home, run, NULL };
	const struct mc_spawn spawn = { .argv = argv, .env = env, .timeout_ms = PATIENCE_MS, .max_output = 1 << 20 };
	mc_auto_spawn_result struct mc_spawn_result result = { 0 };
	json_error_t e;

	if (mc_spawn_run(&spawn, &result, NULL) < 0 || result.status != 0)
		return NULL;
	return json_loads(result.out, 0, &e);
}

static const struct {
	const char *name;
	bool alone; /* can look around without serving */
} daemons[] = { { "hypervisor", true }, { "netd", true }, { "storaged", false } };

static void ask_daemon(json_t *all, const char *name, bool alone)
{
	mc_autofree char *socket = mc_strf("%s/%s.sock", mc_config_run_dir(), name);
	mc_autofree char *remedy = mc_strf("systemctl start minicloud-%s (or deploy/launcher start), and see its log", name);
	mc_auto_json json_t *answer = NULL, *down = json_array();
	mc_auto_err mc_err *err = NULL;

	if (mc_ipc_call(socket, "GET", "/v1/findings", NULL, PATIENCE_MS, &answer, &err) != MC_IPC_OK) {
		mc_finding_add(down, "daemon", MC_FINDING_ERROR, remedy, "minicloud-%s does not answer: %s", name, mc_err_msg(err));
		add_all(all, name, down);
		answer = alone ? ask_program(name) : NULL;
	}
	add_all(all, name, mc_json_arr(answer, "findings"));
}

static void find_disk(json_t *findings)
{
	const char *home = mc_config_home();
	struct statvfs fs;
	unsigned long long left;

	if (statvfs(home, &fs) < 0)
		return;
	left = (unsigned long long)fs.f_bavail * fs.f_frsize;
	mc_finding_add(findings, "disk-space", left < LOW_BYTES ? MC_FINDING_WARNING : MC_FINDING_OK,
		       left < LOW_BYTES ? "delete files, or move the state directory (MINICLOUD_HOME) to a larger disk" : NULL,
		       "%s has %.1f GiB free", home, (double)left / (1u << 30));
}

/* On the cloud's own host we can look ourselves. */
static void look_here(json_t *all, const mc_err *why)
{
	mc_auto_json json_t *own = json_array();

	mc_finding_add(own, "daemon", MC_FINDING_ERROR, "make demo, or systemctl start minicloud-api, and see its log",
		       "minicloud-api does not answer: %s", mc_err_msg(why));
	mc_finding_clock(own);
	find_disk(own);
	if (geteuid() != 0)
		mc_finding_add(own, "user", MC_FINDING_INFO, "run minicloud doctor as root",
			       "only root may ask the other daemons and look at the kernel");
	add_all(all, "api", own);
	for (size_t i = 0; i < MC_ARRAY_SIZE(daemons) && geteuid() == 0; i++)
		ask_daemon(all, daemons[i].name, daemons[i].alone);
}

/* --- with it ---------------------------------------------------------------------------- */

static void find_skew(json_t *all, const json_t *answer)
{
	mc_auto_json json_t *own = json_array();
	int64_t there = 0, skew;

	if (mc_clock_parse(mc_json_str(answer, "time", ""), &there) < 0)
		return;
	skew = llabs(mc_clock_wall() - there);
	if (skew >= SKEW_NOTED)
		mc_finding_add(own, "clock-skew", skew >= SKEW_BAD ? MC_FINDING_ERROR : MC_FINDING_WARNING,
			       "set both by a time service (timedatectl set-ntp true)",
			       "this machine's clock and the cloud's are %lld s apart: from 300 s on signed requests are refused",
			       (long long)(skew / MC_SECOND));
	add_all(all, "client", own);
}

/* New reference. */
static json_t *collect(struct cli *cli)
{
	mc_auto_json json_t *answer = NULL;
	mc_auto_err mc_err *err = NULL;
	json_t *all;

	if (transport_page(cli, "/v1/findings", &answer, &err) == 0) {
		all = json_copy(mc_json_arr(answer, "findings"));
		find_skew(all, answer);
		return all;
	}
	all = json_array();
	if (cli->endpoint) {
		mc_auto_json json_t *own = json_array();

		mc_finding_add(own, "endpoint", MC_FINDING_ERROR, "look at the endpoint's URL and the AWS keys; or run doctor on its host",
			       "%s does not answer: %s", cli->endpoint, mc_err_msg(err));
		add_all(all, "client", own);
	} else {
		look_here(all, err);
	}
	return all;
}

/* --- showing ------------------------------------------------------------------------------ */

static enum mc_severity severity_of(const json_t *finding)
{
	return mc_severity_parse(mc_json_str(finding, "severity", ""));
}

static size_t count(const json_t *findings, enum mc_severity severity)
{
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(findings); i++)
		n += severity_of(json_array_get(findings, i)) == severity;
	return n;
}

static void show(const struct cli *cli, const json_t *f)
{
	const char *severity = mc_severity_name(severity_of(f)), *remedy = mc_json_str(f, "remedy", NULL);
	const char *color = cli->color ? table_color(severity) : NULL;
	int rows, columns;

	tty_size(&rows, &columns);
	columns = columns < WIDTH_MIN ? WIDTH_MIN : columns > WIDTH_MAX ? WIDTH_MAX : columns;
	printf("%s%s%s%*s%s (%s)\n", color ? color : "", severity, color ? "\033[0m" : "", INDENT - (int)strlen(severity), "",
	       mc_json_str(f, "what", ""), mc_json_str(f, "daemon", ""));
	manual_wrap(stdout, mc_json_str(f, "text", ""), INDENT, (unsigned)columns);
	if (remedy) {
		mc_autofree char *line = mc_strf("-> %s", remedy);

		manual_wrap(stdout, line, INDENT, (unsigned)columns);
	}
}

/* The worst last: there the eye is. */
static void show_all(const struct cli *cli, const json_t *findings)
{
	for (int s = MC_FINDING_OK; s < MC_FINDING_MAX; s++)
		for (size_t i = 0; i < json_array_size(findings); i++)
			if (severity_of(json_array_get(findings, i)) == (enum mc_severity)s)
				show(cli, json_array_get(findings, i));
	printf("\n%zu errors, %zu warnings, %zu checks are good\n", count(findings, MC_FINDING_ERROR),
	       count(findings, MC_FINDING_WARNING), count(findings, MC_FINDING_OK));
}

int command_doctor(struct cli *cli, int argc, char **argv)
{
	mc_auto_json json_t *findings = NULL, *doc = NULL;
	int code = CLI_OK;

	if (argc)
		return cli_usage("doctor", "doctor takes no arguments, not '%s'", argv[0]);
	findings = collect(cli);
	doc = json_pack("{s:O}", "Findings", findings);
	if (cli->output == CLI_TABLE && !cli->query)
		show_all(cli, findings);
	else
		code = output_print(cli, NULL, doc);
	return code ? code : count(findings, MC_FINDING_ERROR) > 0;
}
