#include "hypervisor/eject.h"

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

/* --- what is behind the device ------------------------------------------------ */

/* A device without a single sector fails what is asked of it by itself, before the disk's error policy has a say: that one
 * stops the whole guest. */
static bool put_nothing(virDomainPtr domain, const char *volume)
{
	mc_autofree char *alias = disk_alias(volume);
	mc_autofree char *device = mc_strf("/machine/peripheral/%s/virtio-backend", alias);
	mc_autofree char *node = mc_strf("gone-%s", volume + strlen("vol-")); /* a node's name has 31 characters at most */

	/* There already where it has been ejected before. */
	(void)monitor_tell(domain, "blockdev-add", json_pack("{s:s, s:s, s:i}", "driver", "null-co", "node-name", node, "size", 0));
	return monitor_tell(domain, "qom-set", json_pack("{s:s, s:s, s:s}", "path", device, "property", "drive", "value", node));
}

static char *node_name(const json_t *number, const char *part)
{
	return mc_strf("libvirt-%lld-%s", (long long)json_integer_value(number), part);
}

/* From the top down, since each stands on the next. */
static void close_nodes(virDomainPtr domain, const json_t *numbers)
{
	static const char *const parts[] = { "format", "storage" };
	const json_t *number;
	size_t i;

	json_array_foreach(numbers, i, number) {
		for (size_t k = 0; k < MC_ARRAY_SIZE(parts); k++) {
			mc_autofree char *node = node_name(number, parts[k]);

			(void)monitor_tell(domain, "blockdev-del", json_pack("{s:s}", "node-name", node));
		}
	}
}

/* Has QEMU any of the files open? 1, 0, or -1 where it does not say. */
static int any_open(virDomainPtr domain, const json_t *numbers)
{
	mc_auto_json json_t *graph = monitor_ask(domain, "x-debug-query-block-graph", NULL);
	const json_t *nodes = mc_json_arr(graph, "nodes"), *node, *number;
	size_t i, k;

	json_array_foreach(nodes, i, node)
		json_array_foreach(numbers, k, number) {
			mc_autofree char *name = node_name(number, "storage");

			if (strcmp(mc_json_str(node, "name", ""), name) == 0)
				return 1;
		}
	return nodes ? 0 : -1;
}

/* --- the note ------------------------------------------------------------------ */

/* Which are ejected and still in the XML, and this one (NULL: none), as one text. Allocated. */
static char *ejected_text(const char *xml, const char *more)
{
	mc_auto_json json_t *list = disk_list(xml);
	char *text = mc_strdup(more ? more : "");
	const json_t *disk;
	size_t i;

	json_array_foreach(list, i, disk) {
		const char *volume = mc_json_str(disk, "volume", "");
		mc_autofree char *before = text;

		if (!mc_json_bool(disk, "ejected", false) || (more && strcmp(volume, more) == 0))
			text = MC_STEAL(before);
		else
			text = mc_strf("%s%s%s", before, before[0] ? " " : "", volume);
	}
	return text;
}

static int note(virDomainPtr domain, const char *xml, const char *more)
{
	mc_autofree char *volumes = ejected_text(xml, more);
	mc_autofree char *element = mc_strf("<disks volumes='%s'/>", volumes);

	return virDomainSetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, volumes[0] ? element : NULL, DISK_EJECTED_KEY,
				    DISK_EJECTED_NAMESPACE, VIR_DOMAIN_AFFECT_LIVE);
}

int eject_forget_gone(virDomainPtr domain)
{
	mc_autofree char *xml = virDomainGetXMLDesc(domain, 0);

	if (!xml)
		return -1;
	return strstr(xml, DISK_EJECTED_NAMESPACE) ? note(domain, xml, NULL) : 0;
}

/* It is noted when all is done: until then it is a disk that the guest has, and all of this is repeated. */
int eject_disk(virDomainPtr domain, const char *volume)
{
	mc_autofree char *xml = virDomainGetXMLDesc(domain, 0);
	mc_auto_json json_t *numbers = xml ? disk_sources(xml, volume) : NULL;

	if (!numbers || !put_nothing(domain, volume))
		return -1;
	close_nodes(domain, numbers);
	if (any_open(domain, numbers) != 0 || note(domain, xml, volume) < 0)
		return -1;
	mc_log(MC_LOG_WARNING, AREA, "disk taken away by force", "instance", virDomainGetName(domain), "volume", volume, NULL);
	return 0;
}
