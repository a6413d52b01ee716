/* The parser of files that nobody trusts: good ones, and each way to be bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "storaged/qcow2.h"

#define CLUSTER 65536u
#define CLUSTERS 8u /* header, refcount table, L1, L2, data ... */
#define FILE_SIZE (CLUSTERS * CLUSTER)

struct file {
	uint8_t bytes[FILE_SIZE];
};

static void put32(struct file *f, size_t at, uint32_t v)
{
	v = htobe32(v);
	memcpy(f->bytes + at, &v, sizeof(v));
}

static void put64(struct file *f, size_t at, uint64_t v)
{
	v = htobe64(v);
	memcpy(f->bytes + at, &v, sizeof(v));
}

/* A good 64 MiB image: L1 in cluster 2, its L2 table in 3, one data cluster in 4. */
static struct file good(void)
{
	static struct file f;

	memset(&f, 0, sizeof(f));
	put32(&f, 0, 0x514649fb);
	put32(&f, 4, 3);
	put32(&f, 20, 16);
	put64(&f, 24, 64 << 20);
	put32(&f, 36, 1);
	put64(&f, 40, 2 * CLUSTER);
	put64(&f, 48, CLUSTER);
	put32(&f, 56, 1);
	put32(&f, 96, 4);
	put32(&f, 100, 104);
	put64(&f, 2 * CLUSTER, 3 * CLUSTER | 1ULL << 63);
	put64(&f, 3 * CLUSTER, 4 * CLUSTER | 1ULL << 63);
	return f;
}

static int parse(const struct file *f, struct qcow2_header *h, mc_err **err)
{
	return qcow2_header_parse(f->bytes, CLUSTER, FILE_SIZE, h, err);
}

static void test_good(void **state)
{
	struct file f = good();
	struct qcow2_header h;

	(void)state;
	assert_int_equal(parse(&f, &h, NULL), 0);
	assert_int_equal(h.version, 3);
	assert_int_equal(h.virtual_bytes, 64 << 20);
	assert_string_equal(h.backing, "");
	assert_int_equal(qcow2_header_refuse(&h, NULL), 0);
}

static void test_version_2(void **state)
{
	struct file f = good();
	struct qcow2_header h;

	(void)state;
	put32(&f, 4, 2);
	put64(&f, 72, 0); /* behind a version 2 header extensions begin */
	assert_int_equal(parse(&f, &h, NULL), 0);
	put32(&f, 4, 1);
	assert_int_equal(parse(&f, &h, NULL), -1);
}

static void backing(struct file *f, const char *name)
{
	put64(f, 8, 512);
	put32(f, 16, (uint32_t)strlen(name));
	memcpy(f->bytes + 512, name, strlen(name));
}

static void test_backing_file(void **state)
{
	static const char *const names[] = {"/etc/passwd", "json:{\"driver\":\"raw\"}", "nbd://h/x", "lay-1.qcow2"};
	struct qcow2_header h;

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(names); i++) {
		mc_auto_err mc_err *err = NULL;
		struct file f = good();

		backing(&f, names[i]);
		assert_int_equal(parse(&f, &h, NULL), 0);
		assert_string_equal(h.backing, names[i]);
		assert_int_equal(qcow2_header_refuse(&h, &err), -1);
		assert_non_null(strstr(err->msg, "backing"));
	}
}

/* One field each that makes a good image one that must be refused. */
static const struct {
	const char *name;
	size_t at;
	int width;
	uint64_t value;
} bad[] = {
	{"magic", 0, 32, 0x514649fa},
	{"version 4", 4, 32, 4},
	{"backing name beyond the header", 8, 64, CLUSTER},
	{"backing name at the end of the numbers", 8, 64, UINT64_MAX},
	{"backing name empty", 8, 64, 512},
	{"cluster of 256 bytes", 20, 32, 8},
	{"cluster of 4 MiB", 20, 32, 22},
	{"cluster bits that overflow a shift", 20, 32, 200},
	{"no size", 24, 64, 0},
	{"huge size", 24, 64, UINT64_MAX},
	{"encrypted", 32, 32, 1},
	{"L1 too small", 36, 32, 0},
	{"L1 huge", 36, 32, UINT32_MAX},
	{"L1 outside the file", 40, 64, FILE_SIZE},
	{"L1 offset that overflows", 40, 64, UINT64_MAX - 4},
	{"refcount table outside the file", 48, 64, FILE_SIZE},
	{"refcount table huge", 56, 32, UINT32_MAX},
	{"internal snapshots", 60, 32, 1},
	{"marked corrupt", 72, 64, 2},
	{"external data file", 72, 64, 4},
	{"unknown feature", 72, 64, 1 << 5},
	{"unknown high feature", 72, 64, 1ULL << 63},
	{"header shorter than it is", 100, 32, 72},
	{"header longer than the cluster", 100, 32, CLUSTER * 2},
	{"data file name", 104, 32, 0x44415441},
	{"LUKS header", 104, 32, 0x0537be77},
	{"extension that leaves the header", 104, 64, 1ULL << 32 | UINT32_MAX},
};

static void test_bad_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(bad); i++) {
		mc_auto_err mc_err *err = NULL;
		struct file f = good();
		struct qcow2_header h;

		if (bad[i].width == 32)
			put32(&f, bad[i].at, (uint32_t)bad[i].value);
		else
			put64(&f, bad[i].at, bad[i].value);
		if (parse(&f, &h, &err) == 0 && qcow2_header_refuse(&h, &err) == 0)
			fail_msg("taken: %s", bad[i].name);
		assert_non_null(err);
	}
}

static void test_truncated(void **state)
{
	struct file f = good();
	struct qcow2_header h;

	(void)state;
	for (size_t len = 0; len < 104; len++)
		assert_int_equal(qcow2_header_parse(f.bytes, len, len, &h, NULL), -1);
	/* The header is whole, the tables are not there. */
	assert_int_equal(qcow2_header_parse(f.bytes, CLUSTER, CLUSTER, &h, NULL), -1);
}

/* Every byte of the header set to every of a few values: nothing but an answer may come out. */
static void test_noise(void **state)
{
	static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
	struct qcow2_header h;

	(void)state;
	for (size_t at = 0; at < 640; at++)
		for (size_t v = 0; v < MC_ARRAY_SIZE(values); v++) {
			struct file f = good();

			backing(&f, "x");
			f.bytes[at] = values[v];
			if (qcow2_header_parse(f.bytes, 640, FILE_SIZE, &h, NULL) == 0)
				assert_true(h.cluster_bits >= 9 && h.cluster_bits <= 21);
		}
}

static int extents(const struct file *f, uint64_t *ret_data)
{
	mc_auto_fd int fd = memfd_create("image", MFD_CLOEXEC);
	struct qcow2_header h;
	uint64_t size;

	assert_int_equal(write(fd, f->bytes, sizeof(f->bytes)), sizeof(f->bytes));
	assert_int_equal(qcow2_header_read(fd, &h, &size, NULL), 0);
	assert_int_equal(size, FILE_SIZE);
	return qcow2_extents_check(fd, &h, size, ret_data, NULL);
}

static void test_extents(void **state)
{
	struct file f = good();
	uint64_t data = 0;

	(void)state;
	assert_int_equal(extents(&f, &data), 0);
	assert_int_equal(data, CLUSTER);
	put64(&f, 3 * CLUSTER + 8, 1ULL << 62 | (5 * CLUSTER + 77)); /* compressed, within */
	put64(&f, 3 * CLUSTER + 16, 1);                              /* zeroes */
	assert_int_equal(extents(&f, &data), 0);
	assert_int_equal(data, 2 * CLUSTER);
}

static void test_extents_outside(void **state)
{
	static const struct { size_t at; uint64_t value; } outside[] = {
		{2 * CLUSTER, FILE_SIZE},                 /* L2 table behind the end */
		{2 * CLUSTER, 3 * CLUSTER + 512},         /* not aligned */
		{3 * CLUSTER, FILE_SIZE + CLUSTER},       /* data behind the end */
		{3 * CLUSTER + 8, 1ULL << 62 | 1ULL << 50},  /* compressed, behind the end */
		{4 * CLUSTER - 8, 4 * CLUSTER + 512},     /* the last entry, not aligned */
	};
	uint64_t data;

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(outside); i++) {
		struct file f = good();

		put64(&f, outside[i].at, outside[i].value);
		assert_int_equal(extents(&f, &data), -1);
	}
}

/* A 64 TiB disk of 512-byte clusters whose every L1 entry names one table would be read for hours. */
static void test_overlapping_tables(void **state)
{
	struct file f = good();
	uint64_t data;

	(void)state;
	put64(&f, 24, 32ULL << 30); /* 64 L1 entries in a file of 8 clusters */
	put32(&f, 36, 64);
	for (size_t i = 0; i < 64; i++)
		put64(&f, 2 * CLUSTER + 8 * i, 3 * CLUSTER);
	assert_int_equal(extents(&f, &data), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good), cmocka_unit_test(test_version_2),
		cmocka_unit_test(test_backing_file), cmocka_unit_test(test_bad_headers),
		cmocka_unit_test(test_truncated), cmocka_unit_test(test_noise),
		cmocka_unit_test(test_extents), cmocka_unit_test(test_extents_outside),
		cmocka_unit_test(test_overlapping_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
