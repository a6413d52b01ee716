/* VPCs and what is in them, for the tests of what can be made there. */
#ifndef MC_TESTS_API_VPC_FIXTURE_H
#define MC_TESTS_API_VPC_FIXTURE_H

#include "tests/unit/api_fixture.h"

/* The member "Vpc.VpcId" of the last answer. Allocated. */
static inline char *answered(struct fixture *f, const char *object, const char *member)
{
	const char *text = mc_json_str(object ? mc_json_obj(f->call.out, object) : f->call.out, member, NULL);

	assert_non_null(text);
	return mc_strdup(text);
}

static inline char *create_vpc(struct fixture *f, const char *cidr)
{
	mc_autofree char *in = mc_strf("{'CidrBlock': '%s'}", cidr);

	fixture_ok(f, "CreateVpc", in);
	return answered(f, "Vpc", "VpcId");
}

static inline char *create_subnet(struct fixture *f, const char *vpc, const char *cidr)
{
	mc_autofree char *in = mc_strf("{'VpcId': '%s', 'CidrBlock': '%s'}", vpc, cidr);

	fixture_ok(f, "CreateSubnet", in);
	return answered(f, "Subnet", "SubnetId");
}

static inline char *create_table(struct fixture *f, const char *vpc)
{
	mc_autofree char *in = mc_strf("{'VpcId': '%s'}", vpc);

	fixture_ok(f, "CreateRouteTable", in);
	return answered(f, "RouteTable", "RouteTableId");
}

static inline int call2(struct fixture *f, const char *action, const char *a, const char *x, const char *b, const char *y)
{
	mc_autofree char *in = mc_strf("{'%s': '%s', '%s': '%s'}", a, x, b, y);

	return fixture_call(f, action, in);
}

static inline void ok2(struct fixture *f, const char *action, const char *a, const char *x, const char *b, const char *y)
{
	if (call2(f, action, a, x, b, y) != 0)
		fail_msg("%s: %s %s", action, f->call.error_code, f->call.error_message);
}

static inline char *create_gateway(struct fixture *f, const char *vpc)
{
	char *id;

	fixture_ok(f, "CreateInternetGateway", "{}");
	id = answered(f, "InternetGateway", "InternetGatewayId");
	if (vpc)
		ok2(f, "AttachInternetGateway", "InternetGatewayId", id, "VpcId", vpc);
	return id;
}

/* The list that a Describe shows of this VPC. Borrowed. */
static inline json_t *of_vpc(struct fixture *f, const char *action, const char *list, const char *vpc)
{
	mc_autofree char *in = mc_strf("{'Filters': [{'Name': 'vpc-id', 'Values': ['%s']}]}", vpc);

	fixture_ok(f, action, in);
	return fixture_list(f, list);
}

/* The id of the VPC's main route table. Allocated. */
static inline char *main_table(struct fixture *f, const char *vpc)
{
	mc_autofree char *in = mc_strf("{'Filters': [{'Name': 'vpc-id', 'Values': ['%s']}, {'Name': 'association.main', "
				       "'Values': ['true']}]}", vpc);

	fixture_ok(f, "DescribeRouteTables", in);
	return mc_strdup(mc_json_str(json_array_get(fixture_list(f, "RouteTables"), 0), "RouteTableId", NULL));
}

/* What happens to everything made from here on is in force at once. */
static inline void confirm_all(struct fixture *f, const char *vpc)
{
	waiters_confirm(f->api.waiters, vpc, 1000000);
}

static inline void fails2(struct fixture *f, const char *action, const char *a, const char *x, const char *b, const char *y, const char *code)
{
	if (call2(f, action, a, x, b, y) != 1 || strcmp(f->call.error_code, code) != 0)
		fail_msg("%s %s %s: %s (%s), not %s", action, x, y, f->call.error_code, f->call.error_message, code);
}

static inline void ok1(struct fixture *f, const char *action, const char *a, const char *x)
{
	mc_autofree char *in = mc_strf("{'%s': '%s'}", a, x);

	fixture_ok(f, action, in);
}

static inline void fails1(struct fixture *f, const char *action, const char *a, const char *x, const char *code)
{
	mc_autofree char *in = mc_strf("{'%s': '%s'}", a, x);

	fixture_fails(f, action, in, code);
}

/* The document that netd gets for the VPC. New reference. */
static inline json_t *wanted_vpc(struct fixture *f, const char *vpc)
{
	struct store_tx *tx = store_read(f->api.store);
	json_t *doc = vpc_document(tx, vpc);

	store_end(tx);
	return doc;
}

#endif
