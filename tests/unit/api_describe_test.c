/* The Describe engine: patterns, filters, ids, names, pages. */
#include "tests/unit/api_fixture.h"

#include <time.h>

#include "api/describe.h"
#include "api/describe_cache.h"
#include "api/protocol/xml.h"
#include "api/state.h"
#include "common/clock.h"

static void globs(void **state)
{
	static const struct { const char *pattern, *text; bool match; } rows[] = {
		{ "", "", true }, { "", "a", false }, { "a", "a", true }, { "a", "A", false }, { "a", "ab", false },
		{ "*", "", true }, { "*", "anything", true }, { "a*", "a", true }, { "*a", "ba", true }, { "*a", "ab", false },
		{ "a*c", "abbc", true }, { "a*c", "abbd", false }, { "*b*d*", "abcde", true }, { "**", "", true },
		{ "?", "", false }, { "?", "a", true }, { "?", "\xc3\xa9", true }, { "??", "\xc3\xa9", false }, { "a?c", "abc", true },
		{ "\\*", "*", true }, { "\\*", "a", false }, { "\\?", "?", true }, { "\\\\", "\\", true }, { "\\*a\\?", "*a?", true },
		{ "*\\*", "ab*", true }, { "*\\*", "abc", false }, { "a\\", "a\\", true },
	};

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		if (describe_glob(rows[i].pattern, rows[i].text) != rows[i].match)
			fail_msg("\"%s\" on \"%s\"", rows[i].pattern, rows[i].text);
}

/* Of the processor: how long it takes on a busy machine is the others' matter. */
static int64_t time_taken(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * MC_SECOND + t.tv_nsec;
}

/* A pattern made to be slow is not. */
static void glob_is_not_exponential(void **state)
{
	mc_autofree char *pattern = mc_alloc(401), *text = mc_alloc(5001);
	int64_t start = time_taken();

	(void)state;
	for (int i = 0; i < 200; i++)
		memcpy(pattern + 2 * i, "*a", 2);
	memset(text, 'a', 4999);
	text[4999] = 'b';
	assert_false(describe_glob(pattern, text));
	assert_true(time_taken() - start < 60 * MC_SECOND); /* it would take years */
}

static size_t found(struct fixture *f, const char *name, const char *member, const char *in)
{
	fixture_ok(f, name, in);
	return json_array_size(fixture_list(f, member));
}

static void filters(void **state)
{
	static const struct { const char *in; size_t n; } rows[] = {
		{ "{}", 3 },
		{ "{'Filters': [{'Name': 'availability-zone', 'Values': ['us-east-1a']}]}", 1 },
		{ "{'Filters': [{'Name': 'availability-zone', 'Values': ['us-east-1a', '*c']}]}", 2 },
		{ "{'Filters': [{'Name': 'availability-zone', 'Values': ['us-east-1?']}, {'Name': 'cidr', 'Values': ['172.31.16.0/20']}]}", 1 },
		{ "{'Filters': [{'Name': 'cidr', 'Values': ['10.*']}]}", 0 },
		{ "{'Filters': [{'Name': 'default-for-az', 'Values': ['true']}]}", 3 },
		{ "{'Filters': [{'Name': 'defaultForAz', 'Values': ['false']}]}", 0 },
		{ "{'Filters': [{'Name': 'available-ip-address-count', 'Values': ['4091']}]}", 3 },
		{ "{'Filters': [{'Name': 'state', 'Values': ['available']}]}", 3 },
		{ "{'Filters': [{'Name': 'tag:Name', 'Values': ['*']}]}", 0 },
		{ "{'Filters': [{'Name': 'tag-key', 'Values': ['*']}]}", 0 },
		{ "{'Filters': [{'Name': 'private-dns-name-options-on-launch.hostname-type', 'Values': ['ip-name']}]}", 3 },
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		if (found(*state, "DescribeSubnets", "Subnets", rows[i].in) != rows[i].n)
			fail_msg("%s", rows[i].in);
	/* Arrays on the way are looked through. */
	assert_int_equal(found(*state, "DescribeRouteTables", "RouteTables",
			       "{'Filters': [{'Name': 'route.destination-cidr-block', 'Values': ['0.0.0.0/0']}]}"), 1);
	assert_int_equal(found(*state, "DescribeRouteTables", "RouteTables",
			       "{'Filters': [{'Name': 'association.main', 'Values': ['true']}]}"), 1);
}

static void bad_filters(void **state)
{
	struct fixture *f = *state;
	mc_auto_json json_t *values = json_array();
	mc_autofree char *text = NULL, *in = NULL;

	fixture_fails(f, "DescribeVpcs", "{'Filters': [{'Name': 'nope', 'Values': ['x']}]}", "InvalidParameterValue");
	assert_string_equal(f->call.error_message, "The filter 'nope' is invalid");
	fixture_fails(f, "DescribeVpcs", "{'Filters': [{'Values': ['x']}]}", "InvalidParameterValue");
	fixture_fails(f, "DescribeVpcs", "{'Filters': [{'Name': 'tag:', 'Values': ['x']}]}", "InvalidParameterValue");
	fixture_fails(f, "DescribeVpcs", "{'Filters': [{'Name': 'state', 'Values': []}]}", "InvalidParameterValue");
	for (int i = 0; i < 201; i++)
		json_array_append_new(values, json_string("x"));
	text = json_dumps(values, 0);
	in = mc_strf("{'Filters': [{'Name': 'state', 'Values': %s}]}", text);
	fixture_fails(f, "DescribeVpcs", in, "FilterLimitExceeded");
}

static void ids(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *group = fixture_default_group(f);
	mc_autofree char *twice = mc_strf("{'GroupIds': ['%s', '%s'], 'GroupNames': ['default']}", group, group);
	mc_autofree char *filtered = mc_strf("{'GroupIds': ['%s'], 'Filters': [{'Name': 'group-name', 'Values': ['x']}]}", group);

	assert_int_equal(found(f, "DescribeSecurityGroups", "SecurityGroups", twice), 1);
	assert_int_equal(found(f, "DescribeSecurityGroups", "SecurityGroups", filtered), 0);
	fixture_fails(f, "DescribeVpcs", "{'VpcIds': ['i-12345678']}", "InvalidVpcID.Malformed");
	assert_string_equal(f->call.error_message, "Invalid id: \"i-12345678\" (expecting \"vpc-...\")");
	fixture_fails(f, "DescribeVpcs", "{'VpcIds': ['vpc-12345678']}", "InvalidVpcID.NotFound");
	assert_string_equal(f->call.error_message, "The vpc ID 'vpc-12345678' does not exist");
	fixture_fails(f, "DescribeVpcs", "{'VpcIds': ['vpc-12345678', 'vpc-00000001']}", "InvalidVpcID.NotFound");
	assert_string_equal(f->call.error_message, "The vpc IDs 'vpc-12345678, vpc-00000001' do not exist");
	fixture_fails(f, "DescribeVolumes", "{'VolumeIds': ['vol-12345678'], 'MaxResults': 5}", "InvalidParameterCombination");
	fixture_fails(f, "DescribeSecurityGroups", "{'GroupNames': ['default', 'nope']}", "InvalidGroup.NotFound");
}

/* Nobody sees another account's or region's things. */
static void scopes(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *group = fixture_default_group(f);
	mc_autofree char *in = mc_strf("{'GroupIds': ['%s']}", group);

	fixture_as(f, "999999999999");
	assert_int_equal(found(f, "DescribeVpcs", "Vpcs", "{}"), 0);
	fixture_fails(f, "DescribeSecurityGroups", in, "InvalidGroup.NotFound");
	fixture_as(f, FIXTURE_ACCOUNT);
	snprintf(f->caller.region, sizeof(f->caller.region), "eu-west-1");
	assert_int_equal(found(f, "DescribeVpcs", "Vpcs", "{}"), 0);
	fixture_fails(f, "DescribeSecurityGroups", in, "InvalidGroup.NotFound");
}

static void make_volumes(struct fixture *f, int from, int n)
{
	struct store_tx *tx = store_write(f->api.store);

	for (int i = from; i < n; i++) {
		struct resource *v = store_insert(tx, KIND_VOLUME, FIXTURE_ACCOUNT, FIXTURE_REGION);

		v->az = mc_strdup("us-east-1a");
		json_object_update_new(v->doc, json_pack("{s:i, s:s}", "Size", i + 1, "VolumeType", i % 2 ? "gp2" : "gp3"));
		json_object_set_new(v->tags, "Name", json_string(i % 100 ? "many" : "few"));
		state_init(v, i % 3 ? VOLUME_AVAILABLE : VOLUME_CREATING);
	}
	assert_int_equal(store_commit(tx, NULL), 0);
}

/* Follow NextToken to the end: how many there were, each page but the last full. */
static size_t pages(struct fixture *f, const char *name, const char *member, const char *filters_text, int size)
{
	mc_autofree char *token = mc_strdup("");
	size_t total = 0;

	while (token) {
		mc_autofree char *in = mc_strf("{'MaxResults': %d, %s 'NextToken': '%s'}", size, filters_text, token);
		size_t n = found(f, name, member, in);

		free(token);
		token = mc_strdup(mc_json_str(f->call.out, "NextToken", NULL));
		assert_true(token ? (int)n == size : (int)n <= size);
		total += n;
	}
	return total;
}

static void paging(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *foreign = NULL, *in = NULL;

	make_volumes(f, 0, 25);
	assert_int_equal(pages(f, "DescribeVolumes", "Volumes", "", 5), 25);
	assert_int_equal(pages(f, "DescribeVolumes", "Volumes", "", 7), 25);
	assert_int_equal(pages(f, "DescribeVolumes", "Volumes", "", 1000), 25);
	assert_int_equal(pages(f, "DescribeVolumes", "Volumes", "'Filters': [{'Name': 'volume-type', 'Values': ['gp3']}],", 5), 13);
	assert_int_equal(pages(f, "DescribeTags", "Tags", "'Filters': [{'Name': 'value', 'Values': ['many']}],", 6), 24);
	assert_int_equal(pages(f, "DescribeInstanceTypes", "InstanceTypes", "", 5), json_object_size(f->api.types));
	fixture_fails(f, "DescribeVolumes", "{'MaxResults': 4}", "InvalidParameterValue");
	assert_string_equal(f->call.error_message,
			    "Value ( 4 ) for parameter maxResults is invalid. Expecting a value between 5 and 1000.");
	fixture_fails(f, "DescribeVolumes", "{'MaxResults': 1001}", "InvalidParameterValue");
	fixture_fails(f, "DescribeVolumes", "{'NextToken': 'x'}", "InvalidNextToken");
	fixture_fails(f, "DescribeVolumes", "{'NextToken': '===='}", "InvalidNextToken");
	/* A token of another operation is none. */
	fixture_ok(f, "DescribeTags", "{'MaxResults': 5}");
	foreign = mc_strdup(mc_json_str(f->call.out, "NextToken", ""));
	in = mc_strf("{'NextToken': '%s'}", foreign);
	fixture_fails(f, "DescribeVolumes", in, "InvalidNextToken");
}

/* Deleting what a token points behind neither skips nor repeats. */
static void paging_survives_deletion(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *in = NULL;
	struct store_tx *tx;

	make_volumes(f, 0, 12);
	fixture_ok(f, "DescribeVolumes", "{'MaxResults': 5}");
	in = mc_strf("{'MaxResults': 1000, 'NextToken': '%s'}", mc_json_str(f->call.out, "NextToken", ""));
	tx = store_write(f->api.store);
	store_delete(tx, mc_json_str(json_array_get(fixture_list(f, "Volumes"), 4), "VolumeId", NULL));
	assert_int_equal(store_commit(tx, NULL), 0);
	assert_int_equal(found(f, "DescribeVolumes", "Volumes", in), 7);
}

/* n stopped instances, two to a reservation; the id of the first. */
static void make_instances(struct fixture *f, int n, char first[MC_ID_LEN])
{
	struct store_tx *tx = store_write(f->api.store);

	for (int i = 0; i < n; i++) {
		struct resource *r = store_insert(tx, KIND_INSTANCE, FIXTURE_ACCOUNT, FIXTURE_REGION);
		mc_autofree char *reservation = mc_strf("r-%017d", i / 2);

		if (i == 0)
			snprintf(first, MC_ID_LEN, "%s", r->id);
		r->az = mc_strdup(FIXTURE_REGION "a");
		state_init(r, INSTANCE_STOPPED);
		json_object_update_new(r->doc, json_pack("{s:s, s:s, s:s}", "InstanceId", r->id, "InstanceType", "t3.nano",
							 "ClientToken", "<&>"));
		json_object_set_new(r->spec, "reservation", json_string(reservation));
		json_object_set_new(r->tags, "Name", json_string(i % 2 ? "odd" : "even"));
	}
	assert_int_equal(store_commit(tx, NULL), 0);
}

/* An instance with an interface, a volume and a group: their ids, the instance's last. */
static void make_joined_instance(struct fixture *f, char ids[4][MC_ID_LEN])
{
	static const enum kind kinds[] = { KIND_NETWORK_INTERFACE, KIND_VOLUME, KIND_SECURITY_GROUP, KIND_INSTANCE };
	struct store_tx *tx = store_write(f->api.store);
	struct resource *made[MC_ARRAY_SIZE(kinds)];

	for (size_t i = 0; i < MC_ARRAY_SIZE(kinds); i++) {
		made[i] = store_insert(tx, kinds[i], FIXTURE_ACCOUNT, FIXTURE_REGION);
		made[i]->az = mc_strdup(FIXTURE_REGION "a");
		made[i]->parent = mc_strdup("vpc-0123456789abcdef0");
		snprintf(ids[i], MC_ID_LEN, "%s", made[i]->id);
	}
	json_object_update_new(made[0]->spec, json_pack("{s:s, s:s, s:s, s:[s]}", "ip", "172.31.0.10", "mac", "06:00:00:00:00:01",
							"subnet", "subnet-0123456789abcdef0", "groups", ids[2]));
	state_init(made[1], VOLUME_CREATING);
	json_object_set_new(made[2]->doc, "GroupName", json_string("web"));
	state_init(made[3], INSTANCE_STOPPED);
	json_object_update_new(made[3]->doc, json_pack("{s:s, s:s}", "InstanceId", ids[3], "InstanceType", "t3.nano"));
	json_object_update_new(made[3]->spec, json_pack("{s:s, s:[s], s:[{s:s, s:s}]}", "reservation", "r-0123456789abcdef0", "enis",
							ids[0], "volumes", "id", ids[1], "device", "/dev/xvda"));
	assert_int_equal(store_commit(tx, NULL), 0);
}

static size_t instances_found(struct fixture *f, const char *in, size_t *ret_reservations)
{
	size_t n = 0, i;
	json_t *one;

	*ret_reservations = found(f, "DescribeInstances", "Reservations", in);
	json_array_foreach(fixture_list(f, "Reservations"), i, one)
		n += json_array_size(mc_json_arr(one, "Instances"));
	return n;
}

static void reservations(void **state)
{
	static const struct { const char *in; size_t instances, reservations; } rows[] = {
		{ "{}", 7, 4 },
		{ "{'MaxResults': 5}", 5, 3 },
		{ "{'Filters': [{'Name': 'reservation-id', 'Values': ['r-*3', 'r-*1']}]}", 3, 2 },
		{ "{'Filters': [{'Name': 'owner-id', 'Values': ['123456789012']}, {'Name': 'tag:Name', 'Values': ['odd']}]}", 3, 3 },
		{ "{'Filters': [{'Name': 'owner-id', 'Values': ['999999999999']}]}", 0, 0 },
		{ "{'Filters': [{'Name': 'instance-state-name', 'Values': ['running']}]}", 0, 0 },
		{ "{'Filters': [{'Name': 'instance-state-name', 'Values': ['stop*']}]}", 7, 4 },
	};
	char first[MC_ID_LEN];
	size_t n;

	make_instances(*state, 7, first);
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		assert_int_equal(instances_found(*state, rows[i].in, &n), rows[i].instances);
		assert_int_equal(n, rows[i].reservations);
	}
	mc_autofree char *one = mc_strf("{'InstanceIds': ['%s', '%s']}", first, first);
	mc_autofree char *paged = mc_strf("{'InstanceIds': ['%s'], 'MaxResults': 5}", first);

	assert_int_equal(instances_found(*state, one, &n), 1);
	fixture_fails(*state, "DescribeInstances", "{'InstanceIds': ['i-00000000000000000']}", "InvalidInstanceID.NotFound");
	fixture_fails(*state, "DescribeInstances", "{'InstanceIds': ['vol-00000000000000000']}", "InvalidInstanceID.Malformed");
	fixture_fails(*state, "DescribeInstances", paged, "InvalidParameterCombination");
}

static char *answer_text(struct fixture *f, bool xml, const char *name, const char *in)
{
	size_t len;
	char *text;

	f->xml = xml;
	fixture_ok(f, name, in);
	text = protocol_xml_answer(f->call.op, f->call.out, "request", &len, NULL);
	assert_non_null(text);
	f->xml = false;
	return text;
}

/* Items that are encoded on the way make the same answer. */
static void encoded_items(void **state)
{
	static const char *const operations[] = { "DescribeInstances", "DescribeSubnets", "DescribeVolumes" };
	struct fixture *f = *state;
	char first[MC_ID_LEN];

	make_instances(f, 3, first);
	for (size_t i = 0; i < MC_ARRAY_SIZE(operations); i++) {
		mc_autofree char *whole = answer_text(f, false, operations[i], "{}");
		mc_autofree char *encoded = answer_text(f, true, operations[i], "{}");

		assert_string_equal(whole, encoded);
	}
	f->xml = true;
	fixture_ok(f, "DescribeInstances", "{}");
	f->xml = false;
	assert_true(json_is_string(json_array_get(mc_json_arr(json_array_get(fixture_list(f, "Reservations"), 0), "Instances"), 0)));
}

/* What is kept is the same as what is made anew, also after each part of it has changed. */
static void kept_items(void **state)
{
	static const char *const kinds[] = { "network-interface", "volume", "security-group", "instance" };
	struct fixture *f = *state;
	mc_autofree char *before = NULL;
	char ids[4][MC_ID_LEN];

	make_joined_instance(f, ids);
	f->api.describe_cache = describe_cache_new(1 << 20);
	before = answer_text(f, true, "DescribeInstances", "{}");
	for (size_t i = 0; i < MC_ARRAY_SIZE(kinds); i++) {
		struct store_tx *tx = store_write(f->api.store);
		struct resource *r = store_edit(tx, ids[i]);

		assert_non_null(r);
		json_object_set_new(r->spec, "ip", json_string("172.31.0.99"));
		json_object_set_new(r->doc, "GroupName", json_string("renamed"));
		json_object_set_new(r->tags, "Name", json_string("new"));
		if (r->kind == KIND_VOLUME)
			state_set(tx, r, VOLUME_IN_USE);
		if (r->kind == KIND_INSTANCE)
			json_object_del(r->doc, "GroupName");
		assert_int_equal(store_commit(tx, NULL), 0);

		mc_autofree char *kept = answer_text(f, true, "DescribeInstances", "{}");
		mc_autofree char *made = answer_text(f, false, "DescribeInstances", "{}");

		if (strcmp(kept, before) == 0)
			fail_msg("a changed %s is not seen", kinds[i]);
		assert_string_equal(kept, made);
		free(before);
		before = mc_strdup(kept);
	}
	describe_cache_free(f->api.describe_cache);
}

static bool kept(struct describe_cache *c, struct store_tx *tx, const struct resource *r, const char *text)
{
	auto_buffer struct buffer out = { 0 };

	if (!describe_cache_get(c, tx, r, 0, &out))
		return false;
	assert_string_equal(out.data, text);
	return true;
}

/* Keep a text for which nothing but r was looked at. */
static void keep(struct describe_cache *c, struct store_tx *tx, const struct resource *r, const char *text)
{
	struct store_seen seen = { 0 };

	store_watch(tx, &seen);
	store_get_bare(tx, r->id);
	store_watch(tx, NULL);
	describe_cache_put(c, tx, r, 0, text, strlen(text), &seen);
	free(seen.slots);
}

static void cache_bounds(void **state)
{
	struct fixture *f = *state;
	struct describe_cache *c = describe_cache_new(1000);
	char first[MC_ID_LEN];
	struct store_tx *tx;
	struct store_iter it;
	const struct resource *r, *one;
	size_t n = 0;

	make_instances(f, 100, first);
	tx = store_read(f->api.store);
	it = store_iter(tx, KIND_INSTANCE, NULL, NULL);
	one = store_next(&it);
	assert_false(kept(NULL, tx, one, ""));
	keep(NULL, tx, one, "x");
	keep(c, tx, one, "the first");
	while ((r = store_next(&it))) {
		assert_true(kept(c, tx, one, "the first")); /* what is used stays */
		assert_false(kept(c, tx, r, ""));
		keep(c, tx, r, r->id);
	}
	it = store_iter(tx, KIND_INSTANCE, NULL, NULL);
	while ((r = store_next(&it)))
		n += kept(c, tx, r, r == one ? "the first" : r->id);
	assert_in_range(n, 5, 20); /* a thousand bytes' worth */
	keep(c, tx, one, "again");
	assert_true(kept(c, tx, one, "again"));
	store_end(tx);
	describe_cache_free(c);
	describe_cache_free(NULL);
}

/* Of a view that goes through a whole kind, or reads a fact, any change there is a change. */
static void watched_kinds(void **state)
{
	struct fixture *f = *state;
	struct store_seen seen = { 0 };
	struct store_tx *tx = store_read(f->api.store);
	struct store_iter it;

	store_watch(tx, &seen);
	it = store_iter(tx, KIND_SUBNET, NULL, NULL);
	while (store_next(&it))
		;
	store_fact(tx, "a fact");
	store_watch(tx, NULL);
	store_get(tx, "vpc-00000000000000000");
	assert_int_equal(seen.n, 2);
	store_end(tx);

	tx = store_write(f->api.store);
	store_insert(tx, KIND_KEY_PAIR, FIXTURE_ACCOUNT, FIXTURE_REGION);
	assert_int_equal(store_commit(tx, NULL), 0);
	tx = store_read(f->api.store);
	assert_true(store_unchanged(tx, seen.slots, seen.n, seen.versions));
	store_end(tx);

	tx = store_write(f->api.store);
	store_set_fact(tx, "another fact", "1");
	assert_int_equal(store_commit(tx, NULL), 0);
	tx = store_read(f->api.store);
	assert_false(store_unchanged(tx, seen.slots, seen.n, seen.versions));
	assert_true(store_unchanged(tx, seen.slots, 0, 0xcbf29ce484222325ULL));
	store_end(tx);
	free(seen.slots);
}

static int64_t time_to_find(struct fixture *f, const char *in, size_t *ret_n)
{
	int64_t least = INT64_MAX;

	for (int i = 0; i < 3; i++) {
		int64_t start = time_taken(), taken;

		*ret_n = found(f, "DescribeVolumes", "Volumes", in);
		taken = time_taken() - start;
		least = taken < least ? taken : least;
	}
	return least;
}

/* Four times as many take four times as long: not sixteen times, as where each looks at all. */
static void ten_thousand(void **state)
{
	static const struct { const char *in; size_t n; } rows[] = {
		{ "{'Filters': [{'Name': 'tag:Name', 'Values': ['few']}]}", 100 },
		{ "{'Filters': [{'Name': 'status', 'Values': ['creating']}, {'Name': 'size', 'Values': ['10000']}]}", 1 },
		{ "{'Filters': [{'Name': 'attachment.instance-id', 'Values': ['i-*']}]}", 0 },
		{ "{'MaxResults': 1000}", 1000 },
		{ "{}", 10000 },
	};

	int64_t of_a_quarter[MC_ARRAY_SIZE(rows)];
	size_t n;

	make_volumes(*state, 0, 2500);
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		of_a_quarter[i] = time_to_find(*state, rows[i].in, &n);
	make_volumes(*state, 2500, 10000);
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		int64_t taken = time_to_find(*state, rows[i].in, &n);

		assert_int_equal(n, rows[i].n);
		print_message("%6.2f ms, of a quarter %6.2f: %s\n", (double)taken / MC_MS, (double)of_a_quarter[i] / MC_MS, rows[i].in);
		assert_true(taken < 14 * of_a_quarter[i] + 20 * MC_MS);
	}
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(globs), cmocka_unit_test(glob_is_not_exponential),
		WITH(filters), WITH(bad_filters), WITH(ids), WITH(scopes), WITH(paging), WITH(paging_survives_deletion),
		WITH(reservations), WITH(encoded_items), WITH(kept_items), WITH(cache_bounds),
		WITH(watched_kinds),
		WITH(ten_thousand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
