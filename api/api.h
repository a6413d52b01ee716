/* The parts of the API daemon, as every part sees them. */
#ifndef MC_API_API_H
#define MC_API_API_H

#include <stdbool.h>

#include "api/memory.h"
#include "api/store.h"

struct api_config {
	char *socket, *listen;        /* unix socket; "127.0.0.1:8775" */
	char *listen_tls;             /* the same with TLS; "": nowhere */
	char *tls_certificate, *tls_key; /* PEM files; "": no TLS */
	char *database, *images_dir, *regions, *log_level, *account;
	char *flow_log_dir;           /* where netd writes flow logs */
	char *public_pool;            /* CIDR of the public addresses */
	char *hypervisor, *netd, *netd_fd, *storaged, *storaged_fd, *hypervisor_fd; /* their sockets */
	char *instance_types;         /* file of the instance types */
	char *ami_aliases;            /* file of the public parameters that name images */
	long quota_instances, quota_groups, quota_rules, quota_addresses, quota_nat_gateways, quota_nat_addresses, stop_timeout, terminate_timeout, workers;
	long quota_vpcs, quota_vpc_cidrs, quota_subnets, quota_route_tables, quota_routes, quota_acls, quota_acl_entries;
	long quota_prefix_lists, quota_peerings, quota_peering_requests, quota_endpoints, quota_gateway_endpoints;
	long counters_interval;
	char *prices;                 /* file of the price list */
	char *sendmail, *mail_from;   /* program, and address of its mails */
	char *webhook_allow;          /* URL prefixes, by commas */
	long budget_interval;         /* s */
	long time_scale;              /* of the meters */
	char *metrics_database;
	long metrics_interval, metrics_days, metrics_mib, quota_metrics;
	bool free_tier;
	bool imds_v1;
	bool operations; /* print them and exit */
};

struct billing;
struct budget_watch;
struct counters;
struct describe_cache;
struct endpoint_servers;
struct feed;
struct reconciler;
struct metadata;
struct metrics;
struct metric_sampler;
struct tls;
struct waiters;

struct api {
	struct api_config config;
	struct store *store;
	struct budget_watch *budgets;
	struct billing *billing;      /* NULL: nothing is metered (tests) */
	struct reconciler *reconciler;
	struct metadata *metadata;
	struct endpoint_servers *endpoints; /* the API inside VPCs */
	struct tls *tls;              /* NULL: no TLS anywhere */
	struct counters *counters;    /* bytes of interfaces */
	struct metrics *metrics;      /* values over time */
	struct metric_sampler *sampler; /* puts them there */
	struct waiters *waiters;
	struct feed *feed;            /* of GET /v1/events */
	struct describe_cache *describe_cache; /* NULL: nothing is kept */
	struct memory memory;
	json_t *types;                /* {"t3.micro": {vcpus, memory_mib, doc}}; never changes */
	json_t *aliases;              /* {parameter: image name}; never changes */
	json_t *accelerator;          /* hypervisor's GET /v1/host as seen at start */
};

/* The configured region names; ends with NULL. */
bool api_region_known(const struct api *api, const char *region);

#endif
