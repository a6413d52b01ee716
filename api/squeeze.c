#include "api/squeeze.h"

#include <lz4.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"

#define DICTIONARY_MAX 16384
#define PATIENCE 64 /* texts between two dictionaries, however ill the present one fits */

struct dictionary {
	unsigned refs;
	int len;
	char text[];
};

struct squeeze {
	struct dictionary *dictionary; /* of the texts to come; NULL: none yet */
	unsigned since;                /* texts since it was taken */
	LZ4_stream_t stream;
};

struct squeezed {
	struct dictionary *dictionary; /* NULL: kept as it is */
	uint32_t len, size;
	char data[];
};

/* --- dictionaries ------------------------------------------------------------- */

static void dictionary_unref(struct dictionary *d)
{
	if (d && --d->refs == 0)
		free(d);
}

/* Compress the texts to come against this one. */
static void take_dictionary(struct squeeze *s, const char *text, size_t len)
{
	struct dictionary *d;

	len = len > DICTIONARY_MAX ? DICTIONARY_MAX : len;
	d = mc_alloc(sizeof(*d) + len);
	d->refs = 1;
	d->len = (int)len;
	memcpy(d->text, text, len);
	dictionary_unref(s->dictionary);
	s->dictionary = d;
	s->since = 0;
}

struct squeeze *squeeze_new(void)
{
	return mc_alloc(sizeof(struct squeeze));
}

void squeeze_free(struct squeeze *s)
{
	if (!s)
		return;
	dictionary_unref(s->dictionary);
	free(s);
}

/* --- texts ---------------------------------------------------------------------- */

static struct squeezed *squeezed_new(struct dictionary *d, size_t len, const char *data, size_t size)
{
	struct squeezed *t = mc_alloc(sizeof(*t) + size);

	t->dictionary = d;
	t->len = (uint32_t)len;
	t->size = (uint32_t)size;
	memcpy(t->data, data, size);
	if (d)
		d->refs++;
	return t;
}

/* The compressed size in buf, or 0 where it did not become smaller. */
static size_t compress(struct squeeze *s, const char *text, size_t len, char *buf, size_t max)
{
	int n;

	LZ4_resetStream_fast(&s->stream);
	LZ4_loadDict(&s->stream, s->dictionary->text, s->dictionary->len);
	n = LZ4_compress_fast_continue(&s->stream, text, buf, (int)len, (int)max, 1);
	return n > 0 && (size_t)n < len ? (size_t)n : 0;
}

struct squeezed *squeeze_text(struct squeeze *s, const char *text, size_t len)
{
	mc_autofree char *buf = NULL;
	size_t max, n;

	if (len == 0 || len > LZ4_MAX_INPUT_SIZE)
		return squeezed_new(NULL, len, text, len);
	max = (size_t)LZ4_compressBound((int)len);
	buf = mc_alloc(max);
	if (!s->dictionary)
		take_dictionary(s, text, len);
	n = compress(s, text, len, buf, max);
	if ((n == 0 || n > len / 2) && ++s->since > PATIENCE) {
		take_dictionary(s, text, len);
		n = compress(s, text, len, buf, max);
	}
	return n ? squeezed_new(s->dictionary, len, buf, n) : squeezed_new(NULL, len, text, len);
}

void squeezed_end(struct squeezed *t)
{
	dictionary_unref(t->dictionary);
}

void squeezed_free(struct squeezed *t)
{
	if (t)
		squeezed_end(t);
	free(t);
}

size_t squeezed_len(const struct squeezed *t)
{
	return t->len;
}

size_t squeezed_size(const struct squeezed *t)
{
	return sizeof(*t) + t->size;
}

void squeezed_expand(const struct squeezed *t, char *out)
{
	const struct dictionary *d = t->dictionary;

	if (!d)
		memcpy(out, t->data, t->len);
	/* Only we write what is read here: anything else is memory gone wrong. */
	else if (LZ4_decompress_safe_usingDict(t->data, out, (int)t->size, (int)t->len, d->text, d->len) != (int)t->len)
		abort();
}
