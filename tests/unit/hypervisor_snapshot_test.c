/* A snapshot that fails, by libvirt's own test driver: it freezes and thaws, and has no snapshots of disks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "hypervisor/snapshot.h"

static void be_quiet(void *ctx, virErrorPtr error)
{
	(void)ctx;
	(void)error;
}

/* What libvirt said of the failure is not what it says after the guest has been thawed. */
static void test_failure_is_told(void **state)
{
	auto_connection conn = virConnectOpen("test:///default");
	char dir[] = "/tmp/snapshot-test.XXXXXX";
	struct hypervisor h = { .freezes = mkdtemp(dir) ? freezes_new(dir, NULL) : NULL };
	struct work w = { .h = &h, .id = "i-0123456789abcdef0", .conn = conn };
	mc_autofree char *notes = mc_strf("%s/frozen", dir);

	(void)state;
	assert_non_null(h.freezes);
	virSetErrorFunc(NULL, be_quiet);
	assert_non_null(conn);
	for (int agent = 0; agent < 2; agent++) {
		auto_domain domain = virDomainLookupByName(conn, "test");
		mc_auto_err mc_err *err = NULL;
		bool frozen = true;

		assert_non_null(domain);
		assert_int_equal(virDomainFSThaw(domain, NULL, 0, 0), 0); /* which forgets the last error */
		assert_int_equal(snapshot_take(&w, domain, "<domainsnapshot/>", agent, &frozen, &err), -1);
		assert_false(frozen);
		assert_non_null(strstr(mc_err_msg(err), "switch disks of i-0123456789abcdef0: "));
		assert_non_null(strstr(mc_err_msg(err), "flags"));
	}
	freezes_free(h.freezes);
	assert_int_equal(rmdir(notes), 0); /* it is thawed, and nobody has to come back to it */
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_failure_is_told) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
