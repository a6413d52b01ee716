/* The event stream: what libvirt reports, fanned out to every listener. */
#ifndef MC_HYPERVISOR_EVENTS_H
#define MC_HYPERVISOR_EVENTS_H

#include "common/ipc.h"

struct events;

struct events *events_new(void);
void events_free(struct events *e); /* after events_close() and the server's end */

/* Queue {instance, event, reason} for every listener; instance and reason may be NULL.
 * Never blocks. A listener that is too slow loses what it has not read and gets "resync". */
void events_publish(struct events *e, const char *instance, const char *event, const char *reason);

/* Serve one listener until it goes or events_close() is called. Its first line is "resync". */
void events_serve(struct events *e, struct mc_ipc_stream *stream);

/* End all listeners' streams, now and later. */
void events_close(struct events *e);

/* How many listen. */
unsigned events_listeners(struct events *e);

#endif
