/* What commands and operations are for, made from the tables: for --help and as manual pages. */
#ifndef MC_CLI_HELP_H
#define MC_CLI_HELP_H

#include "api/model/model.h"
#include "cli/command.h"
#include "cli/manual.h"

void help_operation(const struct manual *m, const struct model_operation *op);
void help_command(const struct manual *m, const struct command *command);
/* What `wait` can wait for, and one of its conditions. */
void help_waiters(const struct manual *m);
void help_waiter(const struct manual *m, const struct model_waiter *waiter);
/* The program as a whole. */
void help_overview(const struct manual *m);

#endif
