/* A growing text buffer for answers of any size. Aborts when memory is out. */
#ifndef MC_API_PROTOCOL_BUFFER_H
#define MC_API_PROTOCOL_BUFFER_H

#include <stddef.h>

struct buffer {
	char *data; /* NULL until the first byte */
	size_t len, size;
};

void buffer_add(struct buffer *b, const void *data, size_t len);
void buffer_text(struct buffer *b, const char *text);
/* Make room for so many bytes more and a NUL, to be written at data + len. */
void buffer_room(struct buffer *b, size_t more);
/* Add several texts; ended by NULL. */
void buffer_texts(struct buffer *b, ...) __attribute__((sentinel));
/* Add text as XML character data: escaped, what XML 1.0 cannot carry as U+FFFD. */
void buffer_xml(struct buffer *b, const char *text, size_t len);
/* The NUL-terminated text, the caller's to free; b is empty afterwards. */
char *buffer_take(struct buffer *b, size_t *ret_len);
void buffer_deinit(struct buffer *b);

#define auto_buffer __attribute__((cleanup(buffer_deinit)))

#endif
