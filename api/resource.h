/* Everything the cloud knows is a resource: one row in the database, one object
 * in memory. What AWS shows of it is `doc`, in the member names of the API
 * model; what only we need is `spec`. */
#ifndef MC_API_RESOURCE_H
#define MC_API_RESOURCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/id.h"

enum kind {
	KIND_INSTANCE,
	KIND_IMAGE,
	KIND_VOLUME,
	KIND_SNAPSHOT,
	KIND_VPC,
	KIND_SUBNET,
	KIND_SUBNET_RESERVATION,
	KIND_SECURITY_GROUP,
	KIND_SECURITY_GROUP_RULE,
	KIND_NETWORK_INTERFACE,
	KIND_ELASTIC_IP,
	KIND_NAT_GATEWAY,
	KIND_FLOW_LOG,
	KIND_INSIGHTS_PATH,
	KIND_INSIGHTS_ANALYSIS,
	KIND_INTERNET_GATEWAY,
	KIND_ROUTE_TABLE,
	KIND_NETWORK_ACL,
	KIND_DHCP_OPTIONS,
	KIND_PREFIX_LIST,
	KIND_VPC_PEERING,
	KIND_VPC_ENDPOINT,
	KIND_KEY_PAIR,
	KIND_IMPORT_IMAGE,
	KIND_IMPORT_SNAPSHOT,
	KIND_EXPORT_IMAGE,
	KIND_BUDGET,
	KIND_KMS_KEY,
	KIND_RETENTION_RULE,
	KIND_LIFECYCLE_POLICY,
	KIND_MAX
};

struct state_machine; /* api/state.h */

struct kind_info {
	const char *name;        /* AWS's resource type: "instance", "network-interface" */
	const char *prefix;      /* of its ids: "i", "eni" */
	const char *malformed;   /* error code of a malformed id */
	const char *not_found;   /* error code of an unknown id */
	const char *noun;        /* in the message: "The %s ID '%s' does not exist" */
	const struct state_machine *machine; /* NULL: stateless */
};

const struct kind_info *kind_info(enum kind kind);
/* "The vpc ID 'a' does not exist"; many: "The vpc IDs 'a, b' do not exist". Images are in brackets, and what is of
 * disks ends in a full stop, as at AWS. Allocated. */
char *kind_missing_text(enum kind kind, const char *ids, bool many);
/* By the type's name, or by an id's prefix; KIND_MAX where unknown. */
enum kind kind_by_name(const char *name);
enum kind kind_by_id(const char *id);

struct resource {
	enum kind kind;
	char id[MC_ID_LEN];
	char *account, *region, *az, *host; /* az, host: NULL where it has none */
	char *parent;   /* the id it belongs to: subnet, group, ENI -> VPC; rule -> group; volume, instance's ENI keep theirs in spec */
	int state;      /* of the kind's machine */
	int64_t seq;    /* order of creation, over all kinds */
	uint64_t version; /* of this content: the store gives each one that is published a new number; 0: not published */
	int64_t created; /* wall clock, ns */
	json_t *doc, *spec, *tags; /* objects, never NULL; tags: {key: value} */
};

/* A copy whose documents may be changed. */
struct resource *resource_clone(const struct resource *r);
void resource_free(struct resource *r);

/* [{Key, Value}] from the tags, NULL where there are none. New reference. */
json_t *resource_tag_list(const struct resource *r);

/* The ARN arn:aws:ec2:region:account:type/id, allocated. */
char *resource_arn(const struct resource *r);

#endif
