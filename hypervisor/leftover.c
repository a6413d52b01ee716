#include "hypervisor/leftover.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"
#include "hypervisor/disk.h"
#include "hypervisor/monitor.h"

#define AREA "hypervisor"

static bool tell(virDomainPtr domain, const char *command, const char *key, const char *value)
{
	return monitor_tell(domain, command, key ? json_pack("{s:s}", key, value) : NULL);
}

/* --- what is the domain's ---------------------------------------------------- */

/* The attribute's value within the tag; NULL: it has none. */
static const char *attribute(const char *tag, const char *name)
{
	const char *found = strstr(tag, name), *end = strchr(tag, '>');

	return found && found < end ? found + strlen(name) : NULL;
}

/* The next source from there on, NULL: none. *number: its own, or that of the backing store it is in, whose tag comes
 * before it; libvirt calls the source's nodes "libvirt-NUMBER-…". */
static const char *next_source(const char *xml, unsigned *number)
{
	const char *source = strstr(xml, "<source "), *backing = xml, *index;

	if (!source)
		return NULL;
	*number = 0;
	index = attribute(source, " index='");
	while (!index && (backing = strstr(backing, "<backingStore ")) && backing < source) {
		const char *its = attribute(backing, " index='");

		*number = its ? (unsigned)strtoul(its, NULL, 10) : 0;
		backing++;
	}
	if (index)
		*number = (unsigned)strtoul(index, NULL, 10);
	return source;
}

static bool has_source(const char *xml, unsigned number)
{
	unsigned its;

	for (const char *tag = next_source(xml, &its); tag; tag = next_source(tag + 1, &its))
		if (its == number)
			return true;
	return false;
}

/* Is it the name of something that libvirt made, and that is not the domain's? */
static bool is_strange(const char *xml, const char *name)
{
	unsigned number;
	char dash;

	return name && sscanf(name, "libvirt-%u%c", &number, &dash) == 2 && dash == '-' && !has_source(xml, number);
}

/* --- removing ---------------------------------------------------------------- */

/* What others stand on goes after them: as long as something goes, the rest is tried again. How many there were: a device that
 * has just gone gives its file back a moment later. */
static size_t remove_named(virDomainPtr domain, const char *xml, const json_t *list, const char *member, const char *command,
			const char *key)
{
	mc_auto_json json_t *gone = json_object();
	size_t before, there, i;
	const json_t *one;

	do {
		before = json_object_size(gone);
		there = 0;
		json_array_foreach(list, i, one) {
			const char *name = mc_json_str(one, member, NULL);

			if (!is_strange(xml, name))
				continue;
			there++;
			if (!json_object_get(gone, name) && tell(domain, command, key, name))
				json_object_set_new(gone, name, json_true());
		}
	} while (json_object_size(gone) > before);
	return there;
}

/* Has QEMU such a device? Then the guest is asked to let go of it, if it has not been asked yet. */
static bool unplug(virDomainPtr domain, const char *alias)
{
	mc_auto_json json_t *devices = monitor_ask(domain, "qom-list", json_pack("{s:s}", "path", "/machine/peripheral"));
	const json_t *one;
	size_t i;

	json_array_foreach(devices, i, one) {
		if (strcmp(mc_json_str(one, "name", ""), alias) != 0)
			continue;
		tell(domain, "device_del", "id", alias);
		return true;
	}
	return false;
}

/* An interface's other half keeps its tap. */
static bool remove_netdev(virDomainPtr domain, const char *alias)
{
	mc_autofree char *id = mc_strf("host%s", alias);

	return tell(domain, "netdev_del", "id", id);
}

bool leftover_remove(virDomainPtr domain, const char *alias)
{
	const char *id = virDomainGetName(domain);
	mc_autofree char *xml = virDomainGetXMLDesc(domain, 0);
	mc_auto_json json_t *graph = NULL;
	mc_auto_json json_t *objects = NULL;
	bool unplugged;
	size_t n;

	if (!xml || (alias && strstr(xml, alias)))
		return false;
	unplugged = alias && unplug(domain, alias);
	graph = monitor_ask(domain, "x-debug-query-block-graph", NULL);
	n = remove_named(domain, xml, mc_json_arr(graph, "nodes"), "name", "blockdev-del", "node-name");
	objects = monitor_ask(domain, "qom-list", json_pack("{s:s}", "path", "/objects"));
	n += remove_named(domain, xml, objects, "name", "object-del", "id");
	n += alias && !unplugged && remove_netdev(domain, alias);
	if (n || unplugged)
		mc_log(MC_LOG_WARNING, AREA, "removing what a libvirtd that died has left", "instance", id, "device",
		       unplugged ? alias : NULL, NULL);
	return n || unplugged;
}

/* The number of the source that is this file, or 0. */
static unsigned source_of(const char *xml, const char *path)
{
	mc_autofree char *file = mc_strf(" file='%s'", path);
	unsigned its;

	for (const char *tag = next_source(xml, &its); tag; tag = next_source(tag + 1, &its))
		if (attribute(tag, file))
			return its;
	return 0;
}

void leftover_close(virDomainPtr domain, const char *path)
{
	mc_autofree char *xml = virDomainGetXMLDesc(domain, 0);
	unsigned number = xml ? source_of(xml, path) : 0;
	mc_autofree char *format = mc_strf("libvirt-%u-format", number);
	mc_autofree char *storage = mc_strf("libvirt-%u-storage", number);

	if (number && tell(domain, "blockdev-del", "node-name", format))
		tell(domain, "blockdev-del", "node-name", storage);
}

/* --- the top ----------------------------------------------------------------- */

/* What QEMU says of the node that the volume's device writes to. Borrowed from blocks; NULL: it has none. */
static const json_t *top_of(const json_t *blocks, const char *volume)
{
	mc_autofree char *alias = disk_alias(volume);
	mc_autofree char *part = mc_strf("/%s/", alias);
	const json_t *one;
	size_t i;

	json_array_foreach(blocks, i, one)
		if (strstr(mc_json_str(one, "qdev", ""), part))
			return mc_json_obj(one, "inserted");
	return NULL;
}

/* The path in what QEMU calls the file of a node: where it cannot be opened by its name alone, as with a key, the options
 * follow "json:". Allocated. */
static char *plain_path(const char *file)
{
	mc_auto_json json_t *options = strncmp(file, "json:", 5) == 0 ? json_loads(file + 5, 0, NULL) : NULL;
	const char *name = mc_json_str(mc_json_obj(options, "file"), "filename", NULL);

	return mc_strdup(name ? name : mc_json_str(options, "file.filename", file));
}

json_t *leftover_chain(virDomainPtr domain, const char *volume)
{
	mc_auto_json json_t *blocks = monitor_ask(domain, "query-block", NULL);
	const json_t *image = mc_json_obj(top_of(blocks, volume), "image");
	json_t *chain = json_array();

	for (; image; image = mc_json_obj(image, "backing-image")) {
		mc_autofree char *file = plain_path(mc_json_str(image, "filename", ""));

		json_array_append_new(chain, json_string(file));
	}
	return chain;
}

bool leftover_is_top(virDomainPtr domain, const char *volume, const char *path)
{
	mc_auto_json json_t *blocks = monitor_ask(domain, "query-block", NULL);
	mc_autofree char *file = plain_path(mc_json_str(top_of(blocks, volume), "file", ""));

	return strcmp(file, path) == 0;
}

bool leftover_stop(virDomainPtr domain)
{
	return tell(domain, "stop", NULL, NULL);
}
