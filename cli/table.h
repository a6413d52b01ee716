/* Tables for people on terminals. */
#ifndef MC_CLI_TABLE_H
#define MC_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table;

/* A table with these column titles (copied). */
struct table *table_new(const char *const *titles, size_t n);
void table_free(struct table *table);

/* Numbers stand at the right of this column. */
void table_right(struct table *table, size_t column);

/* Add a row of n texts (copied; NULL: "-"). What terminals would obey is shown as '?'. */
void table_add(struct table *table, const char *const *cells);

/* Print with columns aligned by display width. color: titles bold, states coloured. */
void table_print(const struct table *table, bool color, FILE *out);

/* The colour of a state, NULL where it has none; "\033[0m" ends it. */
const char *table_color(const char *state);

#endif
