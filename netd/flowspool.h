/* Lines of flow logs on their way from the kernel to the files. A spool says what was read and
 * what is to be appended where; ending it twice does it once. */
#ifndef NETD_FLOWSPOOL_H
#define NETD_FLOWSPOOL_H

#include <jansson.h>
#include <stdint.h>

#include "common/error.h"
#include "netd/flowrules.h"

/* Keep a spool in dir. keys is {set: [key]}, texts {file: text}; active the side that packets go
 * to now, end the time until which they are. 0 or -1 and *err. */
int flowspool_write(const char *dir, const char *log_dir, enum flow_interval interval,
		    const json_t *keys, const json_t *texts, char active, int64_t end,
		    mc_err **err);

/* Take the spool's elements away from the kernel, append its lines, keep the time, drop the spool.
 * Nothing to do without one. *ret_active (may be NULL): the spool's, untouched without one.
 * 0 or -1 and *err. */
int flowspool_end(const char *dir, const char *log_dir, enum flow_interval interval, int ns_fd,
		  char *ret_active, mc_err **err);

/* Until when the interval's lines are written, seconds since 1970; 0: none were. */
int64_t flowspool_since(const char *dir, enum flow_interval interval);
int flowspool_set_since(const char *dir, enum flow_interval interval, int64_t since, mc_err **err);

#endif
