/* A connection of bytes with the API: a page asked for with an HTTP upgrade. */
#ifndef MC_CLI_LINE_H
#define MC_CLI_LINE_H

#include <jansson.h>
#include <sys/types.h>

#include "cli/cli.h"
#include "common/error.h"

struct line;

/* 0 and *ret; 1 where the API refused, *ret_refusal (new reference) then {"code", "message"}; -1
 * and *err. */
int line_open(const struct cli *cli, const char *page, const char *protocol, struct line **ret, json_t **ret_refusal,
	      mc_err **err);
void line_close(struct line *l);

int line_fd(const struct line *l); /* for poll(2) */
/* Bytes; 0: the end; -1: nothing now (EAGAIN) or broken. line_send: none for now is 0. */
ssize_t line_recv(struct line *l, void *buf, size_t max);
ssize_t line_send(struct line *l, const void *buf, size_t n);

#endif
