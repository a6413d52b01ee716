#include "hypervisor/nic.h"

#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/ipc.h"
#include "common/log.h"
#include "hypervisor/leftover.h"
#include "hypervisor/work.h"

#define AREA "hypervisor"

/* --- the document ---------------------------------------------------------- */

static bool check_eni(const char *text)
{
	return mc_id_valid("eni", text);
}

static bool check_link(const char *text)
{
	return strcmp(text, "up") == 0 || strcmp(text, "down") == 0;
}

const struct mc_field nic_fields[] = {
	{ .name = "eni", .type = MC_FIELD_STRING, .required = true, .check = check_eni },
	{ .name = "mac", .type = MC_FIELD_STRING, .required = true, .check = mc_check_mac },
	{ 0 },
};

const struct mc_field nic_put_fields[] = {
	{ .name = "mac", .type = MC_FIELD_STRING, .required = true, .check = mc_check_mac },
	{ .name = "link", .type = MC_FIELD_STRING, .required = true, .check = check_link },
	{ 0 },
};

/* --- the XML --------------------------------------------------------------- */

static char *alias_of(const char *eni)
{
	return mc_strf("ua-%s", eni);
}

/* libvirt makes the tap; netd moves it to its network before the link is up. */
void nic_put_xml(struct xml *x, const char *eni, const char *mac, const char *link)
{
	char tap[MC_IFNAME_LEN];
	mc_autofree char *alias = alias_of(eni);

	mc_id_tap(eni, tap);
	xml_begin(x, "interface", "type", "ethernet", NULL);
	xml_empty(x, "mac", "address", mac, NULL);
	xml_empty(x, "target", "dev", tap, NULL);
	xml_empty(x, "model", "type", "virtio", NULL);
	if (link)
		xml_empty(x, "link", "state", link, NULL);
	xml_empty(x, "alias", "name", alias, NULL);
	xml_empty(x, "rom", "enabled", "no", NULL);
	xml_end(x);
}

static char *nic_xml(const char *eni, const char *mac, const char *link)
{
	struct xml *x = xml_new();

	nic_put_xml(x, eni, mac, link);
	return xml_finish(x);
}

/* The element from its head on; NULL: no further one. *ret_end: behind it. */
static const char *next_interface(const char *xml, const char **ret_end)
{
	const char *head = strstr(xml, "<interface "), *end = head ? strstr(head, "</interface>") : NULL;

	*ret_end = end;
	return end ? head : NULL;
}

static bool inside(const char *from, const char *end, const char *text)
{
	const char *at = strstr(from, text);

	return at && at < end;
}

/* libvirt writes attributes in single quotes and escapes every text, so that a plain search
 * finds what it looks for and nothing else. */
json_t *nic_list(const char *domain_xml)
{
	static const char mark[] = "<alias name='ua-";
	json_t *list = json_array();
	const char *end;

	for (const char *at = next_interface(domain_xml, &end); at; at = next_interface(end, &end)) {
		const char *alias = strstr(at, mark);
		mc_autofree char *eni = NULL;

		if (!alias || alias > end)
			continue;
		alias += strlen(mark);
		eni = strndup(alias, strcspn(alias, "'"));
		json_array_append_new(list, json_pack("{s:s, s:s}", "eni", eni, "link",
						      inside(at, end, "<link state='down'/>") ? "down" : "up"));
	}
	return list;
}

static const json_t *find_nic(const json_t *list, const char *eni)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(mc_json_str(json_array_get(list, i), "eni", ""), eni) == 0)
			return json_array_get(list, i);
	return NULL;
}

/* The interfaces of a running domain. New reference, or NULL after a libvirt error. */
static json_t *nics_of(virDomainPtr domain)
{
	mc_autofree char *xml = virDomainGetXMLDesc(domain, 0);

	return xml ? nic_list(xml) : NULL;
}

/* --- plugging in ----------------------------------------------------------- */

static bool no_slot(const char *message)
{
	return strstr(message, "No more available PCI slots") != NULL;
}

static int plug(const struct work *w, virDomainPtr domain, const char *xml, mc_err **err)
{
	mc_autofree char *alias = alias_of(w->part);
	int outcome;

	MC_CRASH_POINT();
	if (virDomainAttachDeviceFlags(domain, xml, VIR_DOMAIN_AFFECT_LIVE) == 0) {
		mc_log(MC_LOG_INFO, AREA, "interface attached", "instance", w->id, "eni", w->part, NULL);
		return MC_IPC_OK;
	}
	outcome = work_failed(w, err, "attach");
	if (leftover_remove(domain, alias))
		return MC_IPC_UNAVAILABLE;
	return outcome < 0 && err && no_slot((*err)->msg) ? MC_IPC_NO_CAPACITY : outcome;
}

static int set_link(const struct work *w, virDomainPtr domain, const char *xml, mc_err **err)
{
	MC_CRASH_POINT();
	return virDomainUpdateDeviceFlags(domain, xml, VIR_DOMAIN_AFFECT_LIVE) < 0 ? work_failed(w, err, "set the link of") : MC_IPC_OK;
}

static int put(const struct work *w, json_t **ret, mc_err **err)
{
	const char *link = mc_json_str(w->doc, "link", "");
	mc_autofree char *xml = nic_xml(w->part, mc_json_str(w->doc, "mac", ""), link);
	auto_domain domain = NULL;
	mc_auto_json json_t *list = NULL;
	const json_t *nic;
	int outcome = work_find_active(w, &domain, err);

	if (outcome != MC_IPC_OK)
		return outcome;
	list = nics_of(domain);
	if (!list)
		return work_failed(w, err, "describe");
	nic = find_nic(list, w->part);
	if (!nic)
		outcome = plug(w, domain, xml, err);
	else if (strcmp(mc_json_str(nic, "link", ""), link) != 0)
		outcome = set_link(w, domain, xml, err);
	MC_CRASH_POINT();
	if (outcome == MC_IPC_OK)
		*ret = json_pack("{s:s, s:s}", "eni", w->part, "link", link);
	return outcome;
}

int nic_put(struct hypervisor *h, const char *id, const char *eni, const json_t *doc, json_t **ret, mc_err **err)
{
	struct work w = { .h = h, .id = id, .part = eni, .doc = doc };

	return work_run(&w, put, ret, err);
}

/* --- letting go ------------------------------------------------------------ */

static int unplug(const struct work *w, virDomainPtr domain, mc_err **err)
{
	mc_autofree char *alias = alias_of(w->part);

	return work_unplug(w, domain, alias, err);
}

static int answer_detached(json_t **ret, bool detached)
{
	*ret = json_pack("{s:s}", "state", detached ? "detached" : "detaching");
	return MC_IPC_OK;
}

/* Is the interface there? *ret_there false where the domain is off or gone. */
static int look(const struct work *w, virDomainPtr *ret_domain, bool *ret_there, mc_err **err)
{
	mc_auto_json json_t *list = NULL;
	int outcome = *ret_domain ? MC_IPC_OK : work_find_active(w, ret_domain, err);

	*ret_there = false;
	if (outcome == MC_IPC_NOT_FOUND || outcome == MC_IPC_CONFLICT) {
		mc_err_clear(err);
		return MC_IPC_OK;
	}
	if (outcome != MC_IPC_OK)
		return outcome;
	list = nics_of(*ret_domain);
	if (!list && virDomainIsActive(*ret_domain) == 1)
		return work_failed(w, err, "describe");
	*ret_there = find_nic(list, w->part) != NULL;
	return MC_IPC_OK;
}

static int delete(const struct work *w, json_t **ret, mc_err **err)
{
	auto_domain domain = NULL;
	bool there;
	int outcome = look(w, &domain, &there, err);

	if (outcome == MC_IPC_OK && there) {
		outcome = unplug(w, domain, err);
		if (outcome == MC_IPC_OK)
			outcome = look(w, &domain, &there, err);
	}
	return outcome == MC_IPC_OK ? answer_detached(ret, !there) : outcome;
}

int nic_delete(struct hypervisor *h, const char *id, const char *eni, json_t **ret, mc_err **err)
{
	struct work w = { .h = h, .id = id, .part = eni };

	return work_run(&w, delete, ret, err);
}
