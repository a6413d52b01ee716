/* dnsmasq's files for a VPC: what it serves, to whom, and who is called what. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "netd/dnsmasq.h"

static FILE *text_open(char **text, size_t *len)
{
	FILE *out = open_memstream(text, len);

	if (!out)
		abort();
	return out;
}

static void text_close(FILE *out)
{
	if (fclose(out) != 0)
		abort();
}

/* --- dnsmasq.conf ------------------------------------------------------------------------ */

/* Only hosts of dhcp-hosts get a lease ("static"); names that guests claim are ignored. */
static const char conf_head[] =
	"no-resolv\n"
	"no-hosts\n"
	"no-ping\n"
	"domain-needed\n"
	"bogus-priv\n"
	"bind-dynamic\n"
	"dhcp-authoritative\n"
	"dhcp-ignore-names\n"
	"dhcp-no-override\n"
	"quiet-dhcp\n"
	"dhcp-lease-max=65536\n"
	"local-ttl=60\n";

static void put_files(FILE *out, const char *dir)
{
	fprintf(out, "pid-file=%s/dnsmasq.pid\n", dir);
	fprintf(out, "log-facility=%s/dnsmasq.log\n", dir);
	fprintf(out, "dhcp-leasefile=%s/leases\n", dir);
	fprintf(out, "dhcp-hostsfile=%s/dhcp-hosts\n", dir);
	fprintf(out, "addn-hosts=%s/dns-hosts\n", dir);
}

/* "*.name" is a rule of its own; plain names stand among the hosts. */
static void put_wildcards(FILE *out, const struct wanted *w)
{
	char ip[ADDR_TEXT_LEN];

	for (size_t i = 0; i < w->n_endpoints; i++) {
		const struct wanted_endpoint *p = &w->endpoints[i];

		addr_format(wanted_eni_by_id(w, p->eni)->ip, ip);
		for (size_t j = 0; j < json_array_size(p->names); j++)
			if (mc_json_at(p->names, j)[0] == '*')
				fprintf(out, "address=/%s/%s\n", mc_json_at(p->names, j) + 2, ip);
	}
}

static bool is_below(const char *name, const char *domain)
{
	size_t len = strlen(name), tail = strlen(domain);

	return tail && len > tail && name[len - tail - 1] == '.' && strcmp(name + len - tail, domain) == 0;
}

static void put_local(FILE *out, const struct wanted *w, const char *name)
{
	if (name[0] != '*' && !is_below(name, w->dns.public_domain) && !is_below(name, w->domain))
		fprintf(out, "local=/%s/\n", name);
}

/* Nobody else is asked about a name that the VPC gives: whoever wants its IPv6 address hears that
 * it has none, not that there is no such name or that no server answers. With either, programs of
 * musl (lookup_name.c) take no address at all. */
static void put_own(FILE *out, const struct wanted *w)
{
	if (w->dns.public_domain[0])
		fprintf(out, "local=/%s/\n", w->dns.public_domain);
	for (size_t i = 0; i < w->n_endpoints; i++)
		for (size_t j = 0; j < json_array_size(w->endpoints[i].names); j++)
			put_local(out, w, mc_json_at(w->endpoints[i].names, j));
	for (size_t i = 0; i < w->dns.n_names; i++)
		put_local(out, w, w->dns.names[i].name);
}

/* Without support there is no resolver, only DHCP. */
static void put_resolver(FILE *out, const struct dnsmasq *d, const struct wanted *w)
{
	char dns[ADDR_TEXT_LEN], link_dns[ADDR_TEXT_LEN], pool[CIDR_TEXT_LEN];

	if (!w->dns.support) {
		fputs("port=0\n", out);
		return;
	}
	addr_format(wanted_dns_addr(w), dns);
	addr_format(ADDR_LINK_DNS, link_dns);
	cidr_format(&d->pool, pool);
	fprintf(out, "listen-address=%s,%s\nlocal=/%s/\n", dns, link_dns, w->domain);
	if (w->dns.public_domain[0])
		fprintf(out, "synth-domain=%s,%s,ec2-\n", w->dns.public_domain, pool);
	put_own(out, w);
	put_wildcards(out, w);
	if (*d->upstream)
		fprintf(out, "server=%s\n", d->upstream);
}

/* Without a value dnsmasq leaves out what it would give by itself. */
static void put_servers(FILE *out, const char *option, const struct wanted_servers *s)
{
	char ip[ADDR_TEXT_LEN];

	fprintf(out, "dhcp-option=option:%s", option);
	for (size_t i = 0; i < s->n; i++) {
		addr_format(s->addrs[i], ip);
		fprintf(out, ",%s", ip);
	}
	fputc('\n', out);
}

/* Guests that know one name alone would make nothing of several: the list is an option of its own
 * (RFC 3397). */
static void put_domains(FILE *out, const char *names)
{
	fprintf(out, "dhcp-option=option:domain-name%s%.*s\n", *names ? "," : "", (int)strcspn(names, " "), names);
	if (!strchr(names, ' '))
		return;
	fputs("dhcp-option=option:domain-search", out);
	while (*names) {
		size_t len = strcspn(names, " ");

		fprintf(out, ",%.*s", (int)len, names);
		names += len + strspn(names + len, " ");
	}
	fputc('\n', out);
}

static void put_options(FILE *out, const struct wanted *w)
{
	const struct wanted_dhcp *d = &w->dhcp;

	fprintf(out, "dhcp-option=option:mtu,%d\n", DNSMASQ_MTU);
	put_domains(out, d->domain_name);
	put_servers(out, "dns-server", &d->dns);
	if (d->ntp.n > 0)
		put_servers(out, "ntp-server", &d->ntp);
	if (d->netbios.n > 0)
		put_servers(out, "netbios-ns", &d->netbios);
	if (d->netbios_node_type)
		fprintf(out, "dhcp-option=option:netbios-nodetype,%d\n", d->netbios_node_type);
}

static void put_subnet(FILE *out, const struct wanted_subnet *s)
{
	char bridge[MC_IFNAME_LEN], base[ADDR_TEXT_LEN], mask[ADDR_TEXT_LEN], router[ADDR_TEXT_LEN];

	mc_id_bridge(s->id, bridge);
	addr_format(s->cidr.addr, base);
	addr_format(cidr_mask(s->cidr.len), mask);
	addr_format(wanted_gateway(s), router);
	fprintf(out, "interface=%s\n", bridge);
	fprintf(out, "dhcp-range=set:%s,%s,static,%s,%d\n", bridge, base, mask,
		DNSMASQ_LEASE_SECONDS);
	fprintf(out, "dhcp-option=tag:%s,option:router,%s\n", bridge, router);
}

char *dnsmasq_conf(const struct dnsmasq *d, const struct wanted *w)
{
	char *text = NULL;
	size_t len;
	FILE *out = text_open(&text, &len);

	fputs(conf_head, out);
	put_files(out, d->dir);
	put_resolver(out, d, w);
	put_options(out, w);
	for (size_t i = 0; i < w->n_subnets; i++)
		put_subnet(out, &w->subnets[i]);
	text_close(out);
	return text;
}

/* --- hosts --------------------------------------------------------------------------------- */

/* Of the i-th address of the interface. */
static void host_name(const struct wanted_eni *e, size_t i, char out[WANTED_HOSTNAME_LEN])
{
	uint32_t ip = e->addrs[i].ip;

	if (i == 0 && e->hostname[0])
		snprintf(out, WANTED_HOSTNAME_LEN, "%s", e->hostname);
	else
		snprintf(out, WANTED_HOSTNAME_LEN, "ip-%u-%u-%u-%u", ip >> 24, ip >> 16 & 255,
			 ip >> 8 & 255, ip & 255);
}

/* id:*: the MAC alone tells who it is; boot loaders and systems send different client ids. */
char *dnsmasq_dhcp_hosts(const struct wanted *w)
{
	char ip[ADDR_TEXT_LEN], name[WANTED_HOSTNAME_LEN];
	char *text = NULL;
	size_t len;
	FILE *out = text_open(&text, &len);

	for (size_t i = 0; i < w->n_enis; i++) {
		const struct wanted_eni *e = &w->enis[i];

		if (e->kind != WANTED_INSTANCE)
			continue;
		addr_format(e->ip, ip);
		host_name(e, 0, name);
		fprintf(out, "%s,id:*,%s,%s\n", e->mac, ip, name);
	}
	text_close(out);
	return text;
}

/* The private name first: the first name of an address is what it is called the other way round. */
static void put_names(FILE *out, const struct wanted *w, const struct wanted_eni *e)
{
	char ip[ADDR_TEXT_LEN], name[WANTED_HOSTNAME_LEN];

	for (size_t i = 0; i < e->n_addrs; i++) {
		const struct wanted_addr *a = &e->addrs[i];

		addr_format(a->ip, ip);
		host_name(e, i, name);
		fprintf(out, "%s %s.%s %s\n", ip, name, w->domain, name);
		if (a->public_name && a->public_ip)
			fprintf(out, "%s %s\n", ip, a->public_name);
	}
}

static void put_endpoint(FILE *out, const struct wanted *w, const struct wanted_endpoint *p)
{
	char ip[ADDR_TEXT_LEN];

	addr_format(wanted_eni_by_id(w, p->eni)->ip, ip);
	for (size_t i = 0; i < json_array_size(p->names); i++)
		if (mc_json_at(p->names, i)[0] != '*')
			fprintf(out, "%s %s\n", ip, mc_json_at(p->names, i));
}

char *dnsmasq_dns_hosts(const struct wanted *w)
{
	char ip[ADDR_TEXT_LEN];
	char *text = NULL;
	size_t len;
	FILE *out = text_open(&text, &len);

	addr_format(ADDR_METADATA, ip);
	fprintf(out, "%s instance-data.%s\n", ip, w->domain);
	for (size_t i = 0; w->dns.hostnames && i < w->n_enis; i++)
		put_names(out, w, &w->enis[i]);
	for (size_t i = 0; i < w->n_endpoints; i++)
		put_endpoint(out, w, &w->endpoints[i]);
	for (size_t i = 0; i < w->dns.n_names; i++) {
		addr_format(w->dns.names[i].ip, ip);
		fprintf(out, "%s %s\n", ip, w->dns.names[i].name);
	}
	text_close(out);
	return text;
}
