/* Command lines become the very requests that the AWS CLI makes of them
 * (tests/golden/api/commands.json), and bad ones are refused in words that help. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/protocol/query.h"
#include "api/protocol/validate.h"
#include "cli/cli.h"
#include "cli/name.h"
#include "cli/request.h"
#include "common/cleanup.h"
#include "common/json.h"

#define MAX_WORDS 32

static int parse(const json_t *words, struct request *ret)
{
	char *argv[MAX_WORDS] = { NULL };
	int argc = 0;

	for (size_t i = 1; i < json_array_size(words); i++)
		argv[argc++] = (char *)mc_json_at(words, i);
	return request_parse(name_any_operation(mc_json_at(words, 0)), argc, argv, ret);
}

/* The document of what the AWS CLI sends. */
static json_t *expected(const struct model_operation *op, const json_t *sent)
{
	struct protocol_param params[128];
	struct protocol_error error;
	json_t *value, *doc = NULL;
	const char *name;
	size_t n = 0;

	json_object_foreach((json_t *)sent, name, value)
		params[n++] = (struct protocol_param){ name, json_string_value(value) };
	if (protocol_query_decode(op, params, n, &doc, &error) < 0)
		fail_msg("%s: %s", error.code, error.message);
	return doc;
}

static void test_like_aws(void **state)
{
	(void)state;
	mc_auto_json json_t *rows = mc_json_load("tests/golden/api/commands.json", NULL);
	size_t i;
	json_t *row;

	assert_non_null(rows);
	json_array_foreach(rows, i, row) {
		struct request r = { 0 };
		struct protocol_error error;

		assert_int_equal(parse(json_object_get(row, "words"), &r), 0);
		assert_int_equal(model_validate(r.op, r.doc, &error), 0);
		json_object_del(r.doc, "ClientToken");

		mc_auto_json json_t *want = expected(r.op, json_object_get(row, "request"));
		const char *key;
		json_t *value;
		void *next;

		/* An empty list sends nothing. */
		json_object_foreach_safe(r.doc, next, key, value)
			if (json_is_array(value) && json_array_size(value) == 0)
				json_object_del(r.doc, key);
		if (!json_equal(r.doc, want))
			fail_msg("%s\n%s\n%s", json_dumps(json_object_get(row, "words"), 0),
				 json_dumps(r.doc, JSON_SORT_KEYS), json_dumps(want, JSON_SORT_KEYS));
		request_deinit(&r);
	}
}

static void test_names(void **state)
{
	(void)state;
	mc_auto_json json_t *names = mc_json_load("tests/golden/api/names.json", NULL);
	const char *name;
	json_t *want;

	assert_true(json_object_size(names) > 1000);
	json_object_foreach(names, name, want) {
		char kebab[NAME_MAX_LEN];

		name_kebab(name, kebab);
		assert_string_equal(kebab, json_string_value(want));
	}
	assert_null(name_any_operation("no-such-thing"));
	assert_non_null(name_any_operation("get-caller-identity"));
	assert_int_equal(name_distance("kitten", "sitting"), 3);
	assert_int_equal(name_distance("", "ab"), 2);
}

static json_t *words_of(const char *line)
{
	mc_autofree char *copy = strdup(line);
	json_t *words = json_array();

	for (char *save = NULL, *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		json_array_append_new(words, json_string(w));
	return words;
}

/* Without the messages, which are meant for people. */
static int parse_quietly(const json_t *words, struct request *ret)
{
	mc_auto_fd int saved = dup(STDERR_FILENO);
	mc_auto_fd int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int code;

	dup2(null, STDERR_FILENO);
	code = parse(words, ret);
	dup2(saved, STDERR_FILENO);
	return code;
}

static void test_refused(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"describe-instances i-1",
		"describe-instances --instance-idz i-1",
		"describe-instances --max-results",
		"describe-instances --max-results ten",
		"describe-instances --max-results 1 2",
		"describe-instances --dry-run=yes",
		"describe-instances --filters Name",
		"describe-instances --filters Nome=x",
		"describe-instances --filters Name=x,Name=y",
		"describe-instances --filters Name='x",
		"describe-instances --filters Name=x,Values=[a",
		"describe-instances --filters {\"Name\":",
		"describe-instances --filters [[[[[[[[[[[[[[[[[[[[",
		"describe-instances --filters A={A={A={A={A={A={A={A={A={A={A={A={A={A={A={A={A={A=1",
		"describe-instances --filters file:///does/not/exist",
		"describe-instances --cli-input-json [] ",
		"terminate-instances",
		"run-instances --count x",
		"run-instances --count 1:",
		"run-instances --count",
		"authorize-security-group-ingress --protocol sctp",
		"authorize-security-group-ingress --protocol 256",
		"authorize-security-group-ingress --port 22",
		"authorize-security-group-ingress --protocol tcp --port x",
		"create-key-pair --save",

	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(lines); i++) {
		mc_auto_json json_t *words = words_of(lines[i]);
		struct request r = { 0 };
		int code = parse_quietly(words, &r);

		if (code != CLI_USAGE)
			fail_msg("taken: %s", lines[i]);
	}
}

/* Values from files, bytes made base64, and a whole document. */
static void test_files(void **state)
{
	(void)state;
	char path[] = "/tmp/cli-test-XXXXXX";
	mc_auto_fd int fd = mkstemp(path);
	char line[256];
	struct request r = { 0 };

	assert_int_equal(write(fd, "\x00\xff#!", 4), 4);
	snprintf(line, sizeof(line), "import-key-pair --key-name k --public-key-material=fileb://%s",
		 path);

	mc_auto_json json_t *words = words_of(line);

	assert_int_equal(parse(words, &r), 0);
	assert_string_equal(mc_json_str(r.doc, "PublicKeyMaterial", ""), "AP8jIQ==");
	request_deinit(&r);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, "{\"MaxResults\": 5, \"DryRun\": true}", 33, 0), 33);
	snprintf(line, sizeof(line), "describe-vpcs --cli-input-json file://%s --max-results 9",
		 path);

	mc_auto_json json_t *more = words_of(line);

	assert_int_equal(parse(more, &r), 0);
	assert_int_equal(mc_json_int(r.doc, "MaxResults", 0), 9);
	assert_true(mc_json_bool(r.doc, "DryRun", false));
	request_deinit(&r);
	unlink(path);
}

static void test_token_and_help(void **state)
{
	(void)state;
	mc_auto_json json_t *run = words_of("run-instances --image-id ami-1");
	mc_auto_json json_t *help = words_of("terminate-instances --help");
	struct request r = { 0 };

	assert_int_equal(parse(run, &r), 0);
	assert_int_equal(strlen(mc_json_str(r.doc, "ClientToken", "")), 36);
	request_deinit(&r);
	assert_int_equal(parse(help, &r), 0);
	assert_true(r.help);
	request_deinit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_aws),	cmocka_unit_test(test_names),
		cmocka_unit_test(test_files),		cmocka_unit_test(test_token_and_help),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
