/* Serial logs, and what the host has. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"
#include "hypervisor/console.h"
#include "hypervisor/host.h"

#define ID "i-0123456789abcdef0"

static int make_dir(void **state)
{
	char dir[] = "/tmp/hypervisor_console_test.XXXXXX";

	*state = mc_strdup(mkdtemp(dir));
	return *state ? 0 : -1;
}

static int remove_dir(void **state)
{
	mc_autofree char *dir = *state;

	console_remove(dir, ID, NULL);
	return rmdir(dir);
}

static void fill(const char *dir, const char *text, size_t times)
{
	mc_autofree char *path = console_path(dir, ID);
	mc_auto_fd int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	for (size_t i = 0; i < times; i++)
		assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fsync(fd), 0); /* some file systems give it its blocks only then */
}

static struct stat status(const char *dir)
{
	mc_autofree char *path = console_path(dir, ID);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st;
}

static void test_life(void **state)
{
	const char *dir = *state;
	mc_auto_json json_t *doc = NULL;

	assert_int_equal(console_read(dir, ID, &doc, NULL), 1);
	umask(0077);
	assert_int_equal(console_prepare(dir, ID, NULL), 0);
	assert_int_equal(status(dir).st_mode & 0777, 0644);
	fill(dir, "hello\n", 1);
	assert_int_equal(console_prepare(dir, ID, NULL), 0); /* keeps what is there */
	assert_int_equal(console_read(dir, ID, &doc, NULL), 0);
	assert_string_equal(mc_json_str(doc, "output", ""), "aGVsbG8K");
	assert_int_equal(mc_json_int(doc, "bytes", 0), 6);
	assert_int_equal(strlen(mc_json_str(doc, "modified", "")), 24);
	assert_int_equal(console_remove(dir, ID, NULL), 0);
	assert_int_equal(console_remove(dir, ID, NULL), 0);
}

static void test_tail_and_trim(void **state)
{
	const char *dir = *state;
	mc_auto_json json_t *before = NULL, *after = NULL;
	blkcnt_t blocks;

	assert_int_equal(console_prepare(dir, ID, NULL), 0);
	fill(dir, "0123456789abcde\n", 1 << 17); /* 2 MiB */
	assert_int_equal(console_read(dir, ID, &before, NULL), 0);
	assert_int_equal(mc_json_int(before, "bytes", 0), 2 << 20);
	assert_int_equal(strlen(mc_json_str(before, "output", "")), (CONSOLE_TAIL + 2) / 3 * 4);
	blocks = status(dir).st_blocks;
	console_trim(dir);
	assert_int_equal(status(dir).st_size, 2 << 20);
	assert_true(status(dir).st_blocks < blocks / 2);
	assert_int_equal(console_read(dir, ID, &after, NULL), 0);
	assert_true(json_equal(before, after));
	console_trim("/nonexistent");
}

static void test_no_symlink(void **state)
{
	const char *dir = *state;
	mc_autofree char *path = console_path(dir, ID);
	mc_auto_json json_t *doc = NULL;

	console_remove(dir, ID, NULL);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(console_prepare(dir, ID, NULL), -1);
	assert_int_equal(console_read(dir, ID, &doc, NULL), -1);
	assert_int_equal(console_remove(dir, ID, NULL), 0);
	assert_int_equal(access("/etc/passwd", R_OK), 0);
}

static void test_memory(void **state)
{
	const char *dir = *state;
	mc_autofree char *path = mc_strf("%s/meminfo", dir);
	static const char text[] = "MemTotal:        2048000 kB\nMemFree: 1 kB\nMemAvailable:    1024000 kB\n";
	struct host_memory m = { -7, -7 };

	assert_int_equal(mc_fs_write(path, text, strlen(text), 0644, NULL), 0);
	assert_int_equal(host_memory_read(path, &m, NULL), 0);
	assert_int_equal(m.total_mib, 2000);
	assert_int_equal(m.available_mib, 1000);
	assert_int_equal(mc_fs_write(path, "MemTotal: 5 kB\n", 15, 0644, NULL), 0);
	assert_int_equal(host_memory_read(path, &m, NULL), -1);
	assert_int_equal(m.total_mib, 2000);
	unlink(path);
	assert_int_equal(host_memory_read(path, &m, NULL), -1);
	assert_int_equal(host_memory_read("/proc/meminfo", &m, NULL), 0);
	assert_true(m.total_mib >= m.available_mib && m.available_mib > 0);
	assert_true(host_cpus() >= 1);
	assert_int_equal(host_qemu_pid("i-00000000000000000"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life), cmocka_unit_test(test_tail_and_trim), cmocka_unit_test(test_no_symlink),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
