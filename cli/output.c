#include "cli/output.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/spawn.h"

#define MAX_QUERY_OUTPUT (256u << 20)
#define QUERY_TIMEOUT_MS 60000

/* The document in a file without a name, read from its start. -1 and *err. */
static int document_fd(const json_t *doc, mc_err **err)
{
	mc_auto_fd int fd = memfd_create("answer", MFD_CLOEXEC);

	if (fd < 0 || json_dumpfd(doc, fd, JSON_COMPACT | JSON_ENCODE_ANY) < 0 ||
	    lseek(fd, 0, SEEK_SET) < 0)
		return mc_err_set(err, errno, "cannot hand the answer to jp");
	return MC_STEAL_FD(fd);
}

json_t *output_query(const char *expression, const json_t *doc, mc_err **err)
{
	const char *const argv[] = { "jp", "--", expression, NULL };
	mc_auto_spawn_result struct mc_spawn_result result = { 0 };
	mc_auto_fd int fd = document_fd(doc, err);
	struct mc_spawn spawn = { .argv = argv, .stdin_fd = fd, .timeout_ms = QUERY_TIMEOUT_MS,
				  .max_output = MAX_QUERY_OUTPUT };
	json_error_t where;
	json_t *picked;

	if (fd < 0)
		return NULL;
	if (mc_spawn_run(&spawn, &result, err) < 0 || result.status == 127) {
		mc_err_clear(err);
		mc_err_set(err, 0, "--query needs the program jp: apt install jp");
		return NULL;
	}
	if (result.status != 0) {
		mc_err_set(err, 0, "--query: %.*s", (int)strcspn(result.errout, "\n"),
			   result.errout);
		return NULL;
	}
	picked = json_loads(result.out, JSON_DECODE_ANY, &where);
	if (!picked)
		mc_err_set(err, 0, "--query: jp answered no JSON: %s", where.text);
	return picked;
}

static bool is_empty(const json_t *doc)
{
	return !doc || (json_is_object(doc) && json_object_size(doc) == 0);
}

static void print_json(const json_t *doc, FILE *out)
{
	json_dumpf(doc, out, JSON_INDENT(4) | JSON_ENCODE_ANY);
	fputc('\n', out);
}

static void print_as(const struct cli *cli, const char *operation, const json_t *doc)
{
	switch (cli->output) {
	case CLI_JSON: print_json(doc, stdout); break;
	case CLI_TEXT: output_text(doc, stdout); break;
	case CLI_TABLE: output_table(operation, doc, cli->color ? TABLE_COLOR : TABLE_PLAIN, stdout); break;
	case CLI_CSV: output_table(operation, doc, TABLE_CSV, stdout); break;
	case CLI_YAML: output_yaml(doc, stdout); break;
	}
}

int output_print(const struct cli *cli, const char *operation, const json_t *doc)
{
	mc_auto_err mc_err *err = NULL;

	if (cli->query) {
		mc_auto_json json_t *picked = output_query(cli->query, doc, &err);

		if (!picked)
			return cli_failed(err);
		print_as(cli, NULL, picked);
	} else if (!is_empty(doc)) {
		print_as(cli, operation, doc);
	}
	if (fflush(stdout) == 0 && !ferror(stdout))
		return CLI_OK;
	mc_err_set(&err, errno, "cannot write the answer");
	return cli_failed(err);
}
