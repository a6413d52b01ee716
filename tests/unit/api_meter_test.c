/* What is billed in which state: each billable thing against the meters that it has, and how much of what they count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/billing/meter.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "tests/unit/api_fixture.h"

static const struct row {
	const char *kind, *state; /* state NULL: it has none */
	const char *doc, *spec;
	const char *meters; /* "NAME=QUANTITY ..." in the table's order */
} rows[] = {
	/* EC2 On-Demand pricing: running alone, and stopping where memory is being kept. */
	{ "instance", "pending", "{'InstanceType': 't3.micro'}", "{}", "" },
	{ "instance", "running", "{'InstanceType': 't3.micro'}", "{}", "instance=1" },
	{ "instance", "running", "{'InstanceType': 't3.micro'}", "{'spot': true}", "instance-spot=1" },
	{ "instance", "stopping", "{'InstanceType': 't3.micro'}", "{}", "" },
	{ "instance", "stopping", "{'InstanceType': 't3.micro'}", "{'hibernating': true}", "instance=1" },
	{ "instance", "stopping", "{'InstanceType': 't3.micro'}", "{'hibernating': true, 'spot': true}", "instance-spot=1" },
	{ "instance", "stopped", "{'InstanceType': 't3.micro'}", "{'hibernating': true}", "" },
	{ "instance", "shutting-down", "{'InstanceType': 't3.micro'}", "{}", "" },
	{ "instance", "terminated", "{'InstanceType': 't3.micro'}", "{}", "" },
	/* Amazon EBS pricing: what is provisioned, attached or not, until it is released. */
	{ "volume", "creating", "{'Size': 9, 'VolumeType': 'gp3', 'Iops': 3000, 'Throughput': 125}", "{}", "" },
	{ "volume", "available", "{'Size': 9, 'VolumeType': 'gp3', 'Iops': 3000, 'Throughput': 125}", "{}",
	  "volume=9 volume-iops=3000 volume-throughput=125" },
	{ "volume", "in-use", "{'Size': 9, 'VolumeType': 'gp3', 'Iops': 4000, 'Throughput': 250}", "{}",
	  "volume=9 volume-iops=4000 volume-throughput=250" },
	{ "volume", "in-use", "{'Size': 9, 'VolumeType': 'gp2', 'Iops': 100}", "{}", "volume=9" },
	{ "volume", "in-use", "{'Size': 9, 'VolumeType': 'io1', 'Iops': 100}", "{}", "volume=9 volume-iops=100" },
	{ "volume", "available", "{'Size': 9, 'VolumeType': 'io2', 'Iops': 100}", "{}", "volume=9 volume-iops=100" },
	{ "volume", "available", "{'Size': 125, 'VolumeType': 'st1'}", "{}", "volume=125" },
	{ "volume", "available", "{'Size': 125, 'VolumeType': 'sc1'}", "{}", "volume=125" },
	{ "volume", "available", "{'Size': 1, 'VolumeType': 'standard'}", "{}", "volume=1" },
	{ "volume", "deleting", "{'Size': 9, 'VolumeType': 'gp3', 'Iops': 3000, 'Throughput': 125}", "{}", "" },
	{ "volume", "error", "{'Size': 9, 'VolumeType': 'gp3', 'Iops': 3000, 'Throughput': 125}", "{}", "" },
	{ "snapshot", "pending", "{}", "{'stored_bytes': 65536}", "" },
	{ "snapshot", "completed", "{}", "{'stored_bytes': 65536}", "snapshot=65536" },
	{ "snapshot", "completed", "{}", "{'stored_bytes': 0}", "" },
	{ "snapshot", "recoverable", "{}", "{'stored_bytes': 65536}", "snapshot=65536" },
	{ "snapshot", "error", "{}", "{'stored_bytes': 65536}", "" },
	/* Amazon VPC pricing, since 2024-02-01: each public address, in use or idle, once. */
	{ "elastic-ip", NULL, "{}", "{}", "public-ipv4-idle=1" },
	{ "elastic-ip", NULL, "{}", "{'eni': 'eni-1'}", "" },
	{ "network-interface", NULL, "{}", "{}", "" },
	{ "network-interface", NULL, "{}", "{'public_ip': '203.0.113.1'}", "public-ipv4=1" },
	{ "network-interface", NULL, "{}", "{'public_ip': '203.0.113.1', 'secondary': [{'ip': '10.0.0.5'}, {'ip': '10.0.0.6', 'public_ip': '203.0.113.2'},"
	  " {'ip': '10.0.0.7', 'public_ip': '203.0.113.3'}]}", "public-ipv4=1 public-ipv4-secondary=2" },
	{ "natgateway", "pending", "{}", "{}", "" },
	{ "natgateway", "available", "{}", "{}", "nat-gateway=1" },
	{ "natgateway", "deleting", "{}", "{}", "" },
	{ "natgateway", "deleted", "{}", "{}", "" },
	{ "natgateway", "failed", "{}", "{}", "" },
	/* AWS KMS pricing. */
	{ "kms-key", "Enabled", "{}", "{'manager': 'CUSTOMER'}", "kms-key=1" },
	{ "kms-key", "Disabled", "{}", "{'manager': 'CUSTOMER', 'rotation': {'charged': 2}}", "kms-key=1 kms-key-rotations=2" },
	{ "kms-key", "PendingDeletion", "{}", "{'manager': 'CUSTOMER', 'rotation': {'charged': 2}}", "" },
	{ "kms-key", "Enabled", "{}", "{'manager': 'AWS'}", "" },
	/* What costs nothing by itself. */
	{ "image", "available", "{}", "{}", "" },
	{ "vpc", NULL, "{}", "{}", "" },
	{ "vpc-flow-log", NULL, "{}", "{}", "" },
	{ "security-group", NULL, "{}", "{}", "" },
};

static json_t *read_json(const char *text)
{
	mc_autofree char *json = mc_strdup(text);
	json_t *doc;

	for (char *at = json; (at = strchr(at, '\'')); at++)
		*at = '"';
	doc = json_loads(json, 0, NULL);
	assert_non_null(doc);
	return doc;
}

static void check_row(struct fixture *f, const struct row *row)
{
	struct meter_reading readings[METER_READINGS_MAX];
	struct store_tx *tx = store_write(f->api.store);
	enum kind kind = kind_by_name(row->kind);
	mc_auto_json json_t *doc = read_json(row->doc);
	mc_auto_json json_t *spec = read_json(row->spec);
	struct resource *r;
	char got[200] = "";

	assert_int_not_equal(kind, KIND_MAX);
	r = store_insert(tx, kind, FIXTURE_ACCOUNT, FIXTURE_REGION);
	json_object_update(r->doc, doc);
	json_object_update(r->spec, spec);
	if (row->state) {
		int s = state_parse(kind_info(kind)->machine, row->state);

		assert_in_range(s, 0, kind_info(kind)->machine->n - 1);
		state_init(r, s);
	}
	for (size_t i = 0, n = meter_read(r, readings), len = 0; i < n; i++)
		len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%s=%lld", i ? " " : "", readings[i].meter->name, (long long)readings[i].quantity);
	store_end(tx);
	if (strcmp(got, row->meters) != 0)
		fail_msg("%s %s %s %s: \"%s\", not \"%s\"", row->kind, row->state ? row->state : "", row->doc, row->spec, got, row->meters);
}

static void each_thing_has_its_meters(void **state)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		check_row(*state, &rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_thing_has_its_meters, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
