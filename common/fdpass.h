/* Descriptors over unix sockets: one JSON line with at most one descriptor
 * attached by SCM_RIGHTS (unix(7)). */
#ifndef MC_COMMON_FDPASS_H
#define MC_COMMON_FDPASS_H

#include <jansson.h>

#include "common/error.h"

/* Send doc as one line; fd -1: no descriptor. 0, or -1 and *err. */
int mc_fdpass_send(int sock, const json_t *doc, int fd, mc_err **err);

/* Receive one line (at most 4 KiB); *ret_fd is -1 or a CLOEXEC descriptor the
 * caller closes. 0; 1 at end of file; -1 and *err. *ret_doc: new reference. */
int mc_fdpass_recv(int sock, json_t **ret_doc, int *ret_fd, mc_err **err);

/* Connect, send doc and fd (-1: none), receive the answer. 0 or -1 and *err. */
int mc_fdpass_call(const char *socket_path, const json_t *doc, int fd, json_t **ret_doc, int *ret_fd,
		   mc_err **err);

#endif
