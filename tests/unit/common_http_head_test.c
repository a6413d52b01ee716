/* Heads of HTTP answers, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "common/http_head.h"

static const struct {
	const char *text;
	int whole, status;
	long length;
} rows[] = {
	{ "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 1, 101, -1 },
	{ "HTTP/1.0 404 Not Found\r\ncontent-length:  12\r\n\r\n", 1, 404, 12 },
	{ "HTTP/1.1 409\r\nContent-Length: 0\r\n\r\n", 1, 409, 0 },
	{ "HTTP/1.1 200 OK\r\nX-Content-Length: 9\r\n\r\n", 1, 200, -1 },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", 1, 200, -1 },
	{ "HTTP/1.1 200 OK\r\n", 0, 200, -1 },
	{ "HTTP/2 200\r\n\r\n", 1, -1, -1 },
	{ "HTTP/1.1 20\r\n\r\n", 1, -1, -1 },
	{ "", 0, -1, -1 },
};

static void test_heads(void **state)
{
	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		struct mc_http_head head = { .len = 0 };
		int whole = 0;

		for (const char *c = rows[i].text; *c; c++) {
			assert_int_equal(whole, 0);
			whole = mc_http_head_add(&head, *c);
		}
		assert_int_equal(whole, rows[i].whole);
		assert_int_equal(mc_http_head_status(&head), rows[i].status);
		assert_int_equal(mc_http_head_length(&head), rows[i].length);
	}
}

static void test_a_head_without_end(void **state)
{
	struct mc_http_head head = { .len = 0 };
	int r = 0;

	(void)state;
	for (size_t i = 0; i < MC_HTTP_HEAD_MAX && r == 0; i++)
		r = mc_http_head_add(&head, 'x');
	assert_int_equal(r, 0);
	assert_int_equal(mc_http_head_add(&head, 'x'), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_a_head_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
