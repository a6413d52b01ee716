/* The instance document: what is refused, and the domain XML it becomes (golden files).
 * With GOLDEN_UPDATE set, the golden files are written instead of compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "hypervisor/domain.h"
#include "hypervisor/xml.h"

#define GOLDEN "tests/golden/domain/"
#define ROOTS "/store,/other/place/"

static json_t *load(const char *name)
{
	mc_autofree char *path = mc_strf(GOLDEN "%s.in.json", name);
	mc_err *err = NULL;
	json_t *doc = mc_json_load(path, &err);

	if (!doc)
		fail_msg("%s", mc_err_msg(err));
	return doc;
}

static char *xml_of(const json_t *in)
{
	const json_t *s = mc_json_obj(in, "settings");
	struct domain_settings settings = {
		.kvm = mc_json_bool(s, "kvm", false),
		.machine = mc_json_str(s, "machine", NULL),
		.console_log = mc_json_str(s, "console_log", NULL),
		.hotplug_slots = (int)mc_json_int(s, "hotplug_slots", 0),
		.dac_label = mc_json_str(s, "dac_label", NULL),
	};

	return domain_xml(mc_json_str(in, "id", ""), mc_json_obj(in, "instance"), &settings);
}

static void golden(const char *name)
{
	mc_auto_json json_t *in = load(name);
	mc_autofree char *path = mc_strf(GOLDEN "%s.xml", name);
	mc_autofree char *xml = xml_of(in);
	mc_autofree char *wanted = NULL;

	assert_int_equal(mc_fields_check(domain_fields, mc_json_obj(in, "instance"), NULL), 0);
	if (getenv("GOLDEN_UPDATE")) {
		assert_int_equal(mc_fs_write(path, xml, strlen(xml), 0644, NULL), 0);
		return;
	}
	wanted = mc_fs_read(path, 1 << 20, NULL, NULL);
	assert_non_null(wanted);
	assert_string_equal(xml, wanted);
}

static void test_golden(void **state)
{
	(void)state;
	golden("micro-tcg");
	golden("kvm-two-disks");
	golden("bare-escaped");
}

static json_t *good(void)
{
	mc_auto_json json_t *in = load("kvm-two-disks");

	return json_incref(mc_json_obj(in, "instance"));
}

static json_t *disk(json_t *doc, size_t i)
{
	return json_array_get(mc_json_arr(doc, "disks"), i);
}

static void refused(json_t *doc, const char *member)
{
	mc_auto_err mc_err *err = NULL;
	int r = mc_fields_check(domain_fields, doc, &err);

	if (r == 0)
		r = domain_check(doc, ROOTS, &err);
	assert_int_equal(r, -1);
	if (!strstr(mc_err_msg(err), member))
		fail_msg("\"%s\" does not name %s", mc_err_msg(err), member);
	json_decref(doc);
}

static void path_refused(const char *path)
{
	json_t *doc = good();

	json_object_set_new(disk(doc, 0), "path", json_string(path));
	refused(doc, "disks[0].path");
}

static void test_paths(void **state)
{
	mc_auto_json json_t *doc = good();

	(void)state;
	assert_int_equal(domain_check(doc, ROOTS, NULL), 0);
	json_object_set_new(disk(doc, 0), "path", json_string("/other/place/x"));
	assert_int_equal(domain_check(doc, ROOTS, NULL), 0);
	path_refused("/etc/shadow");
	path_refused("/storefront/x.qcow2");
	path_refused("/store");
	path_refused("/store/");
	path_refused("/store/../etc/shadow");
	path_refused("/store/./root.qcow2");
	path_refused("/store//root.qcow2");
	path_refused("store/root.qcow2");
	path_refused("/store/a\nb");
	path_refused("/");
}

static void test_incomplete(void **state)
{
	static const char *const needed[] = { "vcpus", "memory_mib", "disks" };

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(needed); i++) {
		json_t *doc = good();

		json_object_del(doc, needed[i]);
		refused(doc, needed[i]);
	}
}

static void test_ill_typed(void **state)
{
	json_t *doc;

	(void)state;
	doc = good();
	json_object_set_new(doc, "state", json_string("hibernated"));
	refused(doc, "state");
	doc = good();
	json_object_set_new(doc, "memory_mib", json_integer(1));
	refused(doc, "memory_mib");
	doc = good();
	json_object_set_new(doc, "vcpus", json_string("2"));
	refused(doc, "vcpus");
	doc = good();
	json_object_set_new(doc, "disks", json_array());
	refused(doc, "disks");
	doc = good();
	json_object_set_new(disk(doc, 1), "format", json_string("vmdk"));
	refused(doc, "disks[1].format");
	doc = good();
	json_object_set_new(disk(doc, 1), "volume", json_string("vol-../../etc"));
	refused(doc, "disks[1].volume");
	doc = good();
	json_object_set_new(doc, "instance_type", json_string("t3 micro'/>"));
	refused(doc, "instance_type");
	doc = good();
	json_object_set_new(doc, "kernel", json_string("/boot/vmlinuz"));
	refused(doc, "kernel");
}

static void test_repeated(void **state)
{
	json_t *doc = good();

	(void)state;
	json_object_set_new(disk(doc, 0), "boot", json_true());
	refused(doc, "disks: 2");
	doc = good();
	json_object_set_new(disk(doc, 1), "volume", json_string("vol-00000000000000001"));
	refused(doc, "disks[1].volume");
	doc = good();
	json_object_set_new(disk(doc, 1), "path", json_string("/store/data.raw"));
	refused(doc, "disks[1].path");
	doc = good();
	json_object_set_new(json_array_get(mc_json_arr(doc, "nics"), 1), "eni", json_string("eni-00000000000000001"));
	refused(doc, "nics[1].eni");
	doc = good();
	json_object_set_new(json_array_get(mc_json_arr(doc, "nics"), 1), "mac", json_string("06:00:00:00:00:01"));
	refused(doc, "nics[1].mac");
}

static void test_reading(void **state)
{
	mc_autofree char *machine = domain_machine("<domain type='kvm' id='3'>\n  <os>\n"
						   "    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>\n");

	(void)state;
	assert_string_equal(machine, "pc-q35-7.2");
	assert_null(domain_machine("<domain type='kvm'><os><type>hvm</type></os><x machine='no'/>"));
	assert_null(domain_machine("<domain type='kvm'>"));
	assert_null(domain_machine("<domain><os><type arch='x86_64'"));
	assert_string_equal(domain_accelerator("<domain type='kvm' id='3'>"), "kvm");
	assert_string_equal(domain_accelerator("<domain type='qemu'>"), "qemu");
	assert_null(domain_accelerator("<domain type='xen'>"));
}

static void test_xml_writer(void **state)
{
	struct xml *x = xml_new();
	mc_autofree char *text = NULL;

	(void)state;
	xml_begin(x, "a", "k", "1'<>&\"2", "gone", NULL, "l", "\x01z", NULL);
	xml_leaf(x, "b", "x<y&z\x02", NULL);
	xml_begin(x, "c", NULL);
	xml_empty(x, "d", "m", "", NULL);
	text = xml_finish(x);
	assert_string_equal(text, "<a k='1&apos;&lt;&gt;&amp;&quot;2' l='z'>\n  <b>x&lt;y&amp;z</b>\n  <c>\n"
				  "    <d m=''/>\n  </c>\n</a>\n");
	xml_free(NULL);
	xml_free(xml_new());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),    cmocka_unit_test(test_paths),    cmocka_unit_test(test_incomplete),
		cmocka_unit_test(test_ill_typed), cmocka_unit_test(test_repeated), cmocka_unit_test(test_reading),
		cmocka_unit_test(test_xml_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
