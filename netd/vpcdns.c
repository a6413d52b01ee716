#include "netd/vpcdns.h"

#include "common/cleanup.h"
#include "netd/dnsmasq.h"
#include "netd/relay.h"
#include "netd/state.h"

/* The VPC's, as it is now. */
static struct dnsmasq look(const struct vpcdns *v, const char *dir)
{
	const struct netd *netd = v->netd;
	struct dnsmasq d = { .program = netd->config.dnsmasq, .dir = dir, .ns_fd = v->ns_fd, .pool = netd->host.pool,
			     .upstream = relay_address(netd->relay), .tell = v->tell };

	d.pid = dnsmasq_find(dir, &d.start_time);
	return d;
}

static int apply(struct vpcdns *v, const struct dnsmasq *d, mc_err **err)
{
	if ((v->wanted->dns.support && relay_open(v->netd->relay, v->wanted->id, v->ns_fd, err) < 0) ||
	    dnsmasq_apply(d, v->wanted, err) < 0)
		return -1;
	v->is_done = true;
	return 0;
}

int vpcdns_keep(struct vpcdns *v, mc_err **err)
{
	mc_autofree char *dir = state_dir(v->netd, v->wanted->id);
	struct dnsmasq d = look(v, dir);

	return d.pid ? apply(v, &d, err) : dnsmasq_stop(dir, err);
}

int vpcdns_ensure(void *dns, mc_err **err)
{
	struct vpcdns *v = dns;
	mc_autofree char *dir = NULL;
	struct dnsmasq d;

	if (v->is_done)
		return 0;
	dir = state_dir(v->netd, v->wanted->id);
	d = look(v, dir);
	v->started = d.pid == 0;
	return apply(v, &d, err);
}
