#include "hypervisor/disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/id.h"
#include "hypervisor/secret.h"

#define ALIAS "ua-"

/* --- the document --------------------------------------------------------- */

static bool check_volume(const char *text)
{
	return mc_id_valid("vol", text);
}

static bool check_format(const char *text)
{
	return strcmp(text, "qcow2") == 0 || strcmp(text, "raw") == 0;
}

#define LIMIT(key) { .name = key, .type = MC_FIELD_INTEGER, .min = 0, .max = 1LL << 50 }

static const struct mc_field iotune_fields[] = {
	LIMIT("iops"), LIMIT("iops_max"), LIMIT("iops_max_s"), LIMIT("io_bytes"),
	LIMIT("bytes"), LIMIT("bytes_max"), LIMIT("bytes_max_s"),
	{ 0 },
};

#define COMMON_FIELDS \
	{ .name = "path", .type = MC_FIELD_STRING, .required = true, .min = 2, .max = 4095, .check = mc_check_path }, \
	{ .name = "backing", .type = MC_FIELD_STRINGS, .max = 64, .check = mc_check_path }, \
	{ .name = "format", .type = MC_FIELD_STRING, .required = true, .check = check_format }, \
	{ .name = "shareable", .type = MC_FIELD_BOOLEAN }, \
	{ .name = "key", .type = MC_FIELD_STRING, .check = secret_key_valid }, \
	{ .name = "iotune", .type = MC_FIELD_OBJECT, .sub = iotune_fields }

const struct mc_field disk_fields[] = {
	{ .name = "volume", .type = MC_FIELD_STRING, .required = true, .check = check_volume },
	COMMON_FIELDS,
	{ .name = "boot", .type = MC_FIELD_BOOLEAN },
	{ 0 },
};

const struct mc_field disk_put_fields[] = { COMMON_FIELDS, { 0 } };

const struct mc_field disk_limits_fields[] = {
	{ .name = "iotune", .type = MC_FIELD_OBJECT, .required = true, .sub = iotune_fields },
	{ 0 },
};

/* Is path a file somewhere under this root (n characters, no slash at its end)? */
static bool path_under(const char *path, const char *root, size_t n)
{
	return n > 0 && strncmp(path, root, n) == 0 && path[n] == '/' && path[n + 1] != '\0';
}

/* mc_check_path() has kept out "..": what is left to say the same path twice is refused. */
static bool path_plain(const char *path)
{
	size_t n = strlen(path);

	return !strstr(path, "//") && !strstr(path, "/./") && path[n - 1] != '/';
}

static bool path_allowed(const char *path, const char *disk_roots)
{
	const char *root = disk_roots;

	if (!path_plain(path))
		return false;
	while (*root) {
		size_t n = strcspn(root, ",");
		size_t trimmed = n;

		while (trimmed > 0 && root[trimmed - 1] == '/')
			trimmed--;
		if (path_under(path, root, trimmed))
			return true;
		root += n + (root[n] == ',');
	}
	return false;
}

int disk_check(const json_t *disk, const char *where, const char *disk_roots, mc_err **err)
{
	const json_t *backing = mc_json_arr(disk, "backing");
	const char *path = mc_json_str(disk, "path", "");

	if (!path_allowed(path, disk_roots))
		return mc_err_set(err, 0, "%spath: %s is not under %s", where, path, disk_roots);
	for (size_t i = 0; i < json_array_size(backing); i++)
		if (!path_allowed(mc_json_at(backing, i), disk_roots))
			return mc_err_set(err, 0, "%sbacking[%zu]: %s is not under %s", where, i, mc_json_at(backing, i),
					  disk_roots);
	return 0;
}

/* --- the XML -------------------------------------------------------------- */

char *disk_alias(const char *volume)
{
	return mc_strf(ALIAS "%s", volume);
}

void disk_put_source(struct xml *x, const char *path, const char *key)
{
	if (!key) {
		xml_empty(x, "source", "file", path, NULL);
		return;
	}
	xml_begin(x, "source", "file", path, NULL);
	secret_put_xml(x, key);
	xml_end(x);
}

/* The whole chain is named, down to the empty element after the base: libvirt then
 * looks into no file to find out what it stands on. */
static void put_backing(struct xml *x, const json_t *backing, const char *key)
{
	size_t n = json_array_size(backing);

	for (size_t i = 0; i < n; i++) {
		xml_begin(x, "backingStore", "type", "file", NULL);
		xml_empty(x, "format", "type", "qcow2", NULL);
		disk_put_source(x, mc_json_at(backing, i), key);
	}
	xml_empty(x, "backingStore", NULL);
	for (size_t i = 0; i < n; i++)
		xml_end(x);
}

static void put_iotune(struct xml *x, const json_t *iotune)
{
	static const struct { const char *key, *element; } rows[] = {
		{ "bytes", "total_bytes_sec" }, { "iops", "total_iops_sec" },
		{ "bytes_max", "total_bytes_sec_max" }, { "iops_max", "total_iops_sec_max" },
		{ "io_bytes", "size_iops_sec" },
		{ "bytes_max_s", "total_bytes_sec_max_length" }, { "iops_max_s", "total_iops_sec_max_length" },
	};

	if (!iotune)
		return;
	xml_begin(x, "iotune", NULL);
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		int64_t limit = mc_json_int(iotune, rows[i].key, 0);
		mc_autofree char *text = mc_strf("%lld", (long long)limit);

		if (limit > 0)
			xml_leaf(x, rows[i].element, text, NULL);
	}
	xml_end(x);
}

/* io=threads: native AIO blocks QEMU's main loop where a qcow2 file has to grow. */
void disk_put_xml(struct xml *x, const char *volume, const json_t *disk, const char *target, bool boot)
{
	char serial[21];
	mc_autofree char *alias = disk_alias(volume);
	const char *key = mc_json_str(disk, "key", NULL);

	mc_id_disk_serial(volume, serial);
	xml_begin(x, "disk", "type", "file", "device", "disk", NULL);
	xml_empty(x, "driver", "name", "qemu", "type", mc_json_str(disk, "format", ""), "cache", "none", "error_policy",
		  "stop", "io", "threads", "discard", "unmap", "detect_zeroes", "unmap", NULL);
	disk_put_source(x, mc_json_str(disk, "path", ""), key);
	put_backing(x, mc_json_arr(disk, "backing"), key);
	xml_empty(x, "target", "dev", target, "bus", "virtio", NULL);
	put_iotune(x, mc_json_obj(disk, "iotune"));
	if (mc_json_bool(disk, "shareable", false))
		xml_empty(x, "shareable", NULL);
	xml_leaf(x, "serial", serial, NULL);
	if (boot)
		xml_empty(x, "boot", "order", "1", NULL);
	xml_empty(x, "alias", "name", alias, NULL);
	xml_end(x);
}

/* --- reading libvirt's XML ------------------------------------------------ */

/* Undo what libvirt escapes in an attribute's value of n characters. Allocated. */
static char *unescape(const char *text, size_t n)
{
	static const struct { const char *entity; char c; } rows[] = {
		{ "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' }, { "&amp;", '&' },
	};
	char *out = mc_alloc(n + 1), *to = out;
	size_t i = 0;

	while (i < n) {
		size_t row = 0;

		while (row < MC_ARRAY_SIZE(rows) && strncmp(text + i, rows[row].entity, strlen(rows[row].entity)) != 0)
			row++;
		if (row < MC_ARRAY_SIZE(rows)) {
			*to++ = rows[row].c;
			i += strlen(rows[row].entity);
		} else {
			*to++ = text[i++];
		}
	}
	return out;
}

/* The first value after `head` ("<source file='") before end. Allocated, NULL where there is none. */
static char *value_after(const char *from, const char *end, const char *head)
{
	const char *at = strstr(from, head);

	if (!at || at >= end)
		return NULL;
	at += strlen(head);
	return unescape(at, strcspn(at, "'"));
}

/* The disk's own source comes before those of its chain. */
static json_t *disk_of(const char *from, const char *end)
{
	mc_autofree char *alias = value_after(from, end, "<alias name='");
	mc_autofree char *path = value_after(from, end, "<source file='");
	mc_autofree char *target = value_after(from, end, "<target dev='");

	if (!alias || !path || !target || strncmp(alias, ALIAS, strlen(ALIAS)) != 0)
		return NULL;
	return json_pack("{s:s, s:s, s:s}", "volume", alias + strlen(ALIAS), "path", path, "target", target);
}

/* Is the volume among those that the metadata say are ejected? */
static bool ejected_in(const char *volumes, const char *volume)
{
	size_t n = strlen(volume);

	for (const char *at = volumes; at && (at = strstr(at, volume)); at += n)
		if (at[n] == ' ' || at[n] == '\0')
			return true;
	return false;
}

/* Metadata are written by libxml2, whose quotes are double ones; all else is by libvirt itself. Ids need no unescaping. */
static char *ejected_volumes(const char *domain_xml)
{
	static const char head[] = " volumes=\"";
	const char *element = strstr(domain_xml, "<" DISK_EJECTED_KEY ":disks "), *end = element ? strchr(element, '>') : NULL;
	const char *value = element ? strstr(element, head) : NULL;

	if (!value || value > end)
		return NULL;
	value += strlen(head);
	return strndup(value, strcspn(value, "\""));
}

json_t *disk_list(const char *domain_xml)
{
	mc_autofree char *ejected = ejected_volumes(domain_xml);
	json_t *list = json_array();
	const char *from = domain_xml, *end;

	while ((from = strstr(from, "<disk ")) && (end = strstr(from, "</disk>"))) {
		json_t *disk = disk_of(from, end);

		if (disk && ejected_in(ejected, mc_json_str(disk, "volume", "")))
			json_object_set_new(disk, "ejected", json_true());
		if (disk)
			json_array_append_new(list, disk);
		from = end;
	}
	return list;
}

void disk_drop_ejected(json_t *list)
{
	for (size_t i = json_array_size(list); i-- > 0;)
		if (mc_json_bool(json_array_get(list, i), "ejected", false))
			json_array_remove(list, i);
}

/* Every source of the disk's element, those of what a running merge writes to left out. */
static json_t *sources_of(const char *from, const char *end)
{
	static const char head[] = "<source file='";
	const char *mirror = strstr(from, "<mirror ");
	json_t *list = json_array();

	if (mirror && mirror < end)
		end = mirror;
	while ((from = strstr(from, head)) && from < end) {
		mc_autofree char *path = value_after(from, end, head);

		json_array_append_new(list, json_string(path ? path : ""));
		from += strlen(head);
	}
	return list;
}

/* The volume's disk element: *ret_end is where it ends. NULL where there is none. */
static const char *element_of(const char *domain_xml, const char *volume, const char **ret_end)
{
	mc_autofree char *alias = disk_alias(volume);
	mc_autofree char *mark = mc_strf("<alias name='%s'", alias);
	const char *from = domain_xml, *end;

	while ((from = strstr(from, "<disk ")) && (end = strstr(from, "</disk>"))) {
		const char *found = strstr(from, mark);

		if (found && found < end) {
			*ret_end = end;
			return from;
		}
		from = end;
	}
	return NULL;
}

json_t *disk_chain(const char *domain_xml, const char *volume)
{
	const char *end, *element = element_of(domain_xml, volume, &end);

	return element ? sources_of(element, end) : NULL;
}

json_t *disk_sources(const char *domain_xml, const char *volume)
{
	static const char head[] = " index='";
	const char *end, *at = element_of(domain_xml, volume, &end);
	json_t *list = at ? json_array() : NULL;

	while (at && (at = strstr(at, head)) && at < end) {
		at += strlen(head);
		json_array_append_new(list, json_integer(strtoll(at, NULL, 10)));
	}
	return list;
}

/* The disk that has this value in its member ("volume", "target"), or NULL. A volume is in one disk at most: aliases are unique. */
static const json_t *disk_with(const json_t *list, const char *member, const char *value)
{
	size_t i;
	json_t *disk;

	json_array_foreach(list, i, disk)
		if (strcmp(mc_json_str(disk, member, ""), value) == 0)
			return disk;
	return NULL;
}

const json_t *disk_find(const json_t *list, const char *volume)
{
	return disk_is_ejected(list, volume) ? NULL : disk_with(list, "volume", volume);
}

const json_t *disk_find_target(const json_t *list, const char *target)
{
	return disk_with(list, "target", target);
}

bool disk_is_ejected(const json_t *list, const char *volume)
{
	return mc_json_bool(disk_with(list, "volume", volume), "ejected", false);
}

void disk_set_error(json_t *list, const char *target, bool no_space)
{
	json_t *disk;
	size_t i;

	json_array_foreach(list, i, disk)
		if (strcmp(mc_json_str(disk, "target", ""), target) == 0)
			json_object_set_new(disk, "error", json_string(no_space ? "no-space" : "failed"));
}

int disk_free_target(const json_t *list, char ret_target[8])
{
	for (int i = 0; i < DISK_MAX; i++) {
		snprintf(ret_target, 8, "vd%c", 'a' + i);
		if (!disk_find_target(list, ret_target))
			return 0;
	}
	return -1;
}
