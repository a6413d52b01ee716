#include "api/metric/math.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/metric/math_value.h"
#include "common/cleanup.h"

#define DEPTH_MAX 32
#define ARGUMENTS_MAX 100
#define NAME_MAX_TEXT 256

struct parser {
	const char *at;
	const struct math_world *world;
	const char *wrong; /* constant; NULL: nothing yet */
	unsigned depth;
};

static struct math_value expression(struct parser *p);

/* Always the number 0, for callers to return. */
static struct math_value fail(struct parser *p, const char *why)
{
	if (!p->wrong)
		p->wrong = why;
	return math_number(0);
}

static void skip(struct parser *p)
{
	p->at += strspn(p->at, " \t\r\n");
}

/* Is this the next sign or word? Then go on behind it. */
static bool take(struct parser *p, const char *what)
{
	size_t n = strlen(what);

	skip(p);
	if (strncmp(p->at, what, n) != 0 || (isalpha((unsigned char)*what) && (isalnum((unsigned char)p->at[n]) || p->at[n] == '_')))
		return false;
	p->at += n;
	return true;
}

/* --- what stands alone ------------------------------------------------------------------ */

static size_t arguments(struct parser *p, const char *end, struct math_value *args)
{
	size_t n = 0;

	if (take(p, end))
		return 0;
	do {
		if (n == ARGUMENTS_MAX) {
			fail(p, "There are too many arguments.");
			return n;
		}
		args[n++] = expression(p);
	} while (!p->wrong && take(p, ","));
	if (!p->wrong && !take(p, end))
		fail(p, "A bracket is not closed.");
	return n;
}

static struct math_value call(struct parser *p, const char *name)
{
	const struct math_function *f = math_function(name);
	struct math_value args[ARGUMENTS_MAX], ret = math_number(0);
	size_t n = arguments(p, ")", args);
	const char *wrong = NULL;

	if (!f)
		fail(p, "This cloud does not know the function.");
	else if (n < f->min || n > f->max)
		fail(p, "A function has another number of arguments.");
	if (!p->wrong)
		wrong = f->fn(p->world, args, n, &ret);
	if (wrong)
		fail(p, wrong);
	for (size_t i = 0; i < n; i++)
		math_value_deinit(&args[i]);
	return ret;
}

static struct math_value named(struct parser *p)
{
	char name[NAME_MAX_TEXT];
	size_t n = 0;
	struct math_value v;
	const char *wrong = "An id is not known.";

	while (isalnum((unsigned char)p->at[n]) || p->at[n] == '_')
		n++;
	if (n >= sizeof(name))
		return fail(p, "A name is too long.");
	memcpy(name, p->at, n);
	name[n] = '\0';
	p->at += n;
	if (take(p, "("))
		return call(p, name);
	if (strcmp(name, "REPEAT") == 0 || strcmp(name, "LINEAR") == 0)
		return (struct math_value){ .kind = MATH_WORD, .word = strdup(name) };
	return p->world->find(p->world->ctx, name, &v, &wrong) ? v : fail(p, wrong);
}

static struct math_value list(struct parser *p)
{
	struct math_value args[ARGUMENTS_MAX], all = { .kind = MATH_LIST };
	size_t n = arguments(p, "]", args);

	for (size_t i = 0; i < n; i++) {
		if (args[i].kind != MATH_SERIES && args[i].kind != MATH_LIST)
			fail(p, "A list holds time series.");
		for (size_t k = 0; k < args[i].n; k++)
			math_append(&all, series_copy(&args[i].items[k]));
		math_value_deinit(&args[i]);
	}
	return all;
}

static struct math_value quoted(struct parser *p, char quote)
{
	const char *end = strchr(p->at, quote);
	struct math_value v = { .kind = MATH_WORD };

	if (!end)
		return fail(p, "A text is not closed.");
	v.word = strndup(p->at, (size_t)(end - p->at));
	p->at = end + 1;
	return v;
}

static struct math_value number(struct parser *p)
{
	char *end;
	double value = strtod(p->at, &end);

	p->at = end;
	return math_number(value);
}

static struct math_value primary(struct parser *p)
{
	struct math_value v;

	skip(p);
	if (isdigit((unsigned char)*p->at) || *p->at == '.')
		return number(p);
	if (isalpha((unsigned char)*p->at))
		return named(p);
	if (take(p, "["))
		return list(p);
	if (take(p, "\""))
		return quoted(p, '"');
	if (take(p, "'"))
		return quoted(p, '\'');
	if (!take(p, "("))
		return fail(p, "Something is missing, or a sign is not known.");
	v = expression(p);
	if (!take(p, ")"))
		fail(p, "A bracket is not closed.");
	return v;
}

/* --- what stands between ------------------------------------------------------------------ */

static double add(double a, double b) { return a + b; }
static double subtract(double a, double b) { return a - b; }
static double multiply(double a, double b) { return a * b; }
static double divide(double a, double b) { return a / b; }
static double equal(double a, double b) { return a == b; }
static double unequal(double a, double b) { return a != b; }
static double less(double a, double b) { return a < b; }
static double more(double a, double b) { return a > b; }
static double at_most(double a, double b) { return a <= b; }
static double at_least(double a, double b) { return a >= b; }
static double both(double a, double b) { return a != 0 && b != 0; }
static double either(double a, double b) { return a != 0 || b != 0; }

/* From the loosest to the tightest; of one level the longer sign first. */
static const struct operator {
	int level;
	const char *sign;
	math_binary *fn;
} operators[] = {
	{ 0, "||", either }, { 0, "OR", either }, { 1, "&&", both }, { 1, "AND", both }, { 2, "==", equal }, { 2, "!=", unequal },
	{ 2, "<=", at_most }, { 2, ">=", at_least }, { 2, "<", less }, { 2, ">", more }, { 3, "+", add }, { 3, "-", subtract },
	{ 4, "*", multiply }, { 4, "/", divide },
};
#define LEVELS 5

static const struct operator *take_operator(struct parser *p, int level)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(operators); i++)
		if (operators[i].level == level && take(p, operators[i].sign))
			return &operators[i];
	return NULL;
}

/* a and b are used up. */
static struct math_value combine(struct parser *p, struct math_value a, struct math_value b, math_binary *fn)
{
	struct math_value v = math_number(0);

	if (!p->wrong && !math_combine(&a, &b, fn, &v))
		fail(p, "Two values do not fit together.");
	math_value_deinit(&a);
	math_value_deinit(&b);
	return v;
}

static struct math_value power(struct parser *p)
{
	bool minus = take(p, "-");
	struct math_value v = primary(p);

	if (!p->wrong && take(p, "^"))
		v = combine(p, v, primary(p), pow);
	return minus ? combine(p, math_number(-1), v, multiply) : v;
}

static struct math_value binary(struct parser *p, int level)
{
	struct math_value v = level == LEVELS ? power(p) : binary(p, level + 1);
	const struct operator *o;

	while (level < LEVELS && !p->wrong && (o = take_operator(p, level)))
		v = combine(p, v, binary(p, level + 1), o->fn);
	return v;
}

static struct math_value expression(struct parser *p)
{
	struct math_value v;

	if (p->depth == DEPTH_MAX)
		return fail(p, "It is nested too deeply.");
	p->depth++;
	v = binary(p, 0);
	p->depth--;
	return v;
}

int math_evaluate(const char *text, const struct math_world *world, struct math_value *ret, const char **wrong)
{
	struct parser p = { .at = text, .world = world };
	struct math_value v = expression(&p);

	skip(&p);
	if (*p.at)
		fail(&p, "Something follows the expression, or a sign is not known.");
	if (!p.wrong && v.kind == MATH_WORD)
		fail(&p, "A text is no value.");
	*wrong = p.wrong;
	if (!p.wrong) {
		*ret = v;
		return 0;
	}
	math_value_deinit(&v);
	return -1;
}
