/* Lifecycle policies and the recycle bin with the clock held: what is taken when, what is kept. */
#include "tests/unit/api_fixture.h"

#include "api/lifecycle.h"
#include "api/reconciler.h"
#include "common/clock.h"

#define ROLE "'ExecutionRoleArn': 'arn:aws:iam::123456789012:role/dlm', 'Description': 'd', 'State': 'ENABLED'"
#define HOUR (3600 * MC_SECOND)

static void ok(struct fixture *f, const char *service, const char *name, const char *in)
{
	f->service = service;
	fixture_ok(f, name, in);
}

static char *volume(struct fixture *f, const char *tag)
{
	mc_autofree char *in = mc_strf("{'AvailabilityZone': 'us-east-1a', 'Size': 1, 'TagSpecifications': [{'ResourceType': 'volume',"
				       " 'Tags': [{'Key': 'backup', 'Value': '%s'}]}]}", tag);

	f->service = "ec2";
	return fixture_volume(f, in);
}

static char *policy(struct fixture *f, const char *retain)
{
	mc_autofree char *in = mc_strf("{" ROLE ", 'PolicyDetails': {'ResourceTypes': ['VOLUME'], 'TargetTags': [{'Key': 'backup', 'Value': 'yes'}],"
				       " 'Schedules': [{'Name': 's', 'CopyTags': true, 'TagsToAdd': [{'Key': 'by', 'Value': 'dlm'}],"
				       " 'CreateRule': {'Interval': 12, 'IntervalUnit': 'HOURS', 'Times': ['06:00']}, 'RetainRule': %s}]}}", retain);

	ok(f, "dlm", "CreateLifecyclePolicy", in);
	return mc_strdup(mc_json_str(f->call.out, "PolicyId", NULL));
}

static int64_t step(struct fixture *f, const char *id)
{
	mc_auto_err mc_err *err = NULL;
	int64_t delay = 0;

	if (step_lifecycle(&f->api, id, &delay, &err) < 0)
		fail_msg("%s", mc_err_msg(err));
	return delay;
}

/* How many snapshots are in that state; complete: make the pending ones completed. */
static int snapshots(struct fixture *f, int in_state, bool complete)
{
	struct store_tx *tx = store_write(f->api.store);
	struct store_iter it = store_iter(tx, KIND_SNAPSHOT, NULL, NULL);
	const struct resource *r;
	int n = 0;

	while ((r = store_next(&it))) {
		if (complete && r->state == SNAPSHOT_PENDING)
			state_set(tx, store_edit(tx, r->id), SNAPSHOT_COMPLETED);
		n += store_get(tx, r->id)->state == in_state;
	}
	assert_int_equal(store_commit(tx, NULL), 0);
	return n;
}

static void at(const char *time)
{
	int64_t then;

	assert_int_equal(mc_clock_parse(time, &then), 0);
	mc_clock_step(then - mc_clock_wall(), 0);
}

static void test_count(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *yes = NULL, *no = NULL, *p = NULL;

	at("2027-01-01T00:00:00Z");
	yes = volume(f, "yes");
	no = volume(f, "no");
	p = policy(f, "{'Count': 2}");
	assert_true(step(f, p) > 0);
	assert_int_equal(snapshots(f, SNAPSHOT_PENDING, false), 0);
	at("2027-01-01T06:00:00Z");
	step(f, p);
	step(f, p); /* again at the same moment: nothing more */
	assert_int_equal(snapshots(f, SNAPSHOT_PENDING, false), 1);
	ok(f, "ec2", "DescribeSnapshots", "{'Filters': [{'Name': 'tag:aws:dlm:lifecycle-schedule-name', 'Values': ['s']},"
					  " {'Name': 'tag:by', 'Values': ['dlm']}, {'Name': 'tag:backup', 'Values': ['yes']}]}");
	assert_int_equal(json_array_size(fixture_list(f, "Snapshots")), 1);
	/* Down for two days: made up for once, and then on by the times. */
	assert_int_equal(snapshots(f, SNAPSHOT_COMPLETED, true), 1);
	at("2027-01-03T07:00:00Z");
	step(f, p);
	assert_int_equal(snapshots(f, SNAPSHOT_COMPLETED, true), 2);
	at("2027-01-03T17:59:59Z");
	step(f, p);
	assert_int_equal(snapshots(f, SNAPSHOT_PENDING, false), 0);
	at("2027-01-03T18:00:00Z");
	step(f, p);
	/* The third one: none goes until it is there. */
	assert_int_equal(snapshots(f, SNAPSHOT_COMPLETED, false), 2);
	assert_int_equal(snapshots(f, SNAPSHOT_COMPLETED, true), 3);
	step(f, p);
	assert_int_equal(snapshots(f, SNAPSHOT_DELETING, false), 1);
	assert_int_equal(snapshots(f, SNAPSHOT_COMPLETED, false), 2);
}

static void test_age(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vol = NULL, *p = NULL, *untag = NULL;

	at("2027-02-01T00:00:00Z");
	vol = volume(f, "yes");
	p = policy(f, "{'Interval': 1, 'IntervalUnit': 'DAYS'}");
	at("2027-02-01T06:00:00Z");
	step(f, p);
	snapshots(f, 0, true);
	at("2027-02-01T18:00:00Z");
	step(f, p);
	snapshots(f, 0, true);
	assert_int_equal(snapshots(f, SNAPSHOT_COMPLETED, false), 2);
	at("2027-02-02T06:00:00Z");
	step(f, p);
	assert_int_equal(snapshots(f, SNAPSHOT_DELETING, false), 1);
	assert_int_equal(snapshots(f, SNAPSHOT_COMPLETED, true), 2);
	/* No target any more: all but the last one go in time. */
	untag = mc_strf("{'Resources': ['%s'], 'Tags': [{'Key': 'backup'}]}", vol);
	ok(f, "ec2", "DeleteTags", untag);
	at("2027-02-09T06:00:00Z");
	step(f, p);
	assert_int_equal(snapshots(f, SNAPSHOT_COMPLETED, true), 1);
}

/* --- instances ------------------------------------------------------------------ */

/* A stopped one with these volumes that is a target. */
static char *instance(struct fixture *f, const char *root, const char *data)
{
	struct store_tx *tx = store_write(f->api.store);
	struct resource *r = store_insert(tx, KIND_INSTANCE, FIXTURE_ACCOUNT, FIXTURE_REGION);
	char *id = mc_strdup(r->id);

	json_object_update_new(r->doc, json_pack("{s:s, s:s}", "RootDeviceName", "/dev/xvda", "Architecture", "x86_64"));
	json_object_set_new(r->spec, "volumes", json_pack("[{s:s, s:s, s:s}, {s:s, s:s, s:s}]", "id", root, "device", "/dev/xvda", "state",
							  "attached", "id", data, "device", "/dev/sdf", "state", "attached"));
	json_object_update_new(r->tags, json_pack("{s:s, s:s}", "backup", "yes", "team", "a"));
	state_init(r, INSTANCE_STOPPED);
	assert_int_equal(store_commit(tx, NULL), 0);
	return id;
}

static char *policy_of_instances(struct fixture *f, const char *type, const char *parameters, const char *schedule)
{
	mc_autofree char *in = mc_strf("{" ROLE ", 'PolicyDetails': {'PolicyType': '%s', 'ResourceTypes': ['INSTANCE'], 'TargetTags': "
				       "[{'Key': 'backup', 'Value': 'yes'}], 'Parameters': %s, 'Schedules': [{'Name': 's', 'CreateRule': "
				       "{'Interval': 12, 'IntervalUnit': 'HOURS', 'Times': ['06:00']}, %s}]}}", type, parameters, schedule);

	ok(f, "dlm", "CreateLifecyclePolicy", in);
	return mc_strdup(mc_json_str(f->call.out, "PolicyId", NULL));
}

static size_t count(struct fixture *f, const char *name, const char *list, const char *in)
{
	ok(f, "ec2", name, in);
	return json_array_size(fixture_list(f, list));
}

/* All volumes at one point in time, without the root where it is excluded; what was shared is taken back. */
static void test_instances(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *root = NULL, *data = NULL, *inst = NULL, *all = NULL, *some = NULL, *of = NULL, *off = NULL;

	at("2027-05-01T00:00:00Z");
	root = volume(f, "no");
	data = volume(f, "no");
	inst = instance(f, root, data);
	all = policy_of_instances(f, "EBS_SNAPSHOT_MANAGEMENT", "{}", "'RetainRule': {'Count': 1}, 'VariableTags': [{'Key': 'of', 'Value': "
				  "'$(instance-id)'}], 'ShareRules': [{'TargetAccounts': ['210987654321'], 'UnshareInterval': 2, "
				  "'UnshareIntervalUnit': 'DAYS'}]");
	some = policy_of_instances(f, "EBS_SNAPSHOT_MANAGEMENT", "{'ExcludeBootVolume': true}", "'RetainRule': {'Count': 1}");
	at("2027-05-01T06:00:00Z");
	step(f, all);
	assert_int_equal(snapshots(f, SNAPSHOT_COMPLETED, true), 2);
	of = mc_strf("{'Filters': [{'Name': 'tag:of', 'Values': ['%s']}]}", inst);
	assert_int_equal(count(f, "DescribeSnapshots", "Snapshots", of), 2);
	step(f, some);
	assert_int_equal(snapshots(f, SNAPSHOT_COMPLETED, true), 3);
	step(f, all);
	fixture_as(f, "210987654321");
	assert_int_equal(count(f, "DescribeSnapshots", "Snapshots", "{'RestorableByUserIds': ['self']}"), 2);
	fixture_as(f, FIXTURE_ACCOUNT);
	ok(f, "dlm", "GetLifecyclePolicies", "{}");
	assert_int_equal(json_array_size(fixture_list(f, "Policies")), 2);
	at("2027-05-01T17:00:00Z");
	assert_true(step(f, all) <= HOUR);
	off = mc_strf("{'Resources': ['%s'], 'Tags': [{'Key': 'backup'}]}", inst);
	ok(f, "ec2", "DeleteTags", off);
	at("2027-05-03T06:00:00Z");
	step(f, all);
	fixture_as(f, "210987654321");
	assert_int_equal(count(f, "DescribeSnapshots", "Snapshots", "{'RestorableByUserIds': ['self']}"), 0);
}

/* A running one beside has the volume, too. */
static void lend(struct fixture *f, const char *vol, const char *inst)
{
	struct store_tx *tx = store_write(f->api.store);
	struct resource *r = store_insert(tx, KIND_INSTANCE, FIXTURE_ACCOUNT, FIXTURE_REGION);

	state_init(r, INSTANCE_RUNNING);
	json_object_set_new(store_edit(tx, vol)->spec, "instances", json_pack("[s, s]", inst, r->id));
	assert_int_equal(store_commit(tx, NULL), 0);
}

/* The ids of those that are taken together with a volume's, or 0. */
static size_t taken_with(struct fixture *f, const char *vol)
{
	struct store_tx *tx = store_read(f->api.store);
	struct store_iter it = store_iter(tx, KIND_SNAPSHOT, NULL, NULL);
	const struct resource *r = store_next(&it);
	size_t n;

	while (r && strcmp(mc_json_str(r->spec, "volume", ""), vol) != 0)
		r = store_next(&it);
	assert_non_null(r);
	n = json_array_size(mc_json_arr(r->spec, "set"));
	store_end(tx);
	return n;
}

/* What others write to, too, is taken by itself: nothing else waits for it, or fails with it. */
static void test_shared_volume(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *root = NULL, *data = NULL, *inst = NULL, *all = NULL;

	at("2027-05-01T00:00:00Z");
	root = volume(f, "no");
	f->service = "ec2";
	data = fixture_volume(f, "{'AvailabilityZone': 'us-east-1a', 'Size': 4, 'VolumeType': 'io2', 'Iops': 100, 'MultiAttachEnabled': true}");
	inst = instance(f, root, data);
	lend(f, data, inst);
	all = policy_of_instances(f, "EBS_SNAPSHOT_MANAGEMENT", "{}", "'RetainRule': {'Count': 1}");
	at("2027-05-01T06:00:00Z");
	step(f, all);
	assert_int_equal(snapshots(f, SNAPSHOT_PENDING, false), 2);
	assert_int_equal(taken_with(f, root), 1);
	assert_int_equal(taken_with(f, data), 0);
}

static void make_available(struct fixture *f)
{
	struct store_tx *tx = store_write(f->api.store);
	struct store_iter it = store_iter(tx, KIND_IMAGE, NULL, NULL);
	const struct resource *r;

	while ((r = store_next(&it)))
		if (r->state == IMAGE_PENDING)
			state_set(tx, store_edit(tx, r->id), IMAGE_AVAILABLE);
	assert_int_equal(store_commit(tx, NULL), 0);
}

/* Deprecated when a newer one is there, gone with its snapshots when two are. */
static void test_images(void **state)
{
	struct fixture *f = *state;
	static const char *const times[] = { "2027-06-01T06:00:00Z", "2027-06-01T18:00:00Z", "2027-06-02T06:00:00Z" };
	static const size_t images[] = { 1, 2, 2 }, deprecated[] = { 0, 1, 1 };
	mc_autofree char *root = NULL, *data = NULL, *inst = NULL, *p = NULL;
	const json_t *one;

	at("2027-06-01T00:00:00Z");
	root = volume(f, "no");
	data = volume(f, "no");
	inst = instance(f, root, data);
	p = policy_of_instances(f, "IMAGE_MANAGEMENT", "{'NoReboot': true}", "'CopyTags': true, 'RetainRule': {'Count': 2}, 'DeprecateRule': "
				"{'Count': 1}");
	for (size_t i = 0; i < MC_ARRAY_SIZE(times); i++) {
		at(times[i]);
		step(f, p);
		step(f, p);
		snapshots(f, 0, true);
		make_available(f);
		step(f, p);
		assert_int_equal(count(f, "DescribeImages", "Images", "{'Filters': [{'Name': 'tag:team', 'Values': ['a']}]}"), images[i]);
		assert_int_equal(count(f, "DescribeImages", "Images", "{'Filters': [{'Name': 'deprecation-time', 'Values': ['*']}]}"), deprecated[i]);
		assert_int_equal(count(f, "DescribeSnapshots", "Snapshots", "{'Filters': [{'Name': 'tag:team', 'Values': ['a']}]}"),
				 2 * images[i]);
	}
	ok(f, "ec2", "DescribeImages", "{}");
	one = json_array_get(fixture_list(f, "Images"), 1);
	assert_string_equal(mc_json_str(one, "SourceInstanceId", ""), inst);
	assert_int_equal(strncmp(mc_json_str(one, "Name", ""), p, strlen(p)), 0);
	assert_int_equal(json_array_size(mc_json_arr(one, "BlockDeviceMappings")), 2);
	ok(f, "dlm", "GetLifecyclePolicies", "{}");
	assert_string_equal(mc_json_str(json_array_get(fixture_list(f, "Policies"), 0), "PolicyType", ""), "IMAGE_MANAGEMENT");
}

/* Into another region when it is there, once; the copy goes by its own age. */
static void test_copies(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vol = NULL, *p = NULL;
	const json_t *one;

	at("2027-07-01T00:00:00Z");
	vol = volume(f, "yes");
	p = policy(f, "{'Count': 5}, 'CrossRegionCopyRules': [{'Target': 'eu-west-1', 'Encrypted': true, 'CopyTags': true, 'RetainRule': "
		      "{'Interval': 1, 'IntervalUnit': 'DAYS'}}]");
	at("2027-07-01T06:00:00Z");
	step(f, p);
	assert_int_equal(snapshots(f, SNAPSHOT_PENDING, false), 1);
	snapshots(f, 0, true);
	step(f, p);
	step(f, p);
	assert_int_equal(snapshots(f, SNAPSHOT_PENDING, false), 1);
	snprintf(f->caller.region, sizeof(f->caller.region), "eu-west-1");
	assert_int_equal(count(f, "DescribeSnapshots", "Snapshots", "{'Filters': [{'Name': 'tag:backup', 'Values': ['yes']}]}"), 1);
	one = json_array_get(fixture_list(f, "Snapshots"), 0);
	assert_true(mc_json_bool(one, "Encrypted", false));
	assert_non_null(strstr(mc_json_str(one, "KmsKeyId", ""), ":eu-west-1:"));
	snapshots(f, 0, true);
	at("2027-07-02T05:59:59Z");
	step(f, p);
	assert_int_equal(snapshots(f, SNAPSHOT_DELETING, false), 0);
	at("2027-07-02T06:00:00Z");
	step(f, p);
	assert_int_equal(snapshots(f, SNAPSHOT_DELETING, false), 1);
	snprintf(f->caller.region, sizeof(f->caller.region), FIXTURE_REGION);
}

#define EVENT(owners, pattern) "'EventSource': {'Type': 'MANAGED_CWE', 'Parameters': {'EventType': 'shareSnapshot', 'SnapshotOwner': " owners \
	", 'DescriptionRegex': '" pattern "'}}"
#define COPY(to) "{'Target': '" to "', 'EncryptionConfiguration': {'Encrypted': true}, 'RetainRule': {'Interval': 1, 'IntervalUnit': 'DAYS'}}"
#define COPIES(list) "'Actions': [{'Name': 'copy', 'CrossRegionCopy': [" list "]}]"
#define OTHER "210987654321"

static char *event_policy(struct fixture *f)
{
	fixture_as(f, OTHER);
	ok(f, "dlm", "CreateLifecyclePolicy", "{" ROLE ", 'PolicyDetails': {'PolicyType': 'EVENT_BASED_POLICY', "
	   EVENT("['" FIXTURE_ACCOUNT "']", "^.*nightly.*$") ", " COPIES(COPY("eu-west-1") ", " COPY("us-east-1")) "}}");
	return mc_strdup(mc_json_str(f->call.out, "PolicyId", NULL));
}

static char *described_snapshot(struct fixture *f, const char *vol, const char *description)
{
	mc_autofree char *in = mc_strf("{'VolumeId': '%s', 'Description': '%s'}", vol, description);

	ok(f, "ec2", "CreateSnapshot", in);
	return mc_strdup(mc_json_str(f->call.out, "SnapshotId", NULL));
}

static void share(struct fixture *f, const char *snapshot, const char *way)
{
	mc_autofree char *in = mc_strf("{'SnapshotId': '%s', 'CreateVolumePermission': {'%s': [{'UserId': '" OTHER "'}]}}", snapshot, way);

	ok(f, "ec2", "ModifySnapshotAttribute", in);
}

/* What the other account has of its own in that region. */
static size_t of_the_other(struct fixture *f, const char *region)
{
	size_t n;

	fixture_as(f, OTHER);
	snprintf(f->caller.region, sizeof(f->caller.region), "%s", region);
	n = count(f, "DescribeSnapshots", "Snapshots", "{'OwnerIds': ['self']}");
	fixture_as(f, FIXTURE_ACCOUNT);
	snprintf(f->caller.region, sizeof(f->caller.region), FIXTURE_REGION);
	return n;
}

/* What is shared and fits is copied once it is completed, and once; the copies go by their age. */
static void test_events(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *p = NULL, *vol = NULL, *one = NULL, *other = NULL, *gone = NULL;

	at("2027-08-01T00:00:00Z");
	p = event_policy(f);
	fixture_as(f, FIXTURE_ACCOUNT);
	vol = volume(f, "no");
	one = described_snapshot(f, vol, "the nightly one");
	other = described_snapshot(f, vol, "another");
	gone = described_snapshot(f, vol, "nightly, taken back");
	share(f, one, "Add");
	share(f, other, "Add");
	share(f, gone, "Add");
	share(f, gone, "Remove");
	assert_true(step(f, p) < MC_SECOND); /* it is not completed yet */
	assert_int_equal(of_the_other(f, "eu-west-1"), 0);
	snapshots(f, 0, true);
	step(f, p);
	step(f, p);
	assert_int_equal(of_the_other(f, "eu-west-1"), 1);
	assert_int_equal(of_the_other(f, "us-east-1"), 1);
	share(f, one, "Add"); /* it is shared already */
	step(f, p);
	assert_int_equal(of_the_other(f, "eu-west-1"), 1);
	fixture_as(f, OTHER);
	ok(f, "ec2", "DescribeSnapshots", "{'OwnerIds': ['self']}");
	assert_true(mc_json_bool(json_array_get(fixture_list(f, "Snapshots"), 0), "Encrypted", false));
	ok(f, "dlm", "GetLifecyclePolicies", "{'ResourceTypes': ['VOLUME']}");
	assert_int_equal(json_array_size(fixture_list(f, "Policies")), 0);
	fixture_as(f, FIXTURE_ACCOUNT);
	snapshots(f, 0, true);
	at("2027-08-01T23:59:59Z");
	assert_true(step(f, p) <= MC_SECOND);
	assert_int_equal(snapshots(f, SNAPSHOT_DELETING, false), 0);
	at("2027-08-02T00:00:00Z");
	step(f, p);
	assert_int_equal(snapshots(f, SNAPSHOT_DELETING, false), 2);
}

static void test_event_refusals(void **state)
{
	struct fixture *f = *state;
	static const char *const cases[] = {
		COPIES(COPY("eu-west-1")),
		EVENT("['" OTHER "']", "a"),
		EVENT("[]", "a") ", " COPIES(COPY("eu-west-1")),
		EVENT("['me']", "a") ", " COPIES(COPY("eu-west-1")),
		EVENT("['" OTHER "']", "a(") ", " COPIES(COPY("eu-west-1")),
		EVENT("['" OTHER "']", "(((a{1,255}){1,255}){1,255}){1,255}") ", " COPIES(COPY("eu-west-1")),
		EVENT("['" OTHER "']", "a") ", " COPIES(COPY("moon-1")),
		EVENT("['" OTHER "']", "a") ", " COPIES(COPY("eu-west-1") ", " COPY("eu-west-1")),
		EVENT("['" OTHER "']", "a") ", " COPIES(COPY("eu-west-1")) ", 'TargetTags': [{'Key': 'a', 'Value': 'b'}]",
	};

	f->service = "dlm";
	for (size_t i = 0; i < MC_ARRAY_SIZE(cases); i++) {
		mc_autofree char *in = mc_strf("{" ROLE ", 'PolicyDetails': {'PolicyType': 'EVENT_BASED_POLICY', %s}}", cases[i]);

		fixture_fails(f, "CreateLifecyclePolicy", in, "InvalidRequestException");
	}
}

static void test_refusals(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *details, *schedule;
	} cases[] = {
		{ "'PolicyType': 'EVENT_BASED_POLICY', 'ResourceTypes': ['INSTANCE']", "" },
		{ "'PolicyType': 'IMAGE_MANAGEMENT', 'ResourceTypes': ['VOLUME']", "" },
		{ "'PolicyType': 'IMAGE_MANAGEMENT', 'ResourceTypes': ['INSTANCE'], 'Parameters': {'ExcludeBootVolume': true}", "" },
		{ "'PolicyType': 'IMAGE_MANAGEMENT', 'ResourceTypes': ['INSTANCE']", ", 'ShareRules': [{'TargetAccounts': ['210987654321']}]" },
		{ "'ResourceTypes': ['INSTANCE'], 'Parameters': {'NoReboot': true}", "" },
		{ "'ResourceTypes': ['VOLUME']", ", 'DeprecateRule': {'Count': 1}" },
		{ "'ResourceTypes': ['VOLUME']", ", 'CrossRegionCopyRules': [{'Target': 'us-east-1', 'Encrypted': false}]" },
		{ "'ResourceTypes': ['VOLUME']", ", 'CrossRegionCopyRules': [{'Target': 'moon-1', 'Encrypted': false}]" },
		{ "'ResourceTypes': ['VOLUME']", ", 'ShareRules': [{'TargetAccounts': ['210987654321'], 'UnshareInterval': 1}]" },
	};

	f->service = "dlm";
	for (size_t i = 0; i < MC_ARRAY_SIZE(cases); i++) {
		mc_autofree char *in = mc_strf("{" ROLE ", 'PolicyDetails': {%s, 'TargetTags': [{'Key': 'a', 'Value': 'b'}], 'Schedules': "
					       "[{'Name': 's', 'CreateRule': {'Interval': 12, 'IntervalUnit': 'HOURS'}, 'RetainRule': "
					       "{'Count': 1}%s}]}}", cases[i].details, cases[i].schedule);

		fixture_fails(f, "CreateLifecyclePolicy", in, "InvalidRequestException");
	}
}

static void test_off_and_on(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vol = NULL, *p = NULL, *off = NULL, *on = NULL, *less = NULL;

	at("2027-03-01T00:00:00Z");
	vol = volume(f, "yes");
	p = policy(f, "{'Count': 1}");
	off = mc_strf("{'PolicyId': '%s', 'State': 'DISABLED'}", p);
	on = mc_strf("{'PolicyId': '%s', 'State': 'ENABLED'}", p);
	ok(f, "dlm", "UpdateLifecyclePolicy", off);
	at("2027-03-01T07:00:00Z");
	step(f, p);
	assert_int_equal(snapshots(f, SNAPSHOT_PENDING, false), 0);
	ok(f, "dlm", "UpdateLifecyclePolicy", on);
	step(f, p); /* what it would have done while it was off is not made up for */
	assert_int_equal(snapshots(f, SNAPSHOT_PENDING, false), 0);
	at("2027-03-01T18:00:00Z");
	step(f, p);
	assert_int_equal(snapshots(f, SNAPSHOT_PENDING, false), 1);
	f->service = "dlm";
	fixture_fails(f, "GetLifecyclePolicy", "{'PolicyId': 'policy-0123456789abcdef0'}", "ResourceNotFoundException");
	less = mc_strf("{'PolicyId': '%s', 'PolicyDetails': {'ResourceTypes': ['VOLUME']}}", p);
	fixture_fails(f, "UpdateLifecyclePolicy", less, "InvalidRequestException");
}

static void test_bin(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vol = NULL, *in = NULL, *id = NULL, *delete = NULL;
	mc_auto_err mc_err *err = NULL;
	int64_t delay = 0;

	at("2027-04-01T00:00:00Z");
	vol = volume(f, "yes");
	in = mc_strf("{'VolumeId': '%s'}", vol);
	ok(f, "rbin", "CreateRule", "{'ResourceType': 'EBS_SNAPSHOT', 'RetentionPeriod': {'RetentionPeriodValue': 2, 'RetentionPeriodUnit': 'DAYS'}}");
	ok(f, "ec2", "CreateSnapshot", in);
	id = mc_strdup(mc_json_str(f->call.out, "SnapshotId", NULL));
	snapshots(f, 0, true);
	delete = mc_strf("{'SnapshotId': '%s'}", id);
	ok(f, "ec2", "DeleteSnapshot", delete);
	assert_int_equal(snapshots(f, SNAPSHOT_RECOVERABLE, false), 1);
	ok(f, "ec2", "RestoreSnapshotFromRecycleBin", delete);
	assert_int_equal(snapshots(f, SNAPSHOT_COMPLETED, false), 1);
	ok(f, "ec2", "DeleteSnapshot", delete);
	at("2027-04-02T23:59:59Z");
	assert_int_equal(step_snapshot(&f->api, id, &delay, &err), STEP_NOT_YET);
	assert_true(delay <= MC_SECOND);
	at("2027-04-03T00:00:00Z");
	assert_int_equal(step_snapshot(&f->api, id, &delay, &err), STEP_AGAIN);
	assert_int_equal(snapshots(f, SNAPSHOT_DELETING, false), 1);
	fixture_fails(f, "RestoreSnapshotFromRecycleBin", delete, "InvalidSnapshot.NotFound");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_count, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_age, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_instances, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_shared_volume, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_images, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_copies, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_events, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_event_refusals, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_refusals, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_off_and_on, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_bin, fixture_setup, fixture_teardown),
	};

	mc_clock_freeze();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
