/* What may be promised to one more guest, from files like those of /proc. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "hypervisor/host.h"
#include "hypervisor/memory.h"

#define AVAILABLE 4096
#define RESERVE 256
#define A "i-0123456789abcdef0"
#define B "i-0123456789abcdef1"

struct fixture {
	char dir[64];
	struct memory *memory;
};

static void write_file(const char *dir, const char *name, const char *data, size_t n)
{
	mc_autofree char *path = mc_strf("%s/%s", dir, name);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, n, f), n);
	fclose(f);
}

static int make(void **state)
{
	static const char meminfo[] = "MemTotal:        8388608 kB\nMemFree:          100000 kB\nMemAvailable:    4194304 kB\n";
	struct fixture *f = mc_alloc(sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/hypervisor_memory_test.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	write_file(f->dir, "meminfo", meminfo, sizeof(meminfo) - 1);
	f->memory = memory_new(f->dir, RESERVE, getuid());
	*state = f;
	return 0;
}

static void remove_process(const char *dir, const char *pid)
{
	static const char *const files[] = { "/cmdline", "/status", "" };

	for (size_t i = 0; i < MC_ARRAY_SIZE(files); i++) {
		mc_autofree char *path = mc_strf("%s/%s%s", dir, pid, files[i]);

		remove(path);
	}
}

static int clean(void **state)
{
	struct fixture *f = *state;
	DIR *dir = opendir(f->dir);
	struct dirent *e;

	memory_free(f->memory);
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			remove_process(f->dir, e->d_name);
	closedir(dir);
	rmdir(f->dir);
	free(f);
	return 0;
}

/* A process with these arguments, separated by spaces, that has so much in use. */
static void add_process(struct fixture *f, int pid, const char *arguments, int anonymous_kib)
{
	mc_autofree char *dir = mc_strf("%s/%d", f->dir, pid);
	mc_autofree char *line = mc_strdup(arguments);
	mc_autofree char *status = mc_strf("Name:\tqemu\nVmRSS:\t  999999 kB\nRssAnon:\t  %d kB\n", anonymous_kib);
	size_t n = strlen(line) + 1;

	for (size_t i = 0; i < n; i++)
		if (line[i] == ' ')
			line[i] = '\0';
	assert_int_equal(mkdir(dir, 0755), 0);
	write_file(dir, "cmdline", line, n);
	write_file(dir, "status", status, strlen(status));
}

static struct memory_room room_of(struct fixture *f)
{
	struct memory_room room;

	assert_int_equal(memory_room(f->memory, &room, NULL), 0);
	assert_int_equal(room.total_mib, 8192);
	assert_int_equal(room.available_mib, AVAILABLE);
	return room;
}

static void test_nothing_runs(void **state)
{
	struct memory_room room = room_of(*state);

	assert_int_equal(room.promised_mib, 0);
	assert_int_equal(room.free_mib, AVAILABLE - RESERVE);
}

static void test_untouched_memory_is_promised(void **state)
{
	struct fixture *f = *state;
	struct memory_room room;

	add_process(f, 10, "bash -m 9999", 5000);
	add_process(f, 11, "qemu -name guest=" A ",debug-threads=on -m 512 -smp 1", 100 * 1024);
	add_process(f, 12, "qemu -name guest=other -m size=1048576k,slots=2", 1200 * 1024); /* has all of it */
	add_process(f, 13, "qemu -name guest=third,x=y -m 1G", 0);
	room = room_of(f);
	assert_int_equal(room.promised_mib, 412 + 1024);
	assert_int_equal(room.free_mib, AVAILABLE - RESERVE - 412 - 1024);
}

static void test_other_users_programs_do_not_count(void **state)
{
	struct fixture *f = *state;
	struct memory *stranger = memory_new(f->dir, RESERVE, getuid() + 1);
	struct memory_room room;

	add_process(f, 11, "qemu -name guest=" A " -m 2048", 0);
	assert_int_equal(memory_room(stranger, &room, NULL), 0);
	assert_int_equal(room.promised_mib, 0);
	memory_free(stranger);
}

static void test_two_at_once(void **state)
{
	struct fixture *f = *state;
	mc_auto_err mc_err *err = NULL;

	assert_int_equal(memory_admit(f->memory, A, 3000, &err), MC_IPC_OK);
	assert_int_equal(memory_admit(f->memory, B, 3000, &err), MC_IPC_NO_CAPACITY);
	assert_non_null(strstr(mc_err_msg(err), B " wants 3000 MiB of memory, the host has 840 MiB to give"));
	assert_int_equal(memory_admit(f->memory, B, 840, NULL), MC_IPC_OK);
	memory_started(f->memory, A);
	memory_started(f->memory, B);
	assert_int_equal(room_of(f).promised_mib, 0);
}

/* Between its QEMU's start and the answer about it an instance counts once. */
static void test_one_that_starts_counts_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(memory_admit(f->memory, A, 1000, NULL), MC_IPC_OK);
	add_process(f, 11, "qemu -name guest=" A ",x -m 1000", 0);
	assert_int_equal(room_of(f).promised_mib, 1000);
	memory_started(f->memory, A);
	assert_int_equal(room_of(f).promised_mib, 1000);
}

static void test_more_than_there_is(void **state)
{
	struct fixture *f = *state;

	add_process(f, 11, "qemu -name guest=" A " -m 100000", 0);
	assert_int_equal(room_of(f).free_mib, 0);
	assert_int_equal(memory_admit(f->memory, B, 1, NULL), MC_IPC_NO_CAPACITY);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make, clean)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_runs),
		TEST(test_untouched_memory_is_promised),
		TEST(test_other_users_programs_do_not_count),
		TEST(test_two_at_once),
		TEST(test_one_that_starts_counts_once),
		TEST(test_more_than_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
