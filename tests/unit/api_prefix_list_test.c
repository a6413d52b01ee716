/* Managed prefix lists: versions, limits, and routes by them. */
#include "tests/unit/api_vpc_fixture.h"

static char *create_list(struct fixture *f, int max, const char *entries)
{
	mc_autofree char *in = mc_strf("{'PrefixListName': 'l', 'AddressFamily': 'IPv4', 'MaxEntries': %d, 'Entries': [%s]}", max, entries);

	fixture_ok(f, "CreateManagedPrefixList", in);
	return answered(f, "PrefixList", "PrefixListId");
}

/* One action on the list; code NULL: it works. */
static void act(struct fixture *f, const char *action, const char *list, const char *rest, const char *code)
{
	mc_autofree char *in = mc_strf("{'PrefixListId': '%s'%s%s}", list, rest ? ", " : "", rest ? rest : "");

	if (code)
		fixture_fails(f, action, in, code);
	else
		fixture_ok(f, action, in);
}

#define MODIFY "ModifyManagedPrefixList"
#define ONE "{'Cidr': '10.0.0.0/8', 'Description': 'd'}"

static void refused(void **state)
{
	static const struct { const char *in, *code; } rows[] = {
		{ "{'PrefixListName': 'a', 'AddressFamily': 'IPv6', 'MaxEntries': 1}", "UnsupportedOperation" },
		{ "{'PrefixListName': 'a', 'AddressFamily': 'x', 'MaxEntries': 1}", "InvalidParameterValue" },
		{ "{'PrefixListName': 'com.amazonaws.x', 'AddressFamily': 'IPv4', 'MaxEntries': 1}", "InvalidParameterValue" },
		{ "{'PrefixListName': 'a', 'AddressFamily': 'IPv4', 'MaxEntries': 0}", "InvalidParameterValue" },
		{ "{'PrefixListName': 'a', 'AddressFamily': 'IPv4', 'MaxEntries': 1001}", "InvalidParameterValue" },
		{ "{'PrefixListName': 'a', 'AddressFamily': 'IPv4', 'MaxEntries': 1, 'Entries': [{'Cidr': 'x'}]}", "InvalidParameterValue" },
		{ "{'PrefixListName': 'a', 'AddressFamily': 'IPv4', 'MaxEntries': 2, 'Entries': [" ONE ", " ONE "]}", "InvalidParameterValue" },
		{ "{'PrefixListName': 'a', 'AddressFamily': 'IPv4', 'MaxEntries': 1, 'Entries': [" ONE ", {'Cidr': '1.0.0.0/8'}]}", "PrefixListMaxEntriesExceeded" },
	};
	struct fixture *f = *state;
	mc_autofree char *list = create_list(f, 2, ONE);

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		fixture_fails(f, "CreateManagedPrefixList", rows[i].in, rows[i].code);
	act(f, MODIFY, list, "'AddEntries': [{'Cidr': '1.0.0.0/8'}]", "MissingParameter");
	act(f, MODIFY, list, "'CurrentVersion': 2, 'AddEntries': [{'Cidr': '1.0.0.0/8'}]", "PrefixListVersionMismatch");
	act(f, MODIFY, list, "'CurrentVersion': 1, 'AddEntries': [{'Cidr': '1.0.0.0/8'}, {'Cidr': '2.0.0.0/8'}]", "PrefixListMaxEntriesExceeded");
	act(f, MODIFY, list, "'CurrentVersion': 1, 'RemoveEntries': [{'Cidr': '1.0.0.0/8'}]", "InvalidPrefixListModification");
	act(f, MODIFY, list, "'CurrentVersion': 1, 'AddEntries': [{'Cidr': '10.0.0.0/8', 'Description': 'd'}]", "InvalidPrefixListModification");
	act(f, MODIFY, list, "'CurrentVersion': 1, 'MaxEntries': 3, 'AddEntries': [{'Cidr': '1.0.0.0/8'}]", "InvalidParameterCombination");
	act(f, "RestoreManagedPrefixListVersion", list, "'CurrentVersion': 1, 'PreviousVersion': 7", "InvalidParameterValue");
	act(f, "GetManagedPrefixListEntries", list, "'TargetVersion': 2", "InvalidParameterValue");
	act(f, "GetManagedPrefixListEntries", "pl-12345678", NULL, "InvalidPrefixListID.NotFound");
	f->api.config.quota_prefix_lists = 1;
	fixture_fails(f, "CreateManagedPrefixList", "{'PrefixListName': 'a', 'AddressFamily': 'IPv4', 'MaxEntries': 1}", "PrefixListLimitExceeded");
}

static size_t entries_at(struct fixture *f, const char *list, int version)
{
	mc_autofree char *rest = mc_strf("'TargetVersion': %d", version);

	act(f, "GetManagedPrefixListEntries", list, version ? rest : NULL, NULL);
	return json_array_size(fixture_list(f, "Entries"));
}

static void versions(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *list = create_list(f, 3, ONE);

	assert_int_equal(entries_at(f, list, 0), 1);
	assert_string_equal(mc_json_str(json_array_get(fixture_list(f, "Entries"), 0), "Description", ""), "d");
	act(f, MODIFY, list, "'CurrentVersion': 1, 'AddEntries': [{'Cidr': '1.2.3.4/8'}, {'Cidr': '2.0.0.0/8'}]", NULL);
	assert_int_equal(mc_json_int(mc_json_obj(f->call.out, "PrefixList"), "Version", 0), 2);
	assert_string_equal(mc_json_str(mc_json_obj(f->call.out, "PrefixList"), "State", ""), "modify-complete");
	act(f, MODIFY, list, "'CurrentVersion': 2, 'RemoveEntries': [{'Cidr': '10.0.0.0/8'}, {'Cidr': '1.0.0.0/8'}]", NULL);
	assert_int_equal(entries_at(f, list, 0), 1);
	assert_int_equal(entries_at(f, list, 2), 3);
	assert_int_equal(entries_at(f, list, 1), 1);
	act(f, "RestoreManagedPrefixListVersion", list, "'CurrentVersion': 3, 'PreviousVersion': 2", NULL);
	assert_int_equal(mc_json_int(mc_json_obj(f->call.out, "PrefixList"), "Version", 0), 4);
	assert_int_equal(entries_at(f, list, 0), 3);
	act(f, MODIFY, list, "'MaxEntries': 2", "PrefixListMaxEntriesExceeded");
	act(f, MODIFY, list, "'MaxEntries': 5, 'PrefixListName': 'other'", NULL);
	assert_int_equal(mc_json_int(mc_json_obj(f->call.out, "PrefixList"), "Version", 0), 4);
	act(f, "GetManagedPrefixListEntries", list, "'MaxResults': 2", NULL);
	assert_non_null(mc_json_str(f->call.out, "NextToken", NULL));
	act(f, "DeleteManagedPrefixList", list, NULL, NULL);
	fixture_ok(f, "DescribeManagedPrefixLists", "{}");
	assert_int_equal(json_array_size(fixture_list(f, "PrefixLists")), 0);
	fixture_ok(f, "DescribePrefixLists", "{}");
	assert_int_equal(json_array_size(fixture_list(f, "PrefixLists")), 0);
}

/* "10.0.0.0/8 igw, …" of the first subnet. Allocated. */
static char *wanted_routes(struct fixture *f, const char *vpc)
{
	mc_auto_json json_t *doc = wanted_vpc(f, vpc);
	char *text = mc_strdup("");
	json_t *route;
	size_t i;

	json_array_foreach(mc_json_arr(json_array_get(mc_json_arr(doc, "subnets"), 0), "routes"), i, route) {
		char *longer = mc_strf("%s%s%s %s", text, i ? ", " : "", mc_json_str(route, "destination", ""), mc_json_str(route, "target", ""));

		free(text);
		text = longer;
	}
	return text;
}

static void expect_routes(struct fixture *f, const char *vpc, const char *want)
{
	mc_autofree char *text = wanted_routes(f, vpc);

	assert_string_equal(text, want);
}

static void routes(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *list = create_list(f, 3, "{'Cidr': '1.0.0.0/8'}, {'Cidr': '2.0.0.0/8'}");
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *subnet = create_subnet(f, vpc, "10.0.1.0/24");
	mc_autofree char *igw = create_gateway(f, vpc);
	mc_autofree char *table = main_table(f, vpc);
	mc_autofree char *create = mc_strf("{'RouteTableId': '%s', 'DestinationPrefixListId': '%s', 'GatewayId': '%s'}", table, list, igw);
	mc_autofree char *both = mc_strf("{'RouteTableId': '%s', 'DestinationPrefixListId': '%s', 'DestinationCidrBlock': '0.0.0.0/0', 'GatewayId': '%s'}",
					 table, list, igw);
	mc_autofree char *own = mc_strf("{'RouteTableId': '%s', 'DestinationCidrBlock': '2.0.0.0/8', 'GatewayId': '%s'}", table, igw);

	confirm_all(f, vpc);
	fixture_fails(f, "CreateRoute", both, "InvalidParameterCombination");
	f->api.config.quota_routes = 2;
	fixture_fails(f, "CreateRoute", create, "RouteLimitExceeded");
	f->api.config.quota_routes = 3;
	fixture_ok(f, "CreateRoute", create);
	assert_true(fixture_wait(f, vpc) > 0);
	fixture_fails(f, "CreateRoute", create, "RouteAlreadyExists");
	fixture_fails(f, "CreateRoute", own, "RouteLimitExceeded");
	expect_routes(f, vpc, "1.0.0.0/8 igw, 2.0.0.0/8 igw");
	act(f, MODIFY, list, "'MaxEntries': 4", "RouteLimitExceeded");
	f->api.config.quota_routes = 4;
	fixture_ok(f, "CreateRoute", own);
	/* The list's change is a change of the network. */
	act(f, MODIFY, list, "'CurrentVersion': 1, 'AddEntries': [{'Cidr': '3.0.0.0/8'}], 'RemoveEntries': [{'Cidr': '1.0.0.0/8'}]", NULL);
	assert_true(fixture_wait(f, vpc) > 0);
	expect_routes(f, vpc, "2.0.0.0/8 igw, 3.0.0.0/8 igw");
	act(f, "GetManagedPrefixListAssociations", list, NULL, NULL);
	assert_string_equal(mc_json_str(json_array_get(fixture_list(f, "PrefixListAssociations"), 0), "ResourceId", ""), table);
	act(f, "DeleteManagedPrefixList", list, NULL, "DependencyViolation");
	ok2(f, "DeleteRoute", "RouteTableId", table, "DestinationPrefixListId", list);
	fails2(f, "DeleteRoute", "RouteTableId", table, "DestinationPrefixListId", list, "InvalidRoute.NotFound");
	act(f, "DeleteManagedPrefixList", list, NULL, NULL);
	assert_non_null(subnet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
		T(refused), T(versions), T(routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
