#include "cli/convenience.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/value.h"
#include "common/cleanup.h"
#include "common/json.h"

static int parse_int(const char *text, size_t len, json_int_t *ret, mc_err **err)
{
	char digits[16], *end;

	if (len == 0 || len >= sizeof(digits))
		return mc_err_set(err, 0, "expected a number");
	memcpy(digits, text, len);
	digits[len] = '\0';
	*ret = strtol(digits, &end, 10);
	return *end ? mc_err_set(err, 0, "'%s' is not a number", digits) : 0;
}

static int set_count(struct request *r, char *const *words, size_t n, mc_err **err)
{
	const char *colon = strchr(words[0], ':');
	size_t len = colon ? (size_t)(colon - words[0]) : strlen(words[0]);
	json_int_t min, max;

	(void)n;
	if (parse_int(words[0], len, &min, err) < 0)
		return mc_err_wrap(err, "expected N or MIN:MAX");
	max = min;
	if (colon && parse_int(colon + 1, strlen(colon + 1), &max, err) < 0)
		return mc_err_wrap(err, "expected N or MIN:MAX");
	json_object_set_new(r->doc, "MinCount", json_integer(min));
	json_object_set_new(r->doc, "MaxCount", json_integer(max));
	return 0;
}

/* The first element of a list of structures, made where there is none yet. */
static json_t *first_of(json_t *doc, const char *key)
{
	json_t *list = json_object_get(doc, key);

	if (!json_is_array(list)) {
		list = json_array();
		json_object_set_new(doc, key, list);
	}
	if (json_array_size(list) == 0)
		json_array_append_new(list, json_object());
	return json_array_get(list, 0);
}

static json_t *first_interface(struct request *r)
{
	json_t *nic = first_of(r->doc, "NetworkInterfaces");

	if (!json_object_get(nic, "DeviceIndex"))
		json_object_set_new(nic, "DeviceIndex", json_integer(0));
	return nic;
}

static int set_public_ip(struct request *r, char *const *words, size_t n, mc_err **err)
{
	(void)words;
	(void)n;
	(void)err;
	json_object_set_new(first_interface(r), "AssociatePublicIpAddress", json_true());
	return 0;
}

static int set_no_public_ip(struct request *r, char *const *words, size_t n, mc_err **err)
{
	(void)words;
	(void)n;
	(void)err;
	json_object_set_new(first_interface(r), "AssociatePublicIpAddress", json_false());
	return 0;
}

static int set_secondary_ips(struct request *r, char *const *words, size_t n, mc_err **err)
{
	json_t *list = json_array();

	(void)err;
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s, s:b}", "PrivateIpAddress", words[i],
						      "Primary", 0));
	json_object_set_new(first_interface(r), "PrivateIpAddresses", list);
	return 0;
}

static int set_secondary_count(struct request *r, char *const *words, size_t n, mc_err **err)
{
	json_int_t count;

	(void)n;
	if (parse_int(words[0], strlen(words[0]), &count, err) < 0)
		return -1;
	json_object_set_new(first_interface(r), "SecondaryPrivateIpAddressCount",
			    json_integer(count));
	return 0;
}

static json_t *permission(struct request *r)
{
	return first_of(r->doc, "IpPermissions");
}

static int set_protocol(struct request *r, char *const *words, size_t n, mc_err **err)
{
	static const char *const names[] = { "tcp", "udp", "icmp", "icmpv6" };
	const char *value = strcmp(words[0], "all") == 0 ? "-1" : words[0];
	char *end;
	long number = strtol(value, &end, 10);
	bool known = end != value && !*end && number >= -1 && number <= 255;

	(void)n;
	for (size_t i = 0; i < MC_ARRAY_SIZE(names); i++)
		known = known || strcmp(value, names[i]) == 0;
	if (!known)
		return mc_err_set(err, 0, "it is tcp, udp, icmp, all or a number from 0 to 255");
	json_object_set_new(permission(r), "IpProtocol", json_string(value));
	return 0;
}

/* "22", "8000-8080", "all", or ICMP's "8-0" and "-1". */
static int set_port(struct request *r, char *const *words, size_t n, mc_err **err)
{
	const char *text = words[0];
	const char *dash = *text ? strchr(text + 1, '-') : NULL;
	json_int_t from = -1, to = -1;

	(void)n;
	if (strcmp(text, "all") != 0) {
		size_t len = dash ? (size_t)(dash - text) : strlen(text);

		if (parse_int(text, len, &from, err) < 0)
			return mc_err_wrap(err, "expected PORT, FROM-TO or all");
		to = from;
		if (dash && parse_int(dash + 1, strlen(dash + 1), &to, err) < 0)
			return mc_err_wrap(err, "expected PORT, FROM-TO or all");
	}
	json_object_set_new(permission(r), "FromPort", json_integer(from));
	json_object_set_new(permission(r), "ToPort", json_integer(to));
	return 0;
}

static int set_cidr(struct request *r, char *const *words, size_t n, mc_err **err)
{
	bool v6 = strchr(words[0], ':') != NULL;

	(void)n;
	(void)err;
	json_object_set_new(first_of(permission(r), v6 ? "Ipv6Ranges" : "IpRanges"),
			    v6 ? "CidrIpv6" : "CidrIp", json_string(words[0]));
	return 0;
}

static int set_source_group(struct request *r, char *const *words, size_t n, mc_err **err)
{
	bool id = strncmp(words[0], "sg-", 3) == 0;

	(void)n;
	(void)err;
	json_object_set_new(first_of(permission(r), "UserIdGroupPairs"),
			    id ? "GroupId" : "GroupName", json_string(words[0]));
	return 0;
}

static int set_group_owner(struct request *r, char *const *words, size_t n, mc_err **err)
{
	(void)n;
	(void)err;
	json_object_set_new(first_of(permission(r), "UserIdGroupPairs"), "UserId",
			    json_string(words[0]));
	return 0;
}

static int set_save(struct request *r, char *const *words, size_t n, mc_err **err)
{
	(void)words;
	(void)n;
	(void)err;
	r->save = true;
	return 0;
}

static int set_estimate(struct request *r, char *const *words, size_t n, mc_err **err)
{
	(void)words;
	(void)n;
	(void)err;
	r->estimate = true;
	return 0;
}

static int set_no_wait(struct request *r, char *const *words, size_t n, mc_err **err)
{
	(void)words;
	(void)n;
	(void)err;
	r->no_wait = true;
	return 0;
}

#define GROUP_OPTIONS(operation) \
	{ operation, "protocol", 1, 1, set_protocol, "tcp|udp|icmp|all|NUMBER", \
	  "The IP protocol." }, \
	{ operation, "port", 1, 1, set_port, "PORT|FROM-TO|all", \
	  "The port or ports, or ICMP's type-code." }, \
	{ operation, "cidr", 1, 1, set_cidr, "CIDR", "The address range." }, \
	{ operation, "source-group", 1, 1, set_source_group, "GROUP", \
	  "The other side's security group, by id or name." }, \
	{ operation, "group-owner", 1, 1, set_group_owner, "ACCOUNT", \
	  "The account of the other side's group." }

static const struct convenience rows[] = {
	{ "run-instances", "count", 1, 1, set_count, "N|MIN:MAX",
	  "How many instances to launch (default 1)." },
	{ "run-instances", "associate-public-ip-address", 0, 0, set_public_ip, "",
	  "Give the instance a public address." },
	{ "run-instances", "no-associate-public-ip-address", 0, 0, set_no_public_ip, "",
	  "Give the instance no public address." },
	{ "run-instances", "secondary-private-ip-addresses", 1, 64, set_secondary_ips,
	  "ADDRESS ...", "Further private addresses." },
	{ "run-instances", "secondary-private-ip-address-count", 1, 1, set_secondary_count,
	  "N", "How many further private addresses." },
	{ "run-instances", "estimate", 0, 0, set_estimate, "",
	  "Launch nothing: say what it would cost per hour and per month." },
	{ "run-instances", "no-wait", 0, 0, set_no_wait, "",
	  "Do not show on a terminal how the instances come up." },
	GROUP_OPTIONS("authorize-security-group-*"),
	GROUP_OPTIONS("revoke-security-group-*"),
	{ "create-key-pair", "save", 0, 0, set_save, "",
	  "Save the private key as ~/.minicloud/keys/NAME.pem (0600), where ssh finds it." },
	{ 0 },
};

static const struct {
	const char *operation, *member;
} covered[] = {
	{ "run-instances", "MinCount" },
	{ "run-instances", "MaxCount" },
};

const struct convenience *convenience_rows(void)
{
	return rows;
}

bool convenience_applies(const struct convenience *c, const char *operation)
{
	size_t len = strcspn(c->operation, "*");

	return strncmp(c->operation, operation, len) == 0 &&
	       (c->operation[len] == '*' || operation[len] == '\0');
}

const struct convenience *convenience_find(const char *operation, const char *option)
{
	for (const struct convenience *c = rows; c->operation; c++)
		if (strcmp(c->option, option) == 0 && convenience_applies(c, operation))
			return c;
	return NULL;
}

bool convenience_covers(const char *operation, const char *member)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(covered); i++)
		if (strcmp(covered[i].operation, operation) == 0 &&
		    strcmp(covered[i].member, member) == 0)
			return true;
	return false;
}

static void move(json_t *from, const char *key, json_t *to, const char *as)
{
	json_t *value = json_object_get(from, key);

	if (!value)
		return;
	json_object_set(to, as, value);
	json_object_del(from, key);
}

/* A request that describes its interface must say everything about it there. */
static void fill_interface(json_t *doc)
{
	json_t *nic = json_array_get(json_object_get(doc, "NetworkInterfaces"), 0);
	json_t *address = json_object_get(doc, "PrivateIpAddress");

	if (!json_object_get(nic, "AssociatePublicIpAddress") &&
	    !json_object_get(nic, "PrivateIpAddresses") &&
	    !json_object_get(nic, "SecondaryPrivateIpAddressCount"))
		return;
	move(doc, "SubnetId", nic, "SubnetId");
	move(doc, "SecurityGroupIds", nic, "Groups");
	if (!address)
		return;

	json_t *list = json_object_get(nic, "PrivateIpAddresses");
	json_t *primary = json_pack("{s:O, s:b}", "PrivateIpAddress", address, "Primary", 1);

	if (list)
		json_array_insert_new(list, 0, primary);
	else
		json_object_set_new(nic, "PrivateIpAddresses", json_pack("[o]", primary));
	json_object_del(doc, "PrivateIpAddress");
}

static int finish_run(struct request *r, mc_err **err)
{
	const char *user_data = mc_json_str(r->doc, "UserData", NULL);

	(void)err;
	if (!json_object_get(r->doc, "MinCount") && !json_object_get(r->doc, "MaxCount")) {
		json_object_set_new(r->doc, "MinCount", json_integer(1));
		json_object_set_new(r->doc, "MaxCount", json_integer(1));
	}
	fill_interface(r->doc);
	if (user_data) {
		mc_autofree char *text = value_base64(user_data, strlen(user_data));

		json_object_set_new(r->doc, "UserData", json_string(text));
	}
	return 0;
}

static int finish_group(struct request *r, mc_err **err)
{
	if (json_array_size(json_object_get(r->doc, "IpPermissions")) == 1 &&
	    !json_object_get(permission(r), "IpProtocol"))
		return mc_err_set(err, 0, "--port, --cidr and --source-group need --protocol");
	return 0;
}

int convenience_finish(struct request *request, mc_err **err)
{
	if (strcmp(request->name, "run-instances") == 0)
		return finish_run(request, err);
	if (strstr(request->name, "-security-group-ingress") ||
	    strstr(request->name, "-security-group-egress"))
		return finish_group(request, err);
	return 0;
}
