/* Imports and exports in the API: what is refused, what tasks look like, what a cancelled one leaves. */
#include "tests/unit/api_fixture.h"

#include "api/reconciler.h"
#include "api/transfer.h"

static json_t *first_of(struct fixture *f, const char *operation, const char *member)
{
	fixture_ok(f, operation, "{}");
	return json_array_get(fixture_list(f, member), 0);
}

static void test_import_snapshot(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *task = NULL;
	mc_autofree char *in = NULL;
	const json_t *detail;
	struct store_tx *tx;

	fixture_ok(f, "ImportSnapshot", "{'Description': 'd', 'DiskContainer': {'Format': 'vmdk', 'UserBucket': {'S3Bucket': 'b', 'S3Key': "
		   "'k/x'}}, 'TagSpecifications': [{'ResourceType': 'import-snapshot-task', 'Tags': [{'Key': 'a', 'Value': 'b'}]}]}");
	task = fixture_kept(f, "ImportTaskId");
	assert_true(mc_id_valid("import-snap", task));
	detail = mc_json_obj(first_of(f, "DescribeImportSnapshotTasks", "ImportSnapshotTasks"), "SnapshotTaskDetail");
	assert_string_equal(mc_json_str(detail, "Status", ""), "active");
	assert_string_equal(mc_json_str(detail, "Format", ""), "VMDK");
	assert_string_equal(mc_json_str(mc_json_obj(detail, "UserBucket"), "S3Key", ""), "k/x");
	assert_string_equal(mc_json_str(first_of(f, "DescribeSnapshots", "Snapshots"), "State", ""), "pending");
	in = mc_strf("{'ImportTaskId': '%s'}", task);
	fixture_ok(f, "CancelImportTask", in);
	assert_string_equal(mc_json_str(f->call.out, "PreviousState", ""), "active");
	tx = store_write(f->api.store);
	transfer_end(tx, store_edit(tx, task), "ClientError: no");
	assert_int_equal(store_commit(tx, NULL), 0);
	detail = mc_json_obj(first_of(f, "DescribeImportSnapshotTasks", "ImportSnapshotTasks"), "SnapshotTaskDetail");
	assert_string_equal(mc_json_str(detail, "Status", ""), "deleted");
	assert_string_equal(mc_json_str(detail, "StatusMessage", ""), "ClientError: no");
	assert_null(first_of(f, "DescribeSnapshots", "Snapshots"));
	fixture_fails(f, "CancelImportTask", in, "IncorrectState");
}

static void test_import_image(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *task = NULL;
	const json_t *image, *shown;
	struct store_tx *tx;

	fixture_ok(f, "ImportImage", "{'DiskContainers': [{'Url': 'file:///x/a.qcow2'}, {'Url': 's3://b/c.raw', 'DeviceName': '/dev/sdg'}, "
		   "{'Format': 'VHD', 'Url': 's3://b/d'}]}");
	task = fixture_kept(f, "ImportTaskId");
	assert_true(mc_id_valid("import-ami", task));
	assert_int_equal(json_array_size(fixture_list(f, "SnapshotDetails")), 3);
	image = first_of(f, "DescribeImages", "Images");
	assert_string_equal(mc_json_str(image, "State", ""), "pending");
	assert_string_equal(mc_json_str(image, "Name", ""), task);
	assert_string_equal(mc_json_str(image, "RootDeviceName", ""), "/dev/sda1");
	shown = mc_json_arr(image, "BlockDeviceMappings");
	assert_string_equal(mc_json_str(json_array_get(shown, 1), "DeviceName", ""), "/dev/sdg");
	assert_string_equal(mc_json_str(json_array_get(shown, 2), "DeviceName", ""), "/dev/sdf");
	tx = store_write(f->api.store);
	transfer_end(tx, store_edit(tx, task), "ServerError: full");
	assert_int_equal(store_commit(tx, NULL), 0);
	assert_null(first_of(f, "DescribeImages", "Images"));
	assert_null(first_of(f, "DescribeSnapshots", "Snapshots"));
}

static void test_refusals(void **state)
{
	static const struct {
		const char *operation, *in, *code;
	} cases[] = {
		{ "ImportSnapshot", "{}", "MissingParameter" },
		{ "ImportSnapshot", "{'DiskContainer': {'Format': 'raw'}}", "MissingParameter" },
		{ "ImportSnapshot", "{'DiskContainer': {'Url': 'https://example.com/x.raw'}}", "InvalidParameterValue" },
		{ "ImportSnapshot", "{'DiskContainer': {'Url': 'file:///x/y'}}", "MissingParameter" },
		{ "ImportSnapshot", "{'DiskContainer': {'Url': 'file:///x/y', 'Format': 'ova'}}", "InvalidParameterValue" },
		{ "ImportSnapshot", "{'DiskContainer': {'Format': 'raw', 'UserBucket': {'S3Bucket': 'b'}}}", "InvalidParameterValue" },
		{ "ImportSnapshot", "{'DiskContainer': {'Format': 'raw', 'UserBucket': {'S3Bucket': 'b/..', 'S3Key': 'k'}}}", "InvalidParameterValue" },
		{ "ImportSnapshot", "{'DiskContainer': {'Url': 'file:///x.raw', 'UserBucket': {'S3Bucket': 'b', 'S3Key': 'k'}}}",
		  "InvalidParameterCombination" },
		{ "ImportSnapshot", "{'KmsKeyId': 'alias/aws/ebs', 'DiskContainer': {'Url': 'file:///x.raw'}}", "InvalidParameterDependency" },
		{ "ImportImage", "{'Encrypted': true, 'KmsKeyId': 'alias/none', 'DiskContainers': [{'Url': 'file:///x.raw'}]}",
		  "InvalidKMSKey.NotFound" },
		{ "ImportImage", "{}", "MissingParameter" },
		{ "ImportImage", "{'Architecture': 'vax', 'DiskContainers': [{'Url': 'file:///x.raw'}]}", "InvalidParameterValue" },
		{ "ImportImage", "{'DiskContainers': [{'Url': 'file:///x.raw', 'DeviceName': 'x'}]}", "InvalidBlockDeviceMapping" },
		{ "ImportImage", "{'DiskContainers': [{'SnapshotId': 'snap-00000000000000000'}]}", "InvalidSnapshot.NotFound" },
		{ "ExportImage", "{'ImageId': 'ami-00000000000000000', 'DiskImageFormat': 'RAW', 'S3ExportLocation': {'S3Bucket': 'b'}}",
		  "InvalidAMIID.NotFound" },
		{ "CancelImportTask", "{}", "MissingParameter" },
		{ "CancelImportTask", "{'ImportTaskId': 'import-ami-00000000000000000'}", "InvalidConversionTaskId" },
		{ "CancelImportTask", "{'ImportTaskId': 'nonsense'}", "InvalidConversionTaskId.Malformed" },
		{ "CancelExportTask", "{'ExportTaskId': 'export-ami-00000000000000000'}", "InvalidExportTaskID.NotFound" },
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(cases); i++)
		fixture_fails(*state, cases[i].operation, cases[i].in, cases[i].code);
}

/* An image of one completed snapshot goes to where the operator lets it; one of two does not. */
static void test_export(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vol = fixture_volume_of(f, 1);
	mc_autofree char *snap = fixture_snapshot(f, vol);
	mc_autofree char *task = NULL;
	mc_autofree char *in = NULL;

	for (int two = 0; two < 2; two++) {
		mc_autofree char *more = mc_strf(", {'DeviceName': '/dev/sdf', 'Ebs': {'SnapshotId': '%s'}}", snap);
		mc_autofree char *reg = mc_strf("{'Name': 'image %d', 'BlockDeviceMappings': [{'DeviceName': '/dev/sda1', 'Ebs': {'SnapshotId': "
						"'%s'}}%s]}", two, snap, two ? more : "");
		mc_autofree char *image = NULL;
		mc_autofree char *export = NULL;

		fixture_ok(f, "RegisterImage", reg);
		image = fixture_kept(f, "ImageId");
		export = mc_strf("{'ImageId': '%s', 'DiskImageFormat': 'VMDK', 'S3ExportLocation': {'S3Bucket': 'b', 'S3Prefix': 'out/'}}", image);
		if (two) {
			fixture_fails(f, "ExportImage", export, "InvalidParameterValue");
			break;
		}
		fixture_ok(f, "ExportImage", export);
		task = fixture_kept(f, "ExportImageTaskId");
		assert_string_equal(mc_json_str(f->call.out, "Status", ""), "active");
	}
	assert_string_equal(mc_json_str(mc_json_obj(first_of(f, "DescribeExportImageTasks", "ExportImageTasks"), "S3ExportLocation"),
					"S3Prefix", ""), "out/");
	in = mc_strf("{'ExportTaskId': '%s'}", task);
	fixture_ok(f, "CancelExportTask", in);
	assert_string_equal(mc_json_str(first_of(f, "DescribeExportImageTasks", "ExportImageTasks"), "Status", ""), "deleting");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = { T(test_import_snapshot), T(test_import_image), T(test_refusals), T(test_export) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
