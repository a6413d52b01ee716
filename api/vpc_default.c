/* What every region has for an account at its first use: the default VPC with
 * its furniture (VPC User Guide, "Default VPC components"). */
#include <stdio.h>
#include <string.h>

#include "api/dns_name.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define CIDR "172.31.0.0/16"

struct making {
	struct store_tx *tx;
	const char *account, *region;
	const char *vpc;
};

static struct resource *insert(const struct making *m, enum kind kind)
{
	struct resource *r = store_insert(m->tx, kind, m->account, m->region);

	r->parent = mc_strdup(m->vpc);
	return r;
}

static void make_subnets(const struct making *m)
{
	for (int i = 0; i < 3; i++) {
		struct resource *s = insert(m, KIND_SUBNET);
		mc_autofree char *cidr = mc_strf("172.31.%d.0/20", 16 * i);

		s->az = mc_strf("%s%c", m->region, 'a' + i);
		json_object_update_new(s->doc, json_pack("{s:s, s:s, s:b, s:b, s:b, s:b}", "CidrBlock", cidr, "VpcId", m->vpc,
			"DefaultForAz", 1, "MapPublicIpOnLaunch", 1, "AssignIpv6AddressOnCreation", 0, "EnableDns64", 0));
	}
}

static const char *make_gateway(const struct making *m)
{
	struct resource *igw = insert(m, KIND_INTERNET_GATEWAY);

	json_object_update_new(igw->doc, json_pack("{s:[{s:s, s:s}]}", "Attachments", "State", "available", "VpcId", m->vpc));
	return igw->id;
}

static void make_route_table(const struct making *m, const char *igw)
{
	struct resource *t = insert(m, KIND_ROUTE_TABLE);
	char assoc[MC_ID_LEN];

	mc_id_new("rtbassoc", assoc);
	json_object_update_new(t->doc, json_pack("{s:s, s:[], s:[{s:b, s:s, s:s, s:{s:s}}], s:[{s:s, s:s, s:s, s:s}, {s:s, s:s, s:s, s:s}]}",
		"VpcId", m->vpc, "PropagatingVgws", "Associations", "Main", 1, "RouteTableAssociationId", assoc,
		"RouteTableId", t->id, "AssociationState", "State", "associated", "Routes",
		"DestinationCidrBlock", CIDR, "GatewayId", "local", "Origin", "CreateRouteTable", "State", "active",
		"DestinationCidrBlock", "0.0.0.0/0", "GatewayId", igw, "Origin", "CreateRoute", "State", "active"));
}

static json_t *acl_entry(bool egress, int number, const char *action)
{
	return json_pack("{s:s, s:b, s:s, s:s, s:i}", "CidrBlock", "0.0.0.0/0", "Egress", egress, "Protocol", "-1",
			 "RuleAction", action, "RuleNumber", number);
}

static void make_acl(const struct making *m)
{
	struct resource *acl = insert(m, KIND_NETWORK_ACL);
	json_t *entries = json_array(), *assocs = json_array();
	struct store_iter it = store_iter(m->tx, KIND_SUBNET, m->account, m->region);
	const struct resource *s;

	for (int egress = 0; egress < 2; egress++) {
		json_array_append_new(entries, acl_entry(egress, 100, "allow"));
		json_array_append_new(entries, acl_entry(egress, 32767, "deny"));
	}
	while ((s = store_next(&it))) {
		char id[MC_ID_LEN];

		if (strcmp(s->parent, m->vpc) != 0)
			continue;
		mc_id_new("aclassoc", id);
		json_array_append_new(assocs, json_pack("{s:s, s:s, s:s}", "NetworkAclAssociationId", id, "NetworkAclId", acl->id,
							"SubnetId", s->id));
	}
	json_object_update_new(acl->doc, json_pack("{s:s, s:b, s:o, s:o}", "VpcId", m->vpc, "IsDefault", 1, "Entries", entries,
						   "Associations", assocs));
}

static void make_rule(const struct making *m, const struct resource *group, bool egress)
{
	struct resource *rule = store_insert(m->tx, KIND_SECURITY_GROUP_RULE, m->account, m->region);

	rule->parent = mc_strdup(group->id);
	json_object_update_new(rule->doc, json_pack("{s:s, s:b, s:s, s:i, s:i}", "GroupId", group->id, "IsEgress", egress,
						    "IpProtocol", "-1", "FromPort", -1, "ToPort", -1));
	if (egress)
		json_object_set_new(rule->doc, "CidrIpv4", json_string("0.0.0.0/0"));
	else
		json_object_set_new(rule->doc, "ReferencedGroupInfo", json_pack("{s:s, s:s}", "GroupId", group->id, "UserId", m->account));
}

static void make_group(const struct making *m)
{
	struct resource *g = insert(m, KIND_SECURITY_GROUP);

	json_object_update_new(g->doc, json_pack("{s:s, s:s, s:s}", "GroupName", "default", "Description",
						 "default VPC security group", "VpcId", m->vpc));
	make_rule(m, g, false);
	make_rule(m, g, true);
}

static const struct resource *make_dhcp(const struct making *m)
{
	struct resource *d = store_insert(m->tx, KIND_DHCP_OPTIONS, m->account, m->region);
	mc_autofree char *domain = dns_name_domain(m->region);

	json_object_update_new(d->doc, json_pack("{s:[{s:s, s:[{s:s}]}, {s:s, s:[{s:s}]}]}", "DhcpConfigurations", "Key",
		"domain-name", "Values", "Value", domain, "Key", "domain-name-servers", "Values", "Value", "AmazonProvidedDNS"));
	return d;
}

void vpc_create_default(struct store_tx *tx, const char *account, const char *region)
{
	struct resource *vpc = store_insert(tx, KIND_VPC, account, region);
	struct making m = { .tx = tx, .account = account, .region = region, .vpc = vpc->id };
	char assoc[MC_ID_LEN];

	mc_id_new("vpc-cidr-assoc", assoc);
	json_object_update_new(vpc->doc, json_pack("{s:s, s:s, s:s, s:b, s:[{s:s, s:s, s:{s:s}}]}", "CidrBlock", CIDR,
		"DhcpOptionsId", make_dhcp(&m)->id, "InstanceTenancy", "default", "IsDefault", 1, "CidrBlockAssociationSet",
		"AssociationId", assoc, "CidrBlock", CIDR, "CidrBlockState", "State", "associated"));
	json_object_update_new(vpc->spec, json_pack("{s:i, s:b, s:b}", "generation", 1, "enable_dns_support", 1,
						    "enable_dns_hostnames", 1));
	make_subnets(&m);
	make_route_table(&m, make_gateway(&m));
	make_acl(&m);
	make_group(&m);
}
