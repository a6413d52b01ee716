/* Help texts, made from the tables. */
#ifndef MC_CLI_HELP_H
#define MC_CLI_HELP_H

#include <stdio.h>

/* Text broken into lines of at most `width` columns, each after `indent` blanks. */
void help_wrap(FILE *out, const char *text, unsigned indent, unsigned width);

#endif
