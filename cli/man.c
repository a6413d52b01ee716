/* `minicloud __man DIRECTORY`: the manual pages, for `make man`. Standard input says which
 * operations there are: "ec2 RunInstances", one a line (minicloud-api --operations yes). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/help.h"
#include "cli/name.h"
#include "common/cleanup.h"
#include "common/fs.h"

/* The page's file; NULL and *err. */
static FILE *open_page(const char *dir, const char *name, mc_err **err)
{
	mc_autofree char *page = manual_page(name);
	mc_autofree char *path = mc_strf("%s/%s.1", dir, page);
	FILE *f = fopen(path, "we");

	if (!f)
		mc_err_set(err, errno, "%s", path);
	return f;
}

static int close_page(FILE *f, mc_err **err)
{
	bool failed = ferror(f);

	return fclose(f) != 0 || failed ? mc_err_set(err, errno, "cannot write") : 0;
}

static int write_operation(const char *dir, const struct model_operation *op, mc_err **err)
{
	struct manual m = { .roff = true };
	char name[NAME_MAX_LEN];

	name_words(op, name);
	m.out = open_page(dir, name, err);
	if (!m.out)
		return -1;
	help_operation(&m, op);
	return close_page(m.out, err);
}

static int write_operations(const char *dir, mc_err **err)
{
	char line[256];

	while (fgets(line, sizeof(line), stdin)) {
		char *space = strchr(line, ' ');
		const struct model_operation *op;

		line[strcspn(line, "\n")] = '\0';
		if (!space)
			return mc_err_set(err, 0, "'%s' is not SERVICE OPERATION", line);
		*space++ = '\0';
		op = model_operation(model_service(line), space);
		if (!op)
			return mc_err_set(err, 0, "the model has no %s of %s", space, line);
		if (write_operation(dir, op, err) < 0)
			return -1;
	}
	return 0;
}

static int write_commands(const char *dir, mc_err **err)
{
	for (const struct command *c = command_rows(); c->name; c++) {
		struct manual m = { .roff = true };

		if (!c->help)
			continue;
		m.out = open_page(dir, c->name, err);
		if (!m.out)
			return -1;
		help_command(&m, c);
		if (close_page(m.out, err) < 0)
			return -1;
	}
	return 0;
}

static int write_overview(const char *dir, mc_err **err)
{
	struct manual m = { .out = open_page(dir, "", err), .roff = true };

	if (!m.out)
		return -1;
	help_overview(&m);
	return close_page(m.out, err);
}

int command_man(struct cli *cli, int argc, char **argv)
{
	mc_auto_err mc_err *err = NULL;

	(void)cli;
	if (argc != 1)
		return cli_usage(NULL, "__man DIRECTORY");
	if (mc_fs_mkdirs(argv[0], 0755, &err) < 0 || write_overview(argv[0], &err) < 0 || write_commands(argv[0], &err) < 0 ||
	    write_operations(argv[0], &err) < 0)
		return cli_failed(err);
	return CLI_OK;
}
