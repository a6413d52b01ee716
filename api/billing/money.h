/* Money in integer nano-units (1e-9 of the currency), sums and products in 128 bits.
 * Nothing here is floating point. */
#ifndef MC_API_BILLING_MONEY_H
#define MC_API_BILLING_MONEY_H

#include <stdbool.h>
#include <stdint.h>

typedef __int128 money_wide;

#define MONEY_UNIT 1000000000LL /* nano-units in one unit of the currency */
#define MONEY_TEXT 48           /* any 128-bit number, a sign, a point and the NUL */

/* "0.0104" into nano-units, exactly. 0; -1 where the text is no number >= 0 or has
 * more than nine decimals. */
int money_parse(const char *text, int64_t *ret_nano);

/* Nano-units with so many decimals (0 to 9), rounded half away from zero: "18.34". */
void money_format(int64_t nano, int decimals, char out[MONEY_TEXT]);

/* numerator / denominator (> 0) to the nearest integer, half up; saturates at INT64_MAX. */
int64_t money_round(money_wide numerator, money_wide denominator);

/* a * b into *sum. False where it does not fit into 128 bits. */
bool money_add_product(money_wide *sum, money_wide a, money_wide b);

/* A quotient as a decimal text of so many places (at most 12), for quantities: "0.016667". */
void money_quotient(money_wide numerator, money_wide denominator, int decimals, char out[MONEY_TEXT]);

/* 128-bit numbers as text, since SQLite has none; read: 0, or -1. */
void money_wide_text(money_wide n, char out[MONEY_TEXT]);
int money_wide_parse(const char *text, money_wide *ret);

#endif
