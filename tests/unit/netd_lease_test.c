/* dnsmasq's lease file and the release packet; addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "netd/lease.h"

#define FRESH "1795237200 06:00:00:00:00:0a 10.0.0.16 ip-10-0-0-16 *\n"
#define STALE "1795237200 06:00:00:00:00:0b 10.0.0.17 ip-10-0-0-17 01:06:00:00:00:00:0b\n"
#define REUSED "1795237200 06:00:00:00:00:0c 10.0.0.16 * *\n"
#define DUID "duid 00:01:00:01\n"

static struct wanted_eni eni = { .id = "eni-0000000000000000a", .mac = "06:00:00:00:00:0a",
				 .ip = 0x0a000010 };
static struct wanted_place place = { .ip = 0x0a000010 };
static const struct wanted wanted = { .enis = &eni, .n_enis = 1, .places = &place, .n_places = 1 };

static void lines(void **state)
{
	struct lease l;

	(void)state;
	assert_true(lease_parse(STALE, &l));
	assert_string_equal(l.mac, "06:00:00:00:00:0b");
	assert_int_equal(l.ip, 0x0a000011);
	assert_false(lease_parse(DUID, &l));
	assert_false(lease_parse("", &l));
	assert_false(lease_parse("1 06:00:00:00:00:0b 10.0.0.256 * *", &l));
	assert_false(lease_parse("1 06-00:00:00:00:0b 10.0.0.25 * *", &l));
}

static void stale_ones_go(void **state)
{
	char path[] = "/tmp/netd-lease-XXXXXX";
	int fd = mkstemp(path);
	mc_autofree struct lease *rows = NULL;
	mc_autofree char *left = NULL;
	size_t n;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(mc_fs_write(path, FRESH STALE DUID REUSED,
				     strlen(FRESH STALE DUID REUSED), 0600, NULL), 0);
	assert_int_equal(lease_stale(path, &wanted, &rows, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(lease_filter(path, &wanted, NULL), 0);
	left = mc_fs_read(path, 4096, NULL, NULL);
	assert_string_equal(left, FRESH DUID);
	unlink(path);
}

static void no_file_no_leases(void **state)
{
	struct lease *rows = NULL;
	size_t n = 9;

	(void)state;
	assert_int_equal(lease_stale("/nonexistent/leases", &wanted, &rows, &n, NULL), 0);
	assert_int_equal(n, 0);
	free(rows);
}

static void packet(void **state)
{
	struct lease l = { .mac = "06:00:00:00:00:0b", .ip = 0x0a000011 };
	unsigned char p[LEASE_PACKET_LEN];

	(void)state;
	lease_packet(&l, 0x0a000001, p);
	assert_memory_equal(p, "\1\1\6\0", 4);
	assert_memory_equal(p + 12, "\x0a\0\0\x11", 4);
	assert_memory_equal(p + 28, "\6\0\0\0\0\x0b", 6);
	assert_memory_equal(p + 236, "\x63\x82\x53\x63\x35\1\7\x36\4\x0a\0\0\1\xff", 14);
}

static void networks(void **state)
{
	struct cidr c, d;
	char text[CIDR_TEXT_LEN];
	unsigned char mac[ADDR_MAC_LEN];

	(void)state;
	assert_true(cidr_parse("172.31.0.0/16", &c) && cidr_parse("172.31.16.0/20", &d));
	assert_true(cidr_contains(&c, &d) && !cidr_contains(&d, &c) && cidr_overlaps(&d, &c));
	assert_true(cidr_has(&d, 0xac1f1fff) && !cidr_has(&d, 0xac1f2000));
	assert_false(cidr_parse("172.31.0.1/16", &c) || cidr_parse("172.31.0.0", &c));
	assert_true(cidr_parse("0.0.0.0/0", &c) && cidr_has(&c, 0xffffffff));
	cidr_format(&d, text);
	assert_string_equal(text, "172.31.16.0/20");
	mac_derive(0x0a, "vpc-0123456789abcdef0", mac);
	assert_memory_equal(mac, "\x0a\x9a\xbc\xde\xf0", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(stale_ones_go),
		cmocka_unit_test(no_file_no_leases),
		cmocka_unit_test(packet),
		cmocka_unit_test(networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
