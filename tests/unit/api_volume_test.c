/* Volumes and their attachments: what AWS's limits refuse, what a launch's mappings become. */
#include "tests/unit/api_fixture.h"

#include "api/attachment.h"
#include "api/volume_type.h"
#include "common/clock.h"

/* --- helpers ---------------------------------------------------------------- */

static void create_fails(struct fixture *f, const char *members, const char *code, const char *words)
{
	mc_autofree char *in = mc_strf("{'AvailabilityZone': 'us-east-1a', %s}", members);

	fixture_fails(f, "CreateVolume", in, code);
	if (!strstr(f->call.error_message, words))
		fail_msg("%s: \"%s\" has no \"%s\"", members, f->call.error_message, words);
}

/* The id of a new volume, whose creation storaged has finished. Allocated. */
static char *volume(struct fixture *f, const char *az)
{
	mc_autofree char *in = mc_strf("{'AvailabilityZone': '%s', 'Size': 1}", az);

	return fixture_volume(f, in);
}

static int setup(void **state)
{
	static const char mappings[] = "[{\"DeviceName\": \"/dev/xvda\", \"Ebs\": {\"VolumeSize\": 2, \"VolumeType\": \"gp2\","
				       " \"DeleteOnTermination\": true, \"Encrypted\": false}}]";
	int r = fixture_setup(state);
	struct fixture *f = *state;
	struct store_tx *tx = store_write(f->api.store);
	struct resource *image = store_insert(tx, KIND_IMAGE, FIXTURE_ACCOUNT, FIXTURE_REGION);

	f->api.config.quota_instances = 100;
	f->api.config.public_pool = "203.0.113.0/24";
	json_object_update_new(image->doc, json_pack("{s:s, s:s, s:b, s:o}", "RootDeviceName", "/dev/xvda", "Name", "tiny", "Public",
						     1, "BlockDeviceMappings", json_loads(mappings, 0, NULL)));
	state_init(image, IMAGE_AVAILABLE);
	return r || store_commit(tx, NULL);
}

/* Launch with these mappings (JSON with '); what RunInstances returned. */
static int launch(struct fixture *f, const char *type, const char *mappings)
{
	mc_autofree char *in = NULL;

	fixture_ok(f, "DescribeImages", "{}");
	in = mc_strf("{'ImageId': '%s', 'InstanceType': '%s', 'MinCount': 1, 'MaxCount': 1, 'BlockDeviceMappings': %s}",
		     mc_json_str(json_array_get(fixture_list(f, "Images"), 0), "ImageId", ""), type, mappings);
	return fixture_call(f, "RunInstances", in);
}

static void launch_fails(struct fixture *f, const char *mappings, const char *code)
{
	assert_int_equal(launch(f, "t3.nano", mappings), 1);
	if (strcmp(f->call.error_code, code) != 0)
		fail_msg("%s: %s (%s), not %s", mappings, f->call.error_code, f->call.error_message, code);
}

/* The launched instance in a state of ours. The id, allocated. */
static char *instance(struct fixture *f, const char *type, const char *mappings, int state)
{
	struct store_tx *tx;
	json_t *entry;
	size_t i;
	char *id;

	if (launch(f, type, mappings) != 0)
		fail_msg("%s: %s", mappings, f->call.error_message);
	id = mc_strdup(mc_json_str(json_array_get(fixture_list(f, "Instances"), 0), "InstanceId", NULL));
	tx = store_write(f->api.store);

	struct resource *r = store_edit(tx, id);

	state_init(r, state);
	json_array_foreach(mc_json_arr(r->spec, "volumes"), i, entry) {
		struct resource *vol = store_edit(tx, mc_json_str(entry, "id", ""));

		json_object_set_new(entry, "state", json_string("attached"));
		if (vol)
			state_set(tx, vol, VOLUME_IN_USE);
	}
	assert_int_equal(store_commit(tx, NULL), 0);
	return id;
}

/* A member of the entry at a device, as text. Allocated. */
static char *entry_member(struct fixture *f, const char *id, const char *device, const char *member)
{
	struct store_tx *tx = store_read(f->api.store);
	const json_t *entry = attachment_by_device(store_get(tx, id), device);
	char *text = entry ? json_dumps(json_object_get(entry, member), JSON_ENCODE_ANY) : NULL;

	store_end(tx);
	return text;
}

/* --- types ------------------------------------------------------------------ */

static void test_limits(void **state)
{
	static const struct { const char *members, *code, *words; } rows[] = {
		{ "'Size': 0", "InvalidParameterValue", "at least 1 GiB" },
		{ "'VolumeType': 'gp2', 'Size': 16385", "InvalidParameterValue", "at most 16384 GiB" },
		{ "'VolumeType': 'gp9', 'Size': 1", "UnknownVolumeType", "gp9" },
		{ "'VolumeType': 'gp2', 'Size': 1, 'Iops': 100", "InvalidParameterCombination", "iops is not supported for gp2" },
		{ "'VolumeType': 'gp2', 'Size': 1, 'Throughput': 125", "InvalidParameterCombination", "throughput is not supported" },
		{ "'VolumeType': 'gp3', 'Size': 1, 'Iops': 2999", "InvalidParameterValue", "minimum is 3000" },
		{ "'VolumeType': 'gp3', 'Size': 100, 'Iops': 100000", "InvalidParameterValue", "too high" },
		{ "'VolumeType': 'gp3', 'Size': 20, 'Iops': 15000", "InvalidParameterValue", "ratio of 750.000000 is too high; maximum is 500" },
		{ "'VolumeType': 'gp3', 'Size': 1, 'Throughput': 124", "InvalidParameterValue", "minimum is 125" },
		{ "'VolumeType': 'gp3', 'Size': 1, 'Throughput': 1000", "InvalidParameterValue", "ratio of 0.333333 is too high" },
		{ "'VolumeType': 'io1', 'Size': 4", "InvalidParameterCombination", "iops must be specified for io1" },
		{ "'VolumeType': 'io1', 'Size': 3, 'Iops': 100", "InvalidParameterValue", "at least 4 GiB" },
		{ "'VolumeType': 'io1', 'Size': 4, 'Iops': 99", "InvalidParameterValue", "minimum is 100" },
		{ "'VolumeType': 'io1', 'Size': 4, 'Iops': 201", "InvalidParameterValue", "ratio of 50.250000 is too high; maximum is 50" },
		{ "'VolumeType': 'io2', 'Size': 4, 'Iops': 4001", "InvalidParameterValue", "maximum is 1000" },
		{ "'VolumeType': 'st1', 'Size': 124", "InvalidParameterValue", "at least 125 GiB" },
		{ "'VolumeType': 'sc1', 'Size': 125, 'Iops': 100", "InvalidParameterCombination", "not supported for sc1" },
		{ "'VolumeType': 'standard', 'Size': 1025", "InvalidParameterValue", "at most 1024 GiB" },
		{ "'VolumeType': 'gp3'", "MissingParameter", "size" },
		{ "'SnapshotId': 'snap-0123456789abcdef0'", "InvalidSnapshot.NotFound", "snap-0123456789abcdef0" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		create_fails(f, rows[i].members, rows[i].code, rows[i].words);
	fixture_fails(f, "CreateVolume", "{'Size': 1}", "MissingParameter");
	fixture_fails(f, "CreateVolume", "{'Size': 1, 'AvailabilityZone': 'us-east-1z'}", "InvalidZone.NotFound");
	fixture_fails(f, "CreateVolume", "{'Size': 1, 'AvailabilityZone': 'eu-west-1a'}", "InvalidZone.NotFound");
	fixture_fails(f, "CreateVolume", "{'Size': 1, 'AvailabilityZoneId': 'use1-az9'}", "InvalidZone.NotFound");
	fixture_fails(f, "CreateVolume", "{'Size': 1, 'AvailabilityZone': 'us-east-1a', 'AvailabilityZoneId': 'use1-az1'}", "InvalidParameterCombination");
	fixture_ok(f, "CreateVolume", "{'Size': 1, 'AvailabilityZoneId': 'use1-az2'}");
	assert_string_equal(mc_json_str(f->call.out, "AvailabilityZone", ""), "us-east-1b");
}

static void shows(struct fixture *f, const char *members, int64_t iops, int64_t throughput)
{
	mc_autofree char *in = mc_strf("{'AvailabilityZone': 'us-east-1a', %s}", members);

	fixture_ok(f, "CreateVolume", in);
	assert_int_equal(mc_json_int(f->call.out, "Iops", 0), iops);
	assert_int_equal(mc_json_int(f->call.out, "Throughput", 0), throughput);
	assert_string_equal(mc_json_str(f->call.out, "State", ""), "creating");
}

static void test_defaults(void **state)
{
	struct fixture *f = *state;

	shows(f, "'Size': 1", 100, 0);
	shows(f, "'Size': 500, 'VolumeType': 'gp2'", 1500, 0);
	shows(f, "'Size': 16384, 'VolumeType': 'gp2'", 16000, 0);
	shows(f, "'Size': 1, 'VolumeType': 'gp3'", 3000, 125);
	shows(f, "'Size': 40, 'VolumeType': 'gp3', 'Iops': 16000, 'Throughput': 1000", 16000, 1000);
	shows(f, "'Size': 4, 'VolumeType': 'io1', 'Iops': 200", 200, 0);
	shows(f, "'Size': 125, 'VolumeType': 'st1'", 0, 0);
}

static int64_t limit(const char *type, int64_t gib, int64_t iops, int64_t throughput, const char *member)
{
	struct volume_shape shape = { .type = type, .gib = gib, .iops = iops, .throughput = throughput };
	mc_auto_json json_t *limits = volume_type_limits(&shape);

	return mc_json_int(limits, member, 0);
}

static void test_what_bites(void **state)
{
	(void)state;
	assert_int_equal(limit("gp2", 100, 300, 0, "iops"), 300);
	/* 5.4 million credits: a bucket of burst x its seconds. */
	assert_int_equal(limit("gp2", 100, 0, 0, "iops_max") * limit("gp2", 100, 0, 0, "iops_max_s"), 5400000);
	assert_int_equal(limit("gp2", 1000, 0, 0, "iops_max"), 0);
	assert_int_equal(limit("gp2", 1000, 0, 0, "bytes"), 250 << 20);
	assert_int_equal(limit("gp3", 100, 4000, 500, "iops"), 4000);
	assert_int_equal(limit("gp3", 100, 4000, 500, "bytes"), 500 << 20);
	assert_int_equal(limit("st1", 1024, 0, 0, "bytes"), 40 << 20);
	assert_int_equal(limit("st1", 1024, 0, 0, "bytes_max"), 250 << 20);
	assert_int_equal(limit("st1", 16384, 0, 0, "bytes"), 500 << 20);
	assert_int_equal(limit("st1", 16384, 0, 0, "bytes_max"), 0);
	assert_int_equal(limit("io1", 100, 1000, 0, "bytes"), 250 << 20);
	assert_int_equal(limit("io1", 2000, 64000, 0, "bytes"), 1000 << 20);
}

/* --- attaching --------------------------------------------------------------- */

static void test_devices(void **state)
{
	static const char *const good[] = { "/dev/sdf", "/dev/xvdf", "xvdh", "sdz", "/dev/sda1", "/dev/xvdba", "/dev/xvdcz" };
	static const char *const bad[] = { "", "/dev/", "/dev/sdk1", "/dev/nvme1n1", "foo", "/dev/sdfoo", "/dev/sdba", "/dev/xvdea",
					   "/dev/sdF", "/dev/../sdf", "/dev/sd" };

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(good); i++)
		if (!attachment_device_valid(good[i]))
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < MC_ARRAY_SIZE(bad); i++)
		if (attachment_device_valid(bad[i]))
			fail_msg("%s", bad[i]);
}

static void attach_fails(struct fixture *f, const char *vol, const char *inst, const char *device, const char *code)
{
	mc_autofree char *in = mc_strf("{'VolumeId': '%s', 'InstanceId': '%s', 'Device': '%s'}", vol, inst, device);

	fixture_fails(f, "AttachVolume", in, code);
}

static void attach_ok(struct fixture *f, const char *vol, const char *inst, const char *device)
{
	mc_autofree char *in = mc_strf("{'VolumeId': '%s', 'InstanceId': '%s', 'Device': '%s'}", vol, inst, device);

	fixture_ok(f, "AttachVolume", in);
	assert_string_equal(mc_json_str(f->call.out, "State", ""), "attaching");
}

static void test_attach(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *inst = instance(f, "t3.nano", "[]", INSTANCE_RUNNING);
	mc_autofree char *pending = instance(f, "t3.nano", "[]", INSTANCE_PENDING);
	mc_autofree char *az = NULL, *vol = NULL, *other = NULL, *in = NULL;

	fixture_ok(f, "DescribeInstances", "{}");
	az = mc_strdup(mc_json_str(mc_json_obj(json_array_get(mc_json_arr(json_array_get(fixture_list(f, "Reservations"), 0), "Instances"), 0),
					       "Placement"), "AvailabilityZone", ""));
	vol = volume(f, az);
	other = volume(f, strcmp(az, "us-east-1a") == 0 ? "us-east-1b" : "us-east-1a");
	attach_fails(f, "vol-0123456789abcdef0", inst, "/dev/sdf", "InvalidVolume.NotFound");
	attach_fails(f, vol, "i-0123456789abcdef0", "/dev/sdf", "InvalidInstanceID.NotFound");
	attach_fails(f, other, inst, "/dev/sdf", "InvalidVolume.ZoneMismatch");
	attach_fails(f, vol, inst, "/dev/xvda", "InvalidParameterValue");
	attach_fails(f, vol, inst, "nonsense", "InvalidParameterValue");
	attach_fails(f, vol, pending, "/dev/sdf", "IncorrectState");
	in = mc_strf("{'VolumeId': '%s'}", vol);
	fixture_fails(f, "DetachVolume", in, "IncorrectState");
	attach_ok(f, vol, inst, "/dev/sdf");
	attach_fails(f, vol, inst, "/dev/sdg", "VolumeInUse");
	fixture_fails(f, "DeleteVolume", in, "VolumeInUse");
	{
		mc_autofree char *next = volume(f, az);
		mc_autofree char *wrong = mc_strf("{'VolumeId': '%s', 'InstanceId': '%s'}", vol, pending);

		attach_fails(f, next, inst, "/dev/xvdf", "InvalidParameterValue");
		fixture_fails(f, "DetachVolume", wrong, "InvalidAttachment.NotFound");
	}
	fixture_ok(f, "DescribeVolumes", "{'Filters': [{'Name': 'attachment.device', 'Values': ['/dev/sdf']}]}");
	assert_int_equal(json_array_size(fixture_list(f, "Volumes")), 1);
	fixture_ok(f, "DetachVolume", in);
	assert_string_equal(mc_json_str(f->call.out, "State", ""), "detaching");
	fixture_ok(f, "DetachVolume", in);
}

static void test_root_stays(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *inst = instance(f, "t3.nano", "[]", INSTANCE_RUNNING);
	mc_autofree char *root = entry_member(f, inst, "/dev/xvda", "id");
	mc_autofree char *in = mc_strf("{'VolumeId': %s}", root);
	mc_autofree char *start = mc_strf("{'InstanceIds': ['%s']}", inst);
	struct store_tx *tx;

	fixture_fails(f, "DetachVolume", in, "OperationNotPermitted");
	tx = store_write(f->api.store);
	state_init(store_edit(tx, inst), INSTANCE_STOPPED);
	assert_int_equal(store_commit(tx, NULL), 0);
	fixture_ok(f, "DetachVolume", in);
	tx = store_write(f->api.store);
	{
		mc_autofree char *id = strndup(root + 1, strlen(root) - 2);

		attachment_remove(tx, store_edit(tx, inst), id);
		assert_int_equal(store_get(tx, id)->state, VOLUME_AVAILABLE);
	}
	assert_int_equal(store_commit(tx, NULL), 0);
	fixture_fails(f, "StartInstances", start, "InvalidParameterValue");
	assert_non_null(strstr(f->call.error_message, "attached at root (/dev/xvda)"));
}

/* --- mappings ---------------------------------------------------------------- */

static void member_is(struct fixture *f, const char *inst, const char *device, const char *member, const char *wanted)
{
	mc_autofree char *text = entry_member(f, inst, device, member);

	if (!text || strcmp(text, wanted) != 0)
		fail_msg("%s %s is %s, not %s", device, member, text ? text : "absent", wanted);
}

static void test_mappings(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *inst = instance(f, "m1.small", "[{'DeviceName': '/dev/xvda', 'Ebs': {'VolumeSize': 5, 'VolumeType': 'gp3',"
		" 'DeleteOnTermination': false}}, {'DeviceName': '/dev/sdf', 'Ebs': {'VolumeSize': 7}},"
		" {'DeviceName': '/dev/sdb', 'VirtualName': 'ephemeral0'}, {'DeviceName': '/dev/sdc', 'VirtualName': 'ephemeral1'}]",
		INSTANCE_RUNNING);
	json_t *vol;

	member_is(f, inst, "/dev/xvda", "delete_on_termination", "false");
	member_is(f, inst, "/dev/sdf", "delete_on_termination", "true");
	member_is(f, inst, "/dev/sdb", "ephemeral", "160");
	assert_null(entry_member(f, inst, "/dev/sdc", "id")); /* the type has one disk */
	fixture_ok(f, "DescribeVolumes", "{'Filters': [{'Name': 'attachment.device', 'Values': ['/dev/xvda']}]}");
	vol = json_array_get(fixture_list(f, "Volumes"), 0);
	assert_int_equal(mc_json_int(vol, "Size", 0), 5);
	assert_int_equal(mc_json_int(vol, "Throughput", 0), 125);
	fixture_ok(f, "DescribeVolumes", "{}");
	assert_int_equal(json_array_size(fixture_list(f, "Volumes")), 2);
}

/* A data volume and an instance store of the image are there, or not, as the launch says. */
static void test_no_device(void **state)
{
	struct fixture *f = *state;
	struct store_tx *tx = store_write(f->api.store);
	struct store_iter it = store_iter(tx, KIND_IMAGE, NULL, NULL);
	struct resource *image = store_edit(tx, store_next(&it)->id);
	mc_autofree char *with = NULL, *without = NULL;

	json_array_append_new(mc_json_arr(image->doc, "BlockDeviceMappings"), json_pack("{s:s, s:{s:i, s:s}}", "DeviceName", "/dev/sdg", "Ebs",
											"VolumeSize", 3, "VolumeType", "gp3"));
	json_array_append_new(mc_json_arr(image->doc, "BlockDeviceMappings"), json_pack("{s:s, s:s}", "DeviceName", "/dev/sdb", "VirtualName",
											"ephemeral0"));
	assert_int_equal(store_commit(tx, NULL), 0);
	with = instance(f, "m1.small", "[]", INSTANCE_RUNNING);
	without = instance(f, "m1.small", "[{'DeviceName': '/dev/sdg', 'NoDevice': ''}, {'DeviceName': '/dev/sdb', 'NoDevice': ''}]",
			   INSTANCE_RUNNING);
	member_is(f, with, "/dev/sdg", "delete_on_termination", "true");
	member_is(f, with, "/dev/sdb", "ephemeral", "160");
	assert_null(entry_member(f, without, "/dev/sdg", "id"));
	assert_null(entry_member(f, without, "/dev/sdb", "id"));
	member_is(f, without, "/dev/xvda", "delete_on_termination", "true");
}

static void test_bad_mappings(void **state)
{
	struct fixture *f = *state;

	launch_fails(f, "[{'DeviceName': '/dev/xvda', 'Ebs': {'VolumeSize': 1}}]", "InvalidBlockDeviceMapping");
	launch_fails(f, "[{'DeviceName': '/dev/xvda', 'NoDevice': ''}]", "InvalidBlockDeviceMapping");
	launch_fails(f, "[{'DeviceName': 'rubbish', 'Ebs': {'VolumeSize': 1}}]", "InvalidBlockDeviceMapping");
	launch_fails(f, "[{'DeviceName': '/dev/sdf', 'VirtualName': 'rubbish'}]", "InvalidBlockDeviceMapping");
	launch_fails(f, "[{'DeviceName': '/dev/sdf', 'Ebs': {'VolumeSize': 1}}, {'DeviceName': '/dev/sdf', 'Ebs': {'VolumeSize': 1}}]",
		     "InvalidBlockDeviceMapping");
	launch_fails(f, "[{'DeviceName': '/dev/sdf', 'Ebs': {'VolumeType': 'gp3'}}]", "MissingParameter");
	launch_fails(f, "[{'DeviceName': '/dev/sdf', 'Ebs': {'VolumeSize': 4, 'VolumeType': 'io1'}}]", "InvalidParameterCombination");
	launch_fails(f, "[{'DeviceName': '/dev/sdf', 'Ebs': {'VolumeSize': 1, 'SnapshotId': 'snap-0123456789abcdef0'}}]",
		     "InvalidSnapshot.NotFound");
	launch_fails(f, "[{'Ebs': {'VolumeSize': 1}}]", "MissingParameter");
}

static void test_delete_on_termination(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *inst = instance(f, "t3.nano", "[]", INSTANCE_RUNNING);
	mc_autofree char *good = mc_strf("{'InstanceId': '%s', 'BlockDeviceMappings': [{'DeviceName': '/dev/xvda', 'Ebs':"
					 " {'DeleteOnTermination': false}}]}", inst);
	mc_autofree char *bad = mc_strf("{'InstanceId': '%s', 'BlockDeviceMappings': [{'DeviceName': '/dev/sdz', 'Ebs':"
					" {'DeleteOnTermination': false}}]}", inst);

	fixture_ok(f, "ModifyInstanceAttribute", good);
	member_is(f, inst, "/dev/xvda", "delete_on_termination", "false");
	fixture_fails(f, "ModifyInstanceAttribute", bad, "InvalidInstanceAttributeValue");
}

/* --- the rest ---------------------------------------------------------------- */

static void test_attributes(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vol = volume(f, "us-east-1a");
	mc_autofree char *ask = mc_strf("{'VolumeId': '%s', 'Attribute': 'autoEnableIO'}", vol);
	mc_autofree char *set = mc_strf("{'VolumeId': '%s', 'AutoEnableIO': {'Value': true}}", vol);
	mc_autofree char *one = mc_strf("{'VolumeIds': ['%s']}", vol);
	mc_autofree char *gone = mc_strf("{'VolumeId': '%s'}", vol);
	json_t *status;

	fixture_ok(f, "DescribeVolumeAttribute", ask);
	assert_false(mc_json_bool(mc_json_obj(f->call.out, "AutoEnableIO"), "Value", true));
	fixture_ok(f, "ModifyVolumeAttribute", set);
	fixture_ok(f, "DescribeVolumeAttribute", ask);
	assert_true(mc_json_bool(mc_json_obj(f->call.out, "AutoEnableIO"), "Value", false));
	fixture_ok(f, "DescribeVolumeStatus", one);
	status = mc_json_obj(json_array_get(fixture_list(f, "VolumeStatuses"), 0), "VolumeStatus");
	assert_string_equal(mc_json_str(status, "Status", ""), "ok");
	fixture_ok(f, "DeleteVolume", gone);
	fixture_ok(f, "DescribeVolumes", "{'Filters': [{'Name': 'status', 'Values': ['deleting']}]}");
	assert_int_equal(json_array_size(fixture_list(f, "Volumes")), 1);
}

static size_t found(struct fixture *f, const char *operation, const char *list, const char *name, const char *value)
{
	mc_autofree char *in = mc_strf("{'Filters': [{'Name': '%s', 'Values': ['%s']}]}", name, value);

	fixture_ok(f, operation, in);
	return json_array_size(fixture_list(f, list));
}

/* Of a root volume and a data volume that is free: each filter finds one of them. */
static void test_filters(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *inst = instance(f, "t3.nano", "[]", INSTANCE_RUNNING);
	mc_autofree char *tagged = NULL;
	const char *free_one;
	json_t *root;

	mc_clock_step(MC_SECOND, MC_SECOND); /* two create times */
	fixture_ok(f, "CreateVolume", "{'AvailabilityZone': 'us-east-1c', 'Size': 9, 'VolumeType': 'io1', 'Iops': 100, 'MultiAttachEnabled': true,"
		   " 'TagSpecifications': [{'ResourceType': 'volume', 'Tags': [{'Key': 'Name', 'Value': 'data'}]}]}");
	free_one = mc_json_str(f->call.out, "VolumeId", "");
	tagged = mc_strdup(free_one);
	fixture_ok(f, "DescribeVolumes", "{'Filters': [{'Name': 'attachment.instance-id', 'Values': ['*']}]}");
	root = json_deep_copy(json_array_get(fixture_list(f, "Volumes"), 0));
	{
		const json_t *at = json_array_get(mc_json_arr(root, "Attachments"), 0);
		const struct { const char *name, *value; } rows[] = {
			{ "attachment.attach-time", mc_json_str(at, "AttachTime", "") }, { "attachment.delete-on-termination", "true" },
			{ "attachment.device", "/dev/xvda" }, { "attachment.instance-id", inst }, { "attachment.status", "attached" },
			{ "availability-zone", "us-east-1c" }, { "availability-zone-id", "use1-az3" }, { "create-time", mc_json_str(root, "CreateTime", "") },
			{ "multi-attach-enabled", "true" }, { "size", "9" }, { "status", "in-use" }, { "status", "creating" },
			{ "tag:Name", "data" }, { "tag-key", "Name" }, { "volume-id", tagged }, { "volume-type", "io1" },
		};

		for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
			if (found(f, "DescribeVolumes", "Volumes", rows[i].name, rows[i].value) != 1)
				fail_msg("%s=%s: %zu", rows[i].name, rows[i].value, json_array_size(fixture_list(f, "Volumes")));
	}
	json_decref(root);
	assert_int_equal(found(f, "DescribeVolumes", "Volumes", "encrypted", "true"), 0);
	assert_int_equal(found(f, "DescribeVolumes", "Volumes", "snapshot-id", "snap-0123456789abcdef0"), 0);
	assert_int_equal(found(f, "DescribeVolumes", "Volumes", "fast-restored", "true"), 0);
	fixture_fails(f, "DescribeVolumes", "{'Filters': [{'Name': 'nonsense', 'Values': ['1']}]}", "InvalidParameterValue");
	assert_int_equal(found(f, "DescribeVolumeStatus", "VolumeStatuses", "availability-zone", "us-east-1c"), 1);
	assert_int_equal(found(f, "DescribeVolumeStatus", "VolumeStatuses", "volume-status.status", "ok"), 1);
	assert_int_equal(found(f, "DescribeVolumeStatus", "VolumeStatuses", "volume-status.status", "insufficient-data"), 1);
	assert_int_equal(found(f, "DescribeVolumeStatus", "VolumeStatuses", "volume-status.details-name", "io-enabled"), 2);
	assert_int_equal(found(f, "DescribeVolumeStatus", "VolumeStatuses", "volume-status.details-status", "insufficient-data"), 1);
}

/* A guest that has been asked for more than a moment. */
static void test_busy(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *inst = instance(f, "t3.nano", "[{'DeviceName': '/dev/sdf', 'Ebs': {'VolumeSize': 1}}]", INSTANCE_RUNNING);
	mc_autofree char *quoted = entry_member(f, inst, "/dev/sdf", "id");
	mc_autofree char *in = mc_strf("{'VolumeId': %s}", quoted);
	struct store_tx *tx;

	fixture_ok(f, "DetachVolume", in);
	assert_int_equal(found(f, "DescribeVolumes", "Volumes", "attachment.status", "detaching"), 1);
	tx = store_write(f->api.store);
	json_object_set_new(attachment_by_device(store_edit(tx, inst), "/dev/sdf"), "since", json_integer(mc_clock_wall() - 21 * MC_SECOND));
	assert_int_equal(store_commit(tx, NULL), 0);
	assert_int_equal(found(f, "DescribeVolumes", "Volumes", "attachment.status", "busy"), 1);
	fixture_ok(f, "DetachVolume", in); /* asked again, it stays so */
	assert_string_equal(mc_json_str(f->call.out, "State", ""), "busy");
	fixture_fails(f, "DeleteVolume", in, "VolumeInUse");
}

/* --- modifying --------------------------------------------------------------- */

static void modify_fails(struct fixture *f, const char *vol, const char *members, const char *code)
{
	mc_autofree char *in = mc_strf("{'VolumeId': '%s'%s}", vol, members);

	fixture_fails(f, "ModifyVolume", in, code);
}

/* A fresh, available volume of this type that several instances may have, or not. */
static char *provisioned(struct fixture *f, const char *type, bool multi)
{
	mc_autofree char *in = mc_strf("{'AvailabilityZone': 'us-east-1a', 'Size': 4, 'VolumeType': '%s', 'Iops': 100, 'MultiAttachEnabled': %s}",
				       type, multi ? "true" : "false");

	return fixture_volume(f, in);
}

static void set_instances(struct fixture *f, const char *volume, json_t *ids)
{
	struct store_tx *tx = store_write(f->api.store);

	json_object_set_new(store_edit(tx, volume)->spec, "instances", ids);
	assert_int_equal(store_commit(tx, NULL), 0);
}

static void test_modify_multi_attach(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *io1 = provisioned(f, "io1", true), *alone = provisioned(f, "io1", false);
	mc_autofree char *io2 = provisioned(f, "io2", true), *other = provisioned(f, "io2", false);
	mc_autofree char *off = mc_strf("{'VolumeId': '%s', 'MultiAttachEnabled': false}", io2);
	mc_autofree char *on = mc_strf("{'VolumeId': '%s', 'MultiAttachEnabled': true, 'Size': 5}", other);

	modify_fails(f, io1, ", 'Size': 5", "UnsupportedOperation");
	modify_fails(f, io1, ", 'MultiAttachEnabled': false", "UnsupportedOperation");
	modify_fails(f, alone, ", 'MultiAttachEnabled': true", "UnsupportedOperation");
	modify_fails(f, alone, ", 'VolumeType': 'gp3', 'MultiAttachEnabled': true", "InvalidParameterCombination");
	modify_fails(f, io2, ", 'VolumeType': 'io1', 'Iops': 100", "UnsupportedOperation");
	modify_fails(f, io2, ", 'VolumeType': 'gp3'", "InvalidParameterCombination");
	set_instances(f, io2, json_pack("[s]", "i-0123456789abcdef0"));
	fixture_fails(f, "ModifyVolume", off, "IncorrectState");
	set_instances(f, io2, json_array());
	fixture_ok(f, "ModifyVolume", off);
	assert_true(json_is_true(json_object_get(mc_json_obj(f->call.out, "VolumeModification"), "OriginalMultiAttachEnabled")));
	assert_true(json_is_false(json_object_get(mc_json_obj(f->call.out, "VolumeModification"), "TargetMultiAttachEnabled")));
	fixture_ok(f, "ModifyVolume", on);
	assert_true(json_is_true(json_object_get(mc_json_obj(f->call.out, "VolumeModification"), "TargetMultiAttachEnabled")));
}

static void test_modify(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vol = volume(f, "us-east-1a");
	mc_autofree char *ask = mc_strf("{'VolumeIds': ['%s']}", vol);
	mc_autofree char *good = mc_strf("{'VolumeId': '%s', 'Size': 10, 'VolumeType': 'io2'}", vol);
	json_t *m;

	fixture_fails(f, "DescribeVolumesModifications", ask, "InvalidVolumeModification.NotFound");
	modify_fails(f, vol, "", "MissingParameter");
	modify_fails(f, vol, ", 'Size': 0", "InvalidParameterValue");
	modify_fails(f, vol, ", 'VolumeType': 'io1'", "InvalidParameterValue");
	modify_fails(f, vol, ", 'Iops': 200", "InvalidParameterCombination");
	modify_fails(f, vol, ", 'VolumeType': 'gp3', 'Throughput': 1000", "InvalidParameterValue");
	modify_fails(f, "vol-0123456789abcdef0", ", 'Size': 2", "InvalidVolume.NotFound");
	fixture_ok(f, "ModifyVolume", good);
	m = mc_json_obj(f->call.out, "VolumeModification");
	assert_string_equal(mc_json_str(m, "ModificationState", ""), "modifying");
	assert_int_equal(mc_json_int(m, "TargetSize", 0), 10);
	assert_int_equal(mc_json_int(m, "TargetIops", 0), 3000);
	assert_string_equal(mc_json_str(m, "OriginalVolumeType", ""), "gp2");
	assert_int_equal(mc_json_int(m, "OriginalIops", 0), 100);
	modify_fails(f, vol, ", 'Size': 20", "IncorrectModificationState");
	fixture_ok(f, "DescribeVolumesModifications", "{'Filters': [{'Name': 'target-size', 'Values': ['10']}]}");
	assert_int_equal(json_array_size(fixture_list(f, "VolumesModifications")), 1);
	{
		const struct { const char *name, *value; } rows[] = {
			{ "modification-state", "modifying" }, { "original-iops", "100" }, { "original-size", "1" }, { "original-volume-type", "gp2" },
			{ "originalMultiAttachEnabled", "false" }, { "target-iops", "3000" }, { "target-size", "10" },
			{ "target-volume-type", "io2" }, { "targetMultiAttachEnabled", "false" }, { "volume-id", vol }, { "start-time", "20*" },
		};

		for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
			if (found(f, "DescribeVolumesModifications", "VolumesModifications", rows[i].name, rows[i].value) != 1)
				fail_msg("%s=%s", rows[i].name, rows[i].value);
	}
	fixture_ok(f, "DescribeVolumesModifications", "{'Filters': [{'Name': 'modification-state', 'Values': ['completed']}]}");
	assert_int_equal(json_array_size(fixture_list(f, "VolumesModifications")), 0);
}

/* What its steps would do, which are not here. */
static void complete(struct fixture *f, const char *vol)
{
	struct store_tx *tx = store_write(f->api.store);
	json_t *m = mc_json_obj(store_edit(tx, vol)->spec, "modification");

	json_object_set_new(m, "ModificationState", json_string("completed"));
	assert_int_equal(store_commit(tx, NULL), 0);
}

/* Four within a day, the one of the day before left out. */
static void test_modification_rate(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vol = volume(f, "us-east-1a");
	struct store_tx *tx;

	for (int gib = 2; gib <= 5; gib++) {
		mc_autofree char *in = mc_strf("{'VolumeId': '%s', 'Size': %d}", vol, gib);

		fixture_ok(f, "ModifyVolume", in);
		complete(f, vol);
	}
	modify_fails(f, vol, ", 'Size': 6", "VolumeModificationRateExceeded");
	modify_fails(f, vol, ", 'Iops': 6", "InvalidParameterCombination");
	tx = store_write(f->api.store);
	json_array_set_new(mc_json_arr(store_edit(tx, vol)->spec, "modified"), 0,
			   json_integer(mc_clock_wall() - 24LL * 3600 * MC_SECOND));
	assert_int_equal(store_commit(tx, NULL), 0);
	{
		mc_autofree char *in = mc_strf("{'VolumeId': '%s', 'Size': 6}", vol);

		fixture_ok(f, "ModifyVolume", in);
	}
	complete(f, vol);
	modify_fails(f, vol, ", 'Size': 7", "VolumeModificationRateExceeded");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(test_limits), T(test_defaults), T(test_what_bites), T(test_devices), T(test_attach), T(test_root_stays), T(test_mappings), T(test_no_device),
		T(test_bad_mappings), T(test_delete_on_termination), T(test_attributes), T(test_filters), T(test_busy), T(test_modify), T(test_modification_rate),
		T(test_modify_multi_attach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
