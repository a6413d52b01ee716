/* The terminal in raw mode, and back again on every way out that can be caught. */
#ifndef MC_CLI_TTY_H
#define MC_CLI_TTY_H

#include <stdbool.h>

#include "common/error.h"

struct tty;

/* Standard input's terminal without echo, lines and signals from keys, and SIGINT, SIGTERM,
 * SIGQUIT, SIGHUP (and SIGWINCH) turned into a readable descriptor, so that they end us in order.
 * One at a time. NULL and *err where standard input is no terminal. */
struct tty *tty_raw(mc_err **err);

/* As before; NULL is fine. */
void tty_restore(struct tty *t);

/* Readable when a signal came. */
int tty_signal_fd(const struct tty *t);
/* The signal that came; 0: none. */
int tty_signal(const struct tty *t);

/* Rows and columns of standard output's terminal; 24 and 80 where it is none. */
void tty_size(int *ret_rows, int *ret_columns);

#endif
