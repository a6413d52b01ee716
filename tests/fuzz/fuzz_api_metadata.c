/* What a guest sends to its metadata service, and what its owner has put there.
 * Input, a line each: URL, token's lifetime header, token, user data, key's name,
 * then tags as KEY=VALUE. Everything that is listed must be readable. */
#include "api/metadata_token.h"
#include "api/metadata_tree.h"

#include "common/cleanup.h"
#include "tests/fuzz/fuzz.h"

#define MAC "06:11:22:33:44:55"
#define NOW_S 1795233600

static const struct metadata_guest guest = {
	.instance = "i-0123456789abcdef0", .image = "ami-0123456789abcdef0", .type = "t3.micro",
	.architecture = "x86_64", .account = "000000000000", .region = "us-east-1",
	.zone = "us-east-1a", .reservation = "r-0123456789abcdef0", .root_device = "/dev/xvda",
	.public_key = "ssh-ed25519 AAAA my key", .launch_time = "2026-11-21T04:00:00.123Z",
	.enabled = true, .tokens_required = true, .n_nics = 1,
	.nics = { { .id = "eni-0123456789abcdef0", .mac = MAC, .ip = "172.31.0.10",
		    .public_ip = "203.0.113.5", .owner = "000000000000",
		    .subnet = "subnet-0123456789abcdef0", .subnet_cidr = "172.31.0.0/20",
		    .vpc = "vpc-0123456789abcdef0", .vpc_cidr = "172.31.0.0/16",
		    .group_ids = "sg-1\nsg-2", .group_names = "default\nweb" } },
};

static struct metadata_key key;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fuzz_secret(*argc, *argv, key.bytes, sizeof(key.bytes));
	return 0;
}

/* Whatever the guest sends: only a token of this key passes. */
static void try_token(const char *ttl_header, const char *token)
{
	long ttl = metadata_token_ttl(ttl_header);
	char own[METADATA_TOKEN_LEN];

	FUZZ_CHECK(ttl == -1 || (ttl >= 1 && ttl <= METADATA_TTL_MAX));
	FUZZ_CHECK(metadata_token_check(&key, guest.instance, token, NOW_S) == -1);
	if (ttl < 0)
		return;
	metadata_token_make(&key, guest.instance, NOW_S + ttl, own);
	FUZZ_CHECK(metadata_token_check(&key, guest.instance, own, NOW_S) == ttl);
	FUZZ_CHECK(metadata_token_check(&key, "i-0123456789abcdef1", own, NOW_S) == -1);
}

/* Names with what separates names cannot come in as tags that are shown to guests. */
static json_t *read_tags(char *rest, size_t len)
{
	json_t *tags = json_object();

	while (len) {
		char *line = fuzz_line(&rest, &len), *value = line + strcspn(line, "=");

		if (*value)
			*value++ = '\0';
		if (*line && !strchr(line, '/'))
			json_object_set_new(tags, line, json_string(value));
	}
	return tags;
}

static void read_all(const json_t *tree, const json_t *node, const char *path)
{
	size_t len = 0;
	mc_autofree char *text = metadata_tree_read(tree, path, &len);
	const char *name;
	json_t *child;

	FUZZ_CHECK(text && text[len] == '\0');
	if (!json_is_object(node))
		return;
	json_object_foreach((json_t *)node, name, child) {
		/* "0=name" of public-keys is asked for as "0"; the name may hold a slash. */
		bool numbered = strncmp(name, "0=", 2) == 0 && json_is_object(child);
		mc_autofree char *below = mc_strf("%s/%s", path, numbered ? "0" : name);

		read_all(tree, child, below);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mc_autofree char *text = fuzz_text(data, size);
	char *rest = text;
	const char *url = fuzz_line(&rest, &size), *ttl = fuzz_line(&rest, &size);
	const char *token = fuzz_line(&rest, &size), *path = metadata_path_in_version(url);
	struct metadata_guest g = guest;
	size_t len = 0;

	try_token(ttl, token);
	g.user_data = fuzz_line(&rest, &size);
	g.key_name = fuzz_line(&rest, &size);

	mc_auto_json json_t *tags = read_tags(rest, size);

	g.tags = tags;

	mc_auto_json json_t *tree = metadata_tree(&g);
	mc_autofree char *body = path ? metadata_tree_read(tree, path, &len) : NULL;

	FUZZ_CHECK(!body || body[len] == '\0');
	read_all(tree, tree, "");
	return 0;
}
