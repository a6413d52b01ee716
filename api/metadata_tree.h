/* The instance metadata as a tree: what a guest is becomes nested JSON objects
 * whose leaves are strings; paths and directory listings are read from that.
 * EC2 User Guide, "Instance metadata categories". */
#ifndef MC_API_METADATA_TREE_H
#define MC_API_METADATA_TREE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METADATA_MAX_NICS 16

/* A network interface of the guest. NULL members: it has none. All borrowed. */
struct metadata_nic {
	const char *id, *mac, *ip, *public_ip, *owner;
	const char *subnet, *subnet_cidr, *vpc, *vpc_cidr;
	const char *vpc_cidrs;     /* all, one a line */
	bool public_names;         /* a public address has a name */
	const char *group_ids, *group_names; /* one a line */
	int device_index;
};

/* All that the service says of one instance. NULL members: it has none. All borrowed. */
struct metadata_guest {
	const char *instance, *image, *type, *architecture, *account, *region, *zone;
	const char *reservation, *root_device, *key_name, *public_key;
	const char *user_data;     /* base64 */
	const char *launch_time;   /* ISO 8601 */
	const json_t *tags;        /* {key: value}; NULL: not shown to the guest */
	int launch_index;
	bool enabled;              /* HttpEndpoint */
	bool tokens_required;      /* HttpTokens */
	struct metadata_nic nics[METADATA_MAX_NICS]; /* the first one is the primary */
	size_t n_nics;
};

/* {"dynamic": {...}, "meta-data": {...}, "user-data": "..."}: a new reference. */
json_t *metadata_tree(const struct metadata_guest *guest);

/* The answer to a path below a version ("meta-data/placement/"): a leaf's bytes
 * or a directory's listing, allocated with a NUL behind; NULL where there is
 * no such path. */
char *metadata_tree_read(const json_t *tree, const char *path, size_t *ret_len);

/* The listing of "/": every version, one a line. */
const char *metadata_versions(void);
/* Cut the version off "/latest/meta-data": "meta-data"; NULL for an unknown version. */
const char *metadata_path_in_version(const char *url);

/* "us-east-1a" in "us-east-1" is "use1-az1"; allocated. */
char *metadata_zone_id(const char *region, const char *zone);

#endif
