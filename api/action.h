/* An API action is a row of api/actions.c; everything generic happens around it. */
#ifndef MC_API_ACTION_H
#define MC_API_ACTION_H

#include <jansson.h>

#include "api/error.h"
#include "api/model/model.h"
#include "api/store.h"
#include "common/error.h"

struct api; /* api/api.h: configuration, store, reconciler */

struct caller {
	char account[16];   /* "000000000000" */
	char region[32];    /* of the credential scope */
	char access_key[32]; /* "" on the unix socket */
	char arn[96];        /* arn:aws:iam::…:root */
	char user_id[32];
};

struct call {
	struct api *api;
	const struct caller *caller;
	const struct model_operation *op;
	const json_t *in;      /* the decoded, validated request */
	struct store_tx *tx;   /* read, or write with ACTION_WRITE */
	json_t *out;           /* the answer: new reference, NULL for an empty one */
	bool xml;              /* it goes out as XML: its items may be encoded already (api/protocol/xml.h) */
	/* Documented outcome. */
	enum api_error error;
	char *error_code, *error_message; /* allocated */
	const char *request_id;
	json_t *waits;         /* see action_wait(). Freed by the engine. */
	/* ACTION_BACKEND: what the first phase leaves for the second. Freed by the engine. */
	json_t *job;
	int fd;                /* page_console: the port; -1: none. Closed by the engine */
	/* REST: the request's body where one member is the whole of it (borrowed), and the answer's (freed by the engine). */
	const void *payload;
	size_t payload_len;
	char *blob;
	size_t blob_len;
	const char *error_reason; /* REST: the error's Reason, a constant; NULL: none */
	mc_err *err;           /* internal failure, with return -1 */
};

enum {
	ACTION_READ = 0,
	ACTION_WRITE = 1,      /* gets a write transaction, committed when it returns 0 */
	ACTION_BACKEND = 2,    /* has a second phase that calls a backend, on a worker */
	ACTION_GLOBAL = 4,     /* needs no default VPC in the region */
	ACTION_DRY_RUN = 8,    /* says itself what DryRun comes to, when all else is checked */
};

/* Returns 0 (call->out is the answer), action_fail(...), or -1 with call->err. */
typedef int action_fn(struct call *call);

struct action {
	const char *service; /* "ec2", "sts" */
	const char *name;
	action_fn *fn;
	unsigned flags;
	action_fn *backend; /* second phase: no transaction; reads call->job */
	action_fn *replay;  /* a repeated ClientToken: call->job is the first answer; NULL: answer it again */
};

/* The row, or NULL. */
const struct action *action_find(const char *service, const char *name);

/* All of them, one after the other: NULL behind the last. */
const struct action *action_at(size_t i);

/* Every room of actions exports one table, actions_ROOM, ended by a NULL name. */
#define ACTION_TABLES(X) \
	X(instance) \
	X(instance_attribute) \
	X(instance_credit) \
	X(console) \
	X(image) \
	X(image_attribute) \
	X(image_make) \
	X(public_access) \
	X(transfer) \
	X(key_pair) \
	X(vpc) \
	X(subnet) \
	X(subnet_reservation) \
	X(internet_gateway) \
	X(route_table) \
	X(route) \
	X(network_acl) \
	X(dhcp_options) \
	X(prefix_list) \
	X(peering) \
	X(vpc_endpoint) \
	X(vpc_endpoint_service) \
	X(interface) \
	X(interface_attach) \
	X(nat_gateway) \
	X(nat_gateway_address) \
	X(flow_log) \
	X(insights) \
	X(address) \
	X(security_group) \
	X(security_group_reference) \
	X(volume) \
	X(encryption) \
	X(attachment) \
	X(modification) \
	X(snapshot) \
	X(snapshot_attribute) \
	X(ebs) \
	X(rbin) \
	X(dlm) \
	X(tag) \
	X(place) \
	X(sts) \
	X(ssm) \
	X(kms) \
	X(kms_alias) \
	X(kms_grant) \
	X(kms_rotation) \
	X(kms_crypto) \
	X(ce) \
	X(budgets) \
	X(budget_tags) \
	X(pricing) \
	X(metric) \
	X(metric_data)

#define X(room) extern const struct action actions_##room[];
ACTION_TABLES(X)
#undef X

/* Note a documented outcome; the arguments fit the format of api/error.h (for
 * MALFORMED_ID and NOT_FOUND the first is the code). Always returns 1. */
int action_fail(struct call *call, enum api_error error, ...);

/* The same with InvalidParameterValue and a message of one's own. */
int action_invalid(struct call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* 0 while n is below the quota (0: there is none), else action_fail with this code:
 * "The maximum number of THINGS has been reached." */
int action_check_quota(struct call *call, long n, long quota, const char *code, const char *things);
/* Refuse what is asked for by one of these members (a list ended by NULL) and is not
 * here: 0, or action_fail saying why. A member that is false or empty asks for nothing. */
int action_refuse_members(struct call *call, const char *const *members, const char *why);
/* A string of the request, NULL where it is not there or "", which some clients send for it. */
const char *action_text(const struct call *call, const char *member);

/* ACTION_WRITE: answer only when netd runs at least this generation of the VPC; any
 * number of VPCs. vpc_change() (api/vpc.h) makes the generation as well. */
void action_wait(struct call *call, const char *vpc, int64_t generation);

/* The same as action_fail, of a REST service, with the error's Reason (NULL: none) and a message of one's own. */
int action_fail_rest(struct call *call, enum api_error error, const char *reason, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* A documented outcome with HTTP status 400 and a code and message of the action's own. */
int action_refuse(struct call *call, const char *code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* action_fail for an id of this kind that is none; NULL and "" are missing ones. */
int action_malformed(struct call *call, enum kind kind, const char *id);
/* The named resource of the caller, or NULL after action_fail with the kind's
 * own Malformed / NotFound code. */
const struct resource *action_resource(struct call *call, enum kind kind, const char *id);
/* The same for what something is to lead to: there whatever is not such a resource has a code of its own (EC2 API
 * reference, "Error codes"), and is called noun. Borrowed; NULL after action_fail. */
const struct resource *action_target(struct call *call, enum kind kind, const char *id, const char *code, const char *noun);

/* TagSpecifications of `in` for this resource type into r->tags: 0 or action_fail.
 * Call action_check_tag_types first: a type the operation does not make is refused. */
int action_check_tag_types(struct call *call, const char *const *types);
int action_apply_tags(struct call *call, const char *type, struct resource *r);
/* Set one tag with AWS's checks (length, aws: prefix, 50). 0 or action_fail. */
int action_set_tag(struct call *call, struct resource *r, const char *key, const char *value);
/* The services beside EC2 keep their tags in spec: what TagKeys of `in` name goes. 0; 1 where r is
 * NULL (then what looked for it has called action_fail). */
int action_untag(struct call *call, const struct resource *r);

#endif
