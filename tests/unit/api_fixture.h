/* A store of its own and calls of actions by name, for the tests of actions. */
#ifndef MC_TESTS_API_FIXTURE_H
#define MC_TESTS_API_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/action.h"
#include "api/api.h"
#include "api/instance_type.h"
#include "api/state.h"
#include "api/vpc.h"
#include "api/waiters.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define FIXTURE_ACCOUNT "123456789012"
#define FIXTURE_REGION "us-east-1"

struct fixture {
	struct api api;
	struct caller caller;
	struct call call; /* the last one */
	json_t *in;
	bool xml; /* of the calls to come */
	const char *service; /* of the calls to come; NULL: "ec2" */
	char dir[64];
};

/* Drop what the last call left. */
static inline void fixture_clear(struct fixture *f)
{
	json_decref(f->in);
	json_decref(f->call.out);
	json_decref(f->call.job);
	json_decref(f->call.waits);
	free(f->call.error_code);
	free(f->call.error_message);
	free(f->call.blob);
	mc_err_free(f->call.err);
	f->in = NULL;
	f->call = (struct call){ .api = &f->api, .caller = &f->caller, .request_id = "test" };
}

/* A region with its default VPC. */
static inline int fixture_setup(void **state)
{
	struct fixture *f = mc_alloc(sizeof(*f));
	mc_autofree char *path = NULL;
	mc_err *err = NULL;
	struct store_tx *tx;

	snprintf(f->dir, sizeof(f->dir), "/tmp/api-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	path = mc_strf("%s/db", f->dir);
	f->api.store = store_open(path, &err);
	if (!f->api.store)
		fail_msg("%s", mc_err_msg(err));
	f->api.waiters = waiters_new();
	f->api.types = instance_types_load("deploy/instance-types.json", &err);
	if (!f->api.types)
		fail_msg("%s", mc_err_msg(err));
	f->api.config.regions = "us-east-1, eu-west-1";
	f->api.config.listen = "127.0.0.1:8775";
	f->api.config.account = FIXTURE_ACCOUNT;
	f->api.config.quota_rules = 60;
	f->api.config.quota_groups = 500;
	f->api.config.quota_addresses = 5;
	f->api.config.quota_nat_gateways = 5;
	f->api.config.quota_nat_addresses = 2;
	f->api.config.flow_log_dir = "/var/lib/minicloud/flow-logs";
	f->api.config.public_pool = "203.0.113.0/24";
	f->api.config.storaged = "/nonexistent/storaged.sock";
	f->api.config.hypervisor = "/nonexistent/hypervisor.sock";
	snprintf(f->caller.account, sizeof(f->caller.account), FIXTURE_ACCOUNT);
	snprintf(f->caller.region, sizeof(f->caller.region), FIXTURE_REGION);
	tx = store_write(f->api.store);
	vpc_create_default(tx, FIXTURE_ACCOUNT, FIXTURE_REGION);
	assert_int_equal(store_commit(tx, &err), 0);
	fixture_clear(f);
	*state = f;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	static const char *const files[] = { "db", "db-wal", "db-shm" };

	fixture_clear(f);
	waiters_free(f->api.waiters);
	store_close(f->api.store);
	json_decref(f->api.types);
	for (size_t i = 0; i < MC_ARRAY_SIZE(files); i++) {
		mc_autofree char *path = mc_strf("%s/%s", f->dir, files[i]);

		unlink(path);
	}
	rmdir(f->dir);
	free(f);
	return 0;
}

/* Call the action with `in` (JSON text with ' for "; steals nothing). What it
 * returned: 0 with f->call.out, 1 with f->call.error_code and error_message. */
static inline int fixture_call(struct fixture *f, const char *name, const char *in)
{
	mc_autofree char *text = mc_strdup(in);
	const char *service = f->service ? f->service : "ec2";
	const struct model_operation *op = model_operation(model_service(service), name);
	const struct action *a = action_find(service, name);
	json_error_t error;
	int r;

	fixture_clear(f);
	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	f->in = json_loads(text, 0, &error);
	if (!f->in || !a || !op)
		fail_msg("%s %s: %s", name, in, f->in ? "no such action" : error.text);
	f->call.in = f->in;
	f->call.op = op;
	f->call.xml = f->xml;
	f->call.tx = a->flags & ACTION_WRITE ? store_write(f->api.store) : store_read(f->api.store);
	r = a->fn(&f->call);
	if (r == 0 && a->flags & ACTION_WRITE)
		assert_int_equal(store_commit(f->call.tx, &f->call.err), 0);
	else
		store_end(f->call.tx);
	f->call.tx = NULL;
	return r == 0 && a->backend ? a->backend(&f->call) : r;
}

static inline void fixture_ok(struct fixture *f, const char *name, const char *in)
{
	if (fixture_call(f, name, in) != 0)
		fail_msg("%s %s: %s %s", name, in, f->call.error_code, f->call.error_message);
}

static inline void fixture_fails(struct fixture *f, const char *name, const char *in, const char *code)
{
	if (fixture_call(f, name, in) != 1)
		fail_msg("%s %s: not %s", name, in, code);
	if (strcmp(f->call.error_code, code) != 0)
		fail_msg("%s %s: %s (%s), not %s", name, in, f->call.error_code, f->call.error_message, code);
}

/* The answer's list member. Borrowed. */
static inline json_t *fixture_list(struct fixture *f, const char *member)
{
	json_t *list = mc_json_arr(f->call.out, member);

	assert_non_null(list);
	return list;
}

/* A text member of the answer. Allocated. */
static inline char *fixture_kept(struct fixture *f, const char *member)
{
	const char *text = mc_json_str(f->call.out, member, NULL);

	assert_non_null(text);
	return mc_strdup(text);
}

/* The calls to come are this account's. */
static inline void fixture_as(struct fixture *f, const char *account)
{
	snprintf(f->caller.account, sizeof(f->caller.account), "%s", account);
}

/* What a daemon's answer would make of the resource. */
static inline void fixture_set_state(struct fixture *f, const char *id, int state)
{
	struct store_tx *tx = store_write(f->api.store);

	assert_int_equal(state_set(tx, store_edit(tx, id), state), 0);
	assert_int_equal(store_commit(tx, NULL), 0);
}

/* The id of a volume that CreateVolume made of this request, available. Allocated. */
static inline char *fixture_volume(struct fixture *f, const char *in)
{
	char *id;

	fixture_ok(f, "CreateVolume", in);
	id = fixture_kept(f, "VolumeId");
	fixture_set_state(f, id, VOLUME_AVAILABLE);
	return id;
}

/* The same of so many GiB. */
static inline char *fixture_volume_of(struct fixture *f, int gib)
{
	mc_autofree char *in = mc_strf("{'AvailabilityZone': 'us-east-1a', 'Size': %d}", gib);

	return fixture_volume(f, in);
}

/* A completed snapshot of the volume; its id, allocated. */
static inline char *fixture_snapshot(struct fixture *f, const char *vol)
{
	mc_autofree char *in = mc_strf("{'VolumeId': '%s', 'Description': 'one'}", vol);
	char *id;

	fixture_ok(f, "CreateSnapshot", in);
	assert_string_equal(mc_json_str(f->call.out, "State", ""), "pending");
	id = fixture_kept(f, "SnapshotId");
	fixture_set_state(f, id, SNAPSHOT_COMPLETED);
	return id;
}

/* The generation of this VPC that the last call waits for; 0: none. */
static inline int64_t fixture_wait(struct fixture *f, const char *vpc)
{
	return mc_json_int(f->call.waits, vpc, 0);
}

/* The id of the default group. Allocated. */
static inline char *fixture_default_group(struct fixture *f)
{
	fixture_ok(f, "DescribeSecurityGroups", "{'GroupNames': ['default']}");
	return mc_strdup(mc_json_str(json_array_get(fixture_list(f, "SecurityGroups"), 0), "GroupId", NULL));
}

#endif
