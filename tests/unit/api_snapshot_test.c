/* Snapshots in the API: what is refused, who sees whose, the sets of CreateSnapshots. */
#include "tests/unit/api_fixture.h"

#include "api/reconciler.h"

#define OTHER "210987654321"

static size_t seen(struct fixture *f, const char *in)
{
	fixture_ok(f, "DescribeSnapshots", in);
	return json_array_size(fixture_list(f, "Snapshots"));
}

static void test_create(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vol = fixture_volume_of(f, 3);
	mc_autofree char *snap = fixture_snapshot(f, vol);
	mc_autofree char *larger = mc_strf("{'AvailabilityZone': 'us-east-1a', 'SnapshotId': '%s', 'Size': 5}", snap);
	mc_autofree char *smaller = mc_strf("{'AvailabilityZone': 'us-east-1a', 'SnapshotId': '%s', 'Size': 2}", snap);
	mc_autofree char *same = mc_strf("{'AvailabilityZone': 'us-east-1a', 'SnapshotId': '%s'}", snap);
	mc_autofree char *delete = mc_strf("{'SnapshotId': '%s'}", snap);
	mc_autofree char *again = mc_strf("{'VolumeId': '%s'}", vol);
	json_t *view;

	assert_int_equal(seen(f, "{}"), 1);
	view = json_array_get(fixture_list(f, "Snapshots"), 0);
	assert_int_equal(mc_json_int(view, "VolumeSize", 0), 3);
	assert_string_equal(mc_json_str(view, "OwnerId", ""), FIXTURE_ACCOUNT);
	assert_string_equal(mc_json_str(view, "Description", ""), "one");
	fixture_fails(f, "CreateVolume", smaller, "InvalidParameterValue");
	fixture_ok(f, "CreateVolume", larger);
	assert_int_equal(mc_json_int(f->call.out, "Size", 0), 5);
	assert_string_equal(mc_json_str(f->call.out, "SnapshotId", ""), snap);
	fixture_ok(f, "CreateVolume", same);
	assert_int_equal(mc_json_int(f->call.out, "Size", 0), 3);
	fixture_ok(f, "DeleteSnapshot", delete);
	fixture_fails(f, "DeleteSnapshot", delete, "InvalidSnapshot.NotFound");
	fixture_fails(f, "CreateVolume", same, "InvalidSnapshot.NotFound");
	assert_int_equal(seen(f, "{}"), 0);
	fixture_fails(f, "DeleteSnapshot", "{'SnapshotId': 'nonsense'}", "InvalidSnapshotID.Malformed");
	fixture_set_state(f, vol, VOLUME_DELETING);
	fixture_fails(f, "CreateSnapshot", again, "IncorrectState");
}

/* One that is still to be taken is hidden, and goes when it has been. */
static void test_delete_pending(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vol = fixture_volume_of(f, 1);
	mc_autofree char *in = mc_strf("{'VolumeId': '%s'}", vol);
	mc_autofree char *delete = NULL;
	mc_autofree char *id = NULL;
	struct store_tx *tx;

	fixture_ok(f, "CreateSnapshot", in);
	id = mc_strdup(mc_json_str(f->call.out, "SnapshotId", ""));
	delete = mc_strf("{'SnapshotId': '%s'}", id);
	fixture_ok(f, "DeleteSnapshot", delete);
	assert_int_equal(seen(f, "{}"), 0);
	tx = store_read(f->api.store);
	assert_int_equal(store_get(tx, id)->state, SNAPSHOT_PENDING);
	store_end(tx);
}

static void test_sharing(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vol = fixture_volume_of(f, 1);
	mc_autofree char *snap = fixture_snapshot(f, vol);
	mc_autofree char *make = mc_strf("{'AvailabilityZone': 'us-east-1a', 'SnapshotId': '%s'}", snap);
	mc_autofree char *add = mc_strf("{'SnapshotId': '%s', 'CreateVolumePermission': {'Add': [{'UserId': '" OTHER "'}]}}", snap);
	mc_autofree char *take = mc_strf("{'SnapshotId': '%s', 'Attribute': 'createVolumePermission', 'OperationType': 'remove',"
					 " 'UserIds': ['" OTHER "']}", snap);
	mc_autofree char *all = mc_strf("{'SnapshotId': '%s', 'CreateVolumePermission': {'Add': [{'Group': 'all'}]}}", snap);
	mc_autofree char *bad = mc_strf("{'SnapshotId': '%s', 'CreateVolumePermission': {'Add': [{'UserId': 'me'}]}}", snap);
	mc_autofree char *ask = mc_strf("{'SnapshotId': '%s', 'Attribute': 'createVolumePermission'}", snap);
	mc_autofree char *delete = mc_strf("{'SnapshotId': '%s'}", snap);

	fixture_as(f, OTHER);
	assert_int_equal(seen(f, "{}"), 0);
	fixture_fails(f, "CreateVolume", make, "InvalidSnapshot.NotFound");
	fixture_fails(f, "ModifySnapshotAttribute", add, "InvalidSnapshot.NotFound");
	fixture_as(f, FIXTURE_ACCOUNT);
	fixture_fails(f, "ModifySnapshotAttribute", bad, "InvalidAMIAttributeItemValue");
	fixture_ok(f, "ModifySnapshotAttribute", add);
	fixture_ok(f, "DescribeSnapshotAttribute", ask);
	assert_int_equal(json_array_size(fixture_list(f, "CreateVolumePermissions")), 1);
	fixture_as(f, OTHER);
	assert_int_equal(seen(f, "{}"), 1);
	assert_int_equal(seen(f, "{'OwnerIds': ['self']}"), 0);
	assert_int_equal(seen(f, "{'RestorableByUserIds': ['self']}"), 1);
	assert_int_equal(seen(f, "{'RestorableByUserIds': ['all']}"), 0);
	fixture_ok(f, "CreateVolume", make);
	fixture_fails(f, "DeleteSnapshot", delete, "InvalidSnapshot.NotFound");
	fixture_fails(f, "DescribeSnapshotAttribute", ask, "InvalidSnapshot.NotFound");
	fixture_as(f, FIXTURE_ACCOUNT);
	fixture_ok(f, "ModifySnapshotAttribute", take);
	fixture_as(f, OTHER);
	fixture_fails(f, "CreateVolume", make, "InvalidSnapshot.NotFound");
	fixture_as(f, FIXTURE_ACCOUNT);
	fixture_ok(f, "ModifySnapshotAttribute", all);
	fixture_as(f, OTHER);
	assert_int_equal(seen(f, "{'RestorableByUserIds': ['all']}"), 1);
	fixture_as(f, FIXTURE_ACCOUNT);
	fixture_ok(f, "ResetSnapshotAttribute", ask);
	fixture_as(f, OTHER);
	assert_int_equal(seen(f, "{}"), 0);
}

static void test_copy(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vol = fixture_volume_of(f, 2);
	mc_autofree char *snap = fixture_snapshot(f, vol);
	mc_autofree char *good = mc_strf("{'SourceRegion': 'us-east-1', 'SourceSnapshotId': '%s', 'Description': 'far'}", snap);
	mc_autofree char *wrong = mc_strf("{'SourceRegion': 'eu-west-1', 'SourceSnapshotId': '%s'}", snap);
	mc_autofree char *nowhere = mc_strf("{'SourceRegion': 'mars-1', 'SourceSnapshotId': '%s'}", snap);
	json_t *view;

	fixture_fails(f, "CopySnapshot", wrong, "InvalidSnapshot.NotFound");
	fixture_fails(f, "CopySnapshot", nowhere, "InvalidParameterValue");
	snprintf(f->caller.region, sizeof(f->caller.region), "eu-west-1");
	fixture_ok(f, "CopySnapshot", good);
	assert_int_equal(seen(f, "{}"), 1);
	view = json_array_get(fixture_list(f, "Snapshots"), 0);
	assert_string_equal(mc_json_str(view, "VolumeId", ""), "vol-ffffffff");
	assert_string_equal(mc_json_str(view, "Description", ""), "far");
	assert_int_equal(mc_json_int(view, "VolumeSize", 0), 2);
	assert_string_equal(mc_json_str(view, "State", ""), "pending");
}

/* An image keeps its snapshots from being deleted. */
static void test_in_use(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vol = fixture_volume_of(f, 1);
	mc_autofree char *snap = fixture_snapshot(f, vol);
	mc_autofree char *delete = mc_strf("{'SnapshotId': '%s'}", snap);
	struct store_tx *tx = store_write(f->api.store);
	struct resource *image = store_insert(tx, KIND_IMAGE, FIXTURE_ACCOUNT, FIXTURE_REGION);

	json_object_set_new(image->doc, "BlockDeviceMappings", json_pack("[{s:s, s:{s:s}}]", "DeviceName", "/dev/xvda", "Ebs",
									 "SnapshotId", snap));
	state_init(image, IMAGE_AVAILABLE);
	assert_int_equal(store_commit(tx, NULL), 0);
	fixture_fails(f, "DeleteSnapshot", delete, "InvalidSnapshot.InUse");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(test_create), T(test_delete_pending), T(test_sharing), T(test_copy), T(test_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
