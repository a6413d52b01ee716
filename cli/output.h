/* Print an answer: JSON, YAML, the AWS CLI's text form, a table, or the table's cells as CSV. */
#ifndef MC_CLI_OUTPUT_H
#define MC_CLI_OUTPUT_H

#include <jansson.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "common/error.h"

/* Print the answer of an operation ("DescribeInstances") as cli says, after its
 * --query. An empty answer prints nothing. CLI_OK or CLI_FAILURE/CLI_USAGE, with
 * the message printed. */
int output_print(const struct cli *cli, const char *operation, const json_t *doc);

/* The AWS CLI's text form: tab-separated lines, keys in alphabetical order. */
void output_text(const json_t *value, FILE *out);

/* YAML 1.1. */
void output_yaml(const json_t *value, FILE *out);

/* A table: chosen columns where the operation has some, else what the answer holds. */
void output_table(const char *operation, const json_t *doc, enum table_style style, FILE *out);

/* Evaluate a JMESPath expression with Debian's jp. NULL and *err. New reference. */
json_t *output_query(const char *expression, const json_t *doc, mc_err **err);

#endif
