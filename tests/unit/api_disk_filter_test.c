/* The filters of DescribeSnapshots and DescribeImages: of things that differ in everything, each filter finds those that it says. */
#include "tests/unit/api_fixture.h"

#include "api/kms.h"
#include "common/clock.h"

struct row {
	const char *name, *value;
	size_t n;
};

/* How many have what the filter says, one after the other. */
static void check(struct fixture *f, const char *operation, const char *list, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		mc_autofree char *in = mc_strf("{'Filters': [{'Name': '%s', 'Values': ['%s']}]}", rows[i].name, rows[i].value);

		fixture_ok(f, operation, in);
		if (json_array_size(fixture_list(f, list)) != rows[i].n)
			fail_msg("%s %s=%s: %zu, not %zu", operation, rows[i].name, rows[i].value, json_array_size(fixture_list(f, list)), rows[i].n);
	}
}

static void make_key(struct fixture *f)
{
	struct store_tx *tx = store_write(f->api.store);
	struct resource *key = kms_key_make(tx, FIXTURE_ACCOUNT, FIXTURE_REGION, "CUSTOMER");

	state_set(tx, key, KMS_KEY_ENABLED);
	kms_alias_set(key, "alias/good");
	assert_int_equal(store_commit(tx, NULL), 0);
}

/* One that is completed, and a second later one of an encrypted volume that is on its way. */
static void two_snapshots(struct fixture *f, char **ret_vol, char **ret_done, char **ret_pending)
{
	mc_autofree char *vol = fixture_volume_of(f, 3);
	mc_autofree char *other = NULL;
	mc_autofree char *in = NULL;

	*ret_done = fixture_snapshot(f, vol);
	mc_clock_step(MC_SECOND, MC_SECOND);
	make_key(f);
	other = fixture_volume(f, "{'AvailabilityZone': 'us-east-1a', 'Size': 7, 'Encrypted': true, 'KmsKeyId': 'alias/good'}");
	in = mc_strf("{'VolumeId': '%s', 'Description': 'of two', 'TagSpecifications': [{'ResourceType': 'snapshot', "
		     "'Tags': [{'Key': 'Name', 'Value': 'second'}]}]}", other);
	fixture_ok(f, "CreateSnapshot", in);
	*ret_pending = fixture_kept(f, "SnapshotId");
	*ret_vol = mc_strdup(vol);
}

static void test_snapshots(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vol = NULL, *done = NULL, *pending = NULL, *copy = NULL, *began = NULL;

	two_snapshots(f, &vol, &done, &pending);
	copy = mc_strf("{'SourceRegion': 'us-east-1', 'SourceSnapshotId': '%s', 'CompletionDurationMinutes': 15}", done);
	fixture_ok(f, "CopySnapshot", copy);
	fixture_ok(f, "DescribeSnapshots", "{'Filters': [{'Name': 'status', 'Values': ['completed']}]}");
	assert_int_equal(json_array_size(fixture_list(f, "Snapshots")), 1);
	began = mc_strdup(mc_json_str(json_array_get(fixture_list(f, "Snapshots"), 0), "StartTime", ""));
	const struct row rows[] = {
		{ "description", "one", 1 }, { "description", "o*", 2 }, { "description", "O*", 0 }, { "encrypted", "true", 1 },
		{ "encrypted", "false", 2 }, { "owner-alias", "amazon", 0 }, { "owner-id", FIXTURE_ACCOUNT, 3 }, { "owner-id", "1", 0 },
		{ "progress", "100%", 0 }, { "snapshot-id", done, 1 }, { "snapshot-id", "snap-*", 3 }, { "start-time", began, 1 },
		{ "status", "completed", 1 }, { "status", "pending", 2 }, { "status", "error", 0 }, { "storage-tier", "standard", 3 },
		{ "storage-tier", "archive", 0 }, { "tag:Name", "second", 1 }, { "tag-key", "Name", 1 }, { "transfer-type", "time-based", 1 },
		{ "volume-id", vol, 1 }, { "volume-size", "3", 2 }, { "volume-size", "7", 1 }, { "volume-size", "?", 3 },
	};

	check(f, "DescribeSnapshots", "Snapshots", rows, MC_ARRAY_SIZE(rows));
	fixture_fails(f, "DescribeSnapshots", "{'Filters': [{'Name': 'size', 'Values': ['3']}]}", "InvalidParameterValue");
}

/* Of one snapshot, with a disk without one and an instance store beside; and of another one, for all and soon out of date. */
static void two_images(struct fixture *f, const char *snap, const char *other)
{
	mc_autofree char *rich = mc_strf("{'Name': 'rich', 'Description': 'first', 'Architecture': 'x86_64', 'VirtualizationType': 'hvm', "
		"'RootDeviceName': '/dev/sda1', 'EnaSupport': true, 'ImdsSupport': 'v2.0', 'BlockDeviceMappings': ["
		"{'DeviceName': '/dev/sda1', 'Ebs': {'SnapshotId': '%s', 'VolumeSize': 9, 'VolumeType': 'gp3', 'Iops': 4000, 'Throughput': 200}}, "
		"{'DeviceName': '/dev/sdf', 'Ebs': {'VolumeSize': 2, 'DeleteOnTermination': false, 'Encrypted': true}}, "
		"{'DeviceName': '/dev/sdb', 'VirtualName': 'ephemeral0'}]}", snap);
	mc_autofree char *poor = mc_strf("{'Name': 'poor', 'Architecture': 'x86_64', 'VirtualizationType': 'hvm', 'RootDeviceName': '/dev/xvda', "
		"'BlockDeviceMappings': [{'DeviceName': '/dev/xvda', 'Ebs': {'SnapshotId': '%s'}}], 'TagSpecifications': [{'ResourceType': 'image', "
		"'Tags': [{'Key': 'Name', 'Value': 'second'}]}]}", other);
	mc_autofree char *public = NULL, *deprecated = NULL;
	char soon[MC_ISO8601_LEN];

	fixture_ok(f, "RegisterImage", rich);
	mc_clock_step(MC_SECOND, MC_SECOND);
	fixture_ok(f, "RegisterImage", poor);
	public = mc_strf("{'ImageId': '%s', 'LaunchPermission': {'Add': [{'Group': 'all'}]}}", mc_json_str(f->call.out, "ImageId", ""));
	mc_clock_iso8601(mc_clock_wall() + 3600 * MC_SECOND, soon);
	deprecated = mc_strf("{'ImageId': '%s', 'DeprecateAt': '%s'}", mc_json_str(f->call.out, "ImageId", ""), soon);
	fixture_ok(f, "ModifyImageAttribute", public);
	fixture_ok(f, "EnableImageDeprecation", deprecated);
}

static void test_images(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *one = fixture_volume_of(f, 3), *two = fixture_volume_of(f, 1), *image = NULL, *made = NULL;
	mc_autofree char *snap = fixture_snapshot(f, one), *other = fixture_snapshot(f, two);
	const json_t *poor;

	two_images(f, snap, other);
	fixture_ok(f, "DescribeImages", "{'Filters': [{'Name': 'name', 'Values': ['poor']}]}");
	poor = json_array_get(fixture_list(f, "Images"), 0);
	image = mc_strdup(mc_json_str(poor, "ImageId", ""));
	made = mc_strdup(mc_json_str(poor, "CreationDate", ""));
	const struct row rows[] = {
		{ "architecture", "x86_64", 2 }, { "architecture", "arm64", 0 }, { "block-device-mapping.delete-on-termination", "false", 1 },
		{ "block-device-mapping.delete-on-termination", "true", 2 }, { "block-device-mapping.device-name", "/dev/sdf", 1 },
		{ "block-device-mapping.encrypted", "true", 1 }, { "block-device-mapping.snapshot-id", snap, 1 },
		{ "block-device-mapping.volume-size", "9", 1 }, { "block-device-mapping.volume-size", "1", 1 },
		{ "block-device-mapping.volume-type", "gp3", 1 }, { "block-device-mapping.volume-type", "gp2", 2 },
		{ "block-device-mapping.iops", "4000", 1 }, { "block-device-mapping.throughput", "200", 1 },
		{ "block-device-mapping.virtual-name", "ephemeral0", 1 }, { "creation-date", made, 1 }, { "deprecation-time", "*Z", 1 },
		{ "description", "first", 1 }, { "ena-support", "true", 1 }, { "hypervisor", "xen", 2 }, { "image-id", image, 1 },
		{ "image-type", "machine", 2 }, { "imds-support", "v2.0", 1 }, { "is-public", "true", 1 }, { "is-public", "false", 1 },
		{ "kernel-id", "*", 0 }, { "manifest-location", "*/rich", 1 }, { "name", "r?ch", 1 }, { "owner-alias", "*", 0 },
		{ "owner-id", FIXTURE_ACCOUNT, 2 }, { "platform", "windows", 0 }, { "product-code", "*", 0 }, { "ramdisk-id", "*", 0 },
		{ "root-device-name", "/dev/sda1", 1 }, { "root-device-type", "ebs", 2 }, { "root-device-type", "instance-store", 0 },
		{ "state", "available", 2 }, { "state", "pending", 0 }, { "state-reason-code", "*", 0 }, { "sriov-net-support", "simple", 0 },
		{ "tag:Name", "second", 1 }, { "tag-key", "Name", 1 }, { "virtualization-type", "hvm", 2 }, { "virtualization-type", "paravirtual", 0 },
	};

	check(f, "DescribeImages", "Images", rows, MC_ARRAY_SIZE(rows));
	fixture_fails(f, "DescribeImages", "{'Filters': [{'Name': 'size', 'Values': ['3']}]}", "InvalidParameterValue");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = { TEST(test_snapshots), TEST(test_images) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
