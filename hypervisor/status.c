#include "hypervisor/status.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define DEPTH_MAX 64
#define X(text) ((const xmlChar *)(text))

static void doc_free(xmlDoc **p)
{
	xmlFreeDoc(*p);
}

static void text_free(xmlChar **p)
{
	xmlFree(*p);
}

#define auto_doc __attribute__((cleanup(doc_free)))
#define auto_text __attribute__((cleanup(text_free)))

/* --- reading elements -------------------------------------------------------- */

/* The next element of this name among the node and those after it. */
static xmlNode *next_named(xmlNode *node, const char *name)
{
	while (node && (node->type != XML_ELEMENT_NODE || strcmp((const char *)node->name, name) != 0))
		node = node->next;
	return node;
}

static xmlNode *child(const xmlNode *node, const char *name)
{
	return node ? next_named(node->children, name) : NULL;
}

static bool has_value(xmlNode *node, const char *name, const char *value)
{
	auto_text xmlChar *found = node ? xmlGetProp(node, X(name)) : NULL;

	return found && strcmp((const char *)found, value) == 0;
}

static long number_of(xmlNode *node, const char *name)
{
	auto_text xmlChar *found = node ? xmlGetProp(node, X(name)) : NULL;

	return found ? strtol((const char *)found, NULL, 10) : 0;
}

/* --- QEMU's chain ------------------------------------------------------------ */

/* "libvirt-N-format" is N, anything else 0. */
static unsigned format_number(const char *name)
{
	unsigned number = 0;
	int end = 0;

	return name && sscanf(name, "libvirt-%u-format%n", &number, &end) == 1 && end && !name[end] ? number : 0;
}

static const json_t *with_member(const json_t *list, const char *member, const char *value)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (strcmp(mc_json_str(one, member, ""), value) == 0)
			return one;
	return NULL;
}

/* The name of the node under this one; NULL: none. */
static const char *under(const json_t *graph, const char *name)
{
	const json_t *nodes = mc_json_arr(graph, "nodes"), *edges = mc_json_arr(graph, "edges"), *one, *other;
	json_int_t id = mc_json_int(with_member(nodes, "name", name), "id", -1);
	size_t i, k;

	json_array_foreach(edges, i, one) {
		if (mc_json_int(one, "parent", -2) != id || strcmp(mc_json_str(one, "name", ""), "backing") != 0)
			continue;
		json_array_foreach(nodes, k, other)
			if (mc_json_int(other, "id", -2) == mc_json_int(one, "child", -1))
				return mc_json_str(other, "name", NULL);
	}
	return NULL;
}

/* {number, file, format} of a node of that name; NULL where libvirt has not made it. */
static json_t *layer_of(const json_t *nodes, const char *name)
{
	unsigned number = format_number(name);
	mc_autofree char *storage = mc_strf("libvirt-%u-storage", number);
	const char *file = mc_json_str(with_member(nodes, "node-name", storage), "file", NULL);
	const char *format = mc_json_str(with_member(nodes, "node-name", name), "drv", NULL);

	if (!number || !file || !format)
		return NULL;
	return json_pack("{s:i, s:s, s:s}", "number", (int)number, "file", file, "format", format);
}

/* From the node that the device of this alias writes to, down; NULL where not all of it is known. */
static json_t *qemu_chain(const json_t *qemu, const char *alias)
{
	mc_autofree char *part = mc_strf("/%s/", alias);
	mc_auto_json json_t *chain = json_array();
	const char *name = NULL;
	const json_t *one;
	size_t i;

	json_array_foreach(mc_json_arr(qemu, "blocks"), i, one)
		if (strstr(mc_json_str(one, "qdev", ""), part))
			name = mc_json_str(mc_json_obj(one, "inserted"), "node-name", NULL);
	for (; name; name = under(mc_json_obj(qemu, "graph"), name)) {
		json_t *layer = layer_of(mc_json_arr(qemu, "nodes"), name);

		if (!layer || json_array_size(chain) == DEPTH_MAX) {
			json_decref(layer);
			return NULL;
		}
		json_array_append_new(chain, layer);
	}
	return json_array_size(chain) > 0 ? MC_STEAL(chain) : NULL;
}

/* --- the note's chain -------------------------------------------------------- */

/* The disk itself, and each backing store that is a file, hold a source. */
static xmlNode *level_under(const xmlNode *level)
{
	xmlNode *backing = child(level, "backingStore");

	return child(backing, "source") ? backing : NULL;
}

static unsigned level_number(const xmlNode *level)
{
	xmlNode *names = child(child(child(level, "source"), "privateData"), "nodenames");
	xmlNode *name = child(names, "nodename");

	while (name && !has_value(name, "type", "format"))
		name = next_named(name->next, "nodename");
	if (name) {
		auto_text xmlChar *text = xmlGetProp(name, X("name"));

		return format_number((const char *)text);
	}
	return 0;
}

static xmlNode *level_with(xmlNode *disk, unsigned number)
{
	for (xmlNode *level = disk; level; level = level_under(level))
		if (level_number(level) == number)
			return level;
	return NULL;
}

static bool is_noted(xmlNode *disk, const json_t *chain)
{
	xmlNode *level = disk;

	for (size_t i = 0; i < json_array_size(chain); i++, level = level_under(level))
		if (!level || level_number(level) != (unsigned)mc_json_int(json_array_get(chain, i), "number", 0))
			return false;
	return !level;
}

/* --- writing it anew --------------------------------------------------------- */

/* What libvirt derives from the number, as the name of a node or of its key. */
static void renumber(xmlNode *node, const char *before, const char *now)
{
	for (xmlAttr *a = node->properties; a; a = a->next) {
		auto_text xmlChar *value = xmlNodeListGetString(node->doc, a->children, 1);

		if (value && strncmp((const char *)value, before, strlen(before)) == 0) {
			mc_autofree char *text = mc_strf("%s%s", now, (const char *)value + strlen(before));

			xmlSetProp(node, a->name, X(text));
		}
	}
	for (xmlNode *c = node->children; c; c = c->next)
		if (c->type == XML_ELEMENT_NODE)
			renumber(c, before, now);
}

/* A copy of the layer's source, of the disk's first where it has none: all of a chain have the same key. */
static xmlNode *source_for(xmlNode *disk, const json_t *layer)
{
	unsigned number = (unsigned)mc_json_int(layer, "number", 0);
	xmlNode *level = level_with(disk, number), *from = level ? level : disk;
	mc_autofree char *before = mc_strf("libvirt-%u-", level_number(from));
	mc_autofree char *now = mc_strf("libvirt-%u-", number);
	xmlNode *source = xmlDocCopyNode(child(from, "source"), disk->doc, 1);

	xmlUnsetProp(source, X("index"));
	xmlSetProp(source, X("file"), X(mc_json_str(layer, "file", "")));
	renumber(source, before, now);
	return source;
}

static void set_index(xmlNode *node, const json_t *layer)
{
	mc_autofree char *text = mc_strf("%lld", (long long)mc_json_int(layer, "number", 0));

	xmlSetProp(node, X("index"), X(text));
}

/* The element of the layer and of all under it; after the last stands an empty one. */
static xmlNode *backing_for(xmlNode *disk, const json_t *chain, size_t from)
{
	xmlNode *first = xmlNewDocNode(disk->doc, NULL, X("backingStore"), NULL), *at = first;

	for (size_t i = from; i < json_array_size(chain); i++) {
		const json_t *layer = json_array_get(chain, i);

		xmlSetProp(at, X("type"), X("file"));
		set_index(at, layer);
		xmlSetProp(xmlNewChild(at, NULL, X("format"), NULL), X("type"), X(mc_json_str(layer, "format", "")));
		xmlAddChild(at, source_for(disk, layer));
		at = xmlNewChild(at, NULL, X("backingStore"), NULL);
	}
	return first;
}

static void replace(xmlNode *old, xmlNode *new)
{
	xmlReplaceNode(old, new);
	xmlFreeNode(old);
}

/* Both are made before either is put in place: they are copied from what is there. */
static bool write_chain(xmlNode *disk, const json_t *chain)
{
	xmlNode *old_source = child(disk, "source"), *old_backing = child(disk, "backingStore"), *source, *backing;

	if (!old_source || !old_backing)
		return false;
	source = source_for(disk, json_array_get(chain, 0));
	backing = backing_for(disk, chain, 1);
	set_index(source, json_array_get(chain, 0));
	replace(old_source, source);
	replace(old_backing, backing);
	return true;
}

/* libvirt takes the next number from there. */
static void raise_last(xmlNode *root, const json_t *chain)
{
	xmlNode *last = child(root, "nodename");
	const json_t *layer;
	size_t i;

	json_array_foreach(chain, i, layer)
		if (last && mc_json_int(layer, "number", 0) > number_of(last, "index"))
			set_index(last, layer);
}

/* What is noted of the disk's job, which QEMU has no more. */
static void drop_job(const xmlNode *root, xmlNode *disk)
{
	auto_text xmlChar *target = xmlGetProp(child(disk, "target"), X("dev"));
	xmlNode *job = child(child(root, "blockjobs"), "blockjob");

	while (job && !(target && has_value(child(job, "disk"), "dst", (const char *)target)))
		job = next_named(job->next, "blockjob");
	if (!job)
		return;
	xmlUnlinkNode(job);
	xmlFreeNode(job);
}

static bool mend_disk(xmlNode *root, xmlNode *disk, const json_t *qemu)
{
	auto_text xmlChar *alias = child(disk, "alias") ? xmlGetProp(child(disk, "alias"), X("name")) : NULL;
	mc_auto_json json_t *chain = alias ? qemu_chain(qemu, (const char *)alias) : NULL;

	if (!chain || is_noted(disk, chain) || child(disk, "mirror") || !level_number(disk) || !write_chain(disk, chain))
		return false;
	drop_job(root, disk);
	raise_last(root, chain);
	return true;
}

/* --- the whole --------------------------------------------------------------- */

static xmlDoc *parse(const char *xml, xmlNode **ret_root, mc_err **err)
{
	auto_doc xmlDoc *doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	xmlNode *root = doc ? next_named(xmlDocGetRootElement(doc), "domstatus") : NULL;

	if (!root) {
		mc_err_set(err, 0, "not libvirt's note of a running domain");
		return NULL;
	}
	*ret_root = root;
	return MC_STEAL(doc);
}

char *status_mend(const char *xml, const json_t *qemu, size_t *ret_mended, mc_err **err)
{
	xmlNode *root = NULL, *disk;
	auto_doc xmlDoc *doc = parse(xml, &root, err);
	auto_text xmlChar *text = NULL;
	size_t mended = 0;
	int n;

	if (!doc)
		return NULL;
	disk = child(child(child(root, "domain"), "devices"), "disk");
	for (; disk; disk = next_named(disk->next, "disk"))
		mended += mend_disk(root, disk, qemu);
	*ret_mended = mended;
	if (!mended)
		return NULL;
	xmlDocDumpMemory(doc, &text, &n);
	return mc_strdup((const char *)text);
}

char *status_monitor(const char *xml, int *ret_pid, mc_err **err)
{
	xmlNode *root = NULL, *monitor;
	auto_doc xmlDoc *doc = parse(xml, &root, err);
	auto_text xmlChar *path = NULL;

	if (!doc)
		return NULL;
	*ret_pid = (int)number_of(root, "pid");
	monitor = child(root, "monitor");
	path = has_value(monitor, "type", "unix") ? xmlGetProp(monitor, X("path")) : NULL;
	return mc_strdup((const char *)path);
}
