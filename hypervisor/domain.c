#include "hypervisor/domain.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/id.h"
#include "hypervisor/disk.h"
#include "hypervisor/nic.h"
#include "hypervisor/xml.h"

#define METADATA_NAMESPACE "https://minicloud.dev/domain/1"
#define MAX_VCPUS 255
#define MIN_MEMORY_MIB 32
#define MAX_MEMORY_MIB (16 << 20) /* 16 TiB */
#define MAX_NICS 15
#define TCG_CACHE_MIB "32" /* the default, half the host's memory, is a limit no small host can keep */

/* --- the document --------------------------------------------------------- */

static bool check_state(const char *text)
{
	return strcmp(text, "paused") == 0 || strcmp(text, "running") == 0 || strcmp(text, "stopped") == 0;
}

static bool check_instance_type(const char *text)
{
	return text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.-")] == '\0';
}

const struct mc_field domain_fields[] = {
	{ .name = "state", .type = MC_FIELD_STRING, .required = true, .check = check_state },
	{ .name = "force", .type = MC_FIELD_BOOLEAN },
	{ .name = "start", .type = MC_FIELD_BOOLEAN },
	{ .name = "instance_type", .type = MC_FIELD_STRING, .min = 1, .max = 64, .check = check_instance_type },
	{ .name = "vcpus", .type = MC_FIELD_INTEGER, .min = 1, .max = MAX_VCPUS },
	{ .name = "memory_mib", .type = MC_FIELD_INTEGER, .min = MIN_MEMORY_MIB, .max = MAX_MEMORY_MIB },
	{ .name = "disks", .type = MC_FIELD_OBJECTS, .min = 1, .max = DISK_MAX, .sub = disk_fields },
	{ .name = "nics", .type = MC_FIELD_OBJECTS, .min = 0, .max = MAX_NICS, .sub = nic_fields },
	{ 0 },
};

/* The index of the first element whose member `key` an earlier one has too; -1: none. */
static int find_repeated(const json_t *array, const char *key)
{
	for (size_t i = 1; i < json_array_size(array); i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(mc_json_str(json_array_get(array, i), key, ""),
				   mc_json_str(json_array_get(array, k), key, "")) == 0)
				return (int)i;
	return -1;
}

static int check_disks(const json_t *disks, const char *disk_roots, mc_err **err)
{
	int boots = 0;

	for (size_t i = 0; i < json_array_size(disks); i++) {
		const json_t *disk = json_array_get(disks, i);
		mc_autofree char *where = mc_strf("disks[%zu].", i);

		if (disk_check(disk, where, disk_roots, err) < 0)
			return -1;
		boots += mc_json_bool(disk, "boot", false);
	}
	if (boots > 1)
		return mc_err_set(err, 0, "disks: %d of them say boot", boots);
	if (find_repeated(disks, "volume") >= 0)
		return mc_err_set(err, 0, "disks[%d].volume: is there twice", find_repeated(disks, "volume"));
	if (find_repeated(disks, "path") >= 0)
		return mc_err_set(err, 0, "disks[%d].path: is there twice", find_repeated(disks, "path"));
	return 0;
}

static int check_nics(const json_t *nics, mc_err **err)
{
	if (find_repeated(nics, "eni") >= 0)
		return mc_err_set(err, 0, "nics[%d].eni: is there twice", find_repeated(nics, "eni"));
	if (find_repeated(nics, "mac") >= 0)
		return mc_err_set(err, 0, "nics[%d].mac: is there twice", find_repeated(nics, "mac"));
	return 0;
}

int domain_check(const json_t *doc, const char *disk_roots, mc_err **err)
{
	static const char *const needed[] = { "vcpus", "memory_mib", "disks" };

	for (size_t i = 0; i < MC_ARRAY_SIZE(needed); i++) {
		const json_t *member = json_object_get(doc, needed[i]);

		if (!member || json_is_null(member))
			return mc_err_set(err, 0, "%s: is needed to start an instance", needed[i]);
	}
	if (check_disks(mc_json_arr(doc, "disks"), disk_roots, err) < 0)
		return -1;
	return check_nics(mc_json_arr(doc, "nics"), err);
}

/* --- the XML -------------------------------------------------------------- */

static void put_metadata(struct xml *x, const char *id)
{
	xml_begin(x, "metadata", NULL);
	xml_empty(x, "minicloud:instance", "xmlns:minicloud", METADATA_NAMESPACE, "id", id, NULL);
	xml_end(x);
}

/* What tells a guest that it runs on EC2: cloud-init looks for a UUID that starts with
 * "ec2" and equals the serial, both in lower case. */
static void put_sysinfo(struct xml *x, const char *uuid, const json_t *doc)
{
	static const char vendor[] = "Amazon EC2";

	xml_begin(x, "sysinfo", "type", "smbios", NULL);
	xml_begin(x, "bios", NULL);
	xml_leaf(x, "entry", vendor, "name", "vendor", NULL);
	xml_end(x);
	xml_begin(x, "system", NULL);
	xml_leaf(x, "entry", vendor, "name", "manufacturer", NULL);
	xml_leaf(x, "entry", mc_json_str(doc, "instance_type", "minicloud"), "name", "product", NULL);
	xml_leaf(x, "entry", uuid, "name", "serial", NULL);
	xml_leaf(x, "entry", uuid, "name", "uuid", NULL);
	xml_end(x);
	xml_begin(x, "chassis", NULL);
	xml_leaf(x, "entry", vendor, "name", "manufacturer", NULL);
	xml_end(x);
	xml_end(x);
}

static void put_boot(struct xml *x, const struct domain_settings *s)
{
	xml_begin(x, "os", NULL);
	xml_leaf(x, "type", "hvm", "arch", "x86_64", "machine", s->machine, NULL);
	xml_empty(x, "smbios", "mode", "sysinfo", NULL);
	xml_end(x);
}

static void put_processor(struct xml *x, const struct domain_settings *s)
{
	xml_begin(x, "features", NULL);
	xml_empty(x, "acpi", NULL);
	xml_empty(x, "apic", NULL);
	if (!s->kvm) {
		xml_begin(x, "tcg", NULL);
		xml_leaf(x, "tb-cache", TCG_CACHE_MIB, "unit", "MiB", NULL);
		xml_end(x);
	}
	xml_end(x);
	xml_empty(x, "cpu", "mode", s->kvm ? "host-passthrough" : "maximum", "check", s->kvm ? "none" : NULL, NULL);
	xml_begin(x, "clock", "offset", "utc", NULL);
	xml_empty(x, "timer", "name", "rtc", "tickpolicy", "catchup", NULL);
	xml_empty(x, "timer", "name", "pit", "tickpolicy", "delay", NULL);
	xml_empty(x, "timer", "name", "hpet", "present", "no", NULL);
	xml_end(x);
}

static void put_life(struct xml *x)
{
	xml_leaf(x, "on_poweroff", "destroy", NULL);
	xml_leaf(x, "on_reboot", "restart", NULL);
	xml_leaf(x, "on_crash", "destroy", NULL);
	xml_begin(x, "pm", NULL);
	xml_empty(x, "suspend-to-mem", "enabled", "no", NULL);
	xml_empty(x, "suspend-to-disk", "enabled", "no", NULL);
	xml_end(x);
}

/* Every PCI device sits on a port of its own, and hot-plug needs ports that are there
 * from the start: random numbers, balloon and agent channel have one each too. */
static void put_controllers(struct xml *x, const json_t *doc, const struct domain_settings *s)
{
	size_t ports = json_array_size(mc_json_arr(doc, "disks")) + json_array_size(mc_json_arr(doc, "nics")) + 3;

	xml_empty(x, "controller", "type", "pci", "index", "0", "model", "pcie-root", NULL);
	for (size_t i = 1; i <= ports + (size_t)s->hotplug_slots; i++) {
		mc_autofree char *index = mc_strf("%zu", i);

		xml_empty(x, "controller", "type", "pci", "index", index, "model", "pcie-root-port", NULL);
	}
	xml_empty(x, "controller", "type", "usb", "model", "none", NULL);
	xml_empty(x, "controller", "type", "virtio-serial", "index", "0", NULL);
}

/* The disk that says boot, else the first. */
static size_t boot_disk(const json_t *disks)
{
	for (size_t i = 0; i < json_array_size(disks); i++)
		if (mc_json_bool(json_array_get(disks, i), "boot", false))
			return i;
	return 0;
}

static void put_disks(struct xml *x, const json_t *disks)
{
	for (size_t i = 0; i < json_array_size(disks); i++) {
		const json_t *disk = json_array_get(disks, i);
		mc_autofree char *target = mc_strf("vd%c", (char)('a' + i));

		disk_put_xml(x, mc_json_str(disk, "volume", ""), disk, target, i == boot_disk(disks));
	}
}

/* The log holds the last boot, as GetConsoleOutput shows it: append is off. */
static void put_console(struct xml *x, const struct domain_settings *s)
{
	xml_begin(x, "serial", "type", "pty", NULL);
	xml_empty(x, "log", "file", s->console_log, "append", "off", NULL);
	xml_empty(x, "target", "port", "0", NULL);
	xml_end(x);
	xml_begin(x, "channel", "type", "unix", NULL);
	xml_empty(x, "target", "type", "virtio", "name", "org.qemu.guest_agent.0", NULL);
	xml_end(x);
}

/* A display card without a display: what a screenshot is taken of. */
static void put_video(struct xml *x)
{
	xml_begin(x, "video", NULL);
	xml_empty(x, "model", "type", "vga", "vram", "16384", "heads", "1", NULL);
	xml_end(x);
}

static void put_devices(struct xml *x, const json_t *doc, const struct domain_settings *s)
{
	const json_t *nics = mc_json_arr(doc, "nics");

	xml_begin(x, "devices", NULL);
	put_controllers(x, doc, s);
	put_disks(x, mc_json_arr(doc, "disks"));
	for (size_t i = 0; i < json_array_size(nics); i++)
		nic_put_xml(x, mc_json_str(json_array_get(nics, i), "eni", ""), mc_json_str(json_array_get(nics, i), "mac", ""), NULL);
	put_console(x, s);
	put_video(x);
	xml_empty(x, "memballoon", "model", "virtio", "autodeflate", "on", "freePageReporting", "on", NULL);
	xml_begin(x, "rng", "model", "virtio", NULL);
	xml_leaf(x, "backend", "/dev/urandom", "model", "random", NULL);
	xml_end(x);
	xml_end(x);
}

/* The owners of disk files are decided by storaged, so libvirt is told to leave them. */
static void put_seclabel(struct xml *x, const struct domain_settings *s)
{
	if (!s->dac_label)
		return;
	xml_begin(x, "seclabel", "type", "static", "model", "dac", "relabel", "no", NULL);
	xml_leaf(x, "label", s->dac_label, NULL);
	xml_end(x);
}

char *domain_xml(const char *instance_id, const json_t *doc, const struct domain_settings *s)
{
	struct xml *x = xml_new();
	char uuid[MC_UUID_LEN];
	mc_autofree char *memory = mc_strf("%lld", (long long)mc_json_int(doc, "memory_mib", 0));
	mc_autofree char *vcpus = mc_strf("%lld", (long long)mc_json_int(doc, "vcpus", 0));

	mc_id_uuid(instance_id, uuid);
	xml_begin(x, "domain", "type", s->kvm ? "kvm" : "qemu", NULL);
	xml_leaf(x, "name", instance_id, NULL);
	xml_leaf(x, "uuid", uuid, NULL);
	put_metadata(x, instance_id);
	xml_leaf(x, "memory", memory, "unit", "MiB", NULL);
	xml_leaf(x, "vcpu", vcpus, NULL);
	put_sysinfo(x, uuid, doc);
	put_boot(x, s);
	put_processor(x, s);
	put_life(x);
	put_devices(x, doc, s);
	put_seclabel(x, s);
	return xml_finish(x);
}

/* --- reading libvirt's XML ------------------------------------------------ */

/* libvirt writes attributes in single quotes and escapes every text, so that a plain
 * search for an element's head finds the element and nothing else. */
char *domain_machine(const char *xml)
{
	const char *type = strstr(xml, "<type ");
	const char *end = type ? strchr(type, '>') : NULL;
	const char *machine = type ? strstr(type, " machine='") : NULL;

	if (!machine || machine > end)
		return NULL;
	machine += strlen(" machine='");
	return strndup(machine, strcspn(machine, "'"));
}

const char *domain_accelerator(const char *xml)
{
	if (strncmp(xml, "<domain type='kvm'", 18) == 0)
		return "kvm";
	return strncmp(xml, "<domain type='qemu'", 19) == 0 ? "qemu" : NULL;
}
