/* The walk of packets through a small world, one change at a time: what is in the way is
 * told by AWS's codes, all that is. */
#include "api/gateway_endpoint.h"
#include "tests/unit/api_vpc_fixture.h"

#include "api/interface.h"
#include "api/reach.h"
#include "api/reach_rule.h"
#include "api/reconciler.h"
#include "api/state.h"
#include "api/why.h"

#define MAX_NAMES 40

/* Two peered VPCs. In the first "web" (public subnet, elastic address), "app" (the same subnet,
 * none), "db" (private subnet behind a NAT gateway); in the second "peer"; in a third, alone,
 * "lone". All groups let TCP 22 in. Names are looked up in JSON with a $ before them. */
struct world {
	struct fixture *f;
	struct { char name[24]; char *id; } names[MAX_NAMES];
	size_t n;
};

static void name(struct world *w, const char *what, char *id)
{
	assert_true(w->n < MAX_NAMES);
	snprintf(w->names[w->n].name, sizeof(w->names[0].name), "%s", what);
	w->names[w->n++].id = id;
}

static const char *id_of(const struct world *w, const char *what, size_t len)
{
	for (size_t i = 0; i < w->n; i++)
		if (strlen(w->names[i].name) == len && strncmp(w->names[i].name, what, len) == 0)
			return w->names[i].id;
	return NULL;
}

/* The text with each $name replaced. Allocated. */
static char *expand(const struct world *w, const char *text)
{
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);

	while (*text) {
		size_t n = *text == '$' ? strspn(text + 1, "abcdefghijklmnopqrstuvwxyz_") : 0;
		const char *id = n ? id_of(w, text + 1, n) : NULL;

		if (id)
			fputs(id, f);
		else
			fputc(*text, f);
		text += id ? n + 1 : 1;
	}
	fclose(f);
	return out;
}

static void call(struct world *w, const char *action, const char *in)
{
	mc_autofree char *text = expand(w, in);

	fixture_ok(w->f, action, text);
}

static void make(struct world *w, const char *what, const char *action, const char *in, const char *object, const char *member)
{
	call(w, action, in);
	name(w, what, answered(w->f, object, member));
}

static void make_group(struct world *w, const char *what, const char *vpc)
{
	mc_autofree char *in = mc_strf("{'GroupName': '%s', 'Description': 'd', 'VpcId': '$%s'}", what, vpc);
	mc_autofree char *ssh = mc_strf("{'GroupId': '$%s', 'IpProtocol': 'tcp', 'FromPort': 22, 'ToPort': 22, 'CidrIp': '0.0.0.0/0'}", what);

	make(w, what, "CreateSecurityGroup", in, NULL, "GroupId");
	call(w, "AuthorizeSecurityGroupIngress", ssh);
}

/* A running instance with one interface, which is named with "_eni" behind. */
static void make_instance(struct world *w, const char *what, const char *subnet, const char *group)
{
	mc_autofree char *in = mc_strf("{'SubnetId': '$%s', 'Groups': ['$%s']}", subnet, group), *eni_name = mc_strf("%s_eni", what);
	struct store_tx *tx;
	struct resource *r;

	make(w, eni_name, "CreateNetworkInterface", in, "NetworkInterface", "NetworkInterfaceId");
	tx = store_write(w->f->api.store);
	r = store_insert(tx, KIND_INSTANCE, FIXTURE_ACCOUNT, FIXTURE_REGION);
	json_object_update_new(r->doc, json_pack("{s:s}", "InstanceType", "t3.nano"));
	json_object_update_new(r->spec, json_pack("{s:[], s:[]}", "enis", "volumes"));
	state_init(r, INSTANCE_RUNNING);
	interface_attach(tx, store_edit(tx, w->names[w->n - 1].id), r, 0, true);
	name(w, what, mc_strdup(r->id));
	assert_int_equal(store_commit(tx, NULL), 0);
}

static void make_place(struct world *w, int i, const char *vpc)
{
	mc_autofree char *cidr = mc_strf("{'CidrBlock': '10.%d.0.0/16'}", i), *pub = mc_strf("%s_pub", vpc), *priv = mc_strf("%s_priv", vpc);

	make(w, vpc, "CreateVpc", cidr, "Vpc", "VpcId");
	for (int k = 1; k <= 2; k++) {
		mc_autofree char *subnet = mc_strf("{'VpcId': '$%s', 'CidrBlock': '10.%d.%d.0/24'}", vpc, i, k);

		make(w, k == 1 ? pub : priv, "CreateSubnet", subnet, "Subnet", "SubnetId");
	}
	waiters_confirm(w->f->api.waiters, id_of(w, vpc, strlen(vpc)), 1000);
}

static void settle(struct world *w, const char *what, step_fn *step)
{
	int64_t delay;

	while (step(&w->f->api, id_of(w, what, strlen(what)), &delay, NULL) == STEP_AGAIN)
		;
}

static void make_first(struct world *w)
{
	make_place(w, 0, "a");
	make(w, "igw", "CreateInternetGateway", "{}", "InternetGateway", "InternetGatewayId");
	call(w, "AttachInternetGateway", "{'InternetGatewayId': '$igw', 'VpcId': '$a'}");
	make(w, "pub_rtb", "CreateRouteTable", "{'VpcId': '$a'}", "RouteTable", "RouteTableId");
	make(w, "priv_rtb", "CreateRouteTable", "{'VpcId': '$a'}", "RouteTable", "RouteTableId");
	make(w, "gw_rtb", "CreateRouteTable", "{'VpcId': '$a'}", "RouteTable", "RouteTableId");
	call(w, "AssociateRouteTable", "{'RouteTableId': '$pub_rtb', 'SubnetId': '$a_pub'}");
	call(w, "AssociateRouteTable", "{'RouteTableId': '$priv_rtb', 'SubnetId': '$a_priv'}");
	call(w, "CreateRoute", "{'RouteTableId': '$pub_rtb', 'DestinationCidrBlock': '0.0.0.0/0', 'GatewayId': '$igw'}");
	make(w, "nat_eip", "AllocateAddress", "{'Address': '203.0.113.20'}", NULL, "AllocationId");
	make(w, "nat", "CreateNatGateway", "{'SubnetId': '$a_pub', 'AllocationId': '$nat_eip'}", "NatGateway", "NatGatewayId");
	settle(w, "nat", step_nat_gateway);
	call(w, "CreateRoute", "{'RouteTableId': '$priv_rtb', 'DestinationCidrBlock': '0.0.0.0/0', 'NatGatewayId': '$nat'}");
	make_group(w, "asg", "a");
	make_group(w, "dbsg", "a");
	make_instance(w, "web", "a_pub", "asg");
	make_instance(w, "app", "a_pub", "asg");
	make_instance(w, "db", "a_priv", "dbsg");
	make(w, "eip", "AllocateAddress", "{'Address': '203.0.113.10'}", NULL, "AllocationId");
	call(w, "AssociateAddress", "{'AllocationId': '$eip', 'InstanceId': '$web'}");
}

static void make_second(struct world *w)
{
	make_place(w, 1, "b");
	make_group(w, "bsg", "b");
	make_instance(w, "peer", "b_pub", "bsg");
	make(w, "b_rtb", "CreateRouteTable", "{'VpcId': '$b'}", "RouteTable", "RouteTableId");
	call(w, "AssociateRouteTable", "{'RouteTableId': '$b_rtb', 'SubnetId': '$b_pub'}");
	make(w, "pcx", "CreateVpcPeeringConnection", "{'VpcId': '$a', 'PeerVpcId': '$b'}", "VpcPeeringConnection", "VpcPeeringConnectionId");
	settle(w, "pcx", step_peering);
	call(w, "AcceptVpcPeeringConnection", "{'VpcPeeringConnectionId': '$pcx'}");
	call(w, "CreateRoute", "{'RouteTableId': '$pub_rtb', 'DestinationCidrBlock': '10.1.0.0/16', 'VpcPeeringConnectionId': '$pcx'}");
	call(w, "CreateRoute", "{'RouteTableId': '$b_rtb', 'DestinationCidrBlock': '10.0.0.0/16', 'VpcPeeringConnectionId': '$pcx'}");
	make_place(w, 2, "c");
	make_group(w, "csg", "c");
	make_instance(w, "lone", "c_pub", "csg");
}

static int setup(void **state)
{
	struct world *w = mc_alloc(sizeof(*w));
	struct store_tx *tx;

	fixture_setup(state);
	w->f = *state;
	w->f->api.config.quota_vpcs = 10;
	make_first(w);
	make_second(w);
	tx = store_write(w->f->api.store);
	gateway_endpoint_offer(tx, FIXTURE_ACCOUNT, FIXTURE_REGION);
	assert_int_equal(store_commit(tx, NULL), 0);
	make(w, "acl", "CreateNetworkAcl", "{'VpcId': '$a'}", "NetworkAcl", "NetworkAclId");
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	void *f = w->f;

	for (size_t i = 0; i < w->n; i++)
		free(w->names[i].id);
	free(w);
	return fixture_teardown(&f);
}

/* --- asking --------------------------------------------------------------------- */

/* The codes in order, with commas between, those of the answer's way with a < before. Allocated. */
static char *codes_of(const struct reach_answer *a)
{
	char *text = mc_strdup("");
	size_t i;
	json_t *one;

	json_array_foreach(a->explanations, i, one) {
		char *longer = mc_strf("%s%s%s%s", text, *text ? "," : "", mc_json_bool(one, REACH_RETURNING, false) ? "<" : "",
				       mc_json_str(one, "ExplanationCode", "?"));

		free(text);
		text = longer;
	}
	return text;
}

/* Everything found has words, and what they speak of has a name. */
static void check_words(const struct reach_question *q, const struct reach_answer *a)
{
	size_t i;
	json_t *one;

	json_array_foreach(a->explanations, i, one) {
		mc_autofree char *text = why_text(q, one), *remedy = why_remedy(q, one);

		if (strchr(text, '?') || strcmp(text, mc_json_str(one, "ExplanationCode", "")) == 0 || (remedy && strchr(remedy, '?')))
			fail_msg("'%s', '%s'", text, remedy ? remedy : "");
	}
}

/* Interfaces are shown with their place, as AWS shows them. */
static void check_places(const json_t *list)
{
	size_t i;
	json_t *one;

	json_array_foreach(list, i, one) {
		const char *code = mc_json_str(one, "ExplanationCode", ""), *id = mc_json_str(mc_json_obj(one, "Component"), "Id", "");

		if (strcmp(code, "ENI_SG_RULES_MISMATCH") != 0 && strcmp(code, "SG_HAS_NO_RULES") != 0 && strncmp(id, "eni-", 4) != 0)
			continue;
		assert_memory_equal(mc_json_str(mc_json_obj(one, "Subnet"), "Id", ""), "subnet-", 7);
		assert_memory_equal(mc_json_str(mc_json_obj(one, "Vpc"), "Id", ""), "vpc-", 4);
	}
}

/* From and to: a name, "" for the internet, or (to) an address. */
static void expect(struct world *w, const char *from, const char *to, enum reach_protocol protocol, int port, const char *codes, const char *what)
{
	struct store_tx *tx = store_read(w->f->api.store);
	struct reach_question q = {
		.source = store_get(tx, id_of(w, from, strlen(from))), .destination = store_get(tx, id_of(w, to, strlen(to))),
		.destination_ip = reach_ip(to), .protocol = protocol, .port = port,
	};
	struct reach_answer a;
	mc_autofree char *got = NULL;

	reach_analyse(tx, &q, &a);
	got = codes_of(&a);
	check_words(&q, &a);
	check_places(a.explanations);
	check_places(a.forward);
	check_places(a.back);
	if (strcmp(got, codes) != 0)
		fail_msg("%s: %s to %s port %d: '%s', not '%s'", what, from, to, port, got, codes);
	assert_int_equal(a.found, !*codes);
	assert_true(!a.found || json_array_size(a.back) > 0);
	reach_answer_deinit(&a);
	store_end(tx);
}

/* --- the table -------------------------------------------------------------------- */

struct change {
	const char *action, *in;
};

#define SG(verb, dir, group, protocol, from, to, cidr) \
	{ verb "SecurityGroup" dir, "{'GroupId': '$" group "', 'IpPermissions': [{'IpProtocol': '" protocol "', 'FromPort': " #from \
	  ", 'ToPort': " #to ", 'IpRanges': [{'CidrIp': '" cidr "'}]}]}" }
#define NO_EGRESS(group) { "RevokeSecurityGroupEgress", "{'GroupId': '$" group "', 'IpPermissions': [{'IpProtocol': '-1', 'IpRanges': [{'CidrIp': '0.0.0.0/0'}]}]}" }
#define ACL(number, egress, protocol, from, to, cidr, action) \
	{ "CreateNetworkAclEntry", "{'NetworkAclId': '$acl', 'RuleNumber': " #number ", 'Egress': " #egress ", 'Protocol': '" protocol \
	  "', 'RuleAction': '" action "', 'CidrBlock': '" cidr "', 'PortRange': {'From': " #from ", 'To': " #to "}}" }
#define ALL_IN ACL(100, false, "-1", 0, 65535, "0.0.0.0/0", "allow")
#define ALL_OUT ACL(100, true, "-1", 0, 65535, "0.0.0.0/0", "allow")
#define GATEWAY(table) { "CreateVpcEndpoint", "{'VpcId': '$a', 'ServiceName': 'com.amazonaws.us-east-1.ec2', 'RouteTableIds': ['$" table "']}" }
#define ON_PUB { "@acl", "a_pub" }
#define ON_PRIV { "@acl", "a_priv" }

static const struct row {
	const char *what;
	struct change changes[5];
	const char *from, *to;
	int port;
	const char *codes;
} rows[] = {
	{ "same subnet", { { 0 } }, "web", "app", 22, "" },
	{ "other subnet", { { 0 } }, "web", "db", 22, "" },
	{ "the other way", { { 0 } }, "db", "web", 22, "" },
	{ "a closed port", { { 0 } }, "web", "db", 23, "ENI_SG_RULES_MISMATCH" },
	{ "peer", { { 0 } }, "web", "peer", 22, "" },
	{ "from the peer", { { 0 } }, "peer", "web", 22, "" },
	{ "from the peer to a subnet without a way back", { { 0 } }, "peer", "db", 22, "<NO_POSSIBLE_DESTINATION" },
	{ "to the peer by the NAT gateway", { { 0 } }, "db", "peer", 22, "" },
	{ "a VPC apart", { { 0 } }, "web", "lone", 22, "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS" },
	{ "nothing routed", { { 0 } }, "lone", "web", 22, "NO_ROUTE_TO_DESTINATION" },
	{ "in from outside", { { 0 } }, "", "web", 22, "" },
	{ "in from outside, no address", { { 0 } }, "", "app", 22, "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS" },
	{ "in from outside, no gateway", { { 0 } }, "", "lone", 22, "BAD_STATE_ATTACHMENT,IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS" },
	{ "in from outside, off", { { "@stop", "app" } }, "", "app", 22, "BAD_STATE,IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS" },
	{ "out with an address", { { 0 } }, "web", "8.8.8.8", 443, "" },
	{ "out without", { { 0 } }, "app", "8.8.8.8", 443, "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS" },
	{ "out by the NAT gateway", { { 0 } }, "db", "8.8.8.8", 443, "" },
	{ "out to the gateway as an end", { { 0 } }, "db", "igw", 443, "" },
	{ "in by the NAT gateway", { { 0 } }, "", "203.0.113.20", 22, "NO_POSSIBLE_DESTINATION" },
	{ "by its public address", { { 0 } }, "db", "203.0.113.10", 22, "" },
	{ "by its own public address", { { 0 } }, "web", "203.0.113.10", 22, "" },
	{ "nobody's address inside", { { 0 } }, "web", "10.0.2.200", 22, "NO_POSSIBLE_DESTINATION" },
	{ "no egress", { NO_EGRESS("asg") }, "web", "db", 22, "SG_HAS_NO_RULES" },
	{ "no egress is no matter for answers", { NO_EGRESS("asg") }, "db", "web", 22, "" },
	{ "other egress", { NO_EGRESS("asg"), SG("Authorize", "Egress", "asg", "tcp", 80, 80, "0.0.0.0/0") }, "web", "db", 22, "ENI_SG_RULES_MISMATCH" },
	{ "no ingress", { SG("Revoke", "Ingress", "dbsg", "tcp", 22, 22, "0.0.0.0/0") }, "web", "db", 22, "SG_HAS_NO_RULES" },
	{ "both groups", { NO_EGRESS("asg"), SG("Revoke", "Ingress", "dbsg", "tcp", 22, 22, "0.0.0.0/0") }, "web", "db", 22, "SG_HAS_NO_RULES,SG_HAS_NO_RULES" },
	{ "a range of ports", { SG("Authorize", "Ingress", "dbsg", "tcp", 8000, 9000, "10.0.1.0/24") }, "web", "db", 9000, "" },
	{ "beside the block", { SG("Authorize", "Ingress", "dbsg", "tcp", 8000, 9000, "10.0.3.0/24") }, "web", "db", 9000, "ENI_SG_RULES_MISMATCH" },
	{ "another protocol", { SG("Authorize", "Ingress", "dbsg", "udp", 9000, 9000, "0.0.0.0/0") }, "web", "db", 9000, "ENI_SG_RULES_MISMATCH" },
	{ "a group as the source",
	  { { "AuthorizeSecurityGroupIngress", "{'GroupId': '$dbsg', 'IpPermissions': [{'IpProtocol': 'tcp', 'FromPort': 99, 'ToPort': 99, 'UserIdGroupPairs': [{'GroupId': '$asg'}]}]}" } },
	  "web", "db", 99, "" },
	{ "another group as the source",
	  { { "AuthorizeSecurityGroupIngress", "{'GroupId': '$dbsg', 'IpPermissions': [{'IpProtocol': 'tcp', 'FromPort': 99, 'ToPort': 99, 'UserIdGroupPairs': [{'GroupId': '$dbsg'}]}]}" } },
	  "web", "db", 99, "ENI_SG_RULES_MISMATCH" },
	{ "the peer's group as the source",
	  { { "AuthorizeSecurityGroupIngress", "{'GroupId': '$bsg', 'IpPermissions': [{'IpProtocol': 'tcp', 'FromPort': 99, 'ToPort': 99, 'UserIdGroupPairs': [{'GroupId': '$asg'}]}]}" } },
	  "web", "peer", 99, "" },
	{ "some out there may come in", { SG("Revoke", "Ingress", "asg", "tcp", 22, 22, "0.0.0.0/0"), SG("Authorize", "Ingress", "asg", "tcp", 22, 22, "192.0.2.0/24") }, "", "web", 22, "" },
	{ "only those inside may", { SG("Revoke", "Ingress", "asg", "tcp", 22, 22, "0.0.0.0/0"), SG("Authorize", "Ingress", "asg", "tcp", 22, 22, "10.0.0.0/8") }, "", "web", 22, "ENI_SG_RULES_MISMATCH" },
	{ "an empty ACL at the source", { ON_PUB }, "web", "db", 22, "SUBNET_ACL_RESTRICTION,<SUBNET_ACL_RESTRICTION" },
	{ "an empty ACL in one subnet", { ON_PUB }, "web", "app", 22, "" },
	{ "an open ACL", { ALL_IN, ALL_OUT, ON_PUB }, "web", "db", 22, "" },
	{ "no answers out", { ALL_IN, ACL(90, true, "6", 1024, 65535, "0.0.0.0/0", "deny"), ALL_OUT, ON_PRIV }, "web", "db", 22, "<SUBNET_ACL_RESTRICTION" },
	{ "answers' ports alone", { ACL(100, false, "6", 22, 22, "0.0.0.0/0", "allow"), ACL(100, true, "6", 1024, 65535, "0.0.0.0/0", "allow"), ON_PRIV }, "web", "db", 22, "" },
	{ "half the answers' ports", { ACL(100, false, "6", 22, 22, "0.0.0.0/0", "allow"), ACL(100, true, "6", 49152, 65535, "0.0.0.0/0", "allow"), ON_PRIV }, "web", "db", 22, "<SUBNET_ACL_RESTRICTION" },
	{ "the lower number counts", { ACL(80, false, "6", 22, 22, "10.0.1.0/24", "deny"), ALL_IN, ALL_OUT, ON_PRIV }, "web", "db", 22, "SUBNET_ACL_RESTRICTION" },
	{ "a deny for others", { ACL(80, false, "6", 22, 22, "10.0.3.0/24", "deny"), ALL_IN, ALL_OUT, ON_PRIV }, "web", "db", 22, "" },
	{ "the ACL around the NAT gateway", { ALL_OUT, ACL(100, false, "6", 443, 443, "0.0.0.0/0", "allow"), ON_PUB }, "db", "8.8.8.8", 443, "<SUBNET_ACL_RESTRICTION" },
	{ "no route out", { { "DeleteRoute", "{'RouteTableId': '$pub_rtb', 'DestinationCidrBlock': '0.0.0.0/0'}" } }, "web", "8.8.8.8", 443, "NO_ROUTE_TO_DESTINATION" },
	{ "no route for the answer", { { "DeleteRoute", "{'RouteTableId': '$pub_rtb', 'DestinationCidrBlock': '0.0.0.0/0'}" } }, "", "web", 22, "<NO_ROUTE_TO_DESTINATION" },
	{ "no route to the peer", { { "DeleteRoute", "{'RouteTableId': '$pub_rtb', 'DestinationCidrBlock': '10.1.0.0/16'}" } }, "web", "peer", 22, "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS" },
	{ "no route back from the peer", { { "DeleteRoute", "{'RouteTableId': '$b_rtb', 'DestinationCidrBlock': '10.0.0.0/16'}" } }, "web", "peer", 22, "<NO_ROUTE_TO_DESTINATION" },
	{ "the peering is gone", { { "DeleteVpcPeeringConnection", "{'VpcPeeringConnectionId': '$pcx'}" } }, "web", "peer", 22, "BAD_STATE_ROUTE" },
	{ "the NAT gateway is gone", { { "DeleteNatGateway", "{'NatGatewayId': '$nat'}" } }, "db", "8.8.8.8", 443, "BAD_STATE_ROUTE" },
	{ "no elastic address any more", { { "DisassociateAddress", "{'PublicIp': '203.0.113.10'}" } }, "", "web", 22, "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS" },
	{ "no transit by the peer",
	  { { "CreateRoute", "{'RouteTableId': '$b_rtb', 'DestinationCidrBlock': '0.0.0.0/0', 'VpcPeeringConnectionId': '$pcx'}" } },
	  "peer", "8.8.8.8", 443, "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR" },
	{ "a local route by way of an instance, checked", { { "ReplaceRoute", "{'RouteTableId': '$priv_rtb', 'DestinationCidrBlock': '10.0.0.0/16', 'NetworkInterfaceId': '$app_eni'}" } },
	  "db", "web", 22, "ENI_SOURCE_DEST_CHECK_RESTRICTION" },
	{ "a local route by way of an instance",
	  { { "ReplaceRoute", "{'RouteTableId': '$priv_rtb', 'DestinationCidrBlock': '10.0.0.0/16', 'NetworkInterfaceId': '$app_eni'}" },
	    { "ModifyNetworkInterfaceAttribute", "{'NetworkInterfaceId': '$app_eni', 'SourceDestCheck': {'Value': false}}" } }, "db", "web", 22, "" },
	{ "in by the gateway's route table",
	  { { "AssociateRouteTable", "{'RouteTableId': '$gw_rtb', 'GatewayId': '$igw'}" },
	    { "CreateRoute", "{'RouteTableId': '$gw_rtb', 'DestinationCidrBlock': '10.0.1.0/24', 'NetworkInterfaceId': '$db_eni'}" },
	    { "ModifyNetworkInterfaceAttribute", "{'NetworkInterfaceId': '$db_eni', 'SourceDestCheck': {'Value': false}}" } }, "", "web", 22, "" },
	{ "in by the gateway's route table, to a closed appliance",
	  { { "AssociateRouteTable", "{'RouteTableId': '$gw_rtb', 'GatewayId': '$igw'}" },
	    { "CreateRoute", "{'RouteTableId': '$gw_rtb', 'DestinationCidrBlock': '10.0.1.0/24', 'NetworkInterfaceId': '$db_eni'}" },
	    { "ModifyNetworkInterfaceAttribute", "{'NetworkInterfaceId': '$db_eni', 'SourceDestCheck': {'Value': false}}" },
	    SG("Revoke", "Ingress", "dbsg", "tcp", 22, 22, "0.0.0.0/0") }, "", "web", 22, "SG_HAS_NO_RULES" },
	{ "an instance as the router, checked",
	  { { "ReplaceRoute", "{'RouteTableId': '$priv_rtb', 'DestinationCidrBlock': '0.0.0.0/0', 'NetworkInterfaceId': '$web_eni'}" },
	    SG("Authorize", "Ingress", "asg", "-1", -1, -1, "10.0.0.0/16") },
	  "db", "8.8.8.8", 443, "ENI_SOURCE_DEST_CHECK_RESTRICTION" },
	{ "the router's guest must translate",
	  { { "ReplaceRoute", "{'RouteTableId': '$priv_rtb', 'DestinationCidrBlock': '0.0.0.0/0', 'NetworkInterfaceId': '$web_eni'}" },
	    SG("Authorize", "Ingress", "asg", "-1", -1, -1, "10.0.0.0/16"),
	    { "ModifyNetworkInterfaceAttribute", "{'NetworkInterfaceId': '$web_eni', 'SourceDestCheck': {'Value': false}}" } },
	  "db", "8.8.8.8", 443, "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS" },
	{ "to a service by its gateway endpoint", { GATEWAY("priv_rtb") }, "db", "198.19.255.1", 80, "" },
	{ "no groups let it out", { GATEWAY("priv_rtb"), NO_EGRESS("dbsg") }, "db", "198.19.255.1", 80, "SG_HAS_NO_RULES" },
	{ "no answers from the service come in", { GATEWAY("priv_rtb"), ALL_OUT, ON_PRIV }, "db", "198.19.255.1", 80, "<SUBNET_ACL_RESTRICTION" },
	{ "another table's gateway endpoint", { GATEWAY("priv_rtb") }, "app", "198.19.255.1", 80, "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS" },
	{ "stopped", { { "@stop", "db" } }, "web", "db", 22, "BAD_STATE" },
	{ "stopped source", { { "@stop", "web" } }, "web", "db", 22, "BAD_STATE" },
};

static void set_acl(struct world *w, const char *subnet)
{
	mc_autofree char *id = NULL, *find = expand(w, "{'Filters': [{'Name': 'vpc-id', 'Values': ['$a']}, {'Name': 'default', 'Values': ['true']}]}");
	const char *wanted = id_of(w, subnet, strlen(subnet));
	size_t i;
	json_t *a;

	fixture_ok(w->f, "DescribeNetworkAcls", find);
	json_array_foreach(mc_json_arr(json_array_get(fixture_list(w->f, "NetworkAcls"), 0), "Associations"), i, a)
		if (strcmp(mc_json_str(a, "SubnetId", ""), wanted) == 0)
			id = mc_strf("{'AssociationId': '%s', 'NetworkAclId': '$acl'}", mc_json_str(a, "NetworkAclAssociationId", ""));
	assert_non_null(id);
	call(w, "ReplaceNetworkAclAssociation", id);
}

static void apply(struct world *w, const struct change *c)
{
	struct store_tx *tx;

	if (strcmp(c->action, "@acl") == 0) {
		set_acl(w, c->in);
	} else if (strcmp(c->action, "@stop") == 0) {
		tx = store_write(w->f->api.store);
		store_edit(tx, id_of(w, c->in, strlen(c->in)))->state = INSTANCE_STOPPED;
		assert_int_equal(store_commit(tx, NULL), 0);
	} else {
		call(w, c->action, c->in);
	}
}

static void table(void **state)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		void *fresh = NULL;

		setup(&fresh);
		for (size_t k = 0; k < MC_ARRAY_SIZE(rows[i].changes) && rows[i].changes[k].action; k++)
			apply(fresh, &rows[i].changes[k]);
		expect(fresh, rows[i].from, rows[i].to, REACH_TCP, rows[i].port, rows[i].codes, rows[i].what);
		teardown(&fresh);
	}
	(void)state;
}

static void echo(void **state)
{
	struct world *w = *state;

	expect(w, "web", "db", REACH_ICMP, 0, "ENI_SG_RULES_MISMATCH", "no ping");
	apply(w, &(struct change)SG("Authorize", "Ingress", "dbsg", "icmp", 8, -1, "0.0.0.0/0"));
	expect(w, "web", "db", REACH_ICMP, 0, "", "ping");
	set_acl(w, "a_priv");
	apply(w, &(struct change){ "CreateNetworkAclEntry", "{'NetworkAclId': '$acl', 'RuleNumber': 1, 'Egress': false, 'Protocol': '1', 'RuleAction': "
				   "'allow', 'CidrBlock': '0.0.0.0/0', 'IcmpTypeCode': {'Type': 8, 'Code': -1}}" });
	expect(w, "web", "db", REACH_ICMP, 0, "<SUBNET_ACL_RESTRICTION", "no echo reply");
}

/* The API behind a gateway endpoint speaks HTTP. */
static void service(void **state)
{
	struct world *w = *state;

	apply(w, &(struct change)GATEWAY("priv_rtb"));
	expect(w, "db", "198.19.255.1", REACH_TCP, 80, "", "HTTP");
	expect(w, "db", "198.19.255.1", REACH_UDP, 53, "VPCE_GATEWAY_PROTOCOL_RESTRICTION", "UDP");
	expect(w, "db", "198.19.255.1", REACH_ICMP, 0, "VPCE_GATEWAY_PROTOCOL_RESTRICTION", "ping");
}

/* --- the actions ------------------------------------------------------------------ */

static void analyser(void **state)
{
	struct world *w = *state;
	const json_t *a;

	make(w, "path", "CreateNetworkInsightsPath", "{'Source': '$igw', 'Destination': '$web', 'Protocol': 'tcp', 'DestinationPort': 22, 'ClientToken': 'x'}",
	     "NetworkInsightsPath", "NetworkInsightsPathId");
	make(w, "one", "StartNetworkInsightsAnalysis", "{'NetworkInsightsPathId': '$path', 'ClientToken': 'x'}", "NetworkInsightsAnalysis", "NetworkInsightsAnalysisId");
	call(w, "DescribeNetworkInsightsAnalyses", "{'NetworkInsightsPathId': '$path'}");
	a = json_array_get(fixture_list(w->f, "NetworkInsightsAnalyses"), 0);
	assert_string_equal(mc_json_str(a, "Status", ""), "succeeded");
	assert_true(mc_json_bool(a, "NetworkPathFound", false));
	assert_int_equal(json_array_size(mc_json_arr(a, "ForwardPathComponents")), 4); /* gateway, ACL, group, interface */
	call(w, "RevokeSecurityGroupIngress", "{'GroupId': '$asg', 'IpProtocol': 'tcp', 'FromPort': 22, 'ToPort': 22, 'CidrIp': '0.0.0.0/0'}");
	make(w, "two", "StartNetworkInsightsAnalysis", "{'NetworkInsightsPathId': '$path', 'ClientToken': 'y'}", "NetworkInsightsAnalysis", "NetworkInsightsAnalysisId");
	a = mc_json_obj(w->f->call.out, "NetworkInsightsAnalysis");
	assert_false(mc_json_bool(a, "NetworkPathFound", true));
	a = json_array_get(mc_json_arr(a, "Explanations"), 0);
	assert_string_equal(mc_json_str(a, "ExplanationCode", ""), "SG_HAS_NO_RULES");
	assert_null(json_object_get(a, REACH_HEADER));
	{
		mc_autofree char *del = expand(w, "{'NetworkInsightsPathId': '$path'}");

		fixture_fails(w->f, "DeleteNetworkInsightsPath", del, "AnalysisExistsForNetworkInsightsPath");
		call(w, "DeleteNetworkInsightsAnalysis", "{'NetworkInsightsAnalysisId': '$one'}");
		call(w, "DeleteNetworkInsightsAnalysis", "{'NetworkInsightsAnalysisId': '$two'}");
		call(w, "DeleteNetworkInsightsPath", "{'NetworkInsightsPathId': '$path'}");
		fixture_fails(w->f, "DeleteNetworkInsightsPath", del, "InvalidNetworkInsightsPathId.NotFound");
	}
}

/* Ask the page as the client does: what it returned. */
static int ask(struct world *w, const char *in)
{
	struct fixture *f = w->f;
	mc_autofree char *text = expand(w, in);
	int r;

	fixture_clear(f);
	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	f->in = json_loads(text, 0, NULL);
	assert_non_null(f->in);
	f->call.in = f->in;
	f->call.tx = store_read(f->api.store);
	r = page_why.fn(&f->call);
	store_end(f->call.tx);
	f->call.tx = NULL;
	return r;
}

static void page(void **state)
{
	struct world *w = *state;
	const json_t *problem;

	call(w, "CreateTags", "{'Resources': ['$web', '$db'], 'Tags': [{'Key': 'Name', 'Value': 'both'}]}");
	call(w, "CreateTags", "{'Resources': ['$db'], 'Tags': [{'Key': 'Name', 'Value': 'data'}]}");
	assert_int_equal(ask(w, "{'source': 'internet', 'destination': 'both', 'port': '22'}"), 0);
	assert_true(mc_json_bool(w->f->call.out, "reachable", false));
	assert_int_equal(ask(w, "{'source': 'internet', 'destination': '203.0.113.10', 'port': '22'}"), 0);
	assert_true(mc_json_bool(w->f->call.out, "reachable", false));
	assert_int_equal(ask(w, "{'source': 'data', 'destination': '8.8.8.8', 'port': '53', 'protocol': 'udp'}"), 0);
	assert_true(mc_json_bool(w->f->call.out, "reachable", false));
	assert_int_equal(ask(w, "{'source': '$web', 'destination': '$db_eni'}"), 0);
	assert_false(mc_json_bool(w->f->call.out, "reachable", true));
	problem = json_array_get(fixture_list(w->f, "problems"), 0);
	assert_non_null(strstr(mc_json_str(problem, "text", ""), "no inbound rule for ping"));
	assert_non_null(strstr(mc_json_str(problem, "remedy", ""), "authorize-security-group-ingress"));
	assert_int_equal(ask(w, "{'source': 'nonsense', 'destination': '$db'}"), 1);
	assert_int_equal(ask(w, "{'source': 'i-12345678', 'destination': '$db'}"), 1);
	assert_int_equal(ask(w, "{'source': '$web', 'destination': '$db', 'port': '65536'}"), 1);
	assert_int_equal(ask(w, "{'source': '$web', 'destination': '$db', 'protocol': 'tcp'}"), 1);
	assert_int_equal(ask(w, "{'source': '$web', 'destination': '$db', 'protocol': 'sctp', 'port': '1'}"), 1);
	call(w, "CreateTags", "{'Resources': ['$db'], 'Tags': [{'Key': 'Name', 'Value': 'both'}]}");
	assert_int_equal(ask(w, "{'source': 'both', 'destination': '$db', 'port': '22'}"), 1);
}

static void refused(void **state)
{
	static const struct { const char *in, *code; } bad[] = {
		{ "{'Source': '$a', 'Destination': '$web', 'Protocol': 'tcp'}", "InvalidParameterValue" },
		{ "{'Source': 'nonsense', 'Destination': '$web', 'Protocol': 'tcp'}", "InvalidParameterValue" },
		{ "{'Source': 'i-12345678', 'Destination': '$web', 'Protocol': 'tcp'}", "InvalidInstanceID.NotFound" },
		{ "{'Source': '$web', 'Protocol': 'tcp'}", "MissingParameter" },
		{ "{'Source': '$web', 'Destination': '$db', 'DestinationIp': '10.0.0.256', 'Protocol': 'tcp'}", "InvalidParameterValue" },
		{ "{'Source': '$web', 'Destination': '$db', 'DestinationPort': 1, 'FilterAtSource': {'DestinationPortRange': {'FromPort': 2, 'ToPort': 2}}, 'Protocol': 'tcp'}", "InvalidParameterCombination" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < MC_ARRAY_SIZE(bad); i++) {
		mc_autofree char *in = expand(w, bad[i].in);

		fixture_fails(w->f, "CreateNetworkInsightsPath", in, bad[i].code);
	}
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(table), WITH(echo), WITH(service), WITH(analyser), WITH(page), WITH(refused) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
