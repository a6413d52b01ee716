#include "api/metadata_tree.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/dns_name.h"
#include "common/cleanup.h"
#include "common/fs.h"

/* --- names ---------------------------------------------------------------- */

/* "north" -> "n", "southeast" -> "se": the points of the compass and "central" by their letters. */
static void abbreviate(const char *word, size_t n, FILE *out)
{
	static const char *const points[] = { "north", "south", "east", "west", "central" };
	const char *end = word + n;

	while (word < end) {
		size_t used = 0;

		for (size_t i = 0; i < MC_ARRAY_SIZE(points) && used == 0; i++)
			if (strncmp(word, points[i], strlen(points[i])) == 0)
				used = strlen(points[i]);
		fputc(*word, out);
		word = used ? word + used : end;
	}
}

char *metadata_zone_id(const char *region, const char *zone)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	const char *part = strchr(region, '-');
	char letter = zone[0] ? zone[strlen(zone) - 1] : 'a';

	fprintf(out, "%.*s", (int)strcspn(region, "-"), region);
	while (part) {
		size_t n = strcspn(part + 1, "-");

		abbreviate(part + 1, n, out);
		part = strchr(part + 1, '-');
	}
	fprintf(out, "-az%d", letter - 'a' + 1);
	fclose(out);
	return text;
}

/* --- leaves that are made ------------------------------------------------- */

/* A producer's text is allocated; NULL: the guest has no such leaf. */
typedef char *producer(const struct metadata_guest *g, const struct metadata_nic *nic);

static char *p_launch_index(const struct metadata_guest *g, const struct metadata_nic *nic)
{
	(void)nic;
	return mc_strf("%d", g->launch_index);
}

static char *p_device_index(const struct metadata_guest *g, const struct metadata_nic *nic)
{
	(void)g;
	return mc_strf("%d", nic->device_index);
}

static char *p_private_name(const struct metadata_guest *g, const struct metadata_nic *nic)
{
	return nic->ip ? dns_name_private(g->region, nic->ip) : NULL;
}

static char *p_public_name(const struct metadata_guest *g, const struct metadata_nic *nic)
{
	return nic->public_ip && nic->public_names ? dns_name_public(g->region, nic->public_ip) : NULL;
}

static char *p_zone_id(const struct metadata_guest *g, const struct metadata_nic *nic)
{
	(void)nic;
	return g->zone ? metadata_zone_id(g->region, g->zone) : NULL;
}

static char *p_ami_device(const struct metadata_guest *g, const struct metadata_nic *nic)
{
	const char *name = g->root_device ? strrchr(g->root_device, '/') : NULL;

	(void)nic;
	return name ? mc_strdup(name + 1) : NULL;
}

/* --- the tables ----------------------------------------------------------- */

enum leaf_kind { LEAF_CONSTANT, LEAF_GUEST, LEAF_NIC, LEAF_MADE };

struct leaf {
	const char *path;
	enum leaf_kind kind;
	const char *constant;
	size_t offset; /* of a `const char *` in struct metadata_guest or metadata_nic */
	producer *make;
};

#define CONSTANT(path, text) { path, LEAF_CONSTANT, text, 0, NULL }
#define GUEST(path, member) { path, LEAF_GUEST, NULL, offsetof(struct metadata_guest, member), NULL }
#define NIC(path, member) { path, LEAF_NIC, NULL, offsetof(struct metadata_nic, member), NULL }
#define MADE(path, fn) { path, LEAF_MADE, NULL, 0, fn }

/* Below meta-data/, of the instance and its primary interface. */
static const struct leaf instance_leaves[] = {
	GUEST("ami-id", image),
	MADE("ami-launch-index", p_launch_index),
	CONSTANT("ami-manifest-path", "(unknown)"),
	MADE("block-device-mapping/ami", p_ami_device),
	GUEST("block-device-mapping/root", root_device),
	MADE("hostname", p_private_name),
	CONSTANT("instance-action", "none"),
	GUEST("instance-id", instance),
	CONSTANT("instance-life-cycle", "on-demand"),
	GUEST("instance-type", type),
	MADE("local-hostname", p_private_name),
	NIC("local-ipv4", ip),
	NIC("mac", mac),
	GUEST("placement/availability-zone", zone),
	MADE("placement/availability-zone-id", p_zone_id),
	GUEST("placement/region", region),
	CONSTANT("profile", "default-hvm"),
	MADE("public-hostname", p_public_name),
	NIC("public-ipv4", public_ip),
	GUEST("reservation-id", reservation),
	NIC("security-groups", group_names),
	CONSTANT("services/domain", "amazonaws.com"),
	CONSTANT("services/partition", "aws"),
	CONSTANT("system", "nitro"),
};

/* Below network/interfaces/macs/MAC/. */
static const struct leaf nic_leaves[] = {
	MADE("device-number", p_device_index),
	NIC("interface-id", id),
	MADE("local-hostname", p_private_name),
	NIC("local-ipv4s", ip),
	NIC("mac", mac),
	NIC("owner-id", owner),
	MADE("public-hostname", p_public_name),
	NIC("public-ipv4s", public_ip),
	NIC("security-group-ids", group_ids),
	NIC("security-groups", group_names),
	NIC("subnet-id", subnet),
	NIC("subnet-ipv4-cidr-block", subnet_cidr),
	NIC("vpc-id", vpc),
	NIC("vpc-ipv4-cidr-block", vpc_cidr),
	NIC("vpc-ipv4-cidr-blocks", vpc_cidrs),
};

/* --- building ------------------------------------------------------------- */

/* The directory `name` in dir, made where it is missing. Borrowed. */
static json_t *subdir(json_t *dir, const char *name)
{
	json_t *d = json_object_get(dir, name);

	if (!d) {
		d = json_object();
		json_object_set_new_nocheck(dir, name, d);
	}
	return d;
}

/* Put a leaf at a path below dir. NULL text: nothing. */
static void put(json_t *dir, const char *path, const char *text)
{
	const char *slash;

	if (!text)
		return;
	while ((slash = strchr(path, '/'))) {
		mc_autofree char *name = strndup(path, (size_t)(slash - path));

		dir = subdir(dir, name);
		path = slash + 1;
	}
	json_object_set_new_nocheck(dir, path, json_string_nocheck(text));
}

static const char *member(const void *base, size_t offset)
{
	return *(const char *const *)((const char *)base + offset);
}

static void put_leaves(json_t *dir, const struct leaf *leaves, size_t n, const struct metadata_guest *g,
		       const struct metadata_nic *nic)
{
	for (const struct leaf *l = leaves; l < leaves + n; l++) {
		mc_autofree char *made = l->kind == LEAF_MADE ? l->make(g, nic) : NULL;

		if (l->kind == LEAF_CONSTANT)
			put(dir, l->path, l->constant);
		else if (l->kind == LEAF_MADE)
			put(dir, l->path, made);
		else
			put(dir, l->path, member(l->kind == LEAF_GUEST ? (const void *)g : nic, l->offset));
	}
}

#define PUT_LEAVES(dir, leaves, g, nic) put_leaves(dir, leaves, MC_ARRAY_SIZE(leaves), g, nic)

static void put_nics(json_t *meta, const struct metadata_guest *g)
{
	json_t *macs = subdir(subdir(subdir(meta, "network"), "interfaces"), "macs");

	for (const struct metadata_nic *nic = g->nics; nic < g->nics + g->n_nics; nic++) {
		json_t *dir = subdir(macs, nic->mac ? nic->mac : "");

		PUT_LEAVES(dir, nic_leaves, g, nic);
		if (nic->public_ip)
			put(subdir(dir, "ipv4-associations"), nic->public_ip, nic->ip);
	}
}

/* Listed as "0=name", read as "0/openssh-key": see child(). The key is a whole
 * line, since guests put it into a file of lines as it is. */
static void put_public_key(json_t *meta, const struct metadata_guest *g)
{
	mc_autofree char *name = NULL, *line = NULL;

	if (!g->public_key)
		return;
	name = mc_strf("0=%s", g->key_name ? g->key_name : "");
	line = mc_strf("%.*s\n", (int)strcspn(g->public_key, "\n"), g->public_key);
	put(subdir(subdir(meta, "public-keys"), name), "openssh-key", line);
}

static void put_tags(json_t *meta, const struct metadata_guest *g)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)g->tags, key, value)
		json_object_set_new_nocheck(subdir(subdir(meta, "tags"), "instance"), key,
					    json_string_nocheck(json_string_value(value)));
}

/* Nothing but a JSON string literal, quotes included; "null" for NULL. */
static char *json_literal(const char *text)
{
	mc_auto_json json_t *value = text ? json_string(text) : json_null();
	char *literal = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

	return literal ? literal : mc_strdup("null");
}

static char *identity_document(const struct metadata_guest *g)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	/* AWS writes the time without its milliseconds. */
	mc_autofree char *pending = g->launch_time ? mc_strf("%.19sZ", g->launch_time) : NULL;
	const struct { const char *name, *value; } members[] = {
		{ "accountId", g->account }, { "architecture", g->architecture },
		{ "availabilityZone", g->zone }, { "billingProducts", NULL },
		{ "devpayProductCodes", NULL }, { "marketplaceProductCodes", NULL },
		{ "imageId", g->image }, { "instanceId", g->instance }, { "instanceType", g->type },
		{ "kernelId", NULL }, { "pendingTime", pending },
		{ "privateIp", g->n_nics ? g->nics[0].ip : NULL }, { "ramdiskId", NULL },
		{ "region", g->region }, { "version", "2017-09-30" },
	};

	fputs("{\n", out);
	for (size_t i = 0; i < MC_ARRAY_SIZE(members); i++) {
		mc_autofree char *value = json_literal(members[i].value);

		fprintf(out, "  \"%s\" : %s%s\n", members[i].name, value,
			i + 1 < MC_ARRAY_SIZE(members) ? "," : "");
	}
	fputs("}", out);
	fclose(out);
	return text;
}

/* User data may be any bytes; jansson keeps them by length. NULL where it is no base64 or none. */
static json_t *user_data(const char *base64)
{
	size_t n = base64 ? strlen(base64) : 0;
	mc_autofree unsigned char *bytes = mc_alloc(n + 1);
	int len;

	if (n == 0 || n % 4 != 0)
		return NULL;
	len = EVP_DecodeBlock(bytes, (const unsigned char *)base64, (int)n);
	if (len < 0)
		return NULL;
	for (size_t i = n; i > n - 2 && base64[i - 1] == '='; i--)
		len--;
	return json_stringn_nocheck((const char *)bytes, (size_t)len);
}

json_t *metadata_tree(const struct metadata_guest *g)
{
	static const struct metadata_nic none = { .id = NULL };
	const struct metadata_nic *primary = g->n_nics ? &g->nics[0] : &none;
	json_t *tree = json_object();
	mc_autofree char *document = identity_document(g);
	json_t *meta, *data = user_data(g->user_data);

	put(tree, "dynamic/instance-identity/document", document);
	meta = subdir(tree, "meta-data");
	PUT_LEAVES(meta, instance_leaves, g, primary);
	put_nics(meta, g);
	put_public_key(meta, g);
	put_tags(meta, g);
	if (data)
		json_object_set_new_nocheck(tree, "user-data", data);
	return tree;
}

/* --- reading -------------------------------------------------------------- */

/* The child by its name; a name "0=key" also answers to its number. Borrowed. */
static const json_t *child(const json_t *dir, const char *name, size_t n)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)dir, key, value) {
		if (strncmp(key, name, n) == 0 && key[n] == '\0')
			return value;
	}
	json_object_foreach((json_t *)dir, key, value) {
		if (n > 0 && strspn(name, "0123456789") >= n && strncmp(key, name, n) == 0 && key[n] == '=')
			return value;
	}
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One entry a line, sorted; directories end with a slash, but neither a version's
 * own (AWS's habit) nor the numbered keys. */
static char *listing(const json_t *dir, bool top, size_t *ret_len)
{
	size_t n = 0;
	mc_autofree const char **names = mc_alloc((json_object_size(dir) + 1) * sizeof(*names));
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_len);
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)dir, key, value)
		names[n++] = key;
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++) {
		bool slash = json_is_object(json_object_get(dir, names[i])) && !top && !strchr(names[i], '=');

		fprintf(out, "%s%s%s", i ? "\n" : "", names[i], slash ? "/" : "");
	}
	fclose(out);
	return text;
}

char *metadata_tree_read(const json_t *tree, const char *path, size_t *ret_len)
{
	const json_t *node = tree;
	char *text;

	for (path += strspn(path, "/"); *path && node; path += strspn(path, "/")) {
		size_t n = strcspn(path, "/");

		node = json_is_object(node) ? child(node, path, n) : NULL;
		path += n;
	}
	if (!node)
		return NULL;
	if (json_is_object(node))
		return listing(node, node == tree, ret_len);
	*ret_len = json_string_length(node);
	text = mc_alloc(*ret_len + 1);
	memcpy(text, json_string_value(node), *ret_len);
	return text;
}

/* --- versions ------------------------------------------------------------- */

const char *metadata_versions(void)
{
	return "1.0\n2007-01-19\n2007-03-01\n2007-08-29\n2007-10-10\n2007-12-15\n2008-02-01\n"
	       "2008-09-01\n2009-04-04\n2011-01-01\n2011-05-01\n2012-01-12\n2014-02-25\n2014-11-05\n"
	       "2015-10-20\n2016-04-19\n2016-06-30\n2016-09-02\n2018-03-28\n2018-08-17\n2018-09-24\n"
	       "2019-10-01\n2020-10-27\n2021-01-03\n2021-03-23\n2021-07-15\n2022-09-24\n2024-04-11\n"
	       "latest";
}

const char *metadata_path_in_version(const char *url)
{
	const char *name = url + strspn(url, "/");
	size_t n = strcspn(name, "/");

	for (const char *v = metadata_versions(); v; v = strchr(v, '\n')) {
		v += *v == '\n';
		if (n > 0 && strcspn(v, "\n") == n && strncmp(v, name, n) == 0)
			return name + n;
	}
	return NULL;
}
