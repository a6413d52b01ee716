/* Any bytes as a configuration file, for a table with every type of option. */
#include "common/config.h"

#include <stdbool.h>
#include <sys/mman.h>

#include "common/cleanup.h"
#include "tests/fuzz/fuzz.h"

struct config {
	char *socket, *allow, *pool;
	long threads, any;
	bool teardown;
};

#define AT(member) offsetof(struct config, member)

static const struct mc_option options[] = {
	{ "netd", "socket", MC_OPT_PATH, AT(socket), "%R/netd.sock", 0, 0, "" },
	{ "netd", "allow", MC_OPT_STRING, AT(allow), "minicloud-api", 0, 0, "" },
	{ "netd", "public_pool", MC_OPT_STRING, AT(pool), "203.0.113.0/24", 0, 0, "" },
	{ "netd", "threads", MC_OPT_INT, AT(threads), "8", 1, 64, "" },
	{ "common", "any", MC_OPT_INT, AT(any), "0", 0, 0, "" },
	{ "netd", "teardown", MC_OPT_BOOL, AT(teardown), "no", 0, 0, "" },
	{ 0 },
};

static const struct mc_program program = { .name = "fuzz", .summary = "a program", .options = options };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mc_auto_fd int fd = memfd_create("config", MFD_CLOEXEC);
	mc_autofree char *path = mc_strf("/proc/self/fd/%d", fd);
	mc_auto_err mc_err *err = NULL;
	struct config c = { .threads = 8 };

	FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	if (mc_config_parse_file(&program, path, &c, &err) < 0)
		FUZZ_CHECK(err != NULL);
	else
		FUZZ_CHECK(!c.socket || !*c.socket || *c.socket == '/');
	FUZZ_CHECK(c.threads >= 1 && c.threads <= 64);
	mc_config_free(&program, &c);
	return 0;
}
