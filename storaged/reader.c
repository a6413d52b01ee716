#include "storaged/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/json.h"
#include "storaged/bytes.h"

#define MEMORY (512ULL << 20) /* libraries take most of it; tables 32 MiB at most */
#define TIMEOUT_S 60
#define REFUSED 3 /* exit status */

/* --- inside ----------------------------------------------------------------- */

static int inspect(const char *word, const char *path, struct foreign *ret, mc_err **err)
{
	enum foreign_format format = foreign_format_parse(word);
	mc_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (format == FOREIGN_FORMAT_MAX)
		return mc_err_set(err, 0, "it is of an unknown format");
	if (fd < 0)
		return mc_err_set(err, errno, "cannot open it");
	return foreign_inspect(fd, format, ret, err);
}

int reader_main(const char *format, const char *path)
{
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *answer = NULL;
	struct foreign found;
	int r = inspect(format, path, &found, &err);

	answer = r < 0 ? json_pack("{s:s}", "refused", mc_err_msg(err))
		       : json_pack("{s:I, s:I}", "virtual_bytes", (json_int_t)found.virtual_bytes, "data_bytes",
				   (json_int_t)found.data_bytes);
	if (!answer || json_dumpf(answer, stdout, JSON_COMPACT) < 0 || fflush(stdout) != 0)
		return 1;
	return r < 0 ? REFUSED : 0;
}

/* --- outside ---------------------------------------------------------------- */

static const struct mc_field refusal_fields[] = {
	{"refused", MC_FIELD_STRING, true, 1, 500, NULL, NULL},
	{NULL, MC_FIELD_STRING, false, 0, 0, NULL, NULL},
};

static const struct mc_field finding_fields[] = {
	{"virtual_bytes", MC_FIELD_INTEGER, true, 1, BYTES_MAX_VIRTUAL, NULL, NULL},
	{"data_bytes", MC_FIELD_INTEGER, true, 0, INT64_MAX, NULL, NULL},
	{NULL, MC_FIELD_STRING, false, 0, 0, NULL, NULL},
};

/* What it says is not trusted more than the file is. */
static int understand(const struct mc_spawn_result *result, struct foreign *ret, mc_err **err)
{
	mc_auto_json json_t *said = json_loads(result->out, 0, NULL);

	if (result->cancelled)
		return mc_err_set(err, 0, "it was cancelled"), READER_REFUSED;
	if (result->timed_out)
		return mc_err_set(err, 0, "it could not be looked through within %d s", TIMEOUT_S), READER_REFUSED;
	if (result->status == REFUSED && said && mc_fields_check(refusal_fields, said, NULL) == 0)
		return mc_err_set(err, 0, "%s", mc_json_str(said, "refused", "")), READER_REFUSED;
	if (result->status != 0 || !said || mc_fields_check(finding_fields, said, NULL) < 0)
		return mc_err_set(err, 0, "looking through it ended with %d: %.*s", result->status, (int)strcspn(result->errout, "\n"),
				  result->errout), READER_REFUSED;
	ret->virtual_bytes = (uint64_t)mc_json_int(said, "virtual_bytes", 0);
	ret->data_bytes = (uint64_t)mc_json_int(said, "data_bytes", 0);
	return READER_OK;
}

int reader_run(const struct sandbox *sandbox, const struct offspring *offspring, const char *source,
	       enum foreign_format format, int cancel_fd, struct foreign *ret, mc_err **err)
{
	const char *const argv[] = {SANDBOX_SELF, READER_FLAG, foreign_format_name(format), SANDBOX_SOURCE, NULL};
	struct sandbox_job job = {.argv = argv, .source = source, .timeout_s = TIMEOUT_S,
				  .memory_bytes = MEMORY, .cancel_fd = cancel_fd};
	mc_auto_spawn_result struct mc_spawn_result result = {0};

	if (sandbox_run(sandbox, offspring, &job, &result, err) < 0)
		return -1;
	return understand(&result, ret, err);
}
