/* Which name servers a list or a resolv.conf names. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "netd/nameservers.h"

static void check(const struct nameserver *s, const char *ip, int port)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&s->addr;
	char text[INET6_ADDRSTRLEN];

	if (s->addr.ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		assert_int_equal(ntohs(in->sin_port), port);
	} else {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&s->addr;

		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		assert_int_equal(ntohs(in6->sin6_port), port);
	}
	assert_string_equal(text, ip);
}

static void test_lists(void **state)
{
	struct nameserver s[NAMESERVERS_MAX];

	(void)state;
	assert_int_equal(nameservers_read("10.0.0.1,10.0.0.2#5353,2001:db8::1#53", "/nowhere", s), 3);
	check(&s[0], "10.0.0.1", 53);
	check(&s[1], "10.0.0.2", 5353);
	check(&s[2], "2001:db8::1", 53);
	assert_int_equal(nameservers_read("none", "/nowhere", s), 0);
	assert_int_equal(nameservers_read("host", "/nowhere", s), 0);
}

static void test_check(void **state)
{
	static const char *const good[] = { "host", "none", "127.0.0.53", "10.0.0.1#1,10.0.0.2" };
	static const char *const bad[] = { "", "example.com", "10.0.0", "10.0.0.1,", "10.0.0.1#x", "10.0.0.1#70000",
					   "1.1.1.1,2.2.2.2,3.3.3.3,4.4.4.4" };

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(good); i++)
		assert_int_equal(nameservers_check(good[i], NULL), 0);
	for (size_t i = 0; i < MC_ARRAY_SIZE(bad); i++) {
		mc_auto_err mc_err *err = NULL;

		assert_int_equal(nameservers_check(bad[i], &err), -1);
		assert_non_null(err);
	}
}

static void test_resolv_conf(void **state)
{
	static const char text[] = "# nameserver 1.1.1.1\ndomain example.org\nnameserver 10.0.0.1\n nameserver\t10.0.0.2 \n"
				   "nameserver\nnameserver example.org\nnameserver 10.0.0.3#5\nnameserver ::1\nnameserver 10.0.0.4";
	char path[] = "/tmp/resolv-XXXXXX";
	struct nameserver s[NAMESERVERS_MAX];
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(nameservers_read("host", path, s), 3);
	check(&s[0], "10.0.0.1", 53);
	check(&s[1], "10.0.0.2", 53);
	check(&s[2], "::1", 53);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_resolv_conf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
