/* VPC peering: who may do what in which state, what time does, what netd is told. */
#include "tests/unit/api_vpc_fixture.h"

#include "api/peering.h"
#include "api/reconciler.h"
#include "common/clock.h"

#define OTHER_ACCOUNT "210987654321"
#define DAY (86400 * MC_SECOND)

static void as(struct fixture *f, const char *account, const char *region)
{
	fixture_as(f, account);
	snprintf(f->caller.region, sizeof(f->caller.region), "%s", region);
}

/* What a worker does with it now. */
static int step(struct fixture *f, const char *id)
{
	int64_t delay = 0;
	int r;

	while ((r = step_peering(&f->api, id, &delay, NULL)) == STEP_AGAIN)
		;
	return r;
}

/* A request from one VPC to another of the same account. Allocated. */
static char *request(struct fixture *f, const char *vpc, const char *peer)
{
	char *id;

	ok2(f, "CreateVpcPeeringConnection", "VpcId", vpc, "PeerVpcId", peer);
	assert_string_equal(mc_json_str(mc_json_obj(mc_json_obj(f->call.out, "VpcPeeringConnection"), "Status"), "Code", ""), "initiating-request");
	id = answered(f, "VpcPeeringConnection", "VpcPeeringConnectionId");
	step(f, id);
	return id;
}

#define ID "VpcPeeringConnectionId"

/* Its status code, as the present caller sees it; "gone" where there is no such. Borrowed. */
static const char *status(struct fixture *f, const char *id)
{
	mc_autofree char *in = mc_strf("{'VpcPeeringConnectionIds': ['%s']}", id);

	if (fixture_call(f, "DescribeVpcPeeringConnections", in) != 0)
		return "gone";
	return mc_json_str(mc_json_obj(json_array_get(fixture_list(f, "VpcPeeringConnections"), 0), "Status"), "Code", "");
}

static void life(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *a = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *b = create_vpc(f, "10.1.0.0/16");
	mc_autofree char *id = request(f, a, b), *until = answered(f, "VpcPeeringConnection", "ExpirationTime");
	const json_t *shown;

	assert_non_null(until);
	assert_string_equal(status(f, id), "pending-acceptance");
	shown = json_array_get(fixture_list(f, "VpcPeeringConnections"), 0);
	assert_non_null(mc_json_str(shown, "ExpirationTime", NULL));
	assert_string_equal(mc_json_str(mc_json_obj(shown, "RequesterVpcInfo"), "CidrBlock", ""), "10.0.0.0/16");
	assert_null(mc_json_str(mc_json_obj(shown, "AccepterVpcInfo"), "CidrBlock", NULL));
	fails2(f, "CreateVpcPeeringConnection", "VpcId", b, "PeerVpcId", a, "VpcPeeringConnectionAlreadyExists");
	fails1(f, "ModifyVpcPeeringConnectionOptions", ID, id, "OperationNotPermitted");
	ok1(f, "AcceptVpcPeeringConnection", ID, id);
	assert_true(fixture_wait(f, a) > 0 && fixture_wait(f, b) > 0);
	assert_string_equal(status(f, id), "active");
	fails1(f, "AcceptVpcPeeringConnection", ID, id, "InvalidStateTransition");
	fails1(f, "RejectVpcPeeringConnection", ID, id, "InvalidStateTransition");
	ok1(f, "DeleteVpcPeeringConnection", ID, id);
	assert_true(fixture_wait(f, a) > 0 && fixture_wait(f, b) > 0);
	assert_string_equal(status(f, id), "deleted");
	fails1(f, "DeleteVpcPeeringConnection", ID, id, "InvalidStateTransition");
	assert_int_equal(step(f, id), STEP_NOT_YET);
	mc_clock_step(DAY, DAY);
	assert_int_equal(step(f, id), STEP_DONE);
	assert_string_equal(status(f, id), "gone");
	fails1(f, "DeleteVpcPeeringConnection", ID, id, "InvalidVpcPeeringConnectionID.NotFound");
}

static void refused(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *a = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *b = create_vpc(f, "10.0.1.0/24");
	mc_autofree char *c = create_vpc(f, "10.2.0.0/16");
	mc_autofree char *overlapping = request(f, a, b);
	mc_autofree char *self = request(f, a, a);
	mc_autofree char *rejected = request(f, a, c);
	mc_autofree char *regional = mc_strf("{'VpcId': '%s', 'PeerVpcId': '%s', 'PeerRegion': 'mars-1'}", a, b);

	assert_string_equal(status(f, overlapping), "failed");
	assert_string_equal(status(f, self), "failed");
	fails1(f, "AcceptVpcPeeringConnection", ID, overlapping, "InvalidStateTransition");
	fails1(f, "DeleteVpcPeeringConnection", ID, overlapping, "InvalidStateTransition");
	ok1(f, "RejectVpcPeeringConnection", ID, rejected);
	assert_string_equal(status(f, rejected), "rejected");
	fails2(f, "CreateVpcPeeringConnection", "VpcId", a, "PeerVpcId", "vpc-12345678", "InvalidVpcID.NotFound");
	fails1(f, "CreateVpcPeeringConnection", "VpcId", a, "MissingParameter");
	fixture_fails(f, "CreateVpcPeeringConnection", regional, "InvalidParameterValue");
	fails1(f, "AcceptVpcPeeringConnection", ID, "x", "InvalidVpcPeeringConnectionId.Malformed");
	f->api.config.quota_peering_requests = 1;
	free(rejected);
	rejected = request(f, a, c);
	fails2(f, "CreateVpcPeeringConnection", "VpcId", c, "PeerVpcId", b, "OutstandingVpcPeeringConnectionLimitExceeded");
	ok1(f, "AcceptVpcPeeringConnection", ID, rejected);
	f->api.config.quota_peerings = 1;
	fails2(f, "CreateVpcPeeringConnection", "VpcId", c, "PeerVpcId", b, "VpcPeeringConnectionsPerVpcLimitExceeded");
}

static void expires(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *a = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *b = create_vpc(f, "10.1.0.0/16");
	mc_autofree char *id = request(f, a, b);

	mc_clock_step(6 * DAY, 6 * DAY);
	assert_int_equal(step(f, id), STEP_NOT_YET);
	assert_string_equal(status(f, id), "pending-acceptance");
	mc_clock_step(DAY + MC_SECOND, DAY + MC_SECOND);
	step(f, id);
	assert_string_equal(status(f, id), "expired");
	fails1(f, "AcceptVpcPeeringConnection", ID, id, "InvalidStateTransition");
	mc_clock_step(2 * DAY + MC_SECOND, 2 * DAY + MC_SECOND);
	assert_int_equal(step(f, id), STEP_DONE);
	assert_string_equal(status(f, id), "gone");
}

/* Between accounts and regions: each sees it where its VPC is, and only the accepter accepts. */
static void between_accounts(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *a = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *b = NULL;
	mc_autofree char *in = NULL;
	mc_autofree char *wrong = NULL;
	mc_autofree char *id = NULL;

	as(f, OTHER_ACCOUNT, "eu-west-1");
	b = create_vpc(f, "10.1.0.0/16");
	as(f, FIXTURE_ACCOUNT, FIXTURE_REGION);
	wrong = mc_strf("{'VpcId': '%s', 'PeerVpcId': '%s', 'PeerOwnerId': '" OTHER_ACCOUNT "'}", a, b);
	in = mc_strf("{'VpcId': '%s', 'PeerVpcId': '%s', 'PeerOwnerId': '" OTHER_ACCOUNT "', 'PeerRegion': 'eu-west-1'}", a, b);
	fixture_ok(f, "CreateVpcPeeringConnection", wrong);
	id = answered(f, "VpcPeeringConnection", ID);
	step(f, id);
	assert_string_equal(status(f, id), "failed"); /* not in this region */
	fixture_ok(f, "CreateVpcPeeringConnection", in);
	free(id);
	id = answered(f, "VpcPeeringConnection", ID);
	fails1(f, "AcceptVpcPeeringConnection", ID, id, "OperationNotPermitted");
	as(f, "333333333333", FIXTURE_REGION);
	assert_string_equal(status(f, id), "gone");
	as(f, OTHER_ACCOUNT, FIXTURE_REGION);
	fails1(f, "AcceptVpcPeeringConnection", ID, id, "InvalidVpcPeeringConnectionID.NotFound");
	as(f, OTHER_ACCOUNT, "eu-west-1");
	fails1(f, "DeleteVpcPeeringConnection", ID, id, "InvalidStateTransition");
	ok1(f, "AcceptVpcPeeringConnection", ID, id); /* although no worker has looked at it */
	assert_string_equal(status(f, id), "active");
	ok1(f, "DeleteVpcPeeringConnection", ID, id);
	as(f, FIXTURE_ACCOUNT, FIXTURE_REGION);
	assert_string_equal(status(f, id), "deleted");
}

static size_t wanted_n(struct fixture *f, const char *vpc, const char *member)
{
	mc_auto_json json_t *doc = wanted_vpc(f, vpc);

	return json_array_size(mc_json_arr(doc, member));
}

static void wanted(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *a = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *b = create_vpc(f, "10.1.0.0/16");
	mc_autofree char *subnet = create_subnet(f, a, "10.0.1.0/24");
	mc_autofree char *id = request(f, a, b);
	mc_autofree char *table = main_table(f, a);
	mc_autofree char *route = mc_strf("{'RouteTableId': '%s', 'DestinationCidrBlock': '10.1.0.0/16', 'VpcPeeringConnectionId': '%s'}", table, id);
	mc_autofree char *show = mc_strf("{'RouteTableIds': ['%s']}", table);
	mc_auto_json json_t *doc = NULL;
	const json_t *one;

	fixture_ok(f, "CreateRoute", route);
	fixture_ok(f, "DescribeRouteTables", show);
	one = json_array_get(mc_json_arr(json_array_get(fixture_list(f, "RouteTables"), 0), "Routes"), 1);
	assert_string_equal(mc_json_str(one, "State", ""), "blackhole");
	assert_int_equal(wanted_n(f, a, "peerings"), 0);
	ok1(f, "AcceptVpcPeeringConnection", ID, id);
	fixture_ok(f, "DescribeRouteTables", show);
	one = json_array_get(mc_json_arr(json_array_get(fixture_list(f, "RouteTables"), 0), "Routes"), 1);
	assert_string_equal(mc_json_str(one, "State", ""), "active");
	doc = wanted_vpc(f, a);
	one = json_array_get(mc_json_arr(doc, "peerings"), 0);
	assert_string_equal(mc_json_str(one, "id", ""), id);
	assert_string_equal(mc_json_str(one, "vpc", ""), b);
	assert_string_equal(mc_json_at(mc_json_arr(one, "cidrs"), 0), "10.1.0.0/16");
	one = json_array_get(mc_json_arr(json_array_get(mc_json_arr(doc, "subnets"), 0), "routes"), 0);
	assert_string_equal(mc_json_str(one, "target", ""), id);
	/* A further block of one is news for the other; none that the other has. */
	fails2(f, "AssociateVpcCidrBlock", "VpcId", a, "CidrBlock", "10.1.3.0/24", "InvalidVpc.Range");
	ok2(f, "AssociateVpcCidrBlock", "VpcId", a, "CidrBlock", "10.9.0.0/16");
	assert_true(fixture_wait(f, a) > 0 && fixture_wait(f, b) > 0);
	/* A VPC that goes takes its peerings along. */
	ok1(f, "DeleteVpc", "VpcId", b);
	assert_string_equal(status(f, id), "deleted");
	assert_int_equal(wanted_n(f, a, "peerings"), 0);
	assert_non_null(subnet);
}

/* Puts an attached interface with a public address into the group. */
static void add_interface(struct fixture *f, const char *vpc, const char *subnet, const char *group, const char *ip)
{
	struct store_tx *tx = store_write(f->api.store);
	struct resource *eni = store_insert(tx, KIND_NETWORK_INTERFACE, FIXTURE_ACCOUNT, FIXTURE_REGION);

	eni->parent = mc_strdup(vpc);
	json_object_update_new(eni->spec, json_pack("{s:s, s:s, s:s, s:[s], s:s, s:s}", "subnet", subnet, "ip", ip, "public_ip", "203.0.113.9",
						    "groups", group, "instance", "i-12345678", "attachment", "attached"));
	vpc_touch(tx, vpc);
	assert_int_equal(store_commit(tx, NULL), 0);
}

static int64_t generation(struct fixture *f, const char *vpc)
{
	struct store_tx *tx = store_read(f->api.store);
	int64_t n = vpc_generation(tx, vpc);

	store_end(tx);
	return n;
}

static void name_hosts(struct fixture *f, const char *vpc)
{
	mc_autofree char *in = mc_strf("{'VpcId': '%s', 'EnableDnsHostnames': {'Value': true}}", vpc);

	fixture_ok(f, "ModifyVpcAttribute", in);
}

/* Public names of a peer, once that is allowed. */
static void names(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *a = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *b = create_vpc(f, "10.1.0.0/16");
	mc_autofree char *id = request(f, a, b);
	mc_autofree char *group = fixture_default_group(f);
	mc_autofree char *in = mc_strf("{'VpcPeeringConnectionId': '%s', 'AccepterPeeringConnectionOptions': "
				       "{'AllowDnsResolutionFromRemoteVpc': true}}", id);
	mc_auto_json json_t *before = NULL, *after = NULL;
	const json_t *name;
	int64_t then;

	ok1(f, "AcceptVpcPeeringConnection", ID, id);
	before = wanted_vpc(f, a);
	assert_int_equal(json_array_size(mc_json_arr(mc_json_obj(before, "dns"), "names")), 0);
	fixture_fails(f, "ModifyVpcPeeringConnectionOptions", in, "InvalidVpcPeeringConnectionState.DnsHostnamesDisabled");
	name_hosts(f, a);
	name_hosts(f, b);
	fixture_ok(f, "ModifyVpcPeeringConnectionOptions", in);
	then = generation(f, a);
	add_interface(f, b, "subnet-12345678", group, "10.1.0.7");
	assert_true(generation(f, a) > then); /* it is news for the peer */
	after = wanted_vpc(f, a);
	name = json_array_get(mc_json_arr(mc_json_obj(after, "dns"), "names"), 0);
	assert_string_equal(mc_json_str(name, "name", ""), "ec2-203-0-113-9.compute-1.amazonaws.com");
	assert_string_equal(mc_json_str(name, "ip", ""), "10.1.0.7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
		T(life), T(refused), T(expires), T(between_accounts), T(wanted), T(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
