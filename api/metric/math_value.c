#include "api/metric/math_value.h"

#include <math.h>
#include <stdlib.h>

void math_value_deinit(struct math_value *v)
{
	for (size_t i = 0; i < v->n; i++)
		series_deinit(&v->items[i]);
	free(v->items);
	free(v->word);
	*v = (struct math_value){ .kind = MATH_NUMBER };
}

struct math_value math_number(double number)
{
	return (struct math_value){ .kind = MATH_NUMBER, .number = number };
}

void math_append(struct math_value *list, struct series s)
{
	struct series *items = realloc(list->items, (list->n + 1) * sizeof(*items));

	if (!items)
		abort();
	items[list->n++] = s;
	list->items = items;
}

struct math_value math_series(struct series s)
{
	struct math_value v = { .kind = MATH_SERIES };

	math_append(&v, s);
	return v;
}

/* What is no number (a division by 0) is not there. */
static void keep(struct series *s, int64_t at, double value)
{
	if (isfinite(value))
		series_add(s, at, value);
}

static struct series pair(const struct series *a, const struct series *b, math_binary *op)
{
	struct series s = { .period = a->period > b->period ? a->period : b->period };

	for (size_t i = 0; i < a->n; i++) {
		long k = series_find(b, a->at[i]);

		if (k >= 0)
			keep(&s, a->at[i], op(a->values[i], b->values[k]));
	}
	return s;
}

static struct series with_number(const struct series *a, double number, math_binary *op, bool number_first)
{
	struct series s = { .period = a->period };

	for (size_t i = 0; i < a->n; i++)
		keep(&s, a->at[i], number_first ? op(number, a->values[i]) : op(a->values[i], number));
	return s;
}

/* The i-th of both: a number and a series stand for as many as the other side has. */
static struct series one(const struct math_value *a, const struct math_value *b, size_t i, math_binary *op)
{
	const struct series *left = a->n ? &a->items[a->n == 1 ? 0 : i] : NULL, *right = b->n ? &b->items[b->n == 1 ? 0 : i] : NULL;

	if (!left)
		return with_number(right, a->number, op, true);
	return right ? pair(left, right, op) : with_number(left, b->number, op, false);
}

bool math_combine(const struct math_value *a, const struct math_value *b, math_binary *op, struct math_value *ret)
{
	size_t n = a->n > b->n ? a->n : b->n;

	if (a->kind == MATH_WORD || b->kind == MATH_WORD)
		return false;
	if (a->kind == MATH_NUMBER && b->kind == MATH_NUMBER) {
		*ret = math_number(op(a->number, b->number));
		return true;
	}
	if (a->n > 1 && b->n > 1 && a->n != b->n)
		return false;
	*ret = (struct math_value){ .kind = a->kind == MATH_LIST || b->kind == MATH_LIST ? MATH_LIST : MATH_SERIES };
	if ((a->kind != MATH_NUMBER && a->n == 0) || (b->kind != MATH_NUMBER && b->n == 0))
		return true; /* a list of none */
	for (size_t i = 0; i < n; i++)
		math_append(ret, one(a, b, i, op));
	return true;
}
