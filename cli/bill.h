/* What the bill commands share. */
#ifndef MC_CLI_BILL_H
#define MC_CLI_BILL_H

#include <jansson.h>
#include <stdio.h>

#include "cli/cli.h"
#include "common/error.h"

#define BILL_MONEY 48

/* A decimal text of the daemon's ("0.012345678") with so many decimals (at most 9), rounded half up. */
void bill_money(const char *text, int decimals, char out[BILL_MONEY]);

/* "[the meters run 43200 times as fast as time, 3d2h ahead]" where that is so, else nothing. */
void bill_clock(const json_t *doc, FILE *out);

/* GET /v1/bill. month, by, resource may be NULL. 0 or -1 and *err. */
int bill_fetch(const struct cli *cli, const char *month, const char *by, const char *resource, json_t **ret_doc,
	       mc_err **err);

/* The sub-commands `bill simulate` and `bill invoice`. */
int bill_simulate(struct cli *cli, const char *path);
int bill_invoice(struct cli *cli, const char *month, const char *path);

/* run-instances --estimate: what this request would cost. */
int bill_estimate(const struct cli *cli, const json_t *request);

/* Put Rate and Month (texts) into each row of an answer whose id member names a resource with costs. */
void bill_annotate(const struct cli *cli, const char *operation, json_t *doc);

#endif
