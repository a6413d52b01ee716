/* Ids, clocks, field tables, errors, files, programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/ipc.h"
#include "common/json.h"
#include "common/log.h"
#include "common/spawn.h"

static void test_ids(void **state)
{
	char id[MC_ID_LEN], name[MC_IFNAME_LEN], mac[MC_MAC_LEN], uuid[MC_UUID_LEN], serial[21];

	(void)state;
	mc_id_new("i", id);
	assert_true(mc_id_valid("i", id));
	assert_false(mc_id_valid("vol", id));
	assert_int_equal(strlen(id), 19);
	mc_id_tap("eni-0123456789abcdef0", name);
	assert_string_equal(name, "mt0123456789abc");
	mc_id_bridge("subnet-0123456789abcdef0", name);
	assert_string_equal(name, "mb0123456789abc");
	mc_id_mac("eni-0123456789abcdef0", mac);
	assert_string_equal(mac, "06:78:9a:bc:de:f0");
	mc_id_uuid("i-0123456789abcdef0", uuid);
	assert_string_equal(uuid, "ec201234-5678-9abc-def0-0123456789ab");
	mc_id_disk_serial("vol-0123456789abcdef0", serial);
	assert_string_equal(serial, "vol0123456789abcdef0");
}

static void test_malformed_ids(void **state)
{
	static const char *const bad[] = { "", "i", "i-", "i-0123456789abcdef", "i-0123456789ABCDEF0", "i-0123456789abcdef0x",
					   "i-0123456789abcdeg0", "../i-0123456789abcdef0", "i-0123456789abcdef0\n" };

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(bad); i++)
		assert_false(mc_id_valid("i", bad[i]));
	assert_false(mc_id_valid("i", NULL));
	assert_true(mc_id_valid("i", "i-12345678"));
	assert_false(mc_id_valid_any("/etc-12345678"));
	assert_true(mc_id_valid_any("vpc-cidr-assoc-0123456789abcdef0"));
}

static void test_clock(void **state)
{
	char text[MC_ISO8601_LEN];
	int64_t t, before = mc_clock_wall();

	(void)state;
	assert_int_equal(mc_clock_parse("2026-11-21T04:05:06.789Z", &t), 0);
	mc_clock_iso8601(t, text);
	assert_string_equal(text, "2026-11-21T04:05:06.789Z");
	assert_int_equal(mc_clock_parse("20261121T040506Z", &t), 0);
	mc_clock_iso8601(t, text);
	assert_string_equal(text, "2026-11-21T04:05:06.000Z");
	assert_int_equal(mc_clock_parse("1932-11-21T00:05:06.040Z", &t), 0);
	mc_clock_iso8601(t, text);
	assert_string_equal(text, "1932-11-21T00:05:06.040Z");
	assert_int_equal(mc_clock_parse("yesterday", &t), -1);
	assert_int_equal(mc_clock_parse("2026-11-21T04:05:06+01:00", &t), -1);
	assert_int_equal(mc_clock_parse("2316-11-21T04:00:00Z", &t), -1);
	assert_int_equal(mc_clock_parse("00010101T000000Z", &t), -1);
	assert_int_equal(mc_clock_parse("2261-12-31T23:59:59.999Z", &t), 0);
	assert_int_equal(mc_clock_parse("1900-01-01T00:00:00Z", &t), 0);
	mc_clock_step(3600 * MC_SECOND, 0);
	assert_true(mc_clock_wall() - before >= 3600 * MC_SECOND);
	mc_clock_step(-3600 * MC_SECOND, 0);
}

static const struct mc_field rule[] = {
	{ .name = "cidr", .type = MC_FIELD_STRING, .required = true, .check = mc_check_cidr4 },
	{ .name = "port", .type = MC_FIELD_INTEGER, .min = 0, .max = 65535 },
	{ 0 },
};
static const struct mc_field top[] = {
	{ .name = "id", .type = MC_FIELD_STRING, .required = true, .check = mc_check_id },
	{ .name = "on", .type = MC_FIELD_BOOLEAN },
	{ .name = "rules", .type = MC_FIELD_OBJECTS, .sub = rule, .min = 0, .max = 2 },
	{ .name = "names", .type = MC_FIELD_STRINGS, .check = mc_check_hostname },
	{ 0 },
};

static void test_fields(void **state)
{
	static const struct {
		const char *text, *complaint; /* NULL: good */
	} cases[] = {
		{ "{\"id\":\"sg-12345678\"}", NULL },
		{ "{\"id\":\"sg-12345678\",\"on\":null,\"rules\":[{\"cidr\":\"10.0.0.0/8\",\"port\":22}],\"names\":[\"a-b.c\"]}", NULL },
		{ "[]", "message must be an object" },
		{ "{}", "id is missing" },
		{ "{\"id\":5}", "id must be a string" },
		{ "{\"id\":\"x\"}", "id is malformed" },
		{ "{\"id\":\"sg-12345678\",\"extra\":1}", "extra is not known" },
		{ "{\"id\":\"sg-12345678\",\"rules\":[{\"cidr\":\"10.0.0.1/8\"}]}", "rules[0].cidr is malformed" },
		{ "{\"id\":\"sg-12345678\",\"rules\":[{}]}", "rules[0].cidr is missing" },
		{ "{\"id\":\"sg-12345678\",\"rules\":[{\"cidr\":\"0.0.0.0/0\",\"port\":65536}]}", "rules[0].port must be between 0 and 65535" },
		{ "{\"id\":\"sg-12345678\",\"names\":[\"a\\nb\"]}", "names[0] is malformed" },
		{ "{\"id\":\"sg-12345678\",\"rules\":[{\"cidr\":\"0.0.0.0/0\"},{\"cidr\":\"0.0.0.0/0\"},{\"cidr\":\"0.0.0.0/0\"}]}", "rules has a wrong number of elements" },
	};

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(cases); i++) {
		mc_auto_json json_t *doc = json_loads(cases[i].text, 0, NULL);
		mc_auto_err mc_err *err = NULL;
		int r = mc_fields_check(top, doc, &err);

		assert_int_equal(r, cases[i].complaint ? -1 : 0);
		if (cases[i].complaint)
			assert_string_equal(err->msg, cases[i].complaint);
	}
}

static void test_checks(void **state)
{
	(void)state;
	assert_true(mc_check_cidr4("0.0.0.0/0"));
	assert_true(mc_check_cidr4("10.1.2.3/32"));
	assert_false(mc_check_cidr4("10.1.2.3"));
	assert_false(mc_check_cidr4("10.1.2.0/33"));
	assert_false(mc_check_cidr4("10.1.2.0/+8"));
	assert_false(mc_check_cidr4("010.1.2.0/24"));
	assert_true(mc_check_mac("06:00:11:aa:bb:cc"));
	assert_false(mc_check_mac("06:00:11:AA:bb:cc"));
	assert_true(mc_check_path("/var/lib/x"));
	assert_false(mc_check_path("/var/../etc"));
	assert_false(mc_check_path("var"));
	assert_false(mc_check_path("/a\nb"));
	assert_false(mc_check_hostname("-a"));
	assert_false(mc_check_hostname("a..b"));
	assert_false(mc_check_hostname("a."));
}

static int fail_deep(mc_err **err)
{
	mc_err_set(err, 2, "open %s", "x");
	return mc_err_wrap(err, "load");
}

static void test_errors(void **state)
{
	mc_auto_err mc_err *err = NULL;

	(void)state;
	assert_int_equal(fail_deep(&err), -1);
	assert_string_equal(err->msg, "load: open x: No such file or directory");
	assert_int_equal(err->errnum, 2);
	assert_int_equal(fail_deep(NULL), -1);
}

static void test_outcomes_round_trip(void **state)
{
	(void)state;
	for (int i = 0; i < MC_IPC_OUTCOME_MAX; i++)
		assert_int_equal(mc_ipc_outcome_parse(mc_ipc_outcome_name((enum mc_ipc_outcome)i)), i);
	assert_int_equal(mc_ipc_outcome_parse("nonsense"), MC_IPC_INTERNAL);
}

static void test_spawn(void **state)
{
	static const char *const echo[] = { "sh", "-c", "echo out; echo err >&2; exit 3", NULL };
	static const char *const wait[] = { "sleep", "100", NULL };
	static const char *const none[] = { "/no/such/program", NULL };
	struct mc_spawn_result result;
	mc_auto_err mc_err *err = NULL;

	(void)state;
	assert_int_equal(mc_spawn_run(&(struct mc_spawn){ .argv = echo }, &result, NULL), 0);
	assert_int_equal(result.status, 3);
	assert_string_equal(result.out, "out\n");
	assert_string_equal(result.errout, "err\n");
	mc_spawn_result_free(&result);
	assert_int_equal(mc_spawn_run(&(struct mc_spawn){ .argv = wait, .timeout_ms = 50 }, &result, NULL), 0);
	assert_int_equal(result.timed_out, 1);
	mc_spawn_result_free(&result);
	assert_int_equal(mc_spawn_run(&(struct mc_spawn){ .argv = none }, &result, &err), -1);
	assert_non_null(err);
	assert_true(mc_proc_start_time(getpid()) > 0);
	assert_int_equal(mc_proc_start_time(-5), 0);
}

static void test_files(void **state)
{
	char dir[] = "/tmp/mc-fs-XXXXXX";
	mc_autofree char *path = NULL;
	mc_autofree char *text = NULL;
	size_t len;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = mc_strf("%s/f", dir);
	assert_int_equal(mc_fs_write(path, "hello", 5, 0600, NULL), 0);
	text = mc_fs_read(path, 5, &len, NULL);
	assert_string_equal(text, "hello");
	assert_null(mc_fs_read(path, 4, NULL, NULL));
	unlink(path);
	rmdir(dir);
}

/* Files of /proc say that they are empty. */
static void test_files_without_a_size(void **state)
{
	mc_autofree char *whole = mc_fs_read("/proc/self/smaps", 1u << 24, NULL, NULL);
	mc_auto_err mc_err *err = NULL;

	(void)state;
	assert_non_null(whole);
	assert_in_range(strlen(whole), 2 * 4096 + 1, 1u << 24);
	assert_non_null(strstr(whole + 2 * 4096, "VmFlags"));
	assert_null(mc_fs_read("/proc/self/smaps", 3 * 4096, NULL, &err));
	assert_non_null(strstr(mc_err_msg(err), "larger"));
}

/* A line reaches stderr whole, with its request id and quoted values. */
static void test_log_line(void **state)
{
	int pipes[2], saved = dup(STDERR_FILENO);
	char line[512] = "";

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	dup2(pipes[1], STDERR_FILENO);
	mc_log_set_request_id("req-1");
	mc_log(MC_LOG_INFO, "area", "two words", "key", "plain", "other", "a \"b\"\n", "gone", NULL, NULL);
	mc_log_set_request_id(NULL);
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_true(read(pipes[0], line, sizeof(line) - 1) > 0);
	assert_non_null(strstr(line, " info area req-1 two words key=plain other=\"a \\\"b\\\"\\x0a\"\n"));
	close(pipes[0]);
	close(pipes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids), cmocka_unit_test(test_malformed_ids), cmocka_unit_test(test_clock),
		cmocka_unit_test(test_fields), cmocka_unit_test(test_checks), cmocka_unit_test(test_errors),
		cmocka_unit_test(test_outcomes_round_trip), cmocka_unit_test(test_spawn), cmocka_unit_test(test_files),
		cmocka_unit_test(test_files_without_a_size),
		cmocka_unit_test(test_log_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
