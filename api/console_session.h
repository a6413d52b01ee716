/* GET /v1/instances/{i}/console: an instance's serial port through the front door. */
#ifndef MC_API_CONSOLE_SESSION_H
#define MC_API_CONSOLE_SESSION_H

#include "api/action.h"

#define CONSOLE_PROTOCOL "minicloud-console" /* of the HTTP upgrade */

/* The page's action. Its second phase opens the port and leaves the hypervisor's descriptor in call->fd. */
extern const struct action page_console;

/* Pass bytes between both descriptors in a thread of its own until either ends; then the second is
 * closed and ended(ctx) called. head: bytes that the client sent with its request. False: there
 * are too many, or no thread; nothing has happened. */
bool console_relay(int client_fd, int console_fd, const char *head, size_t n, void (*ended)(void *ctx), void *ctx);

#endif
