#include "netd/routes.h"

#include <stddef.h>

#include "netd/arp.h"
#include "netd/doctor.h"
#include "netd/netd.h"
#include "netd/vpc.h"
#include "netd/wanted.h"

static int put_vpc(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return vpc_put(ctx, req->vars[0], req->body, ret_body, err);
}

static int change_rules(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return vpc_change_rules(ctx, req->vars[0], req->body, ret_body, err);
}

static int get_vpc(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return vpc_get(ctx, req->vars[0], ret_body, err);
}

static int list_vpcs(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	(void)req;
	return vpc_list(ctx, ret_body, err);
}

static int delete_vpc(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	(void)ret_body;
	return vpc_delete(ctx, req->vars[0], err);
}

static int plug_eni(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return vpc_plug(ctx, req->vars[0], req->vars[1], ret_body, err);
}

static int get_counters(void *ctx, const struct mc_ipc_request *req, json_t **ret_body,
			mc_err **err)
{
	return vpc_counters(ctx, req->vars[0], ret_body, err);
}

static int get_nat_gateway(void *ctx, const struct mc_ipc_request *req, json_t **ret_body,
			   mc_err **err)
{
	return vpc_nat_gateway(ctx, req->vars[0], req->vars[1], ret_body, err);
}

static int ask_guests(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	return arp_ask(ctx, req->vars[0], ret_body, err);
}

static int flush_flow_logs(void *ctx, const struct mc_ipc_request *req, json_t **ret_body,
			   mc_err **err)
{
	return vpc_flush_flow_logs(ctx, req->vars[0], ret_body, err);
}

static int get_host(void *ctx, const struct mc_ipc_request *req, json_t **ret_body, mc_err **err)
{
	(void)req;
	*ret_body = doctor_report(ctx, err);
	return *ret_body ? MC_IPC_OK : -1;
}

static const struct mc_field no_fields[] = { { .name = NULL } };

const struct mc_ipc_route netd_routes[] = {
	{ "PUT", "/v1/vpcs/{}", { "vpc" }, wanted_fields, put_vpc, NULL, "make the VPC be so" },
	{ "POST", "/v1/vpcs/{}/rules", { "vpc" }, wanted_change_fields, change_rules, NULL,
	  "change single rules of its groups" },
	{ "GET", "/v1/vpcs", { NULL }, NULL, list_vpcs, NULL, "what is there" },
	{ "GET", "/v1/vpcs/{}", { "vpc" }, NULL, get_vpc, NULL, "what is there" },
	{ "DELETE", "/v1/vpcs/{}", { "vpc" }, NULL, delete_vpc, NULL, "remove the VPC" },
	{ "POST", "/v1/vpcs/{}/enis/{}/plug", { "vpc", "eni" }, no_fields, plug_eni, NULL,
	  "take the ENI's tap in" },
	{ "GET", "/v1/vpcs/{}/counters", { "vpc" }, NULL, get_counters, NULL, "bytes by ENI" },
	{ "GET", "/v1/vpcs/{}/nat-gateways/{}", { "vpc", "nat" }, NULL, get_nat_gateway, NULL,
	  "what its draining addresses still carry" },
	{ "POST", "/v1/vpcs/{}/ask", { "vpc" }, no_fields, ask_guests, NULL, "do guests answer to ARP" },
	{ "POST", "/v1/vpcs/{}/flow-logs/flush", { "vpc" }, no_fields, flush_flow_logs, NULL,
	  "write what flow logs saw" },
	{ "GET", "/v1/findings", { NULL }, NULL, get_host, NULL, "the same, under the name that all daemons have" },
	{ "GET", "/v1/host", { NULL }, NULL, get_host, NULL, "forwarding, pool, findings" },
	{ .method = NULL },
};
