/* What metric math does with values; only api/metric/math*.c. */
#ifndef MC_API_METRIC_MATH_VALUE_H
#define MC_API_METRIC_MATH_VALUE_H

#include "api/metric/math.h"

struct math_value math_number(double number);
struct math_value math_series(struct series s); /* taken over */
void math_append(struct math_value *list, struct series s);

/* op of both: numbers, series and lists in any mixture but lists with lists of another length. Series
 * meet where both have values. False: they do not fit. */
typedef double math_binary(double a, double b);
bool math_combine(const struct math_value *a, const struct math_value *b, math_binary *op, struct math_value *ret);

/* The function by name; NULL: there is none. args: so many as are between min and max. NULL, or what is
 * wrong with the arguments (constant). */
struct math_function {
	const char *name;
	size_t min, max;
	const char *(*fn)(const struct math_world *world, const struct math_value *args, size_t n, struct math_value *ret);
};
const struct math_function *math_function(const char *name);

#endif
