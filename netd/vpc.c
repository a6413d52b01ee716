#include "netd/vpc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/log.h"
#include "netd/conntrack.h"
#include "netd/dnsmasq.h"
#include "netd/netns.h"
#include "netd/nft.h"
#include "netd/port.h"
#include "netd/state.h"
#include "netd/vpcnet.h"
#include "netd/vpcrules.h"

#define METADATA_PORT 80
#define METADATA_BACKLOG 128

/* --- describing ------------------------------------------------------------------------- */

static bool is_active(const struct netd *netd, const char *vpc_id)
{
	mc_autofree char *path = state_netns(netd, vpc_id);

	return netns_pinned(path);
}

static int open_namespace(const struct netd *netd, const char *vpc_id, mc_err **err)
{
	mc_autofree char *path = state_netns(netd, vpc_id);

	return netns_open(path, err);
}

static int list_links(const struct netd *netd, const char *vpc_id, struct link_info **ret,
		      size_t *ret_n, mc_err **err)
{
	mc_auto_fd int ns = open_namespace(netd, vpc_id, err);
	auto_netlink struct nl_sock *sk = ns < 0 ? NULL : netlink_open(NETLINK_ROUTE, ns, err);

	return sk ? link_list(sk, ret, ret_n, err) : -1;
}

/* w may be NULL: something is there of which netd has no document. */
static int describe(const struct netd *netd, const char *vpc_id, const struct wanted *w,
		    json_t **ret, mc_err **err)
{
	bool active = is_active(netd, vpc_id);
	mc_autofree struct link_info *links = NULL;
	mc_auto_json json_t *enis = json_array();
	size_t n = 0;

	if (active && list_links(netd, vpc_id, &links, &n, err) < 0)
		return -1;
	for (size_t i = 0; active && w && i < w->n_enis; i++)
		json_array_append_new(enis, json_pack("{s:s, s:b}", "id", w->enis[i].id, "plugged",
						      port_plugged(&w->enis[i], links, n)));
	*ret = json_pack("{s:s, s:I, s:b, s:O}", "id", vpc_id, "generation",
			 (json_int_t)(w ? w->generation : 0), "active", active, "enis", enis);
	return MC_IPC_OK;
}

/* --- removing ------------------------------------------------------------------------------ */

/* Everything but the document goes; each step is tried whatever became of the others. */
static int tear_down(const struct netd *netd, const char *vpc_id, mc_err **err)
{
	mc_autofree char *dir = state_dir(netd, vpc_id);
	mc_autofree char *path = state_netns(netd, vpc_id);
	mc_auto_err mc_err *first = NULL;
	int r = host_remove_transit(&netd->host, vpc_id, &first);

	if (netns_pinned(path)) {
		mc_auto_fd int ns = netns_open(path, first ? NULL : &first);

		if (ns < 0 || port_unplug(NULL, ns, first ? NULL : &first) < 0)
			r = -1;
	}
	if (dnsmasq_stop(dir, first ? NULL : &first) < 0)
		r = -1;
	if (netns_remove(path, first ? NULL : &first) < 0)
		r = -1;
	if (r < 0)
		*err = MC_STEAL(first);
	return r;
}

int vpc_delete(struct netd *netd, const char *vpc_id, mc_err **err)
{
	auto_netd_lock(netd);
	int r = tear_down(netd, vpc_id, err);

	eventfd_write(netd->changed_fd, 1);
	if (state_remove(netd, vpc_id, r < 0 ? NULL : err) < 0)
		r = -1;
	if (r < 0)
		return mc_err_wrap(err, "removing %s", vpc_id);
	mc_log(MC_LOG_INFO, "vpc", "removed", "vpc", vpc_id, NULL);
	return MC_IPC_OK;
}

int vpc_delete_all(struct netd *netd, mc_err **err)
{
	mc_auto_json json_t *ids = state_list(netd);
	int r = 0;

	for (size_t i = 0; i < json_array_size(ids); i++)
		if (vpc_delete(netd, mc_json_at(ids, i), r < 0 ? NULL : err) != MC_IPC_OK)
			r = -1;
	return r;
}

/* --- making ---------------------------------------------------------------------------------- */

/* Bits of a run of apply(). */
struct run {
	const struct netd *netd;
	const struct wanted *wanted;
	int ns_fd;
	bool unfinished; /* the last run did not end well: trust nothing it skipped telling */
};

static int apply_rules(const struct run *run, mc_err **err)
{
	auto_nft struct nft_ctx *nft = nft_open(run->ns_fd, err);
	auto_ruleset struct ruleset *rules = vpcrules_build(run->wanted);
	bool shrank;

	if (!nft || nft_apply(nft, rules, &shrank, err) < 0)
		return -1;
	if (!shrank && !run->unfinished)
		return 0;
	return conntrack_sweep(run->ns_fd, run->wanted, NULL, err);
}

static int apply_gateway(const struct run *run, mc_err **err)
{
	if (!run->wanted->igw)
		return host_remove_transit(&run->netd->host, run->wanted->id, err);
	return host_ensure_transit(&run->netd->host, run->wanted->id, run->ns_fd, err);
}

static int apply_dnsmasq(const struct run *run, mc_err **err)
{
	mc_autofree char *dir = state_dir(run->netd, run->wanted->id);
	struct dnsmasq d = { .program = run->netd->config.dnsmasq, .dir = dir,
			     .ns_fd = run->ns_fd, .tell = run->unfinished };

	return dnsmasq_apply(&d, run->wanted, err);
}

/* Order: what goes is cut off first, rules stand before devices, taps come last. */
static int apply_inside(const struct run *run, mc_err **err)
{
	const struct wanted *w = run->wanted;

	if (host_sync_public(w, false, err) < 0 || port_unplug(w, run->ns_fd, err) < 0 ||
	    apply_rules(run, err) < 0 || vpcnet_links(w, run->ns_fd, err) < 0 ||
	    apply_gateway(run, err) < 0 || vpcnet_routes(w, run->ns_fd, err) < 0 ||
	    apply_dnsmasq(run, err) < 0 || host_sync_public(w, true, err) < 0)
		return -1;
	return port_plug_all(w, run->ns_fd, err);
}

static int apply_active(struct run *run, mc_err **err)
{
	mc_autofree char *path = state_netns(run->netd, run->wanted->id);
	mc_auto_fd int ns = -1;

	if (!netns_pinned(path) && netns_create(path, err) < 0)
		return -1;
	ns = netns_open(path, err);
	if (ns < 0 || vpcnet_sysctls(ns, err) < 0)
		return -1;
	run->ns_fd = ns;
	return apply_inside(run, err);
}

static int apply(const struct netd *netd, const struct wanted *w, const json_t *doc, mc_err **err)
{
	struct run run = { .netd = netd, .wanted = w, .ns_fd = -1 };
	int r;

	if (state_begin(netd, w->id, &run.unfinished, err) < 0)
		return -1;
	r = w->n_enis > 0 ? apply_active(&run, err) : tear_down(netd, w->id, err);
	if (r < 0)
		return mc_err_wrap(err, "%s", w->id);
	return state_finish(netd, w->id, doc, err);
}

static int check_generation(const struct netd *netd, const struct wanted *w, mc_err **err)
{
	mc_auto_err mc_err *unreadable = NULL;
	auto_wanted struct wanted *last = state_load(netd, w->id, NULL, &unreadable);

	if (!last || w->generation == 0 || w->generation >= last->generation)
		return MC_IPC_OK;
	mc_err_set(err, 0, "generation %lld is older than %lld, which is applied",
		   (long long)w->generation, (long long)last->generation);
	return MC_IPC_CONFLICT;
}

static int check_public(const struct wanted *w, mc_err **err)
{
	char text[ADDR_TEXT_LEN];
	uint32_t addr;

	if (host_conflict(w, &addr, err) < 0)
		return -1;
	if (!addr)
		return MC_IPC_OK;
	addr_format(addr, text);
	mc_err_set(err, 0, "%s is in use in another VPC", text);
	return MC_IPC_CONFLICT;
}

int vpc_put(struct netd *netd, const char *vpc_id, const json_t *doc, json_t **ret, mc_err **err)
{
	auto_wanted struct wanted *w = wanted_parse(vpc_id, doc, &netd->host.pool, err);
	auto_netd_lock(netd);
	int r;

	if (!w)
		return MC_IPC_BAD_REQUEST;
	r = check_generation(netd, w, err);
	if (r == MC_IPC_OK)
		r = check_public(w, err);
	if (r != MC_IPC_OK)
		return r;
	r = apply(netd, w, doc, err);
	eventfd_write(netd->changed_fd, 1);
	if (r < 0)
		return -1;
	mc_logf(MC_LOG_INFO, "vpc", "applied vpc=%s generation=%lld enis=%zu", vpc_id,
		(long long)w->generation, w->n_enis);
	return describe(netd, vpc_id, w, ret, err);
}

void vpc_restore(struct netd *netd, const char *vpc_id)
{
	auto_netd_lock(netd);
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *doc = NULL;
	auto_wanted struct wanted *w = state_load(netd, vpc_id, &doc, &err);

	/* Without its namespace there is nothing to keep alive; the next PUT makes it. */
	if (w && is_active(netd, vpc_id) && apply(netd, w, doc, &err) == 0)
		mc_log(MC_LOG_INFO, "vpc", "put in line", "vpc", vpc_id, NULL);
	if (err)
		mc_log(MC_LOG_ERROR, "vpc", mc_err_msg(err), "vpc", vpc_id, NULL);
}

void vpc_restore_all(struct netd *netd)
{
	mc_auto_json json_t *ids = state_list(netd);

	for (size_t i = 0; i < json_array_size(ids); i++)
		vpc_restore(netd, mc_json_at(ids, i));
}

bool vpc_tables_stand(struct netd *netd, const char *vpc_id)
{
	auto_netd_lock(netd);
	mc_auto_fd int ns = -1;
	auto_nft struct nft_ctx *nft = NULL;

	if (!*vpc_id)
		return host_tables_stand();
	if (!is_active(netd, vpc_id))
		return true;
	ns = open_namespace(netd, vpc_id, NULL);
	nft = ns < 0 ? NULL : nft_open(ns, NULL);
	return nft && nft_has_tables(nft, vpcrules_tables);
}

/* --- asking ------------------------------------------------------------------------------------ */

static bool known(const struct netd *netd, const char *vpc_id)
{
	mc_autofree char *dir = state_dir(netd, vpc_id);

	return is_active(netd, vpc_id) || access(dir, F_OK) == 0;
}

int vpc_get(struct netd *netd, const char *vpc_id, json_t **ret, mc_err **err)
{
	mc_auto_err mc_err *unreadable = NULL;
	auto_netd_lock(netd);
	auto_wanted struct wanted *w = state_load(netd, vpc_id, NULL, &unreadable);

	if (known(netd, vpc_id))
		return describe(netd, vpc_id, w, ret, err);
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

/* The VPC's document, for calls that need it to be active. *ret NULL unless OK. */
static int load_active(const struct netd *netd, const char *vpc_id, struct wanted **ret,
		       int *ret_ns, mc_err **err)
{
	auto_wanted struct wanted *w = state_load(netd, vpc_id, NULL, err);

	if (!w && *err)
		return -1;
	if (!w || !is_active(netd, vpc_id)) {
		mc_err_set(err, 0, "%s has no network here", vpc_id);
		return MC_IPC_NOT_FOUND;
	}
	*ret_ns = open_namespace(netd, vpc_id, err);
	if (*ret_ns < 0)
		return -1;
	*ret = MC_STEAL(w);
	return MC_IPC_OK;
}

int vpc_plug(struct netd *netd, const char *vpc_id, const char *eni_id, json_t **ret,
	     mc_err **err)
{
	auto_wanted struct wanted *w = NULL;
	mc_auto_fd int ns = -1;
	auto_netd_lock(netd);
	const struct wanted_eni *eni;
	bool plugged = false;
	int r = load_active(netd, vpc_id, &w, &ns, err);

	if (r != MC_IPC_OK)
		return r;
	eni = wanted_eni_by_id(w, eni_id);
	if (eni && port_plug(w, eni, ns, &plugged, err) < 0)
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
	const char *set, *member;
};

static const struct meter meters[] = {
	{ "acct_inet_in", "internet_in" },
	{ "acct_inet_out", "internet_out" },
	{ "acct_local_in", "local_in" },
	{ "acct_local_out", "local_out" },
};

/* One meter of all addresses into {ip: {id, ip, internet_in …}}; elements carry the ENI
 * as their comment. */
static void read_meter(struct nft_ctx *nft, size_t meter, json_t *by_ip)
{
	auto_ruleset struct ruleset *rules = ruleset_new(vpcrules_tables, VPCRULES_HOME, NULL);

	nft_read_set(nft, rules, VPCRULES_HOME, meters[meter].set);
	for (size_t i = 0; i < rules->n_elements; i++) {
		const struct ruleset_element *e = &rules->elements[i];
		json_t *row = json_object_get(by_ip, e->key);

		if (!row) {
			row = json_pack("{s:s, s:s}", "id", e->comment, "ip", e->key);
			json_object_set_new(by_ip, e->key, row);
		}
		/* An interface with several addresses has as many elements. */
		json_object_set_new(row, meters[meter].member,
				    json_integer(mc_json_int(row, meters[meter].member, 0) +
						 (json_int_t)e->bytes));
	}
}

int vpc_counters(struct netd *netd, const char *vpc_id, json_t **ret, mc_err **err)
{
	auto_wanted struct wanted *w = NULL;
	mc_auto_fd int ns = -1;
	auto_netd_lock(netd);
	auto_nft struct nft_ctx *nft = NULL;
	mc_auto_json json_t *by_ip = json_object(), *rows = json_array();
	char epoch[RULESET_DIGEST_LEN];
	int r = load_active(netd, vpc_id, &w, &ns, err);
	const char *ip;
	json_t *row;

	if (r != MC_IPC_OK)
		return r;
	nft = nft_open(ns, err);
	if (!nft)
		return -1;
	nft_read_epoch(nft, VPCRULES_HOME, epoch);
	for (size_t m = 0; m < MC_ARRAY_SIZE(meters); m++)
		read_meter(nft, m, by_ip);
	json_object_foreach(by_ip, ip, row)
		if (wanted_eni_by_id(w, mc_json_str(row, "id", "")))
			json_array_append(rows, row);
	*ret = json_pack("{s:s, s:O}", "epoch", epoch, "enis", rows);
	return MC_IPC_OK;
}

struct listen_args {
	int fd, error;
};

static int listen_here(void *arg)
{
	struct listen_args *a = arg;
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(METADATA_PORT),
				    .sin_addr.s_addr = htonl(ADDR_METADATA) };
	int one = 1;

	a->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (a->fd < 0 || setsockopt(a->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(a->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(a->fd, METADATA_BACKLOG) < 0)
		a->error = errno;
	return 0;
}

int vpc_metadata_socket(struct netd *netd, const char *vpc_id, int *ret_fd, mc_err **err)
{
	auto_wanted struct wanted *w = NULL;
	mc_auto_fd int ns = -1;
	auto_netd_lock(netd);
	struct listen_args a = { .fd = -1 };
	int r = load_active(netd, vpc_id, &w, &ns, err);

	if (r != MC_IPC_OK)
		return r;
	if (netns_call(ns, listen_here, &a, err) < 0)
		return -1;
	if (!a.error) {
		*ret_fd = a.fd;
		return MC_IPC_OK;
	}
	if (a.fd >= 0)
		close(a.fd);
	mc_err_set(err, a.error, "metadata socket of %s", vpc_id);
	return a.error == EADDRINUSE ? MC_IPC_IN_USE : -1;
}
