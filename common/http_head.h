/* The head of an HTTP answer whose connection becomes something else (101), read byte by byte
 * so that nothing behind it is taken. RFC 9112. */
#ifndef MC_COMMON_HTTP_HEAD_H
#define MC_COMMON_HTTP_HEAD_H

#include <stddef.h>

#define MC_HTTP_HEAD_MAX 8192

struct mc_http_head {
	char text[MC_HTTP_HEAD_MAX + 1]; /* NUL-terminated */
	size_t len;
};

/* Take a byte. 1: the head is whole; 0: not yet; -1: too long. */
int mc_http_head_add(struct mc_http_head *head, char byte);

/* "HTTP/1.1 404 ...": 404. -1: that is no head of HTTP/1. */
int mc_http_head_status(const struct mc_http_head *head);

/* The Content-Length; -1: there is none. */
long mc_http_head_length(const struct mc_http_head *head);

#endif
