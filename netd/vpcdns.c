#include "netd/vpcdns.h"

#include "common/cleanup.h"
#include "netd/dnsmasq.h"
#include "netd/relay.h"
#include "netd/state.h"

static int apply(struct vpcdns *v, const char *dir, mc_err **err)
{
	const struct netd *netd = v->netd;
	struct dnsmasq d = { .program = netd->config.dnsmasq, .dir = dir, .ns_fd = v->ns_fd, .pool = netd->host.pool,
			     .upstream = relay_address(netd->relay), .tell = v->tell };

	if ((v->wanted->dns.support && relay_open(netd->relay, v->wanted->id, v->ns_fd, err) < 0) ||
	    dnsmasq_apply(&d, v->wanted, err) < 0)
		return -1;
	v->is_done = true;
	return 0;
}

int vpcdns_keep(struct vpcdns *v, mc_err **err)
{
	mc_autofree char *dir = state_dir(v->netd, v->wanted->id);
	unsigned long long start;

	return dnsmasq_find(dir, &start) ? apply(v, dir, err) : dnsmasq_stop(dir, err);
}

int vpcdns_ensure(void *dns, mc_err **err)
{
	struct vpcdns *v = dns;
	mc_autofree char *dir = state_dir(v->netd, v->wanted->id);
	unsigned long long start;

	if (v->is_done)
		return 0;
	v->started = dnsmasq_find(dir, &start) == 0;
	return apply(v, dir, err);
}
