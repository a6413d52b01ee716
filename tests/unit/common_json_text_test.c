/* Quick reading of JSON: whatever the text, the answer is jansson's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json_text.h"

static void same(const char *text, size_t len)
{
	mc_auto_json json_t *own = mc_json_text(text, len), *other = json_loadb(text, len, JSON_DECODE_ANY, NULL);

	if ((own || other) && !json_equal(own, other))
		fail_msg("%.*s is read otherwise", (int)len, text);
}

static void by_hand(void **state)
{
	static const char *const texts[] = {
		"{}", "[]", "null", "true", "false", "0", "-1", "12", "9223372036854775807", "9223372036854775808", "-9223372036854775807",
		"-9223372036854775808", "1795249864084267570", "1.5", "1e3", "01", "-0", "-", "", " ", "{", "[", "[1", "[1,", "[1,]", "[,]", "{,}",
		"{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{\"a\":1}", "{\"a\":1,\"a\":2}", "{\"\":\"\"}", "{\"a\":{}}", "{\"a\":[]}",
		"[[],{},\"\",null,true,false,-5]", "[1, 2]", " [1]", "[1] ", "[1]x", "nul", "nullx", "[true,false", "truefalse", "\"a", "\"",
		"\"a\\nb\"", "\"a\\u0041\"", "\"\xc3\xa9\"", "\"\xff\"", "\"a\tb\"", "\"\x7f\"", "{\"\xc3\xa9\":1}", "{\"a\\u0000\":1}", "{1:2}",
		"[1 2]", "[\"a\" \"b\"]", "{\"a\" :1}", "'a'", "[0,00]", "[1-2]", "+1", "{\"a\":1}{\"b\":2}",
	};

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(texts); i++)
		same(texts[i], strlen(texts[i]));
	same("[1,2]", 3);
	same("{\"a\":12}", 6);
	same("[\"a\0b\"]", 7);
}

static void deep(void **state)
{
	char text[200];

	(void)state;
	for (size_t n = 1; n <= sizeof(text) / 2; n++) {
		memset(text, '[', n);
		memset(text + n, ']', n);
		same(text, 2 * n);
		same(text, 2 * n - 1);
	}
}

static json_t *random_value(unsigned *seed, int depth)
{
	static const char *const words[] = { "a", "", "i-0123456789abcdef0", "two words", "quote\"d", "back\\slash", "\xc3\xa4", "tab\t", "/" };
	json_t *v;
	int n;

	switch (rand_r(seed) % (depth > 0 ? 7 : 5)) {
	case 0:
		return json_integer((json_int_t)(((uint64_t)(unsigned)rand_r(seed) << 33) ^ (unsigned)rand_r(seed)));
	case 1:
		return json_boolean(rand_r(seed) & 1);
	case 2:
		return rand_r(seed) & 1 ? json_null() : json_real(rand_r(seed) / 7.0);
	case 3:
	case 4:
		return json_string(words[(size_t)rand_r(seed) % MC_ARRAY_SIZE(words)]);
	case 5:
		v = json_array();
		for (n = rand_r(seed) % 5; n > 0; n--)
			json_array_append_new(v, random_value(seed, depth - 1));
		return v;
	default:
		v = json_object();
		for (n = rand_r(seed) % 5; n > 0; n--)
			json_object_set_new(v, words[(size_t)rand_r(seed) % MC_ARRAY_SIZE(words)], random_value(seed, depth - 1));
		return v;
	}
}

/* Whole, cut short, and with one byte changed. */
static void at_random(void **state)
{
	unsigned seed = 4711;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		mc_auto_json json_t *v = random_value(&seed, 5);
		mc_autofree char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		size_t len = strlen(text);

		same(text, len);
		same(text, (size_t)rand_r(&seed) % (len + 1));
		text[(size_t)rand_r(&seed) % len] = "{}[]\",:0 \\a\x80"[rand_r(&seed) % 12];
		same(text, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_hand), cmocka_unit_test(deep), cmocka_unit_test(at_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
