/* Sub-commands that are not operations of the API. */
#ifndef MC_CLI_COMMAND_H
#define MC_CLI_COMMAND_H

#include <stdbool.h>

#include "cli/cli.h"

struct manual;

struct command_option {
	const char *name, *value, *help; /* "--delay", "SECONDS" */
};

struct command {
	const char *name, *arguments, *help; /* help NULL: not for people */
	/* argv after the name; an exit code. */
	int (*run)(struct cli *cli, int argc, char **argv);
	bool own_options;          /* global options only before its first word (ssh) */
	const char *details;       /* paragraphs; NULL: none */
	const struct command_option *options; /* ended by a NULL name; NULL: none */
	void (*more)(const struct manual *m); /* writes what is left to say; NULL: nothing */
	const char *words;         /* what its words are: a member's name ("InstanceId"), for completion */
};

int command_bill(struct cli *cli, int argc, char **argv);
int command_billing(struct cli *cli, int argc, char **argv);
int command_complete(struct cli *cli, int argc, char **argv);
int command_console(struct cli *cli, int argc, char **argv);
int command_doctor(struct cli *cli, int argc, char **argv);
int command_env(struct cli *cli, int argc, char **argv);
int command_man(struct cli *cli, int argc, char **argv);
int command_meters(struct cli *cli, int argc, char **argv);
int command_ssh(struct cli *cli, int argc, char **argv);
int command_top(struct cli *cli, int argc, char **argv);
int command_wait(struct cli *cli, int argc, char **argv);
int command_why(struct cli *cli, int argc, char **argv);
int command_version(struct cli *cli, int argc, char **argv);
int command_help(struct cli *cli, int argc, char **argv);

/* All of them, ended by a NULL name. */
const struct command *command_rows(void);
const struct command *command_find(const char *name);

#endif
