/* Block public access: what may be shared with everybody, and what of it is still seen. */
#include "tests/unit/api_fixture.h"

#define OTHER "210987654321"
#define ADD_ALL ", 'OperationType': 'add', 'Attribute': "

static int on(struct fixture *f, const char *name, const char *member, const char *id, const char *more)
{
	mc_autofree char *in = mc_strf("{'%s': '%s'%s}", member, id, more);

	return fixture_call(f, name, in);
}

static int publish_image(struct fixture *f, const char *image)
{
	return on(f, "ModifyImageAttribute", "ImageId", image, ", 'LaunchPermission': {'Add': [{'Group': 'all'}]}");
}

static int publish_snapshot(struct fixture *f, const char *snap)
{
	return on(f, "ModifySnapshotAttribute", "SnapshotId", snap, ADD_ALL "'createVolumePermission', 'GroupNames': ['all']");
}

static size_t seen(struct fixture *f, const char *account)
{
	size_t n;

	fixture_as(f, account);
	fixture_ok(f, "DescribeSnapshots", "{'RestorableByUserIds': ['all']}");
	n = json_array_size(fixture_list(f, "Snapshots"));
	fixture_as(f, FIXTURE_ACCOUNT);
	return n;
}

static void test_images(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vol = fixture_volume_of(f, 1);
	mc_autofree char *snap = fixture_snapshot(f, vol);
	mc_autofree char *in = mc_strf("{'Name': 'one', 'Architecture': 'x86_64', 'VirtualizationType': 'hvm', 'RootDeviceName': "
				       "'/dev/xvda', 'BlockDeviceMappings': [{'DeviceName': '/dev/xvda', 'Ebs': {'SnapshotId': '%s'}}]}", snap);
	mc_autofree char *image = NULL;

	fixture_ok(f, "RegisterImage", in);
	image = fixture_kept(f, "ImageId");
	fixture_ok(f, "GetImageBlockPublicAccessState", "{}");
	assert_string_equal(mc_json_str(f->call.out, "ImageBlockPublicAccessState", ""), "unblocked");
	fixture_ok(f, "EnableImageBlockPublicAccess", "{'ImageBlockPublicAccessState': 'block-new-sharing'}");
	assert_string_equal(mc_json_str(f->call.out, "ImageBlockPublicAccessState", ""), "block-new-sharing");
	assert_int_equal(publish_image(f, image), 1);
	assert_string_equal(f->call.error_code, "OperationNotPermitted");
	assert_int_equal(on(f, "ModifyImageAttribute", "ImageId", image, ", 'LaunchPermission': {'Add': [{'UserId': '" OTHER "'}]}"), 0);
	fixture_as(f, OTHER); /* it is the account's own */
	fixture_ok(f, "GetImageBlockPublicAccessState", "{}");
	assert_string_equal(mc_json_str(f->call.out, "ImageBlockPublicAccessState", ""), "unblocked");
	fixture_as(f, FIXTURE_ACCOUNT);
	fixture_ok(f, "DisableImageBlockPublicAccess", "{}");
	assert_int_equal(publish_image(f, image), 0);
	fixture_ok(f, "EnableImageBlockPublicAccess", "{'ImageBlockPublicAccessState': 'block-new-sharing'}");
	assert_int_equal(on(f, "ModifyImageAttribute", "ImageId", image, ", 'LaunchPermission': {'Remove': [{'Group': 'all'}]}"), 0);
}

static void test_snapshots(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vol = fixture_volume_of(f, 1);
	mc_autofree char *first = fixture_snapshot(f, vol), *second = fixture_snapshot(f, vol);

	assert_int_equal(publish_snapshot(f, first), 0);
	assert_int_equal(seen(f, OTHER), 1);
	fixture_fails(f, "EnableSnapshotBlockPublicAccess", "{'State': 'unblocked'}", "InvalidParameterValue");
	fixture_ok(f, "EnableSnapshotBlockPublicAccess", "{'State': 'block-new-sharing'}");
	assert_int_equal(publish_snapshot(f, second), 1);
	assert_string_equal(f->call.error_code, "OperationNotPermitted");
	assert_int_equal(seen(f, OTHER), 1);
	fixture_ok(f, "EnableSnapshotBlockPublicAccess", "{'State': 'block-all-sharing'}");
	assert_int_equal(seen(f, OTHER), 0);
	fixture_ok(f, "GetSnapshotBlockPublicAccessState", "{}");
	assert_string_equal(mc_json_str(f->call.out, "State", ""), "block-all-sharing");
	/* Its attribute stays what it is. */
	assert_int_equal(on(f, "DescribeSnapshotAttribute", "SnapshotId", first, ", 'Attribute': 'createVolumePermission'"), 0);
	assert_int_equal(json_array_size(fixture_list(f, "CreateVolumePermissions")), 1);
	fixture_ok(f, "DisableSnapshotBlockPublicAccess", "{}");
	assert_int_equal(seen(f, OTHER), 1);
	assert_int_equal(publish_snapshot(f, second), 0);
	assert_int_equal(seen(f, OTHER), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_images, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_snapshots, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
