/* The forms of answers: the AWS CLI's text, tables, paths, shorthand, key files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/key_file.h"
#include "cli/output.h"
#include "cli/path.h"
#include "cli/value.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

static void test_text(void **state)
{
	(void)state;
	mc_auto_json json_t *rows = mc_json_load("tests/golden/api/text.json", NULL);
	size_t i;
	json_t *row;

	assert_non_null(rows);
	json_array_foreach(rows, i, row) {
		mc_autofree char *text = NULL;
		size_t len;
		FILE *out = open_memstream(&text, &len);

		output_text(json_object_get(row, "doc"), out);
		fclose(out);
		assert_string_equal(text, mc_json_str(row, "text", "?"));
	}
}

static char *table(const char *operation, const char *doc, bool color)
{
	mc_auto_json json_t *parsed = json_loads(doc, JSON_DECODE_ANY, NULL);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(parsed);
	output_table(operation, parsed, color, out);
	fclose(out);
	return text;
}

#define INSTANCE \
	"{\"Reservations\": [{\"Instances\": [{\"InstanceId\": \"i-1\", \"State\": " \
	"{\"Name\": \"running\"}, \"InstanceType\": \"t3.micro\", \"Tags\": [{\"Key\": " \
	"\"Name\", \"Value\": \"a\\u001b[31m\\u009bb\"}]}]}]}"

static void test_chosen_columns(void **state)
{
	(void)state;
	mc_autofree char *plain = table("DescribeInstances", INSTANCE, false);
	mc_autofree char *color = table("DescribeInstances", INSTANCE, true);
	mc_autofree char *none = table("DescribeInstances", "{\"Reservations\": []}", false);

	assert_string_equal(plain,
		"Name       InstanceId  State    Type      PrivateIp  PublicIp  AZ  LaunchTime\n"
		"a?[31m??b  i-1         running  t3.micro  -          -         -   -\n");
	assert_non_null(strstr(color, "\033[32mrunning\033[0m"));
	assert_null(strstr(plain, "\033"));
	assert_true(strncmp(none, "Name", 4) == 0);
}

/* What costs something shows it, wherever it is described. */
static void test_cost_columns(void **state)
{
	static const char *const docs[][2] = {
		{ "DescribeInstances", "{\"Reservations\": [{\"Instances\": [%s]}]}" }, { "DescribeVolumes", "{\"Volumes\": [%s]}" },
		{ "DescribeSnapshots", "{\"Snapshots\": [%s]}" }, { "DescribeAddresses", "{\"Addresses\": [%s]}" },
		{ "DescribeNetworkInterfaces", "{\"NetworkInterfaces\": [%s]}" }, { "DescribeNatGateways", "{\"NatGateways\": [%s]}" },
	};

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(docs); i++) {
		const char *of = strchr(docs[i][1], '%');
		mc_autofree char *doc = mc_strf("%.*s{\"CostPerHour\": \"0.0450\", \"CostThisMonth\": \"7.2000\"}%s", (int)(of - docs[i][1]),
						docs[i][1], of + 2);
		mc_autofree char *text = table(docs[i][0], doc, false);

		if (!strstr(text, "Cost/h  Month\n") || !strstr(text, "  0.0450  7.2000\n"))
			fail_msg("%s:\n%s", docs[i][0], text);
	}
}

static void test_generic_tables(void **state)
{
	(void)state;
	mc_autofree char *list = table("DescribeFoo", "{\"Foos\": [{\"A\": 1, \"B\": [\"x\", "
				       "\"y\"], \"C\": {\"D\": 1}}, {\"A\": 22}]}", false);
	mc_autofree char *object = table("GetFoo", "{\"A\": {\"B\": true}, \"C\": []}", false);
	mc_autofree char *lists = table(NULL, "[[\"i-1\", \"x\"], [\"i-2\", \"y\"]]", false);
	mc_autofree char *scalar = table(NULL, "\"x\"", false);
	mc_autofree char *text = table("GetConsoleOutput", "{\"InstanceId\": \"i-1\", "
				       "\"Output\": \"login:\\n\"}", false);

	assert_string_equal(list, "A   B\n1   x,y\n22  -\n");
	assert_string_equal(object, "Key  Value\nA.B  true\n");
	assert_string_equal(lists, "i-1\tx\ni-2\ty\n");
	assert_string_equal(scalar, "x\n");
	assert_string_equal(text, "login:\n");
}

static void test_paths(void **state)
{
	(void)state;
	mc_auto_json json_t *doc = json_loads(INSTANCE, 0, NULL);
	mc_auto_json json_t *states = path_all(doc, "Reservations.Instances.State.Name");
	mc_auto_json json_t *none = path_all(doc, "Reservations.Nothing.Name");

	assert_int_equal(json_array_size(states), 1);
	assert_string_equal(mc_json_at(states, 0), "running");
	assert_int_equal(json_array_size(none), 0);
}

static void test_base64(void **state)
{
	(void)state;
	size_t len = 0;
	mc_autofree char *text = value_base64("hello", 5);
	mc_autofree char *plain = value_unbase64(text, &len);

	assert_string_equal(text, "aGVsbG8=");
	assert_int_equal(len, 5);
	assert_string_equal(plain, "hello");
	assert_null(value_unbase64("aGVsbG8", &len));
	assert_null(value_unbase64("!!!!", &len));
}

/* Private, and nothing that was there is lost. */
static void test_key_files(void **state)
{
	(void)state;
	char directory[] = "/tmp/cli-keys-XXXXXX";
	struct stat st;

	assert_non_null(mkdtemp(directory));

	mc_autofree char *keys = mc_strf("%s/keys", directory);
	mc_autofree char *old = mc_strf("%s/k.pem.old", keys);

	setenv("MINICLOUD_KEYS", keys, 1);

	mc_autofree char *path = key_file_save("k", "one", NULL);

	assert_non_null(path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(keys, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);

	mc_autofree char *again = key_file_save("k", "two", NULL);
	mc_autofree char *kept = mc_fs_read(old, 100, &(size_t){ 0 }, NULL);

	assert_string_equal(again, path);
	assert_string_equal(kept, "one");
	assert_null(key_file_save("../x", "two", NULL));
	assert_null(key_file_save("", "two", NULL));
	unlink(path);
	unlink(old);
	rmdir(keys);
	rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),	       cmocka_unit_test(test_chosen_columns),
		cmocka_unit_test(test_cost_columns),
		cmocka_unit_test(test_generic_tables), cmocka_unit_test(test_paths),
		cmocka_unit_test(test_base64),	       cmocka_unit_test(test_key_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
