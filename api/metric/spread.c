#include "api/metric/spread.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"

#define FINEST 64 /* steps between two powers of two: half of one is within 1 per cent */

/* The first item that is not below the value. */
static size_t find(const struct spread *s, double value)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->items[middle].value < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void insert(struct spread *s, double value, double count)
{
	size_t at = find(s, value);

	if (at < s->n && s->items[at].value == value) {
		s->items[at].count += count;
		return;
	}
	if (s->n == s->size) {
		size_t size = s->size ? s->size * 2 : 4;
		struct spread_item *items = realloc(s->items, size * sizeof(*items));

		if (!items)
			abort();
		s->items = items;
		s->size = size;
	}
	memmove(&s->items[at + 1], &s->items[at], (s->n - at) * sizeof(*s->items));
	s->items[at] = (struct spread_item){ value, count };
	s->n++;
}

static double round_to(double value, double steps)
{
	int exponent;
	double part = frexp(value, &exponent);

	return ldexp(round(part * steps * 2) / (steps * 2), exponent);
}

/* Fewer items: what is near to each other becomes one. */
static void coarsen(struct spread *s, double steps)
{
	struct spread less = { .items = NULL };

	for (size_t i = 0; i < s->n; i++)
		insert(&less, round_to(s->items[i].value, steps), s->items[i].count);
	free(s->items);
	*s = less;
}

void spread_add(struct spread *s, double value, double count)
{
	insert(s, value, count);
	for (double steps = FINEST; s->n > SPREAD_MAX && steps >= 1; steps /= 2)
		coarsen(s, steps);
}

void spread_merge(struct spread *s, const struct spread *from)
{
	for (size_t i = 0; i < from->n; i++)
		spread_add(s, from->items[i].value, from->items[i].count);
}

void spread_deinit(struct spread *s)
{
	free(s->items);
	*s = (struct spread){ .items = NULL };
}

double spread_percentile(const struct spread *s, double percent)
{
	double total = 0, below = 0;

	for (size_t i = 0; i < s->n; i++)
		total += s->items[i].count;
	for (size_t i = 0; i < s->n; i++) {
		below += s->items[i].count;
		if (below >= total * percent / 100)
			return s->items[i].value;
	}
	return s->n ? s->items[s->n - 1].value : 0;
}

char *spread_text(const struct spread *s)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		abort();
	for (size_t i = 0; i < s->n; i++)
		fprintf(out, "%s%.17g:%.17g", i ? " " : "", s->items[i].value, s->items[i].count);
	fclose(out);
	return text;
}

bool spread_parse(struct spread *s, const char *text)
{
	while (*text) {
		char *end;
		double value = strtod(text, &end), count;

		if (end == text || *end != ':')
			return false;
		text = end + 1;
		count = strtod(text, &end);
		if (end == text || (*end && *end != ' ') || !(count > 0))
			return false;
		insert(s, value, count);
		text = *end ? end + 1 : end;
	}
	return true;
}
