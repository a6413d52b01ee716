/* `minicloud ssh i-...`: ssh with the right key, address and host key file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/key_file.h"
#include "cli/name.h"
#include "cli/operation.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/json.h"

struct target {
	const char *instance, *user;
	char *key, *address, *known_hosts;
	char **command; /* the remote command's words, ended by NULL */
	int n_command;
};

static void target_deinit(struct target *t)
{
	free(t->key);
	free(t->address);
	free(t->known_hosts);
}

static int parse(int argc, char **argv, struct target *t)
{
	int i = 0;

	t->user = "ec2-user";
	for (; i < argc; i++) {
		bool user = strcmp(argv[i], "-l") == 0 || strcmp(argv[i], "--user") == 0;
		bool key = strcmp(argv[i], "-i") == 0 || strcmp(argv[i], "--key") == 0;

		if ((user || key) && i + 1 >= argc)
			return cli_usage("ssh", "%s expects a value", argv[i]);
		if (user) {
			t->user = argv[++i];
		} else if (key) {
			free(t->key);
			t->key = mc_strdup(argv[++i]);
		} else if (strcmp(argv[i], "--") == 0 && t->instance) {
			i++;
			break;
		} else if (*argv[i] == '-' && !t->instance) {
			return cli_usage("ssh", "unknown option %s", argv[i]);
		} else if (t->instance) {
			break;
		} else {
			t->instance = argv[i];
		}
	}
	t->command = argv + i;
	t->n_command = argc - i;
	if (!t->instance)
		return cli_usage("ssh", "which instance?");
	if (!mc_id_valid("i", t->instance))
		return cli_usage("ssh", "'%s' is not the id of an instance (i-...)", t->instance);
	return 0;
}

/* The instance as the API describes it: a new reference in *ret, or an exit code. */
static int describe(struct cli *cli, const char *id, json_t **ret)
{
	const struct model_operation *op = model_operation(model_service("ec2"),
							   "DescribeInstances");
	mc_auto_json json_t *doc = json_pack("{s:[s]}", "InstanceIds", id), *answer = NULL;
	int code = operation_ask(cli, op, doc, &answer);
	json_t *reservation, *instance;

	if (code)
		return code;
	reservation = json_array_get(mc_json_arr(answer, "Reservations"), 0);
	instance = json_array_get(mc_json_arr(reservation, "Instances"), 0);
	if (!instance) {
		fprintf(stderr, "minicloud: there is no instance %s\n", id);
		return CLI_FAILURE;
	}
	*ret = json_incref(instance);
	return 0;
}

static int find_key(const json_t *instance, struct target *t, mc_err **err)
{
	const char *name = mc_json_str(instance, "KeyName", NULL);

	if (!t->key && !name)
		return mc_err_set(err, 0, "%s was launched without a key pair; give a key file "
				  "with -i", t->instance);
	if (!t->key)
		t->key = key_file_path(name, err);
	if (!t->key)
		return -1;
	if (access(t->key, R_OK) < 0)
		return mc_err_set(err, errno, "the private key of '%s' is not in %s (give its "
				  "file with -i)", name ? name : "", t->key);
	return 0;
}

static int find_host(const json_t *instance, struct target *t, mc_err **err)
{
	const char *state = mc_json_str(mc_json_obj(instance, "State"), "Name", "unknown");
	const char *address = mc_json_str(instance, "PublicIpAddress", NULL);
	mc_autofree char *home = NULL, *directory = NULL;

	if (strcmp(state, "running") != 0)
		return mc_err_set(err, 0, "%s is %s, not running", t->instance, state);
	if (!address)
		return mc_err_set(err, 0, "%s has no public address", t->instance);
	if (address[strspn(address, "0123456789.")])
		return mc_err_set(err, 0, "'%s' is no address", address);
	home = key_file_home(err);
	if (!home)
		return -1;
	directory = mc_strf("%s/known_hosts", home);
	if (mc_fs_mkdirs(directory, 0700, err) < 0)
		return -1;
	t->address = mc_strdup(address);
	t->known_hosts = mc_strf("%s/%s", directory, t->instance);
	return 0;
}

/* Addresses are used again by other instances: the host key belongs to the id. */
static int run_ssh(const struct target *t, mc_err **err)
{
	mc_autofree char *hosts = mc_strf("UserKnownHostsFile=\"%s\"", t->known_hosts);
	mc_autofree char *alias = mc_strf("HostKeyAlias=%s", t->instance);
	const char *const fixed[] = {
		"ssh", "-i", t->key, "-o", "IdentitiesOnly=yes", "-o", hosts, "-o", alias,
		"-o", "StrictHostKeyChecking=accept-new", "-o", "ConnectTimeout=30",
		"-l", t->user, "--", t->address,
	};
	size_t n = MC_ARRAY_SIZE(fixed);
	mc_autofree const char **argv = mc_alloc((n + (size_t)t->n_command + 1) * sizeof(*argv));

	memcpy(argv, fixed, sizeof(fixed));
	for (int i = 0; i < t->n_command; i++)
		argv[n + (size_t)i] = t->command[i];
	execvp("ssh", (char *const *)argv);
	return mc_err_set(err, errno, "cannot run ssh");
}

int command_ssh(struct cli *cli, int argc, char **argv)
{
	__attribute__((cleanup(target_deinit))) struct target t = { 0 };
	mc_auto_json json_t *instance = NULL;
	mc_auto_err mc_err *err = NULL;
	int code = parse(argc, argv, &t);

	if (code == 0)
		code = describe(cli, t.instance, &instance);
	if (code)
		return code;
	if (find_host(instance, &t, &err) == 0 && find_key(instance, &t, &err) == 0)
		run_ssh(&t, &err);
	return cli_failed(err);
}
