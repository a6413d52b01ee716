/* Texts that are much alike, kept small: compressed (LZ4, lz4.h) against one of their
 * kind as a dictionary, so that of each remains little more than what is its own. */
#ifndef MC_API_SQUEEZE_H
#define MC_API_SQUEEZE_H

#include <stddef.h>

struct squeeze;  /* texts of one kind; used under its owner's lock */
struct squeezed; /* one of them */

struct squeeze *squeeze_new(void);
/* What was squeezed may outlive it. */
void squeeze_free(struct squeeze *s);

/* The text, made small. Never NULL. */
struct squeezed *squeeze_text(struct squeeze *s, const char *text, size_t len);
void squeezed_free(struct squeezed *t); /* under the lock too: dictionaries are shared */
/* For one that was moved elsewhere (its squeezed_size() bytes, aligned like a pointer): end it, but
 * not the memory that it lies in. */
void squeezed_end(struct squeezed *t);

/* Bytes of the text, and of all that is kept of it. */
size_t squeezed_len(const struct squeezed *t);
size_t squeezed_size(const struct squeezed *t);
/* Write the text, squeezed_len() bytes without a NUL, to out. Needs no lock while t lives. */
void squeezed_expand(const struct squeezed *t, char *out);

#endif
