/* A page of explanation, as text for the terminal or as man(7) source: written once. */
#ifndef MC_CLI_MANUAL_H
#define MC_CLI_MANUAL_H

#include <stdbool.h>
#include <stdio.h>

struct manual {
	FILE *out;
	bool roff; /* else plain text */
};

/* The page's begin: "run-instances" (NULL: the program itself), how it is called, one line. */
void manual_title(const struct manual *m, const char *name, const char *synopsis, const char *summary);
/* The man page of a name: "minicloud-kms-tag-resource" for "kms tag-resource", "minicloud" for "". Allocated. */
char *manual_page(const char *name);
/* "Options". */
void manual_heading(const struct manual *m, const char *text);
/* Paragraphs, with empty lines between. */
void manual_text(const struct manual *m, const char *text);
/* "--count N" and what it means, and lines below that ("one of: ..."), each NULL or "" for none. */
void manual_item(const struct manual *m, const char *term, const char *text, const char *more);
/* A line as it is ("  minicloud ssh i-..."). */
void manual_example(const struct manual *m, const char *line);

/* Text broken into lines of at most `width` columns, each after `indent` blanks. */
void manual_wrap(FILE *out, const char *text, unsigned indent, unsigned width);

#endif
