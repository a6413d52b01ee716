/* What the fuzz targets share. Their inputs are text where that is possible:
 * lines first, so that the corpora can be read and written by hand. */
#ifndef MC_TESTS_FUZZ_H
#define MC_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"
#include "common/id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* What must hold whatever the input is. A failure is a crash like any other. */
#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* n bytes (32 at most) that no input can know: the same ones for the same -seed= of libFuzzer's, others without one. */
static inline void fuzz_secret(int argc, char **argv, void *out, size_t n)
{
	static const char option[] = "-seed=";
	unsigned long long seed = 0;
	uint64_t words[4];

	mc_random_bytes(words, sizeof(words));
	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], option, sizeof(option) - 1) == 0)
			seed = strtoull(argv[i] + sizeof(option) - 1, NULL, 10);
	for (size_t i = 0; seed && i < 4; i++)
		words[i] = (seed + i) * 0x9e3779b97f4a7c15u ^ (seed << 7);
	memcpy(out, words, n);
}

/* The input as text with a NUL behind, the caller's to free. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = mc_alloc(size + 1);

	if (size)
		memcpy(text, data, size);
	return text;
}

/* Cut the next line off a text of *len bytes. Ended by a NUL; "" at the end. */
static inline char *fuzz_line(char **text, size_t *len)
{
	char *line = *text, *newline = *len ? memchr(line, '\n', *len) : NULL;
	size_t used = newline ? (size_t)(newline - line) + 1 : *len;

	if (newline)
		*newline = '\0';
	*text += used;
	*len -= used;
	return line;
}

#endif
