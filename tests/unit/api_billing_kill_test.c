/* A process that changes resources is killed at any instruction: what its database holds is what
 * another one, that did as many transactions in peace, has recorded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "api/billing/billing.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/db.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define ROUNDS 12
#define RESOURCES 6
#define ENDLESS 1000000

static uint64_t draw(uint64_t *chance, uint64_t below)
{
	*chance = *chance * 6364136223846793005u + 1442695040888963407u;
	return (*chance >> 33) % below;
}

struct work {
	struct store *store;
	struct billing *billing;
	char ids[RESOURCES][MC_ID_LEN];
	uint64_t chance;
};

static int begin(struct work *w, const char *path, uint64_t seed)
{
	const struct billing_config config = { .scale = 1, .prices = prices_load("deploy/prices.json", NULL) };

	memset(w, 0, sizeof(*w));
	w->chance = seed;
	w->store = store_open(path, NULL);
	w->billing = w->store ? billing_open(w->store, &config, NULL) : NULL;
	return w->billing ? 0 : -1;
}

static void change(struct work *w, struct store_tx *tx, int i)
{
	struct resource *r = *w->ids[i] ? store_edit(tx, w->ids[i]) : NULL;
	int to;

	if (!r || draw(&w->chance, 20) == 0) {
		if (r)
			store_delete(tx, r->id);
		r = store_insert(tx, KIND_INSTANCE, "1", "us-east-1");
		memcpy(w->ids[i], r->id, MC_ID_LEN);
		json_object_set_new(r->doc, "InstanceType", json_string("t3.nano"));
		state_init(r, INSTANCE_PENDING);
	}
	json_object_set_new(r->tags, "turn", json_integer((json_int_t)draw(&w->chance, 3)));
	to = (int)draw(&w->chance, INSTANCE_STATE_MAX);
	if (state_instance.legal[r->state] & 1u << to)
		state_set(tx, r, to);
}

/* One transaction, with its number in it. */
static int operate(struct work *w, int number)
{
	struct store_tx *tx = store_write(w->store);
	mc_autofree char *text = mc_strf("%d", number);
	int64_t pass = (int64_t)draw(&w->chance, 100000) * MC_SECOND;

	mc_clock_step(pass, pass);
	for (int n = 0; n < 3; n++)
		change(w, tx, (int)draw(&w->chance, RESOURCES));
	store_set_fact(tx, "number", text);
	return store_commit(tx, NULL);
}

/* In a process of its own: so many transactions, a byte to the pipe after each. */
static pid_t start(const char *path, uint64_t seed, int transactions, int pipe_fd)
{
	pid_t pid = fork();
	struct work w;

	if (pid != 0)
		return pid;
	if (begin(&w, path, seed) < 0)
		_exit(1);
	for (int n = 1; n <= transactions; n++)
		if (operate(&w, n) < 0 || (pipe_fd >= 0 && write(pipe_fd, "", 1) != 1))
			_exit(2);
	store_close(w.store);
	_exit(0);
}

static void kill_after(pid_t pid, int pipe_fd, unsigned transactions)
{
	char byte;

	while (transactions-- > 0)
		assert_int_equal(read(pipe_fd, &byte, 1), 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int note_row(sqlite3_stmt *stmt, void *ctx)
{
	json_t *row = json_array();

	for (int i = 0; i < sqlite3_column_count(stmt); i++)
		json_array_append_new(row, json_string(mc_db_text(stmt, i)));
	json_array_append_new(ctx, row);
	return 0;
}

/* Everything but the random ids. */
static json_t *content(struct store *store)
{
	static const char *const queries[] = {
		"SELECT grp, meter, type, quantity, tags FROM usage_line ORDER BY id",
		"SELECT line, label, ns, extra FROM usage_record ORDER BY id",
		"SELECT line, started, label, run FROM usage_open ORDER BY line",
		"SELECT day, line, amount FROM usage_day ORDER BY 1, 2",
		"SELECT state FROM resource ORDER BY seq",
	};
	sqlite3 *db = store_reader(store, NULL);
	json_t *all = json_array();

	for (size_t i = 0; i < MC_ARRAY_SIZE(queries); i++)
		assert_int_equal(mc_db_run(db, note_row, all, NULL, queries[i], ""), 0);
	sqlite3_close(db);
	return all;
}

/* What a database holds, before and after the daemon's start found it. */
static json_t *look(const char *path, int *ret_number)
{
	struct store *store = store_open(path, NULL);
	const struct billing_config config = { .scale = 1, .prices = prices_load("deploy/prices.json", NULL) };
	struct store_tx *tx = store_read(store);
	json_t *before = content(store), *after;
	struct billing *b;

	*ret_number = (int)strtol(store_fact(tx, "number") ? store_fact(tx, "number") : "0", NULL, 10);
	store_end(tx);
	b = billing_open(store, &config, NULL);
	assert_non_null(b);
	after = content(store);
	assert_true(json_equal(before, after)); /* nothing was left to settle */
	json_decref(after);
	billing_close(b);
	store_close(store);
	return before;
}

static void one_round(const char *dir, uint64_t seed)
{
	mc_autofree char *killed = mc_strf("%s/%llu-killed", dir, (unsigned long long)seed);
	mc_autofree char *calm = mc_strf("%s/%llu-calm", dir, (unsigned long long)seed);
	mc_auto_json json_t *left = NULL;
	mc_auto_json json_t *wanted = NULL;
	int ends[2], number, all, status;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = start(killed, seed, ENDLESS, ends[1]);
	close(ends[1]);
	kill_after(pid, ends[0], (unsigned)(5 + seed * 7 % 30));
	close(ends[0]);
	left = look(killed, &number);
	assert_true(number >= 5);
	pid = start(calm, seed, number, -1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	wanted = look(calm, &all);
	assert_int_equal(all, number);
	assert_true(json_array_size(left) > 5);
	assert_true(json_equal(left, wanted));
}

static void test_killed_anywhere(void **state)
{
	char dir[] = "/tmp/mc-kill-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
		one_round(dir, seed);
		for (const char *const *end = (const char *const[]){ "", "-wal", "-shm", NULL }; *end; end++) {
			mc_autofree char *a = mc_strf("%s/%llu-killed%s", dir, (unsigned long long)seed, *end);
			mc_autofree char *b = mc_strf("%s/%llu-calm%s", dir, (unsigned long long)seed, *end);

			unlink(a);
			unlink(b);
		}
	}
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_anywhere),
	};

	mc_log_set_level(MC_LOG_ERROR);
	mc_clock_freeze();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
