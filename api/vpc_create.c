/* What every VPC and every subnet is born with (VPC User Guide, "VPC basics" and
 * "Default VPC components"). */
#include <string.h>

#include "api/dns_name.h"
#include "api/network_acl.h"
#include "api/route_table.h"
#include "api/vpc.h"
#include "api/zone.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define DEFAULT_CIDR "172.31.0.0/16"

static void make_rule(struct store_tx *tx, const struct resource *group, bool egress)
{
	struct resource *rule = store_insert(tx, KIND_SECURITY_GROUP_RULE, group->account, group->region);

	rule->parent = mc_strdup(group->id);
	json_object_update_new(rule->doc, json_pack("{s:s, s:b, s:s, s:i, s:i}", "GroupId", group->id, "IsEgress", egress,
						    "IpProtocol", "-1", "FromPort", -1, "ToPort", -1));
	if (egress)
		json_object_set_new(rule->doc, "CidrIpv4", json_string("0.0.0.0/0"));
	else
		json_object_set_new(rule->doc, "ReferencedGroupInfo",
				    json_pack("{s:s, s:s}", "GroupId", group->id, "UserId", group->account));
}

static void make_group(struct store_tx *tx, const struct resource *vpc)
{
	struct resource *g = store_insert(tx, KIND_SECURITY_GROUP, vpc->account, vpc->region);

	g->parent = mc_strdup(vpc->id);
	json_object_update_new(g->doc, json_pack("{s:s, s:s, s:s}", "GroupName", "default", "Description",
						 "default VPC security group", "VpcId", vpc->id));
	make_rule(tx, g, false);
	make_rule(tx, g, true);
}

/* The set that new VPCs of the region get: made with the first of them. */
static const struct resource *default_dhcp(struct store_tx *tx, const char *account, const char *region)
{
	struct store_iter it = store_iter(tx, KIND_DHCP_OPTIONS, account, region);
	mc_autofree char *domain = dns_name_domain(region);
	const struct resource *r;
	struct resource *d;

	while ((r = store_next(&it)))
		if (mc_json_bool(r->spec, "default", false))
			return r;
	d = store_insert(tx, KIND_DHCP_OPTIONS, account, region);
	json_object_update_new(d->doc, json_pack("{s:[{s:s, s:[{s:s}]}, {s:s, s:[{s:s}]}]}", "DhcpConfigurations", "Key",
		"domain-name", "Values", "Value", domain, "Key", "domain-name-servers", "Values", "Value", "AmazonProvidedDNS"));
	json_object_set_new(d->spec, "default", json_true());
	return d;
}

json_t *vpc_cidr_association(const char *cidr)
{
	char id[MC_ID_LEN];

	mc_id_new("vpc-cidr-assoc", id);
	return json_pack("{s:s, s:s, s:{s:s}}", "AssociationId", id, "CidrBlock", cidr, "CidrBlockState", "State", "associated");
}

struct resource *vpc_insert(struct store_tx *tx, const char *account, const char *region, const char *cidr, bool is_default)
{
	struct resource *vpc = store_insert(tx, KIND_VPC, account, region);

	json_object_update_new(vpc->doc, json_pack("{s:s, s:s, s:s, s:b, s:[o]}", "CidrBlock", cidr, "DhcpOptionsId",
		default_dhcp(tx, account, region)->id, "InstanceTenancy", "default", "IsDefault", is_default,
		"CidrBlockAssociationSet", vpc_cidr_association(cidr)));
	json_object_update_new(vpc->spec, json_pack("{s:i, s:b, s:b}", "generation", 1, "enable_dns_support", 1,
						    "enable_dns_hostnames", is_default));
	route_table_insert(tx, vpc, true);
	network_acl_insert(tx, vpc, true);
	make_group(tx, vpc);
	return vpc;
}

struct resource *subnet_insert(struct store_tx *tx, const struct resource *vpc, const char *zone, const char *cidr,
			       bool is_default)
{
	struct resource *s = store_insert(tx, KIND_SUBNET, vpc->account, vpc->region);
	const struct resource *acl = network_acl_default(tx, vpc);

	s->parent = mc_strdup(vpc->id);
	s->az = mc_strdup(zone);
	json_object_update_new(s->doc, json_pack("{s:s, s:s, s:b, s:b, s:b, s:b}", "CidrBlock", cidr, "VpcId", vpc->id,
		"DefaultForAz", is_default, "MapPublicIpOnLaunch", is_default, "AssignIpv6AddressOnCreation", 0, "EnableDns64", 0));
	if (acl)
		network_acl_associate(store_edit(tx, acl->id), s->id);
	return s;
}

void internet_gateway_attach(struct resource *igw, const char *vpc)
{
	free(igw->parent);
	igw->parent = mc_strdup(vpc);
	json_object_set_new(igw->doc, "Attachments",
			    vpc ? json_pack("[{s:s, s:s}]", "State", "available", "VpcId", vpc) : json_array());
}

static void add_default_route(struct store_tx *tx, const struct resource *vpc, const char *igw)
{
	struct resource *table = store_edit(tx, route_table_main(tx, vpc)->id);

	json_array_append_new(mc_json_arr(table->doc, "Routes"), json_pack("{s:s, s:s, s:s}", "DestinationCidrBlock", "0.0.0.0/0",
									     "GatewayId", igw, "Origin", "CreateRoute"));
}

const struct resource *vpc_create_default(struct store_tx *tx, const char *account, const char *region)
{
	struct resource *vpc = vpc_insert(tx, account, region, DEFAULT_CIDR, true), *igw;

	for (size_t i = 0; i < strlen(ZONE_LETTERS); i++) {
		mc_autofree char *zone = zone_at(region, i);
		mc_autofree char *cidr = mc_strf("172.31.%zu.0/20", 16 * i);

		subnet_insert(tx, vpc, zone, cidr, true);
	}
	igw = store_insert(tx, KIND_INTERNET_GATEWAY, account, region);
	internet_gateway_attach(igw, vpc->id);
	add_default_route(tx, vpc, igw->id);
	return vpc;
}
