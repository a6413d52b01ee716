/* Tables for people on terminals. */
#ifndef MC_CLI_TABLE_H
#define MC_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table;

enum table_style { TABLE_PLAIN, TABLE_COLOR, TABLE_CSV };

/* A table with these column titles (copied). */
struct table *table_new(const char *const *titles, size_t n);
void table_free(struct table *table);

/* Numbers stand at the right of this column. */
void table_right(struct table *table, size_t column);

/* Add a row of n texts (copied; NULL: "-"). What terminals would obey is shown as '?'. */
void table_add(struct table *table, const char *const *cells);

/* Print with columns aligned by display width. TABLE_COLOR: titles bold, states coloured. TABLE_CSV: as
 * RFC 4180 has it, what is not there is empty. */
void table_print(const struct table *table, enum table_style style, FILE *out);

/* The colour of a state, NULL where it has none; "\033[0m" ends it. */
const char *table_color(const char *state);

#endif
