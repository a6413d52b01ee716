/* When an instance's QEMU is started anew and when not: the three daemons' part is played, over a socket, by what is here. */
#include "api_fixture.h"

#include <unistd.h>

#include "api/attachment.h"
#include "api/reconciler.h"
#include "api/state.h"
#include "common/ipc.h"

#define MANY 20 /* steps of which none should be needed */

/* What there is of the one instance and its one volume. One server thread, and steps that wait for it: no lock. */
struct world {
	struct fixture *f;
	struct mc_ipc_server *server;
	char *socket;
	int fd;
	char inst[MC_ID_LEN];
	const char *state, *reason; /* of its QEMU */
	int words;                  /* it dies when so many more have been said of it; 0: it does not */
	int starts;
	int refusals;               /* so many starts more that come to nothing */
	bool open;                  /* the volume, as storaged has noted it */
	bool stale;                 /* what the last QEMU has begun with it is not ended */
	bool started_on_stale;
};

static bool is_off(const struct world *w)
{
	return strcmp(w->state, "paused") != 0 && strcmp(w->state, "running") != 0;
}

static int tell(struct world *w, json_t **ret)
{
	*ret = json_pack("{s:s, s:s, s:s}", "id", w->inst, "state", w->state, "reason", w->reason);
	if (w->words > 0 && --w->words == 0)
		w->state = w->reason = "crashed";
	return MC_IPC_OK;
}

static int get_instance(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	struct world *w = ctx;

	(void)req, (void)err;
	return tell(w, ret);
}

static int put_instance(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	struct world *w = ctx;
	const char *wanted = mc_json_str(req->body, "state", "");
	bool starts = strcmp(wanted, "paused") == 0 && mc_json_bool(req->body, "start", true);

	if (is_off(w) && !starts && strcmp(wanted, "stopped") != 0) {
		mc_err_set(err, 0, "it is %s", w->state);
		return MC_IPC_CONFLICT;
	}
	if (is_off(w) && starts && w->refusals > 0) {
		w->refusals--;
		return mc_err_set(err, 0, "not now");
	}
	if (is_off(w) && starts) {
		w->starts++;
		w->started_on_stale = w->started_on_stale || w->stale || !w->open;
		w->state = "paused";
		w->reason = "starting-up";
	} else if (strcmp(wanted, "running") == 0) {
		w->state = "running";
		w->reason = "resumed";
	}
	return tell(w, ret);
}

static int open_volume(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	struct world *w = ctx;

	(void)err;
	w->stale = w->stale && w->open; /* as storaged does it: who is the first to open it finds nothing half-done */
	w->open = true;
	*ret = json_pack("{s:s, s:s, s:[], s:s}", "id", req->vars[0], "path", "/top", "backing", "format", "qcow2");
	return MC_IPC_OK;
}

static int close_volume(void *ctx, const struct mc_ipc_request *req, json_t **ret, mc_err **err)
{
	struct world *w = ctx;

	(void)req, (void)ret, (void)err;
	w->open = false;
	return MC_IPC_OK;
}

#define TEXT(member) { .name = member, .type = MC_FIELD_STRING }
#define NUMBER(member) { .name = member, .type = MC_FIELD_INTEGER }

static const struct mc_field limits[] = { NUMBER("iops"), NUMBER("bytes"), NUMBER("io_bytes"), { 0 } };

static const struct mc_field disk[] = {
	TEXT("volume"), TEXT("path"), TEXT("format"), { .name = "iotune", .type = MC_FIELD_OBJECT, .sub = limits },
	{ .name = "backing", .type = MC_FIELD_STRINGS },
	{ .name = "shareable", .type = MC_FIELD_BOOLEAN }, { .name = "boot", .type = MC_FIELD_BOOLEAN }, { 0 },
};

static const struct mc_field wanted[] = {
	TEXT("state"), TEXT("instance_type"), NUMBER("vcpus"), NUMBER("memory_mib"),
	{ .name = "start", .type = MC_FIELD_BOOLEAN }, { .name = "force", .type = MC_FIELD_BOOLEAN },
	{ .name = "disks", .type = MC_FIELD_OBJECTS, .sub = disk }, { .name = "nics", .type = MC_FIELD_OBJECTS, .sub = disk }, { 0 },
};

static const struct mc_field who[] = { TEXT("opener"), { 0 } };

static const struct mc_ipc_route routes[] = {
	{ "GET", "/v1/instances/{}", .handler = get_instance },
	{ "PUT", "/v1/instances/{}", .fields = wanted, .handler = put_instance },
	{ "POST", "/v1/volumes/{}/open", .fields = who, .handler = open_volume },
	{ "POST", "/v1/volumes/{}/close", .fields = who, .handler = close_volume },
	{ 0 },
};

static int setup(void **state)
{
	struct world *w = mc_alloc(sizeof(*w));
	void *f = NULL;

	if (fixture_setup(&f) < 0)
		return -1;
	w->f = f;
	w->socket = mc_strf("%s/socket", w->f->dir);
	w->fd = mc_ipc_listen(w->socket, 0600, (gid_t)-1, NULL);
	w->server = mc_ipc_server_start(w->fd, routes, NULL, 1, w, NULL);
	w->f->api.config.hypervisor = w->f->api.config.storaged = w->socket;
	*state = w;
	return w->server ? 0 : -1;
}

static int teardown(void **state)
{
	struct world *w = *state;
	void *f = w->f;

	mc_ipc_server_stop(w->server);
	close(w->fd);
	unlink(w->socket);
	free(w->socket);
	free(w);
	return fixture_teardown(&f);
}

/* An instance with a volume that its QEMU has had open, and has not left well. */
static void make(struct world *w, int state, const char *qemu, const char *reason)
{
	struct store_tx *tx = store_write(w->f->api.store);
	struct resource *inst = store_insert(tx, KIND_INSTANCE, FIXTURE_ACCOUNT, FIXTURE_REGION);
	struct resource *vol = store_insert(tx, KIND_VOLUME, FIXTURE_ACCOUNT, FIXTURE_REGION);

	json_object_set_new(inst->spec, "volumes", json_array());
	json_object_set_new(inst->spec, "was_running", json_true());
	json_object_set_new(inst->doc, "InstanceType", json_string("t3.nano"));
	json_object_set_new(vol->doc, "VolumeType", json_string("gp3"));
	json_object_set_new(vol->doc, "Size", json_integer(1));
	attachment_add(inst, vol, "/dev/xvda", "attached", false);
	state_init(inst, state);
	state_init(vol, VOLUME_IN_USE);
	snprintf(w->inst, sizeof(w->inst), "%s", inst->id);
	assert_int_equal(store_commit(tx, NULL), 0);
	w->state = qemu;
	w->reason = reason;
	w->open = w->stale = true;
}

static int state_now(struct world *w)
{
	struct store_tx *tx = store_read(w->f->api.store);
	int state = store_get(tx, w->inst)->state;

	store_end(tx);
	return state;
}

/* Steps until that is the instance's state and, where one is named, its QEMU's. */
static void step_until(struct world *w, int state, const char *qemu)
{
	int64_t delay = 0;

	for (int i = 0; state_now(w) != state || (qemu && strcmp(w->state, qemu) != 0); i++) {
		mc_auto_err mc_err *err = NULL;

		if (i == MANY)
			fail_msg("state %d, its QEMU is %s", state_now(w), w->state);
		if (step_instance(&w->f->api, w->inst, &delay, &err) < 0)
			fail_msg("%s", mc_err_msg(err));
	}
}

/* As after the host's end: what ran runs on, and nothing that the last QEMU has begun is left. */
static void test_off(void **state)
{
	struct world *w = *state;

	make(w, INSTANCE_RUNNING, "stopped", "unknown");
	step_until(w, INSTANCE_RUNNING, "running");
	assert_int_equal(w->starts, 1);
	assert_false(w->started_on_stale);
}

/* Each time that the host goes down some starts may fail: they are counted for that time alone. */
static void test_off_again_and_again(void **state)
{
	struct world *w = *state;

	make(w, INSTANCE_RUNNING, "stopped", "unknown");
	for (int i = 1; i <= 3; i++) {
		w->refusals = 2;
		step_until(w, INSTANCE_RUNNING, "running");
		assert_int_equal(w->starts, i);
		w->state = "stopped";
		w->reason = "unknown";
	}
}

static void test_paused(void **state)
{
	struct world *w = *state;

	make(w, INSTANCE_RUNNING, "paused", "user");
	step_until(w, INSTANCE_RUNNING, "running");
	assert_int_equal(w->starts, 0);
	assert_true(w->open && w->stale); /* it has it open all the while */
}

/* It dies when it has just been seen paused, by the first or the second who looks: it ends as any that dies. */
static void test_dies_while_paused(void **state)
{
	struct world *w = *state;

	for (int words = 1; words <= 2; words++) {
		make(w, INSTANCE_RUNNING, "paused", "user");
		w->words = words;
		step_until(w, INSTANCE_STOPPED, NULL);
		assert_int_equal(w->starts, 0);
		assert_false(w->open);
	}
}

/* One that has not run yet is started again; its next QEMU finds nothing half-done either. */
static void test_dies_while_pending(void **state)
{
	struct world *w = *state;

	make(w, INSTANCE_PENDING, "stopped", "destroyed");
	w->words = 1;
	step_until(w, INSTANCE_RUNNING, "running");
	assert_int_equal(w->starts, 2);
	assert_false(w->started_on_stale);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { T(test_off), T(test_off_again_and_again), T(test_paused),
					    T(test_dies_while_paused), T(test_dies_while_pending) };

	return cmocka_run_group_tests_name("start", tests, NULL, NULL);
}
