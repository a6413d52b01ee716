#include "common/config.h"

#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/cleanup.h"
#include "common/daemon.h"
#include "common/fs.h"
#include "common/log.h"

#define DEFAULT_FILE "/etc/minicloud/minicloud.conf"

const char *mc_config_home(void)
{
	const char *home = getenv("MINICLOUD_HOME");

	return home && *home ? home : "/var/lib/minicloud";
}

const char *mc_config_run_dir(void)
{
	const char *run = getenv("MINICLOUD_RUN");

	return run && *run ? run : "/run/minicloud";
}

/* %H and %R at the head of a value stand for the two directories. */
static char *expand(const char *text)
{
	if (strncmp(text, "%H", 2) == 0)
		return mc_strf("%s%s", mc_config_home(), text + 2);
	if (strncmp(text, "%R", 2) == 0)
		return mc_strf("%s%s", mc_config_run_dir(), text + 2);
	return mc_strdup(text);
}

static void *field_at(void *target, const struct mc_option *o)
{
	return (char *)target + o->offset;
}

static int set_int(const struct mc_option *o, void *target, const char *text, mc_err **err)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (!*text || *end || errno)
		return mc_err_set(err, 0, "%s: \"%s\" is no whole number", o->name, text);
	if ((o->min || o->max) && (n < o->min || n > o->max))
		return mc_err_set(err, 0, "%s: %ld is not between %ld and %ld", o->name, n, o->min, o->max);
	*(long *)field_at(target, o) = n;
	return 0;
}

static int set_bool(const struct mc_option *o, void *target, const char *text, mc_err **err)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

	for (size_t i = 0; i < MC_ARRAY_SIZE(words); i++)
		if (strcasecmp(text, words[i]) == 0) {
			*(bool *)field_at(target, o) = i % 2;
			return 0;
		}
	return mc_err_set(err, 0, "%s: \"%s\" is neither yes nor no", o->name, text);
}

static int set_level(const char *text, mc_err **err)
{
	int level = mc_log_level_parse(text);

	if (level < 0)
		return mc_err_set(err, 0, "log_level: \"%s\" is none of error, warning, info, debug", text);
	mc_log_set_level((enum mc_log_level)level);
	return 0;
}

static int set_option(const struct mc_option *o, void *target, const char *text, mc_err **err)
{
	char **slot = field_at(target, o);

	if (o->type == MC_OPT_INT)
		return set_int(o, target, text, err);
	if (o->type == MC_OPT_BOOL)
		return set_bool(o, target, text, err);
	free(*slot);
	*slot = expand(text);
	if (o->type == MC_OPT_PATH && **slot && **slot != '/')
		return mc_err_set(err, 0, "%s: \"%s\" is no absolute path", o->name, *slot);
	return o->type == MC_OPT_LEVEL ? set_level(text, err) : 0;
}

static const struct mc_option *find_option(const struct mc_program *program, const char *section,
					   const char *name, char separator)
{
	for (const struct mc_option *o = program->options; o->name; o++) {
		mc_autofree char *spelt = mc_strdup(o->name);

		for (char *c = spelt; *c; c++)
			if (*c == '_')
				*c = separator;
		if ((!section || strcmp(o->section, section) == 0) && strcmp(spelt, name) == 0)
			return o;
	}
	return NULL;
}

static int set_defaults(const struct mc_program *program, void *target, mc_err **err)
{
	for (const struct mc_option *o = program->options; o->name; o++)
		if (o->def && set_option(o, target, o->def, err) < 0)
			return -1;
	return 0;
}

struct ini_context {
	const struct mc_program *program;
	void *target;
	mc_err *own;
};

static bool own_section(const struct mc_program *program, const char *section)
{
	for (const struct mc_option *o = program->options; o->name; o++)
		if (strcmp(o->section, section) == 0)
			return true;
	return false;
}

static int on_ini(void *user, const char *section, const char *name, const char *value)
{
	struct ini_context *c = user;
	const struct mc_option *o;

	if (c->own || !own_section(c->program, section))
		return 1;
	o = find_option(c->program, section, name, '_');
	if (!o)
		mc_err_set(&c->own, 0, "[%s] knows no %s", section, name);
	else
		set_option(o, c->target, value, &c->own);
	return c->own ? 0 : 1;
}

int mc_config_parse_file(const struct mc_program *program, const char *path, void *target,
			 mc_err **err)
{
	struct ini_context c = { .program = program, .target = target };
	mc_auto_err mc_err *own = NULL;
	int line = ini_parse(path, on_ini, &c);

	own = c.own;
	if (line == 0)
		return 0;
	if (line < 0)
		return mc_err_set(err, errno, "cannot read %s", path);
	return mc_err_set(err, 0, "%s:%d: %s", path, line, own ? own->msg : "not `name = value`");
}

static const char *type_word(enum mc_option_type type)
{
	static const char *const words[] = {
		[MC_OPT_STRING] = "TEXT", [MC_OPT_INT] = "N", [MC_OPT_BOOL] = "yes|no", [MC_OPT_PATH] = "PATH", [MC_OPT_LEVEL] = "LEVEL",
	};

	return words[type];
}

static void print_help(const struct mc_program *program)
{
	printf("Usage: %s [OPTION...]\n%s\n\n", program->name, program->summary);
	printf("  --config FILE            read FILE (default %s where it exists)\n", DEFAULT_FILE);
	printf("  -t                       check the configuration and exit\n");
	printf("  --dump-config            print the configuration in force and exit\n");
	printf("  --help, --version\n\nOptions, also keys of the file's [section]:\n");
	for (const struct mc_option *o = program->options; o->name; o++) {
		mc_autofree char *flag = mc_strdup(o->name);

		for (char *c = flag; *c; c++)
			if (*c == '_')
				*c = '-';
		printf("  --%s %s\n        [%s] %s (default: %s)\n", flag, type_word(o->type),
		       o->section, o->help, o->def && *o->def ? o->def : "none");
	}
}

static void dump(const struct mc_program *program, void *target)
{
	const char *section = "";

	for (const struct mc_option *o = program->options; o->name; o++) {
		if (strcmp(section, o->section) != 0)
			printf("[%s]\n", o->section);
		section = o->section;
		if (o->type == MC_OPT_INT)
			printf("%s = %ld\n", o->name, *(long *)field_at(target, o));
		else if (o->type == MC_OPT_BOOL)
			printf("%s = %s\n", o->name, *(bool *)field_at(target, o) ? "yes" : "no");
		else
			printf("%s = %s\n", o->name, *(char **)field_at(target, o) ? *(char **)field_at(target, o) : "");
	}
}

/* --name VALUE or --name=VALUE; *i moves on by what was used. */
static int set_flag(const struct mc_program *program, int argc, char **argv, int *i, void *target,
		    mc_err **err)
{
	const char *arg = argv[*i];
	const char *equals = strchr(arg, '=');
	mc_autofree char *name = NULL;
	const struct mc_option *o;
	const char *value;

	if (strncmp(arg, "--", 2) != 0)
		return mc_err_set(err, 0, "unknown argument \"%s\" (see --help)", arg);
	name = equals ? strndup(arg + 2, (size_t)(equals - arg - 2)) : mc_strdup(arg + 2);
	o = find_option(program, NULL, name, '-');
	if (!o)
		return mc_err_set(err, 0, "unknown option \"%s\" (see --help)", arg);
	if (!equals && *i + 1 >= argc)
		return mc_err_set(err, 0, "option %s needs a value", arg);
	value = equals ? equals + 1 : argv[++*i];
	return set_option(o, target, value, err);
}

static const char *config_path(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--config=", 9) == 0)
			return argv[i] + 9;
		if (strcmp(argv[i], "--config") == 0)
			return i + 1 < argc ? argv[i + 1] : "";
	}
	return access(DEFAULT_FILE, R_OK) == 0 ? DEFAULT_FILE : NULL;
}

enum mode { MODE_RUN, MODE_CHECK, MODE_DUMP };

static int set_flags(const struct mc_program *program, int argc, char **argv, void *target,
		     enum mode *ret_mode, mc_err **err)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-t") == 0)
			*ret_mode = MODE_CHECK;
		else if (strcmp(argv[i], "--dump-config") == 0)
			*ret_mode = MODE_DUMP;
		else if (strcmp(argv[i], "--config") == 0)
			i++;
		else if (strncmp(argv[i], "--config=", 9) == 0)
			continue;
		else if (set_flag(program, argc, argv, &i, target, err) < 0)
			return -1;
	}
	return 0;
}

static bool informed(const struct mc_program *program, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			print_help(program);
			return true;
		}
		if (strcmp(argv[i], "--version") == 0) {
			printf("%s %s\n", program->name, MC_VERSION);
			return true;
		}
	}
	return false;
}

int mc_config_load(const struct mc_program *program, int argc, char **argv, void *target,
		   mc_err **err)
{
	const char *path = config_path(argc, argv);
	enum mode mode = MODE_RUN;

	if (informed(program, argc, argv))
		return MC_CONFIG_EXIT;
	if (set_defaults(program, target, err) < 0 ||
	    (path && mc_config_parse_file(program, path, target, err) < 0) ||
	    set_flags(program, argc, argv, target, &mode, err) < 0 ||
	    (mode != MODE_DUMP && program->check && program->check(target, err) < 0))
		return -1;
	if (mode == MODE_DUMP)
		dump(program, target);
	if (mode == MODE_CHECK)
		printf("%s: the configuration is good\n", program->name);
	return mode == MODE_RUN ? MC_CONFIG_RUN : MC_CONFIG_EXIT;
}

void mc_config_free(const struct mc_program *program, void *target)
{
	for (const struct mc_option *o = program->options; o->name; o++) {
		if (o->type == MC_OPT_INT || o->type == MC_OPT_BOOL)
			continue;
		free(*(char **)field_at(target, o));
		*(char **)field_at(target, o) = NULL;
	}
}
