/* The metadata tree and its tokens, on a guest filled by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "api/dns_name.h"
#include "api/metadata_token.h"
#include "api/metadata_tree.h"
#include "common/cleanup.h"

#define MAC "06:11:22:33:44:55"

static struct metadata_guest guest(void)
{
	return (struct metadata_guest){
		.instance = "i-0123456789abcdef0", .image = "ami-0123456789abcdef0", .type = "t3.micro",
		.architecture = "x86_64", .account = "000000000000", .region = "us-east-1",
		.zone = "us-east-1a", .reservation = "r-0123456789abcdef0", .root_device = "/dev/xvda",
		.key_name = "my key", .public_key = "ssh-ed25519 AAAA my key",
		.user_data = "IyEvYmluL3NoAGVjaG8K", /* "#!/bin/sh\0echo\n" */
		.launch_time = "2026-11-21T04:00:00.123Z", .launch_index = 1, .enabled = true,
		.tokens_required = true, .n_nics = 1,
		.nics = { { .id = "eni-0123456789abcdef0", .mac = MAC, .ip = "172.31.0.10",
			    .public_ip = "203.0.113.5", .owner = "000000000000",
			    .subnet = "subnet-0123456789abcdef0", .subnet_cidr = "172.31.0.0/20",
			    .vpc = "vpc-0123456789abcdef0", .vpc_cidr = "172.31.0.0/16", .vpc_cidrs = "172.31.0.0/16", .public_names = true,
			    .group_ids = "sg-1\nsg-2", .group_names = "default\nweb" } },
	};
}

static void expect(const struct metadata_guest *g, const char *path, const char *want)
{
	mc_auto_json json_t *tree = metadata_tree(g);
	size_t len = 0;
	mc_autofree char *got = metadata_tree_read(tree, path, &len);

	if (!want) {
		assert_null(got);
		return;
	}
	if (!got)
		fail_msg("nothing at %s", path);
	assert_string_equal(got, want);
	assert_int_equal(len, strlen(want));
}

static void leaves(void **state)
{
	static const struct { const char *path, *want; } rows[] = {
		{ "meta-data/ami-id", "ami-0123456789abcdef0" },
		{ "meta-data/ami-launch-index", "1" },
		{ "meta-data/ami-manifest-path", "(unknown)" },
		{ "meta-data/block-device-mapping/ami", "xvda" },
		{ "meta-data/block-device-mapping/root", "/dev/xvda" },
		{ "meta-data/hostname", "ip-172-31-0-10.ec2.internal" },
		{ "meta-data/instance-action", "none" },
		{ "meta-data/instance-id", "i-0123456789abcdef0" },
		{ "meta-data/instance-life-cycle", "on-demand" },
		{ "meta-data/instance-type", "t3.micro" },
		{ "meta-data/local-hostname", "ip-172-31-0-10.ec2.internal" },
		{ "meta-data/local-ipv4", "172.31.0.10" },
		{ "meta-data/mac", MAC },
		{ "meta-data/network/interfaces/macs/" MAC "/device-number", "0" },
		{ "meta-data/network/interfaces/macs/" MAC "/interface-id", "eni-0123456789abcdef0" },
		{ "meta-data/network/interfaces/macs/" MAC "/local-ipv4s", "172.31.0.10" },
		{ "meta-data/network/interfaces/macs/" MAC "/owner-id", "000000000000" },
		{ "meta-data/network/interfaces/macs/" MAC "/public-hostname",
		  "ec2-203-0-113-5.compute-1.amazonaws.com" },
		{ "meta-data/network/interfaces/macs/" MAC "/security-group-ids", "sg-1\nsg-2" },
		{ "meta-data/network/interfaces/macs/" MAC "/security-groups", "default\nweb" },
		{ "meta-data/network/interfaces/macs/" MAC "/subnet-ipv4-cidr-block", "172.31.0.0/20" },
		{ "meta-data/network/interfaces/macs/" MAC "/vpc-ipv4-cidr-block", "172.31.0.0/16" },
		{ "meta-data/network/interfaces/macs/" MAC "/ipv4-associations/203.0.113.5", "172.31.0.10" },
		{ "meta-data/placement/availability-zone", "us-east-1a" },
		{ "meta-data/placement/availability-zone-id", "use1-az1" },
		{ "meta-data/placement/region", "us-east-1" },
		{ "meta-data/public-hostname", "ec2-203-0-113-5.compute-1.amazonaws.com" },
		{ "meta-data/public-ipv4", "203.0.113.5" },
		{ "meta-data/public-keys/0/openssh-key", "ssh-ed25519 AAAA my key\n" },
		{ "meta-data/reservation-id", "r-0123456789abcdef0" },
		{ "meta-data/security-groups", "default\nweb" },
		{ "meta-data/services/domain", "amazonaws.com" },
		{ "meta-data/services/partition", "aws" },
		{ "meta-data/system", "nitro" },
		{ "/meta-data//instance-id/", "i-0123456789abcdef0" },
		{ "meta-data/instance-i", NULL },
		{ "meta-data/instance-idx", NULL },
		{ "meta-data/instance-id/more", NULL },
		{ "meta-data/tags/instance/", NULL },
		{ "meta-data/iam/", NULL },
		{ "meta-data/public-keys/1/openssh-key", NULL },
		{ "meta-data/../user-data", NULL },
		{ "other", NULL },
	};
	struct metadata_guest g = guest();

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		expect(&g, rows[i].path, rows[i].want);
}

static void listings(void **state)
{
	struct metadata_guest g = guest();

	(void)state;
	expect(&g, "", "dynamic\nmeta-data\nuser-data");
	expect(&g, "/meta-data/",
	       "ami-id\nami-launch-index\nami-manifest-path\nblock-device-mapping/\nhostname\n"
	       "instance-action\ninstance-id\ninstance-life-cycle\ninstance-type\nlocal-hostname\n"
	       "local-ipv4\nmac\nnetwork/\nplacement/\nprofile\npublic-hostname\npublic-ipv4\n"
	       "public-keys/\nreservation-id\nsecurity-groups\nservices/\nsystem");
	expect(&g, "meta-data/block-device-mapping", "ami\nroot");
	expect(&g, "meta-data/network/interfaces/macs/", MAC "/");
	expect(&g, "meta-data/network/interfaces/macs/" MAC "/",
	       "device-number\ninterface-id\nipv4-associations/\nlocal-hostname\nlocal-ipv4s\nmac\n"
	       "owner-id\npublic-hostname\npublic-ipv4s\nsecurity-group-ids\nsecurity-groups\nsubnet-id\n"
	       "subnet-ipv4-cidr-block\nvpc-id\nvpc-ipv4-cidr-block\nvpc-ipv4-cidr-blocks");
	expect(&g, "meta-data/public-keys/", "0=my key");
	expect(&g, "meta-data/public-keys/0/", "openssh-key");
	expect(&g, "dynamic/", "instance-identity/");
	expect(&g, "dynamic/instance-identity/", "document");
}

static void absent_things_are_not_listed(void **state)
{
	struct metadata_guest g = guest();

	(void)state;
	g.public_key = NULL;
	g.user_data = NULL;
	g.nics[0].public_ip = NULL;
	expect(&g, "/", "dynamic\nmeta-data");
	expect(&g, "user-data", NULL);
	expect(&g, "meta-data/public-keys/", NULL);
	expect(&g, "meta-data/public-ipv4", NULL);
	expect(&g, "meta-data/public-hostname", NULL);
	expect(&g, "meta-data/network/interfaces/macs/" MAC "/ipv4-associations/", NULL);
	g.n_nics = 0;
	expect(&g, "meta-data/local-ipv4", NULL);
	expect(&g, "meta-data/instance-id", "i-0123456789abcdef0");
}

static void user_data_is_bytes(void **state)
{
	struct metadata_guest g = guest();
	mc_auto_json json_t *tree = metadata_tree(&g);
	size_t len = 0;
	mc_autofree char *got = metadata_tree_read(tree, "user-data", &len);

	(void)state;
	assert_int_equal(len, 15);
	assert_memory_equal(got, "#!/bin/sh\0echo\n", 15);
	g.user_data = "YQ==";
	expect(&g, "user-data", "a");
	g.user_data = "not base64!!";
	expect(&g, "user-data", NULL);
	g.user_data = "";
	expect(&g, "user-data", NULL);
}

static void tags_when_shown(void **state)
{
	mc_auto_json json_t *tags = json_pack("{s:s, s:s}", "Name", "web", "0=odd", "x");
	struct metadata_guest g = guest();

	(void)state;
	g.tags = tags;
	expect(&g, "meta-data/tags/", "instance/");
	expect(&g, "meta-data/tags/instance/", "0=odd\nName");
	expect(&g, "meta-data/tags/instance/Name", "web");
}

static void identity_document(void **state)
{
	struct metadata_guest g = guest();
	mc_auto_json json_t *tree = metadata_tree(&g);
	size_t len = 0;
	mc_autofree char *got = metadata_tree_read(tree, "dynamic/instance-identity/document", &len);
	mc_auto_json json_t *doc = json_loads(got, 0, NULL);

	(void)state;
	assert_non_null(strstr(got, "\n  \"accountId\" : \"000000000000\",\n"));
	assert_string_equal(json_string_value(json_object_get(doc, "pendingTime")), "2026-11-21T04:00:00Z");
	assert_string_equal(json_string_value(json_object_get(doc, "privateIp")), "172.31.0.10");
	assert_string_equal(json_string_value(json_object_get(doc, "imageId")), g.image);
	assert_true(json_is_null(json_object_get(doc, "kernelId")));
	assert_int_equal(json_object_size(doc), 15);
}

static void names(void **state)
{
	static const struct { const char *region, *zone, *id; } rows[] = {
		{ "us-east-1", "us-east-1a", "use1-az1" }, { "eu-west-1", "eu-west-1c", "euw1-az3" },
		{ "ap-southeast-2", "ap-southeast-2b", "apse2-az2" },
		{ "eu-central-1", "eu-central-1a", "euc1-az1" },
		{ "ap-northeast-1", "ap-northeast-1a", "apne1-az1" },
	};
	mc_autofree char *private = dns_name_private("eu-west-1", "10.0.0.7");
	mc_autofree char *public = dns_name_public("eu-west-1", "203.0.113.7");

	(void)state;
	assert_string_equal(private, "ip-10-0-0-7.eu-west-1.compute.internal");
	assert_string_equal(public, "ec2-203-0-113-7.eu-west-1.compute.amazonaws.com");
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		mc_autofree char *id = metadata_zone_id(rows[i].region, rows[i].zone);

		assert_string_equal(id, rows[i].id);
	}
}

static void versions(void **state)
{
	static const struct { const char *url, *rest; } rows[] = {
		{ "/latest", "" }, { "/latest/", "/" }, { "/latest/meta-data/mac", "/meta-data/mac" },
		{ "/2021-03-23/meta-data/", "/meta-data/" }, { "/1.0/user-data", "/user-data" },
		{ "/2019-10-01", "" }, { "//latest", "" }, { "/lates", NULL }, { "/latestx", NULL },
		{ "/2021-03-24/", NULL }, { "/", NULL }, { "", NULL }, { "/1.0\nlatest", NULL },
	};

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		const char *rest = metadata_path_in_version(rows[i].url);

		if (!rows[i].rest)
			assert_null(rest);
		else
			assert_string_equal(rest, rows[i].rest);
	}
}

static void ttl_header(void **state)
{
	static const struct { const char *text; long want; } rows[] = {
		{ "1", 1 }, { "21600", 21600 }, { "00060", 60 }, { "0", -1 }, { "21601", -1 }, { "", -1 },
		{ NULL, -1 }, { "-1", -1 }, { "+5", -1 }, { " 5", -1 }, { "5s", -1 }, { "1e3", -1 },
		{ "99999999999999999999", -1 },
	};

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		assert_int_equal(metadata_token_ttl(rows[i].text), rows[i].want);
}

static void tokens(void **state)
{
	struct metadata_key key = { "a key of thirty-two random bytes" }, other = { "another key" };
	char token[METADATA_TOKEN_LEN], bad[METADATA_TOKEN_LEN];

	(void)state;
	metadata_token_make(&key, "i-1", 1000, token);
	assert_int_equal(strlen(token), 56);
	assert_int_equal(metadata_token_check(&key, "i-1", token, 940), 60);
	assert_int_equal(metadata_token_check(&key, "i-1", token, 999), 1);
	assert_int_equal(metadata_token_check(&key, "i-1", token, 1000), -1);
	assert_int_equal(metadata_token_check(&key, "i-2", token, 940), -1);
	assert_int_equal(metadata_token_check(&other, "i-1", token, 940), -1);
	assert_int_equal(metadata_token_check(&key, "i-1", NULL, 940), -1);
	assert_int_equal(metadata_token_check(&key, "i-1", "", 940), -1);
	for (size_t i = 0; i < 53; i++) { /* the last characters hold unused bits */
		memcpy(bad, token, sizeof(bad));
		bad[i] = bad[i] == 'A' ? 'B' : 'A';
		assert_int_equal(metadata_token_check(&key, "i-1", bad, 940), -1);
		bad[i] = '*';
		assert_int_equal(metadata_token_check(&key, "i-1", bad, 940), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves), cmocka_unit_test(listings),
		cmocka_unit_test(absent_things_are_not_listed), cmocka_unit_test(user_data_is_bytes),
		cmocka_unit_test(tags_when_shown), cmocka_unit_test(identity_document),
		cmocka_unit_test(names), cmocka_unit_test(versions), cmocka_unit_test(ttl_header),
		cmocka_unit_test(tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
