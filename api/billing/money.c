#include "api/billing/money.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WHOLE 1000000000LL /* nobody prices a unit higher */

int money_parse(const char *text, int64_t *ret_nano)
{
	const char *digits = "0123456789";
	size_t whole = strspn(text, digits), decimals;
	int64_t nano = 0, unit = MONEY_UNIT / 10;

	if (whole == 0 || whole > 10)
		return -1;
	decimals = text[whole] == '.' ? strspn(text + whole + 1, digits) : 0;
	if (text[whole] == '.' && (decimals == 0 || decimals > 9 || text[whole + 1 + decimals]))
		return -1;
	if (text[whole] && text[whole] != '.')
		return -1;
	for (size_t i = 0; i < whole; i++)
		nano = nano * 10 + (text[i] - '0');
	if (nano > MAX_WHOLE)
		return -1;
	nano *= MONEY_UNIT;
	for (size_t i = 0; i < decimals; i++, unit /= 10)
		nano += (text[whole + 1 + i] - '0') * unit;
	*ret_nano = nano;
	return 0;
}

static int64_t power_of_ten(int n)
{
	int64_t p = 1;

	while (n-- > 0)
		p *= 10;
	return p;
}

/* n has `decimals` decimal places. */
static void place_point(money_wide n, int decimals, char out[MONEY_TEXT])
{
	char text[MONEY_TEXT];
	money_wide unit = power_of_ten(decimals);
	const char *sign = n < 0 ? "-" : "";

	if (n < 0)
		n = -n;
	money_wide_text(n / unit, text);
	if (decimals)
		snprintf(out, MONEY_TEXT, "%s%.30s.%0*lld", sign, text, decimals, (long long)(n % unit));
	else
		snprintf(out, MONEY_TEXT, "%s%.40s", sign, text);
}

void money_format(int64_t nano, int decimals, char out[MONEY_TEXT])
{
	int64_t step = power_of_ten(9 - decimals);
	int64_t n = money_round(nano < 0 ? -(money_wide)nano : nano, step);

	place_point(nano < 0 ? -n : n, decimals, out);
}

int64_t money_round(money_wide numerator, money_wide denominator)
{
	money_wide q = numerator / denominator, rest = numerator % denominator;

	if (rest < 0) { /* towards minus infinity first */
		rest += denominator;
		q--;
	}
	if (rest >= denominator - rest)
		q++;
	return q > INT64_MAX ? INT64_MAX : q < -INT64_MAX ? -INT64_MAX : (int64_t)q;
}

bool money_add_product(money_wide *sum, money_wide a, money_wide b)
{
	money_wide product, total;

	if (__builtin_mul_overflow(a, b, &product) || __builtin_add_overflow(*sum, product, &total))
		return false;
	*sum = total;
	return true;
}

void money_quotient(money_wide numerator, money_wide denominator, int decimals, char out[MONEY_TEXT])
{
	money_wide unit = power_of_ten(decimals), whole = numerator / denominator, rest = numerator % denominator;
	money_wide n = whole * unit + money_round(rest * unit, denominator);

	place_point(n, decimals, out);
}

void money_wide_text(money_wide n, char out[MONEY_TEXT])
{
	char digits[MONEY_TEXT];
	unsigned __int128 rest = n < 0 ? -(unsigned __int128)n : (unsigned __int128)n;
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do
		digits[--at] = (char)('0' + (int)(rest % 10));
	while (rest /= 10);
	if (n < 0)
		digits[--at] = '-';
	memcpy(out, digits + at, sizeof(digits) - at);
}

int money_wide_parse(const char *text, money_wide *ret)
{
	bool negative = *text == '-';
	money_wide n = 0;

	if (negative)
		text++;
	if (!*text)
		return -1;
	for (; *text; text++)
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(n, (money_wide)10, &n) ||
		    __builtin_add_overflow(n, (money_wide)(*text - '0'), &n))
			return -1;
	*ret = negative ? -n : n;
	return 0;
}
