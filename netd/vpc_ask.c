/* What is asked of VPCs: nothing here changes them, but for a tap that is plugged. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"
#include "netd/appliance.h"
#include "netd/flowlog.h"
#include "netd/natgw.h"
#include "netd/netns.h"
#include "netd/nftread.h"
#include "netd/port.h"
#include "netd/state.h"
#include "netd/vpc.h"
#include "netd/vpc_parts.h"
#include "netd/vpcdns.h"
#include "netd/vpcrules.h"
#include "netd/watch.h"

/* --- describing ------------------------------------------------------------------------- */

bool vpc_is_active(const struct netd *netd, const char *vpc_id)
{
	mc_autofree char *path = state_netns(netd, vpc_id);

	return netns_pinned(path);
}

int vpc_open_namespace(const struct netd *netd, const char *vpc_id, mc_err **err)
{
	mc_autofree char *path = state_netns(netd, vpc_id);

	return netns_open(path, err);
}

static int list_links(const struct netd *netd, const char *vpc_id, struct link_info **ret,
		      size_t *ret_n, mc_err **err)
{
	mc_auto_fd int ns = vpc_open_namespace(netd, vpc_id, err);
	auto_netlink struct nl_sock *sk = ns < 0 ? NULL : netlink_open(NETLINK_ROUTE, ns, err);

	return sk ? link_list(sk, ret, ret_n, err) : -1;
}

int vpc_describe(const struct netd *netd, const char *vpc_id, const struct wanted *w,
		    json_t **ret, mc_err **err)
{
	bool active = vpc_is_active(netd, vpc_id);
	mc_autofree struct link_info *links = NULL;
	mc_auto_json json_t *enis = json_array();
	size_t n = 0;

	if (active && list_links(netd, vpc_id, &links, &n, err) < 0)
		return -1;
	for (size_t i = 0; active && w && i < w->n_enis; i++)
		if (w->enis[i].kind == WANTED_INSTANCE)
			json_array_append_new(enis, json_pack("{s:s, s:b}", "id", w->enis[i].id,
							      "plugged",
							      port_plugged(&w->enis[i], links, n)));
	*ret = json_pack("{s:s, s:I, s:b, s:O}", "id", vpc_id, "generation",
			 (json_int_t)(w ? w->generation : 0), "active", active, "enis", enis);
	return MC_IPC_OK;
}

/* --- asking ------------------------------------------------------------------------------------ */

static bool known(const struct netd *netd, const char *vpc_id)
{
	mc_autofree char *dir = state_dir(netd, vpc_id);

	return vpc_is_active(netd, vpc_id) || access(dir, F_OK) == 0;
}

int vpc_get(struct netd *netd, const char *vpc_id, json_t **ret, mc_err **err)
{
	mc_auto_err mc_err *unreadable = NULL;
	auto_netd_lock(netd);
	auto_wanted struct wanted *w = state_load(netd, vpc_id, &unreadable);

	if (known(netd, vpc_id))
		return vpc_describe(netd, vpc_id, w, ret, err);
	mc_err_set(err, 0, "no %s here", vpc_id);
	return MC_IPC_NOT_FOUND;
}

int vpc_list(struct netd *netd, json_t **ret, mc_err **err)
{
	mc_auto_json json_t *ids = state_list(netd), *vpcs = json_array();

	for (size_t i = 0; i < json_array_size(ids); i++) {
		json_t *one = NULL;
		int r = vpc_get(netd, mc_json_at(ids, i), &one, err);

		if (r == MC_IPC_NOT_FOUND) {
			mc_err_clear(err);
			continue;
		}
		if (r != MC_IPC_OK)
			return r;
		json_array_append_new(vpcs, one);
	}
	*ret = json_pack("{s:O}", "vpcs", vpcs);
	return MC_IPC_OK;
}

int vpc_load_active(const struct netd *netd, const char *vpc_id, struct wanted **ret,
		       int *ret_ns, mc_err **err)
{
	auto_wanted struct wanted *w = state_load(netd, vpc_id, err);

	if (!w && *err)
		return -1;
	if (!w || !vpc_is_active(netd, vpc_id)) {
		mc_err_set(err, 0, "%s has no network here", vpc_id);
		return MC_IPC_NOT_FOUND;
	}
	*ret_ns = vpc_open_namespace(netd, vpc_id, err);
	if (*ret_ns < 0)
		return -1;
	*ret = MC_STEAL(w);
	return MC_IPC_OK;
}

/* The VPC's dnsmasq is there before a packet of the guest passes; if it had to be started, the watch hears of it. */
static int plug(struct netd *netd, const struct wanted *w, const struct wanted_eni *eni, int ns, bool *ret_plugged, mc_err **err)
{
	struct vpcdns dns = { .netd = netd, .wanted = w, .ns_fd = ns };
	struct port_ready ready = { .call = vpcdns_ensure, .arg = &dns };
	int r = port_plug(w, eni, ns, &ready, ret_plugged, err);

	if (dns.started)
		watch_tell(netd, w->id);
	return r;
}

int vpc_plug(struct netd *netd, const char *vpc_id, const char *eni_id, json_t **ret,
	     mc_err **err)
{
	auto_wanted struct wanted *w = NULL;
	mc_auto_fd int ns = -1;
	auto_netd_lock(netd);
	const struct wanted_eni *eni;
	bool plugged = false;
	int r = vpc_load_active(netd, vpc_id, &w, &ns, err);

	if (r != MC_IPC_OK)
		return r;
	eni = wanted_eni_by_id(w, eni_id);
	if (eni && plug(netd, w, eni, ns, &plugged, err) < 0)
		return -1;
	if (!plugged) {
		mc_err_set(err, 0, eni ? "the tap of %s is not there" : "%s is not of this VPC",
			   eni_id);
		return MC_IPC_NOT_FOUND;
	}
	*ret = json_pack("{s:s, s:b}", "id", eni_id, "plugged", 1);
	return MC_IPC_OK;
}

struct meter {
	const char *set, *member, *packets; /* the latter is of both sets of a direction */
};

static const struct meter meters[] = {
	{ "acct_inet_in", "internet_in", "packets_in" },
	{ "acct_inet_out", "internet_out", "packets_out" },
	{ "acct_local_in", "local_in", "packets_in" },
	{ "acct_local_out", "local_out", "packets_out" },
};

/* One meter of all addresses into {ip: {id, ip, internet_in …}}; elements carry the ENI
 * as their comment. */
static int read_meter(struct nl_sock *sk, const struct meter *meter, json_t *by_ip, mc_err **err)
{
	auto_ruleset struct ruleset *rules = ruleset_new(vpcrules_tables, VPCRULES_HOME, NULL);

	if (nftread_set(sk, rules, VPCRULES_HOME, meter->set, err) < 0)
		return -1;
	for (size_t i = 0; rules->n_sets > 0 && i < rules->sets[0]->n_elements; i++) {
		const struct ruleset_element *e = &rules->sets[0]->elements[i];
		json_t *row = json_object_get(by_ip, e->key);

		if (!row) {
			row = json_pack("{s:s, s:s}", "id", e->comment, "ip", e->key);
			json_object_set_new(by_ip, e->key, row);
		}
		json_object_set_new(row, meter->member, json_integer((json_int_t)e->bytes));
		json_object_set_new(row, meter->packets,
				    json_integer(mc_json_int(row, meter->packets, 0) + (json_int_t)e->packets));
	}
	return 0;
}

static int count_nats(const struct netd *netd, const struct wanted *w, json_t *rows, mc_err **err)
{
	for (size_t i = 0; i < w->n_nats; i++) {
		const struct wanted_eni *eni = wanted_eni_by_id(w, w->nats[i].eni);
		mc_auto_fd int ns = eni ? appliance_open(netd, w, eni->id, eni->ip, err) : -1;
		json_t *row = json_pack("{s:s}", "id", w->nats[i].id);

		json_array_append_new(rows, row);
		if (ns < 0 || natgw_count(ns, row, err) < 0)
			return mc_err_wrap(err, "%s", w->nats[i].id);
	}
	return 0;
}

int vpc_nat_gateway(struct netd *netd, const char *vpc_id, const char *nat_id, json_t **ret, mc_err **err)
{
	auto_wanted struct wanted *w = NULL;
	mc_auto_fd int ns = -1, own_ns = -1;
	auto_netd_lock(netd);
	mc_auto_json json_t *rows = json_array();
	const struct wanted_nat *nat;
	const struct wanted_eni *eni;
	int r = vpc_load_active(netd, vpc_id, &w, &ns, err);

	if (r != MC_IPC_OK)
		return r;
	nat = wanted_nat_by_id(w, nat_id);
	eni = nat ? wanted_eni_by_id(w, nat->eni) : NULL;
	if (!eni) {
		mc_err_set(err, 0, "%s has no %s", vpc_id, nat_id);
		return MC_IPC_NOT_FOUND;
	}
	own_ns = appliance_open(netd, w, eni->id, eni->ip, err);
	if (own_ns < 0 || natgw_draining(own_ns, eni, rows, err) < 0)
		return -1;
	*ret = json_pack("{s:s, s:O}", "id", nat_id, "draining", rows);
	return MC_IPC_OK;
}

/* How much the flow logs' files hold; one that is not there yet holds nothing. */
static json_t *count_flow_logs(const struct netd *netd, const struct wanted *w)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < w->n_flow_logs; i++) {
		mc_autofree char *path = mc_strf("%s/%s", netd->config.flow_log_dir, w->flow_logs[i].file);
		struct stat st = { .st_size = 0 };

		if (stat(path, &st) < 0)
			st.st_size = 0;
		json_array_append_new(rows, json_pack("{s:s, s:I}", "id", w->flow_logs[i].id, "bytes", (json_int_t)st.st_size));
	}
	return rows;
}

int vpc_counters(struct netd *netd, const char *vpc_id, json_t **ret, mc_err **err)
{
	auto_wanted struct wanted *w = NULL;
	mc_auto_fd int ns = -1;
	auto_netd_lock(netd);
	auto_netlink struct nl_sock *sk = NULL;
	mc_auto_json json_t *by_ip = json_object(), *rows = json_array(), *nats = json_array();
	char epoch[RULESET_DIGEST_LEN];
	int r = vpc_load_active(netd, vpc_id, &w, &ns, err);

	if (r != MC_IPC_OK)
		return r;
	sk = netlink_open(NETLINK_NETFILTER, ns, err);
	if (!sk || nftread_epoch(sk, VPCRULES_HOME, epoch, err) < 0)
		return -1;
	for (size_t m = 0; m < MC_ARRAY_SIZE(meters); m++)
		if (read_meter(sk, &meters[m], by_ip, err) < 0)
			return -1;
	for (size_t i = 0; i < w->n_places; i++) {
		char ip[ADDR_TEXT_LEN];
		json_t *row;

		addr_format(w->places[i].ip, ip);
		row = json_object_get(by_ip, ip);
		if (row)
			json_array_append(rows, row);
	}
	if (count_nats(netd, w, nats, err) < 0)
		return -1;
	*ret = json_pack("{s:s, s:O, s:O, s:o}", "epoch", epoch, "enis", rows, "nat_gateways", nats, "flow_logs",
			 count_flow_logs(netd, w));
	return MC_IPC_OK;
}

int vpc_flush_flow_logs(struct netd *netd, const char *vpc_id, json_t **ret, mc_err **err)
{
	auto_wanted struct wanted *w = NULL;
	mc_auto_fd int ns = -1;
	auto_netd_lock(netd);
	size_t n = 0;
	int r = vpc_load_active(netd, vpc_id, &w, &ns, err);

	if (r != MC_IPC_OK)
		return r;
	if (flowlog_flush(netd, w, ns, &n, err) < 0)
		return -1;
	*ret = json_pack("{s:I}", "records", (json_int_t)n);
	return MC_IPC_OK;
}
