/* What is read out of libvirt's XML of a domain, and the targets that are left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "hypervisor/disk.h"

#define VOL1 "vol-0123456789abcdef1"
#define VOL2 "vol-0123456789abcdef2"

/* As libvirt 9.0 writes a running domain: a chain, numbered sources, an escaped name, a foreign disk. */
static const char live[] =
	"<domain type='qemu' id='3'>\n  <name>i-0123456789abcdef0</name>\n  <devices>\n"
	"    <disk type='file' device='disk'>\n      <driver name='qemu' type='qcow2' cache='none'/>\n"
	"      <source file='/s/a &amp; &apos;b&apos;&lt;&gt;&quot;.qcow2' index='4'/>\n"
	"      <backingStore type='file' index='2'>\n        <format type='qcow2'/>\n        <source file='/s/base.qcow2'/>\n"
	"        <backingStore/>\n      </backingStore>\n      <target dev='vda' bus='virtio'/>\n"
	"      <serial>vol0123456789abcdef1</serial>\n      <alias name='ua-" VOL1 "'/>\n    </disk>\n"
	"    <disk type='file' device='disk'>\n      <source file='/s/own.raw' index='1'/>\n"
	"      <target dev='vdb' bus='virtio'/>\n      <alias name='virtio-disk1'/>\n    </disk>\n"
	"    <disk type='file' device='disk'>\n      <source file='/s/c.qcow2' index='1'/>\n"
	"      <target dev='vdd' bus='virtio'/>\n      <alias name='ua-" VOL2 "'/>\n    </disk>\n"
	"    <interface type='ethernet'>\n      <alias name='ua-eni-0123456789abcdef0'/>\n    </interface>\n"
	"  </devices>\n</domain>\n";

static void test_list(void **state)
{
	mc_auto_json json_t *list = disk_list(live);
	const json_t *disk = disk_find(list, VOL1);

	(void)state;
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(mc_json_str(disk, "path", ""), "/s/a & 'b'<>\".qcow2");
	assert_string_equal(mc_json_str(disk, "target", ""), "vda");
	assert_string_equal(mc_json_str(disk_find(list, VOL2), "target", ""), "vdd");
	assert_null(disk_find(list, "vol-0123456789abcdef3"));
}

/* As it stands in a live XML where a disk was taken away by force. */
static void test_ejected(void **state)
{
	mc_autofree char *xml = mc_strf("<domain>\n  <metadata>\n    <ejected:disks xmlns:ejected=\"https://minicloud.dev/ejected/1\" "
					"volumes=\"vol-0123456789abcdef9 " VOL2 "\"/>\n  </metadata>\n%s", live);
	mc_auto_json json_t *list = disk_list(xml);
	mc_auto_json json_t *numbers = disk_sources(xml, VOL1);
	char target[8];

	(void)state;
	assert_int_equal(json_array_size(list), 2);
	assert_null(disk_find(list, VOL2));
	assert_non_null(disk_find(list, VOL1));
	assert_true(disk_is_ejected(list, VOL2));
	assert_false(disk_is_ejected(list, VOL1));
	assert_false(disk_is_ejected(list, "vol-0123456789abcdef9"));
	assert_non_null(disk_find_target(list, "vdd"));
	assert_int_equal(disk_free_target(list, target), 0);
	assert_string_equal(target, "vdb");
	disk_drop_ejected(list);
	assert_int_equal(json_array_size(list), 1);
	assert_int_equal(json_array_size(numbers), 2);
	assert_int_equal(json_integer_value(json_array_get(numbers, 0)), 4);
	assert_int_equal(json_integer_value(json_array_get(numbers, 1)), 2);
	assert_null(disk_sources(xml, "vol-0123456789abcdef9"));
}

static void test_errors(void **state)
{
	mc_auto_json json_t *list = disk_list(live);

	(void)state;
	disk_set_error(list, "vdd", true);
	disk_set_error(list, "vdz", false);
	assert_string_equal(mc_json_str(disk_find(list, VOL2), "error", ""), "no-space");
	assert_null(json_object_get(disk_find(list, VOL1), "error"));
	disk_set_error(list, "vda", false);
	assert_string_equal(mc_json_str(disk_find(list, VOL1), "error", ""), "failed");
}

static void test_cut_off(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(live); n++) {
		mc_autofree char *part = strndup(live, n);
		mc_auto_json json_t *list = disk_list(part);

		assert_true(json_array_size(list) <= 2);
	}
}

static void test_targets(void **state)
{
	mc_auto_json json_t *list = disk_list(live);
	char target[8];

	(void)state;
	assert_int_equal(disk_free_target(list, target), 0);
	assert_string_equal(target, "vdb");
	for (int i = 2; i < DISK_MAX; i++) {
		assert_int_equal(disk_free_target(list, target), 0);
		json_array_append_new(list, json_pack("{s:s}", "target", target));
	}
	assert_int_equal(disk_free_target(list, target), -1);
}

static void test_check(void **state)
{
	mc_auto_json json_t *disk = json_pack("{s:s, s:[s, s], s:s}", "path", "/s/a.qcow2", "backing", "/s/b.qcow2",
					      "/s/../etc/shadow", "format", "qcow2");
	mc_auto_err mc_err *err = NULL;

	(void)state;
	assert_int_equal(mc_fields_check(disk_put_fields, disk, &err), -1);
	assert_non_null(strstr(mc_err_msg(err), "backing"));
	json_array_set_new(mc_json_arr(disk, "backing"), 1, json_string("/t/c.qcow2"));
	assert_int_equal(mc_fields_check(disk_put_fields, disk, &err), 0);
	assert_int_equal(disk_check(disk, "disks[3].", "/s", &err), -1);
	assert_non_null(strstr(mc_err_msg(err), "disks[3].backing[1]"));
	assert_int_equal(disk_check(disk, "", "/s,/t", &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list), cmocka_unit_test(test_ejected), cmocka_unit_test(test_errors), cmocka_unit_test(test_cut_off), cmocka_unit_test(test_targets),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
