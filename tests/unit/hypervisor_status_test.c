/* What a killed libvirtd has noted of an instance's disks, and what QEMU says of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"
#include "hypervisor/status.h"

#define PRIVATE(n) \
	"<privateData><nodenames><nodename type='storage' name='libvirt-" n "-storage'/>" \
	"<nodename type='format' name='libvirt-" n "-format'/></nodenames>" \
	"<objects><secret type='encryption' alias='libvirt-" n "-format-encryption-secret0'/></objects></privateData>"
#define TOP(file, n) "<source file='" file "' index='" n "'><encryption/>" PRIVATE(n) "</source>"
#define UNDER(file, n, more) \
	"<backingStore type='file' index='" n "'><format type='qcow2'/><source file='" file "'><encryption/>" PRIVATE(n) "</source>" \
	more "</backingStore>"
#define NOTE(jobs, disk) \
	"<domstatus state='running' reason='booted' pid='77'><monitor path='/m/sock' type='unix'/><nodename index='4'/>" \
	"<blockjobs active='no'>" jobs "</blockjobs><domain><devices><disk>" disk "<target dev='vdb'/><alias name='ua-vol-1'/>" \
	"</disk></devices></domain></domstatus>"
#define TWO_LAYERS TOP("/b", "4") UNDER("/a", "3", "<backingStore/>")

/* A chain of "NUMBER FILE", top first, as QEMU tells of it. */
static json_t *qemu_with(size_t n, const char *const names[], const char *const files[])
{
	json_t *nodes = json_array(), *graph_nodes = json_array(), *edges = json_array();

	for (size_t i = 0; i < n; i++) {
		mc_autofree char *format = mc_strf("libvirt-%s-format", names[i]);
		mc_autofree char *storage = mc_strf("libvirt-%s-storage", names[i]);

		json_array_append_new(nodes, json_pack("{s:s, s:s, s:s}", "node-name", format, "file", files[i], "drv", "qcow2"));
		json_array_append_new(nodes, json_pack("{s:s, s:s, s:s}", "node-name", storage, "file", files[i], "drv", "file"));
		json_array_append_new(graph_nodes, json_pack("{s:i, s:s}", "id", (int)i + 1, "name", format));
		json_array_append_new(graph_nodes, json_pack("{s:i, s:s}", "id", (int)i + 101, "name", storage));
		json_array_append_new(edges, json_pack("{s:i, s:i, s:s}", "parent", (int)i + 1, "child", (int)i + 101, "name", "file"));
		if (i + 1 < n)
			json_array_append_new(edges, json_pack("{s:i, s:i, s:s}", "parent", (int)i + 1, "child", (int)i + 2, "name", "backing"));
	}
	return json_pack("{s:[{s:s, s:{s:s}}], s:o, s:{s:o, s:o}}", "blocks", "qdev", "/machine/peripheral/ua-vol-1/virtio-backend",
			 "inserted", "node-name", mc_json_str(json_array_get(nodes, 0), "node-name", ""), "nodes", nodes, "graph",
			 "nodes", graph_nodes, "edges", edges);
}

#define MENDED(note, n, ...) mended(note, n, (const char *const[][2]){ __VA_ARGS__ })

/* The note put right, or NULL. chain: {number, file} of each layer. */
static char *mended(const char *note, size_t n, const char *const chain[][2])
{
	const char *names[8], *files[8];
	mc_auto_json json_t *qemu = NULL;
	mc_auto_err mc_err *err = NULL;
	size_t disks = 0;
	char *text;

	for (size_t i = 0; i < n; i++) {
		names[i] = chain[i][0];
		files[i] = chain[i][1];
	}
	qemu = qemu_with(n, names, files);
	text = status_mend(note, qemu, &disks, &err);
	assert_null(err);
	assert_int_equal(disks, text ? 1 : 0);
	return text;
}

/* libvirt writes single quotes, libxml2 double ones. */
static void assert_disk(const char *text, const char *disk)
{
	mc_autofree char *wanted = mc_strdup(disk);

	for (char *c = wanted; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	assert_non_null(text);
	if (!strstr(text, wanted))
		fail_msg("%s\nis not in\n%s", wanted, text);
}

static void what_is_true_stays(void **state)
{
	(void)state;
	assert_null(MENDED(NOTE("", TWO_LAYERS), 2, { "4", "/b" }, { "3", "/a" }));
}

static void a_disk_that_was_switched(void **state)
{
	mc_autofree char *text = MENDED(NOTE("", TWO_LAYERS), 3, { "5", "/c" }, { "4", "/b" }, { "3", "/a" });

	(void)state;
	assert_disk(text, "<nodename index='5'/>");
	assert_disk(text, "<source file='/c' index='5'>");
	assert_disk(text, "<nodename type='format' name='libvirt-5-format'/>");
	assert_disk(text, "alias='libvirt-5-format-encryption-secret0'");
	assert_disk(text, "<backingStore type='file' index='4'><format type='qcow2'/><source file='/b'><encryption/>");
	assert_disk(text, UNDER("/a", "3", "<backingStore/>"));
}

static void a_disk_that_has_less_under_it(void **state)
{
	mc_autofree char *one = MENDED(NOTE("", TWO_LAYERS), 1, { "4", "/b" });
	mc_autofree char *other = MENDED(NOTE("", TWO_LAYERS), 1, { "3", "/a" });

	(void)state;
	assert_disk(one, "<disk><source file='/b' index='4'>");
	assert_disk(other, "<disk><source file='/a' index='3'>");
	assert_disk(one, "</source><backingStore/><target");
	assert_null(strstr(one, "/a"));
	assert_null(strstr(other, "/b"));
	assert_disk(one, "<nodename index='4'/>");
}

static void what_is_not_understood_stays(void **state)
{
	static const char *const filter[][2] = { { "5", "/c" }, { "x", "/b" } };

	(void)state;
	assert_null(mended(NOTE("", TWO_LAYERS), 2, filter));
	assert_null(MENDED(NOTE("", TWO_LAYERS "<mirror/>"), 1, { "4", "/b" }));
	assert_null(MENDED(NOTE("", "<source file='/b'/><backingStore/>"), 1, { "4", "/b" }));
}

static void the_job_that_is_no_more(void **state)
{
	mc_autofree char *text = MENDED(NOTE("<blockjob><disk dst='vdc'/></blockjob><blockjob><disk dst='vdb'/></blockjob>", TWO_LAYERS), 1,
					{ "4", "/b" });

	(void)state;
	assert_disk(text, "<blockjobs active='no'><blockjob><disk dst='vdc'/></blockjob></blockjobs>");
}

static void no_note(void **state)
{
	mc_auto_json json_t *qemu = json_object();
	mc_auto_err mc_err *err = NULL;
	size_t disks;

	(void)state;
	assert_null(status_mend("<domain/>", qemu, &disks, &err));
	assert_non_null(err);
	mc_err_clear(&err);
	assert_null(status_mend("<domstatus", qemu, &disks, &err));
	assert_non_null(err);
}

static void where_the_monitor_is(void **state)
{
	mc_auto_err mc_err *err = NULL;
	mc_autofree char *path = NULL;
	int pid = 0;

	(void)state;
	path = status_monitor(NOTE("", TWO_LAYERS), &pid, &err);
	assert_string_equal(path, "/m/sock");
	assert_int_equal(pid, 77);
	assert_null(status_monitor("<domstatus pid='0'/>", &pid, &err));
	assert_int_equal(pid, 0);
	assert_null(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_true_stays),      cmocka_unit_test(a_disk_that_was_switched),
		cmocka_unit_test(a_disk_that_has_less_under_it), cmocka_unit_test(what_is_not_understood_stays),
		cmocka_unit_test(the_job_that_is_no_more), cmocka_unit_test(no_note),
		cmocka_unit_test(where_the_monitor_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
