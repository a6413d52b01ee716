/* What a VPC's guests are told, and what is written down of them: DHCP options, names, flow logs. */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "netd/wanted_parse.h"

int wanted_parse_dns(struct wanted *w, const json_t *doc, mc_err **err)
{
	const json_t *names = mc_json_arr(doc, "names");
	struct wanted_dns *d = &w->dns;

	d->support = mc_json_bool(doc, "support", true);
	d->hostnames = mc_json_bool(doc, "hostnames", true);
	wanted_copy(d->public_domain, sizeof(d->public_domain),
		    mc_json_str(doc, "public_domain", NULL));
	d->n_names = json_array_size(names);
	d->names = wanted_rows(d->n_names, sizeof(*d->names));
	for (size_t i = 0; i < d->n_names; i++) {
		const json_t *row = json_array_get(names, i);

		wanted_copy(d->names[i].name, sizeof(d->names[i].name), mc_json_str(row, "name", ""));
		if (!addr_parse(mc_json_str(row, "ip", ""), &d->names[i].ip))
			return mc_err_set(err, 0, "%s has a bad address", d->names[i].name);
	}
	return 0;
}

/* "AmazonProvidedDNS" stands for the VPC's resolver. */
static int parse_servers(const struct wanted *w, struct wanted_servers *s, const json_t *arr,
			 mc_err **err)
{
	for (size_t i = 0; i < json_array_size(arr) && s->n < WANTED_SERVERS_MAX; i++) {
		const char *text = mc_json_at(arr, i);
		uint32_t *addr = &s->addrs[s->n++];

		*addr = wanted_dns_addr(w);
		if (strcmp(text, "AmazonProvidedDNS") != 0 && !addr_parse(text, addr))
			return mc_err_set(err, 0, "dhcp: bad server %s", text);
	}
	return 0;
}

int wanted_parse_dhcp(struct wanted *w, const json_t *doc, mc_err **err)
{
	struct wanted_dhcp *d = &w->dhcp;

	if (!doc) {
		wanted_copy(d->domain_name, sizeof(d->domain_name), w->domain);
		d->dns.addrs[d->dns.n++] = wanted_dns_addr(w);
		return 0;
	}
	wanted_copy(d->domain_name, sizeof(d->domain_name), mc_json_str(doc, "domain_name", NULL));
	d->netbios_node_type = (int)mc_json_int(doc, "netbios_node_type", 0);
	if (parse_servers(w, &d->dns, mc_json_arr(doc, "domain_name_servers"), err) < 0 ||
	    parse_servers(w, &d->ntp, mc_json_arr(doc, "ntp_servers"), err) < 0)
		return -1;
	return parse_servers(w, &d->netbios, mc_json_arr(doc, "netbios_name_servers"), err);
}

static enum wanted_traffic traffic_of(const char *text)
{
	if (strcmp(text, "accept") == 0)
		return WANTED_TRAFFIC_ACCEPT;
	return strcmp(text, "reject") == 0 ? WANTED_TRAFFIC_REJECT : WANTED_TRAFFIC_ALL;
}

int wanted_parse_flow_logs(struct wanted *w, const json_t *arr, mc_err **err)
{
	mc_auto_json json_t *seen = json_object();
	size_t n = json_array_size(arr);

	w->flow_logs = wanted_rows(n, sizeof(*w->flow_logs));
	for (size_t i = 0; i < n; i++) {
		const json_t *doc = json_array_get(arr, i);
		struct wanted_flow_log *f = &w->flow_logs[i];

		w->n_flow_logs = i + 1;
		wanted_copy(f->id, sizeof(f->id), mc_json_str(doc, "id", ""));
		f->enis = json_incref(mc_json_arr(doc, "enis"));
		f->traffic = traffic_of(mc_json_str(doc, "traffic", ""));
		f->interval = (int)mc_json_int(doc, "interval", 0);
		wanted_copy(f->account, sizeof(f->account), mc_json_str(doc, "account", ""));
		wanted_copy(f->file, sizeof(f->file), mc_json_str(doc, "file", ""));
		if (!wanted_claim(seen, "flow log", f->id) || !wanted_claim(seen, "file", f->file))
			return mc_err_set(err, 0, "%s is there twice, or its file", f->id);
		if (f->interval != 60 && f->interval != 600)
			return mc_err_set(err, 0, "%s: the interval is 60 or 600 seconds", f->id);
	}
	return 0;
}
