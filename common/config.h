/* Flags and an INI file from one table, which also makes --help and the dump. */
#ifndef MC_COMMON_CONFIG_H
#define MC_COMMON_CONFIG_H

#include <stddef.h>
#include <stdio.h>

#include "common/error.h"

enum mc_option_type {
	MC_OPT_STRING,
	MC_OPT_INT,
	MC_OPT_BOOL,
	MC_OPT_PATH,
	MC_OPT_LEVEL, /* of the log: in force as soon as it is read */
};

struct mc_option {
	const char *section;   /* INI section: "api", "netd" ... */
	const char *name;      /* INI key `public_pool` and flag --public-pool */
	enum mc_option_type type;
	size_t offset;         /* of a `char *`, `long` or `bool` in the daemon's struct */
	const char *def;       /* default text; %H is MINICLOUD_HOME, %R the run directory */
	long min, max;         /* for MC_OPT_INT; both 0: no bound */
	const char *help;
};

struct mc_program {
	const char *name;        /* "minicloud-netd" */
	const char *summary;     /* one line */
	const struct mc_option *options; /* ends with a NULL name */
	/* What the table cannot say of the values; the whole is good for 0, else -1 and *err. It
	 * looks at nothing but them, so that -t tells on any host. NULL: nothing. */
	int (*check)(const void *target, mc_err **err);
};

enum mc_config_outcome {
	MC_CONFIG_RUN,  /* go on */
	MC_CONFIG_EXIT, /* --help, --version, -t, --dump-config: done, exit 0 */
};

/* Defaults, then the file (--config FILE; default /etc/minicloud/minicloud.conf
 * when that exists; one file for all daemons, each reading its own section and
 * [common]), then flags. Fills target by the table's offsets (strings are
 * allocated; mc_config_free). An unknown key in an own section, an unknown flag
 * or an ill-typed value is -1 with *err (file:line). Other daemons' sections are skipped. */
int mc_config_load(const struct mc_program *program, int argc, char **argv, void *target,
		   mc_err **err);
void mc_config_free(const struct mc_program *program, void *target);

/* Same, from a file's text, for tests and fuzzing. */
int mc_config_parse_file(const struct mc_program *program, const char *path, void *target,
			 mc_err **err);

/* MINICLOUD_HOME (default /var/lib/minicloud) and MINICLOUD_RUN (default /run/minicloud). */
const char *mc_config_home(void);
const char *mc_config_run_dir(void);

#endif
