/* minicloud-api: the front door, the truth, and the workers that make it so. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/action.h"
#include "api/ami_alias.h"
#include "api/api.h"
#include "api/backend.h"
#include "api/cidr.h"
#include "api/counters.h"
#include "api/billing/billing.h"
#include "api/billing/budget.h"
#include "api/billing/traffic.h"
#include "api/describe_cache.h"
#include "api/endpoint_server.h"
#include "api/feed.h"
#include "api/gateway.h"
#include "api/image_catalog.h"
#include "api/instance_type.h"
#include "api/memory.h"
#include "api/metadata.h"
#include "api/metric/metrics.h"
#include "api/metric/sampler.h"
#include "api/reconciler.h"
#include "api/tls.h"
#include "api/vpc.h"
#include "api/waiters.h"
#include "common/cleanup.h"
#include "common/config.h"
#include "common/daemon.h"
#include "common/ipc.h"
#include "common/json.h"
#include "common/log.h"

#define AREA "api"
#define DESCRIBE_CACHE (12u << 20) /* bytes: some twenty thousand instances */
#define AT(member) offsetof(struct api_config, member)

static const struct mc_option options[] = {
	{ "api", "socket", MC_OPT_PATH, AT(socket), "%R/minicloud.sock", 0, 0, "unix socket for the minicloud command" },
	{ "api", "listen", MC_OPT_STRING, AT(listen), "127.0.0.1:8775", 0, 0, "address:port of the AWS API" },
	{ "api", "listen_tls", MC_OPT_STRING, AT(listen_tls), "", 0, 0, "address:port of the AWS API with TLS; none: only at VPC endpoints" },
	{ "api", "tls_certificate", MC_OPT_STRING, AT(tls_certificate), "", 0, 0, "PEM file of the certificate, and those above it; none: no TLS" },
	{ "api", "tls_key", MC_OPT_STRING, AT(tls_key), "", 0, 0, "PEM file of its key" },
	{ "api", "database", MC_OPT_PATH, AT(database), "%H/api/minicloud.db", 0, 0, "the database of record" },
	{ "api", "images_dir", MC_OPT_PATH, AT(images_dir), "%H/images-src", 0, 0, "NAME.qcow2 and NAME.json of the images on offer" },
	{ "api", "regions", MC_OPT_STRING, AT(regions), "us-east-1,us-west-2,eu-west-1,ap-northeast-2", 0, 0, "region names served by this host" },
	{ "api", "account", MC_OPT_STRING, AT(account), "123456789012", 0, 0, "the default account" },
	{ "api", "flow_log_dir", MC_OPT_PATH, AT(flow_log_dir), "%H/flow-logs", 0, 0, "where flow logs are written; the same as netd's" },
	{ "api", "public_pool", MC_OPT_STRING, AT(public_pool), "203.0.113.0/24", 0, 0, "public addresses; the same as netd's" },
	{ "api", "hypervisor", MC_OPT_PATH, AT(hypervisor), "%R/hypervisor.sock", 0, 0, "the hypervisor daemon's socket" },
	{ "api", "netd", MC_OPT_PATH, AT(netd), "%R/netd.sock", 0, 0, "the network daemon's socket" },
	{ "api", "netd_fd", MC_OPT_PATH, AT(netd_fd), "%R/netd-fd.sock", 0, 0, "the network daemon's descriptor socket" },
	{ "api", "storaged", MC_OPT_PATH, AT(storaged), "%R/storaged.sock", 0, 0, "the storage daemon's socket" },
	{ "api", "storaged_fd", MC_OPT_PATH, AT(storaged_fd), "%R/storaged-fd.sock", 0, 0, "the storage daemon's descriptor socket" },
	{ "api", "hypervisor_fd", MC_OPT_PATH, AT(hypervisor_fd), "%R/hypervisor-fd.sock", 0, 0, "the hypervisor daemon's descriptor socket" },
	{ "api", "instance_types", MC_OPT_PATH, AT(instance_types), "/usr/share/minicloud/instance-types.json", 0, 0, "file of the instance types" },
	{ "api", "ami_aliases", MC_OPT_PATH, AT(ami_aliases), "/usr/share/minicloud/ami-aliases.json", 0, 0, "file of the public parameters that name images" },
	{ "api", "quota_instances", MC_OPT_INT, AT(quota_instances), "64", 1, 1000000, "instances per account and region" },
	{ "api", "quota_groups", MC_OPT_INT, AT(quota_groups), "2500", 1, 1000000, "security groups per account and region" },
	{ "api", "quota_rules", MC_OPT_INT, AT(quota_rules), "60", 1, 1000, "rules per security group and direction" },
	{ "api", "quota_vpcs", MC_OPT_INT, AT(quota_vpcs), "5", 1, 100000, "VPCs per account and region, and as many internet gateways" },
	{ "api", "quota_vpc_cidrs", MC_OPT_INT, AT(quota_vpc_cidrs), "5", 1, 100000, "address blocks per VPC" },
	{ "api", "quota_subnets", MC_OPT_INT, AT(quota_subnets), "200", 1, 100000, "subnets per VPC" },
	{ "api", "quota_route_tables", MC_OPT_INT, AT(quota_route_tables), "200", 1, 100000, "route tables per VPC" },
	{ "api", "quota_routes", MC_OPT_INT, AT(quota_routes), "50", 1, 100000, "routes per route table" },
	{ "api", "quota_nat_gateways", MC_OPT_INT, AT(quota_nat_gateways), "5", 1, 100000, "NAT gateways per Availability Zone" },
	{ "api", "quota_nat_addresses", MC_OPT_INT, AT(quota_nat_addresses), "2", 1, 8, "elastic addresses per NAT gateway" },
	{ "api", "quota_addresses", MC_OPT_INT, AT(quota_addresses), "5", 1, 1000000, "elastic addresses per account and region" },
	{ "api", "quota_prefix_lists", MC_OPT_INT, AT(quota_prefix_lists), "100", 1, 100000, "managed prefix lists per account and region" },
	{ "api", "quota_peerings", MC_OPT_INT, AT(quota_peerings), "50", 1, 100000, "active peering connections per VPC" },
	{ "api", "quota_peering_requests", MC_OPT_INT, AT(quota_peering_requests), "25", 1, 100000, "peering requests per VPC that wait for an answer" },
	{ "api", "quota_endpoints", MC_OPT_INT, AT(quota_endpoints), "50", 1, 100000, "interface endpoints per VPC" },
	{ "api", "quota_gateway_endpoints", MC_OPT_INT, AT(quota_gateway_endpoints), "20", 1, 100000, "gateway endpoints per account and region" },
	{ "api", "quota_acls", MC_OPT_INT, AT(quota_acls), "200", 1, 100000, "network ACLs per VPC" },
	{ "api", "quota_acl_entries", MC_OPT_INT, AT(quota_acl_entries), "20", 1, 100000, "entries per network ACL and direction" },
	{ "api", "stop_timeout", MC_OPT_INT, AT(stop_timeout), "120", 1, 3600, "seconds a guest may take to shut down at stop" },
	{ "api", "terminate_timeout", MC_OPT_INT, AT(terminate_timeout), "20", 0, 3600, "seconds a guest may take to shut down at terminate" },
	{ "api", "workers", MC_OPT_INT, AT(workers), "8", 1, 64, "reconcile workers" },
	{ "api", "counters_interval", MC_OPT_INT, AT(counters_interval), "10", 1, 3600, "seconds between two readings of the interfaces' byte counters" },
	{ "api", "prices", MC_OPT_PATH, AT(prices), "/usr/share/minicloud/prices.json", 0, 0, "file of the price list" },
	{ "api", "free_tier", MC_OPT_BOOL, AT(free_tier), "no", 0, 0, "grant accounts what the price list has free for their first months" },
	{ "api", "sendmail", MC_OPT_PATH, AT(sendmail), "/usr/sbin/sendmail", 0, 0, "program that budgets send mails by" },
	{ "api", "mail_from", MC_OPT_STRING, AT(mail_from), "minicloud@localhost", 0, 0, "sender of these mails" },
	{ "api", "webhook_allow", MC_OPT_STRING, AT(webhook_allow), "", 0, 0, "URLs under which budgets may call web hooks, by commas" },
	{ "api", "budget_interval", MC_OPT_INT, AT(budget_interval), "10", 1, 86400, "seconds between two looks at the budgets" },
	{ "api", "time_scale", MC_OPT_INT, AT(time_scale), "1", 1, BILLING_MAX_SCALE, "how much faster the meters run than time, for demonstrations" },
	{ "api", "metrics_database", MC_OPT_PATH, AT(metrics_database), "%H/api/metrics.db", 0, 0, "the database of measured values" },
	{ "api", "metrics_interval", MC_OPT_INT, AT(metrics_interval), "60", 1, 3600, "seconds between two samples of what instances and volumes do" },
	{ "api", "metrics_days", MC_OPT_INT, AT(metrics_days), "15", 1, 3650, "days that values of a minute are kept; those of five minutes four times, of an hour thirty times as long" },
	{ "api", "metrics_mib", MC_OPT_INT, AT(metrics_mib), "512", 1, 1000000, "what measured values may take; the oldest of the finest go first" },
	{ "api", "quota_metrics", MC_OPT_INT, AT(quota_metrics), "20000", 1, 10000000, "metrics per account" },
	{ "api", "imds_v1", MC_OPT_BOOL, AT(imds_v1), "no", 0, 0, "let instances use version 1 of the metadata service" },
	{ "api", "log_level", MC_OPT_LEVEL, AT(log_level), "info", 0, 0, "error, warning, info or debug" },
	{ "api", "operations", MC_OPT_BOOL, AT(operations), "no", 0, 0, "print the operations that are built, and exit" },
	{ 0 },
};

static int check_config(const void *target, mc_err **err)
{
	const struct api_config *c = target;
	struct cidr pool;

	if (!cidr_parse(c->public_pool, &pool) || pool.bits < 8 || pool.bits > 30) /* as netd says it */
		return mc_err_set(err, 0, "public_pool: %s is no network between /8 and /30", c->public_pool);
	if (strlen(c->account) != 12 || c->account[strspn(c->account, "0123456789")])
		return mc_err_set(err, 0, "account: \"%s\" is not twelve digits", c->account);
	return gateway_check_address(c->listen, err) < 0 ? mc_err_wrap(err, "listen") : 0;
}

static const struct mc_program program = {
	.name = "minicloud-api",
	.summary = "The API daemon of minicloud: the EC2 API, the database of record, the reconciler.",
	.options = options,
	.check = check_config,
};

struct doors {
	int tcp_fd, local_fd, tls_fd;
	struct gateway *tcp, *local, *tls;
};

static int load_tls(struct api *api, mc_err **err)
{
	const struct api_config *c = &api->config;

	if (!*c->tls_certificate && !*c->tls_key)
		return *c->listen_tls ? mc_err_set(err, 0, "listen_tls needs tls_certificate and tls_key") : 0;
	api->tls = tls_load(c->tls_certificate, c->tls_key, err);
	return api->tls ? 0 : -1;
}

/* What the hypervisor runs on is worth saying aloud once. It may come up later. */
static void look_at_host(struct api *api)
{
	mc_auto_err mc_err *err = NULL;

	if (backend_call(api, BACKEND_HYPERVISOR, "GET", NULL, &api->accelerator, &err, "/v1/host") != MC_IPC_OK) {
		mc_log(MC_LOG_WARNING, AREA, "the hypervisor daemon does not answer yet", "reason", mc_err_msg(err), NULL);
		return;
	}
	mc_log(MC_LOG_INFO, AREA, "accelerator", "type", mc_json_str(api->accelerator, "accelerator", "unknown"), "reason",
	       mc_json_str(api->accelerator, "reason", NULL), NULL);
}

static int open_doors(struct api *api, struct doors *d, mc_err **err)
{
	d->local_fd = mc_ipc_listen(api->config.socket, 0660, (gid_t)-1, err);
	d->tcp_fd = d->local_fd < 0 ? -1 : gateway_listen(api->config.listen, err);
	if (d->tcp_fd < 0)
		return -1;
	d->local = gateway_start(api, d->local_fd, true, err);
	d->tcp = d->local ? gateway_start(api, d->tcp_fd, false, err) : NULL;
	if (!d->tcp || !*api->config.listen_tls)
		return d->tcp ? 0 : -1;
	d->tls_fd = gateway_listen(api->config.listen_tls, err);
	d->tls = d->tls_fd < 0 ? NULL : gateway_start_tls(api, d->tls_fd, err);
	return d->tls ? 0 : -1;
}

static struct billing *open_billing(struct api *api, mc_err **err)
{
	const struct billing_config config = {
		.scale = api->config.time_scale, .prices = prices_load(api->config.prices, err), .free_tier = api->config.free_tier,
	};
	struct billing *b = config.prices ? billing_open(api->store, &config, err) : NULL;

	if (config.scale > 1)
		mc_logf(MC_LOG_WARNING, AREA, "the meters run %lld times as fast as time", (long long)config.scale);
	if (b && billing_start(b, err) < 0) {
		billing_close(b);
		return NULL;
	}
	counters_on_growth(api->counters, traffic_count, api->store);
	return b;
}

static struct metrics *open_metrics(const struct api *api, mc_err **err)
{
	const struct metrics_config config = {
		.path = api->config.metrics_database, .days = api->config.metrics_days, .mib = api->config.metrics_mib,
		.quota = api->config.quota_metrics,
	};

	return metrics_open(&config, err);
}

static int start(struct api *api, struct doors *d, mc_err **err)
{
	if (load_tls(api, err) < 0)
		return -1;
	json_object_seed(0); /* before there are threads */
	api->types = instance_types_load(api->config.instance_types, err);
	api->aliases = api->types ? ami_alias_load(api->config.ami_aliases, err) : NULL;
	api->store = api->aliases ? store_open(api->config.database, err) : NULL;
	if (!api->store)
		return -1;
	store_keep_room(api->store);
	api->feed = feed_new();
	store_on_commit(api->store, feed_change, api->feed);
	api->counters = counters_open(api->store, err);
	if (!api->counters)
		return -1;
	api->metrics = open_metrics(api, err);
	if (!api->metrics)
		return -1;
	api->waiters = waiters_new();
	api->describe_cache = describe_cache_new(DESCRIBE_CACHE);
	api->endpoints = endpoint_servers_new(api);
	api->metadata = metadata_start(api, err);
	if (!api->metadata)
		return -1;
	api->billing = open_billing(api, err);
	if (!api->billing)
		return -1;
	api->budgets = budget_watch_start(api, err);
	if (!api->budgets)
		return -1;
	look_at_host(api);
	api->reconciler = reconciler_start(api, (unsigned)api->config.workers, err);
	if (!api->reconciler || region_ensure(api, api->config.account, "us-east-1", err) < 0 ||
	    image_catalog_refresh(api, err) < 0 || events_start(api, err) < 0)
		return -1;
	api->sampler = metric_sampler_start(api, err);
	if (!api->sampler)
		return -1;
	return open_doors(api, d, err);
}

static void reload_prices(struct api *api)
{
	mc_auto_err mc_err *err = NULL;
	struct prices *prices = prices_load(api->config.prices, &err);

	if (prices)
		billing_set_prices(api->billing, prices);
	else
		mc_log(MC_LOG_ERROR, AREA, "the price list stays as it was", "reason", mc_err_msg(err), NULL);
}

static void on_hup(void *ctx)
{
	mc_auto_err mc_err *err = NULL;

	if (image_catalog_refresh(ctx, &err) < 0)
		mc_log(MC_LOG_ERROR, AREA, "cannot refresh the images", "reason", mc_err_msg(err), NULL);
	reload_prices(ctx);
}

/* The workers finish their step; what was not finished is found at the next start. */
static void stop(struct api *api, struct doors *d)
{
	mc_daemon_notify("STOPPING=1");
	gateway_stop(d->tls);
	gateway_stop(d->tcp);
	gateway_stop(d->local);
	unlink(api->config.socket);
	reconciler_stop(api->reconciler);
	metric_sampler_stop(api->sampler);
	budget_watch_stop(api->budgets);
	billing_stop(api->billing);
}

/* For the manual pages: "ec2 RunInstances", one a line. */
static int print_operations(void)
{
	const struct action *a;

	for (size_t i = 0; (a = action_at(i)); i++)
		printf("%s %s\n", a->service, a->name);
	return 0;
}

int main(int argc, char **argv)
{
	static struct api api;
	struct doors doors = { -1, -1, -1, NULL, NULL, NULL };
	mc_auto_err mc_err *err = NULL;
	int mode;

	mc_daemon_init();
	memory_init();
	mode = mc_config_load(&program, argc, argv, &api.config, &err);
	if (mode == MC_CONFIG_EXIT)
		return 0;
	if (mode == MC_CONFIG_RUN && api.config.operations)
		return print_operations();
	if (mode < 0 || start(&api, &doors, &err) < 0)
		return mc_daemon_fail(AREA, err);
	mc_log(MC_LOG_INFO, AREA, "ready", "listen", api.config.listen, "socket", api.config.socket, NULL);
	mc_daemon_notify("READY=1");
	mc_daemon_wait(on_hup, &api);
	mc_log(MC_LOG_INFO, AREA, "stopping", NULL);
	stop(&api, &doors);
	/* Threads that wait on sockets end with the process; the database is consistent at every moment. */
	_exit(0);
}
