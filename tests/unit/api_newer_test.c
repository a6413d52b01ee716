/* What newer clients send, and what a launch cannot do here: taken in, or refused with a reason, never passed over. */
#include "tests/unit/api_fixture.h"

#include "api/kms.h"

/* A row of what is refused: the members beside those that every call of the action has. */
struct refusal {
	const char *members, *code, *words;
};

/* base: the other members, ending in a comma. */
static void refused(struct fixture *f, const char *action, const char *base, const struct refusal *r)
{
	mc_autofree char *in = mc_strf("{%s %s}", base, r->members);

	fixture_fails(f, action, in, r->code);
	if (!strstr(f->call.error_message, r->words))
		fail_msg("%s %s: \"%s\" has no \"%s\"", action, in, f->call.error_message, r->words);
}

/* The only volume of its kind that is described, by its id. */
static const json_t *described(struct fixture *f, const char *action, const char *list, const char *id)
{
	mc_autofree char *in = mc_strf("{'VolumeIds': ['%s']}", id);

	fixture_ok(f, action, in);
	assert_int_equal(json_array_size(fixture_list(f, list)), 1);
	return json_array_get(fixture_list(f, list), 0);
}

/* --- volumes ---------------------------------------------------------------- */

static void test_initialization_rate(void **state)
{
	static const struct refusal rows[] = {
		{ "'Size': 1, 'VolumeInitializationRate': 200", "InvalidParameterCombination", "created from snapshots" },
		{ "'Size': 1, 'OutpostArn': 'arn:aws:outposts:us-east-1:1:outpost/op-1'", "UnsupportedOperation", "Outposts" },
	};
	struct fixture *f = *state;
	mc_autofree char *first = fixture_volume_of(f, 1), *snap = fixture_snapshot(f, first);
	mc_autofree char *good = mc_strf("{'AvailabilityZone': 'us-east-1a', 'SnapshotId': '%s', 'VolumeInitializationRate': 300}", snap);
	mc_autofree char *low = mc_strf("'SnapshotId': '%s', 'VolumeInitializationRate': 99", snap);
	mc_autofree char *high = mc_strf("'SnapshotId': '%s', 'VolumeInitializationRate': 301", snap);
	mc_autofree char *vol = fixture_volume(f, good);
	const json_t *details;

	assert_int_equal(mc_json_int(described(f, "DescribeVolumes", "Volumes", vol), "VolumeInitializationRate", 0), 300);
	details = mc_json_obj(described(f, "DescribeVolumeStatus", "VolumeStatuses", vol), "InitializationStatusDetails");
	assert_string_equal(mc_json_str(details, "InitializationType", ""), "provisioned-rate");
	assert_int_equal(mc_json_int(details, "Progress", 0), 100);
	assert_null(mc_json_obj(described(f, "DescribeVolumeStatus", "VolumeStatuses", first), "InitializationStatusDetails"));
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		refused(f, "CreateVolume", "'AvailabilityZone': 'us-east-1a',", &rows[i]);
	refused(f, "CreateVolume", "'AvailabilityZone': 'us-east-1a',", &(struct refusal){ low, "InvalidParameterValue", "between 100 and 300" });
	refused(f, "CreateVolume", "'AvailabilityZone': 'us-east-1a',", &(struct refusal){ high, "InvalidParameterValue", "between 100 and 300" });
}

static void test_managed_filters(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vol = fixture_volume_of(f, 1);

	(void)vol;
	fixture_ok(f, "DescribeVolumes", "{'Filters': [{'Name': 'operator.managed', 'Values': ['false']}], 'IncludeManagedResources': true}");
	assert_int_equal(json_array_size(fixture_list(f, "Volumes")), 1);
	fixture_ok(f, "DescribeVolumes", "{'Filters': [{'Name': 'operator.managed', 'Values': ['true']}]}");
	assert_int_equal(json_array_size(fixture_list(f, "Volumes")), 0);
	fixture_ok(f, "DescribeVolumes", "{'Filters': [{'Name': 'operator.principal', 'Values': ['*']}]}");
	assert_int_equal(json_array_size(fixture_list(f, "Volumes")), 0);
}

/* --- snapshots -------------------------------------------------------------- */

static const json_t *snapshot(struct fixture *f, const char *id)
{
	mc_autofree char *in = mc_strf("{'SnapshotIds': ['%s']}", id);

	fixture_ok(f, "DescribeSnapshots", in);
	return json_array_get(fixture_list(f, "Snapshots"), 0);
}

static void test_places(void **state)
{
	static const struct refusal rows[] = {
		{ "'OutpostArn': 'arn:aws:outposts:us-east-1:1:outpost/op-1'", "UnsupportedOperation", "OutpostArn" },
		{ "'Location': 'local'", "InvalidParameterValue", "Local Zones" },
	};
	static const struct refusal copies[] = {
		{ "'DestinationOutpostArn': 'arn:aws:outposts:us-east-1:1:outpost/op-1'", "UnsupportedOperation", "DestinationOutpostArn" },
		{ "'DestinationAvailabilityZone': 'us-east-1-atl-1a'", "UnsupportedOperation", "Local Zones" },
		{ "'CompletionDurationMinutes': 0", "InvalidParameterValue", "multiple of 15" },
		{ "'CompletionDurationMinutes': 20", "InvalidParameterValue", "multiple of 15" },
		{ "'CompletionDurationMinutes': 2895", "InvalidParameterValue", "between 15 and 2880" },
	};
	struct fixture *f = *state;
	mc_autofree char *vol = fixture_volume_of(f, 1), *snap = fixture_snapshot(f, vol);
	mc_autofree char *of = mc_strf("'VolumeId': '%s',", vol);
	mc_autofree char *from = mc_strf("'SourceRegion': 'us-east-1', 'SourceSnapshotId': '%s',", snap);
	mc_autofree char *regional = mc_strf("{%s 'Location': 'regional'}", of);

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		refused(f, "CreateSnapshot", of, &rows[i]);
	for (size_t i = 0; i < MC_ARRAY_SIZE(copies); i++)
		refused(f, "CopySnapshot", from, &copies[i]);
	fixture_ok(f, "CreateSnapshot", regional);
}

static void test_time_based_copy(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vol = fixture_volume_of(f, 1), *snap = fixture_snapshot(f, vol);
	mc_autofree char *in = mc_strf("{'SourceRegion': 'us-east-1', 'SourceSnapshotId': '%s', 'CompletionDurationMinutes': 45}", snap);
	mc_autofree char *plain = mc_strf("{'SourceRegion': 'us-east-1', 'SourceSnapshotId': '%s'}", snap);
	mc_autofree char *timed = NULL, *standard = NULL;

	fixture_ok(f, "CopySnapshot", in);
	timed = fixture_kept(f, "SnapshotId");
	fixture_ok(f, "CopySnapshot", plain);
	standard = fixture_kept(f, "SnapshotId");
	assert_string_equal(mc_json_str(snapshot(f, timed), "TransferType", ""), "time-based");
	assert_int_equal(mc_json_int(snapshot(f, timed), "CompletionDurationMinutes", 0), 45);
	assert_string_equal(mc_json_str(snapshot(f, standard), "TransferType", ""), "standard");
	assert_null(json_object_get(snapshot(f, standard), "CompletionDurationMinutes"));
	assert_null(json_object_get(snapshot(f, snap), "TransferType"));
	fixture_ok(f, "DescribeSnapshots", "{'Filters': [{'Name': 'transfer-type', 'Values': ['time-based']}]}");
	assert_int_equal(json_array_size(fixture_list(f, "Snapshots")), 1);
}

/* --- launches --------------------------------------------------------------- */

#define EBS(members) "'BlockDeviceMappings': [{'DeviceName': '/dev/sdf', 'Ebs': {'VolumeSize': 1, " members "}}]"

static char *image(struct fixture *f)
{
	mc_autofree char *vol = fixture_volume_of(f, 1), *snap = fixture_snapshot(f, vol);
	mc_autofree char *in = mc_strf("{'Name': 'one', 'Architecture': 'x86_64', 'VirtualizationType': 'hvm', 'BlockDeviceMappings': "
				       "[{'DeviceName': '/dev/sda1', 'Ebs': {'SnapshotId': '%s'}}]}", snap);

	f->api.config.quota_instances = 100;
	fixture_ok(f, "RegisterImage", in);
	return fixture_kept(f, "ImageId");
}

static void test_launch_elsewhere(void **state)
{
	static const struct refusal rows[] = {
		{ "'IamInstanceProfile': {'Name': 'admin'}", "InvalidParameterValue", "Invalid IAM Instance Profile name" },
		{ "'LaunchTemplate': {'LaunchTemplateName': 'one'}", "InvalidLaunchTemplateName.NotFoundException", "does not exist" },
		{ "'LaunchTemplate': {'LaunchTemplateId': 'lt-0123456789abcdef0'}", "InvalidLaunchTemplateId.NotFound", "ID lt-0123456789abcdef0" },
		{ "'InstanceMarketOptions': {'MarketType': 'spot'}", "UnsupportedOperation", "InstanceMarketOptions" },
		{ "'HibernationOptions': {'Configured': true}", "UnsupportedOperation", "HibernationOptions" },
		{ "'EnclaveOptions': {'Enabled': true}", "UnsupportedOperation", "EnclaveOptions" },
		{ "'CpuOptions': {'CoreCount': 1, 'ThreadsPerCore': 1}", "UnsupportedOperation", "CpuOptions" },
		{ "'DisableApiStop': true", "UnsupportedOperation", "DisableApiStop" },
		{ "'KernelId': 'aki-1'", "UnsupportedOperation", "KernelId" },
		{ "'PrivateDnsNameOptions': {'EnableResourceNameDnsAAAARecord': true}", "UnsupportedOperation", "EnableResourceNameDnsAAAARecord" },
		{ "'PrivateDnsNameOptions': {'HostnameType': 'resource-name'}", "UnsupportedOperation", "ip-name" },
		{ "'Placement': {'Tenancy': 'dedicated'}", "UnsupportedOperation", "share" },
		{ "'Placement': {'HostId': 'h-0123456789abcdef0'}", "UnsupportedOperation", "Placement" },
		{ "'Placement': {'GroupName': 'close'}", "UnsupportedOperation", "Placement" },
		{ EBS("'OutpostArn': 'arn:aws:outposts:us-east-1:1:outpost/op-1'"), "UnsupportedOperation", "OutpostArn" },
		{ EBS("'AvailabilityZone': 'us-east-1b'"), "UnsupportedOperation", "AvailabilityZone" },
		{ EBS("'EbsCardIndex': 1"), "InvalidBlockDeviceMapping", "card" },
		{ EBS("'VolumeInitializationRate': 100"), "InvalidParameterCombination", "created from snapshots" },
	};
	/* What clients send for what is not asked for. */
	static const char *const nothing[] = {
		"'HibernationOptions': {'Configured': false}", "'EnclaveOptions': {'Enabled': false}", "'DisableApiStop': false",
		"'Placement': {'Tenancy': 'default', 'GroupName': ''}", "'IamInstanceProfile': {}", "'MaintenanceOptions': {'AutoRecovery': 'default'}",
		EBS("'EbsCardIndex': 0"), "'BlockDeviceMappings': [{'DeviceName': '/dev/sda1', 'Ebs': {'VolumeInitializationRate': 100}}]",
	};
	struct fixture *f = *state;
	mc_autofree char *ami = image(f);
	mc_autofree char *base = mc_strf("'ImageId': '%s', 'InstanceType': 't3.nano', 'MinCount': 1, 'MaxCount': 1,", ami);

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		refused(f, "RunInstances", base, &rows[i]);
	for (size_t i = 0; i < MC_ARRAY_SIZE(nothing); i++) {
		mc_autofree char *in = mc_strf("{%s %s}", base, nothing[i]);

		fixture_ok(f, "RunInstances", in);
	}
}

static void test_tags_in_metadata(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *ami = image(f);
	mc_autofree char *in = mc_strf("{'ImageId': '%s', 'InstanceType': 't3.nano', 'MinCount': 1, 'MaxCount': 1, "
				       "'MetadataOptions': {'InstanceMetadataTags': 'enabled'}}", ami);
	const json_t *instance;

	fixture_ok(f, "RunInstances", in);
	instance = json_array_get(fixture_list(f, "Instances"), 0);
	assert_string_equal(mc_json_str(mc_json_obj(instance, "MetadataOptions"), "InstanceMetadataTags", ""), "enabled");
}

/* --- images and tasks ------------------------------------------------------- */

static void test_copy_image(void **state)
{
	static const struct refusal rows[] = {
		{ "'DestinationAvailabilityZone': 'us-east-1-atl-1a'", "UnsupportedOperation", "Local Zones" },
		{ "'DestinationAvailabilityZoneId': 'use1-atl1-az1'", "UnsupportedOperation", "Local Zones" },
		{ "'SnapshotCopyCompletionDurationMinutes': 7", "InvalidParameterValue", "multiple of 15" },
	};
	struct fixture *f = *state;
	mc_autofree char *ami = image(f);
	mc_autofree char *base = mc_strf("'Name': 'two', 'SourceRegion': 'us-east-1', 'SourceImageId': '%s',", ami);
	mc_autofree char *good = mc_strf("{%s 'SnapshotCopyCompletionDurationMinutes': 15}", base);

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		refused(f, "CopyImage", base, &rows[i]);
	fixture_ok(f, "CopyImage", good);
	fixture_ok(f, "DescribeSnapshots", "{'Filters': [{'Name': 'transfer-type', 'Values': ['time-based']}]}");
	assert_int_equal(json_array_size(fixture_list(f, "Snapshots")), 1);
	fixture_ok(f, "DescribeImages", "{'Owners': ['self'], 'Filters': [{'Name': 'image-allowed', 'Values': ['true']}]}");
	assert_int_equal(json_array_size(fixture_list(f, "Images")), 2);
}

static void test_cancel_reason(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *task = NULL, *cancel = NULL;

	fixture_fails(f, "ImportImage", "{'LicenseSpecifications': [{'LicenseConfigurationArn': 'arn:aws:x'}], 'DiskContainers': "
		      "[{'Url': 'file:///b/a.raw'}]}", "UnsupportedOperation");
	fixture_ok(f, "ImportImage", "{'DiskContainers': [{'Url': 'file:///b/a.raw'}]}");
	task = fixture_kept(f, "ImportTaskId");
	cancel = mc_strf("{'ImportTaskId': '%s', 'CancelReason': 'the wrong disk'}", task);
	fixture_ok(f, "CancelImportTask", cancel);
	fixture_ok(f, "DescribeImportImageTasks", "{}");
	assert_string_equal(mc_json_str(json_array_get(fixture_list(f, "ImportImageTasks"), 0), "StatusMessage", ""), "the wrong disk");
}

/* --- keys ------------------------------------------------------------------- */

static void test_dry_run_of_keys(void **state)
{
	static const struct refusal rows[] = {
		{ "Encrypt", "DryRunOperationException", "'Plaintext': 'YQ=='" },
		{ "GenerateDataKey", "DryRunOperationException", "'KeySpec': 'AES_256'" },
		{ "GenerateDataKeyWithoutPlaintext", "DryRunOperationException", "'KeySpec': 'AES_256'" },
		{ "CreateGrant", "DryRunOperationException", "'GranteePrincipal': 'arn:aws:iam::1:root', 'Operations': ['Encrypt']" },
		{ "RevokeGrant", "NotFoundException", "'GrantId': 'none'" },
	};
	struct fixture *f = *state;
	mc_autofree char *key = NULL, *list = NULL;

	f->service = "kms";
	fixture_ok(f, "CreateKey", "{}");
	key = mc_strdup(mc_json_str(mc_json_obj(f->call.out, "KeyMetadata"), "KeyId", ""));
	list = mc_strf("{'KeyId': '%s'}", key);
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		mc_autofree char *in = mc_strf("{'KeyId': '%s', 'DryRun': true, %s}", key, rows[i].words);

		fixture_fails(f, rows[i].members, in, rows[i].code);
	}
	fixture_fails(f, "Encrypt", "{'KeyId': 'none', 'DryRun': true, 'Plaintext': 'YQ=='}", "NotFoundException");
	fixture_ok(f, "ListGrants", list);
	assert_int_equal(json_array_size(fixture_list(f, "Grants")), 0);
	fixture_fails(f, "GenerateRandom", "{'NumberOfBytes': 8, 'CustomKeyStoreId': 'cks-1234567890abcdef0'}", "CustomKeyStoreNotFoundException");
}

/* --- words ------------------------------------------------------------------ */

/* As AWS says them; tools look for some. */
static void test_words(void **state)
{
	static const struct {
		const char *action, *in, *code, *words;
	} rows[] = {
		{ "DeleteVolume", "{'VolumeId': 'vol-0123456789abcdef0'}", "InvalidVolume.NotFound",
		  "The volume 'vol-0123456789abcdef0' does not exist." },
		{ "DescribeVolumes", "{'VolumeIds': ['vol-0123456789abcdef0', 'vol-0123456789abcdef1']}", "InvalidVolume.NotFound",
		  "The volumes 'vol-0123456789abcdef0, vol-0123456789abcdef1' do not exist." },
		{ "CreateSnapshot", "{'VolumeId': 'standard'}", "InvalidParameterValue",
		  "Value (standard) for parameter volumeId is invalid. Expected: 'vol-...'." },
		{ "CreateSnapshot", "{}", "InvalidParameterValue", "Value () for parameter volumeId is invalid. Parameter may not be null or empty" },
		{ "DescribeSnapshots", "{'SnapshotIds': ['snap-0123456789abcdef0']}", "InvalidSnapshot.NotFound",
		  "The snapshot 'snap-0123456789abcdef0' does not exist." },
		{ "DescribeSnapshots", "{'SnapshotIds': ['x']}", "InvalidSnapshotID.Malformed", "Invalid id: \"x\" (expecting \"snap-...\")" },
		{ "DeregisterImage", "{'ImageId': 'ami-0123456789abcdef0'}", "InvalidAMIID.NotFound",
		  "The image id '[ami-0123456789abcdef0]' does not exist" },
		{ "DescribeImages", "{'ImageIds': ['ami-0123456789abcdef0']}", "InvalidAMIID.NotFound",
		  "The image id '[ami-0123456789abcdef0]' does not exist" },
		{ "CreateVolume", "{'AvailabilityZone': 'us-east-1a', 'Size': 4, 'VolumeType': 'io2'}", "InvalidParameterCombination",
		  "The parameter iops must be specified for io2 volumes." },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		fixture_fails(f, rows[i].action, rows[i].in, rows[i].code);
		assert_string_equal(f->call.error_message, rows[i].words);
	}
}

static void test_words_of_modifications(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vol = fixture_volume_of(f, 1);
	mc_autofree char *in = mc_strf("{'VolumeId': '%s', 'Size': 2}", vol);
	mc_autofree char *text = mc_strf("Volume %s cannot be modified in modification state MODIFYING", vol);

	fixture_ok(f, "ModifyVolume", in);
	fixture_fails(f, "ModifyVolume", in, "IncorrectModificationState");
	assert_string_equal(f->call.error_message, text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_initialization_rate), TEST(test_managed_filters), TEST(test_places), TEST(test_time_based_copy),
		TEST(test_launch_elsewhere), TEST(test_tags_in_metadata), TEST(test_copy_image), TEST(test_cancel_reason),
		TEST(test_dry_run_of_keys), TEST(test_words), TEST(test_words_of_modifications),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
