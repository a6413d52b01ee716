#include "storaged/owners.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/json.h"
#include "common/log.h"
#include "storaged/list.h"

#define AREA "owners"
#define SUFFIX ".json"
#define WRITING "writing"
#define DOC_MAX (256 * 1024)
#define RETRY (20 * MC_SECOND)

struct owners {
	struct graph *graph;
	char *dir;
	int dir_fd;
	pthread_mutex_t writing; /* one writer at a time */
	pthread_t thread;
	pthread_mutex_t mutex; /* of what follows; taken under the graph's own */
	pthread_cond_t changed;
	bool wanted, stopping, started;
};

struct owners *owners_open(const struct store *store, struct graph *graph, mc_err **err)
{
	mc_autofree char *dir = mc_strf("%s/" STORE_OWNERS, store->dir);
	struct owners *o;
	int fd;

	if (mc_fs_mkdirs(dir, 0700, err) < 0)
		return NULL;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		mc_err_set(err, errno, "cannot open %s", dir);
		return NULL;
	}
	o = mc_alloc(sizeof(*o));
	*o = (struct owners){.graph = graph, .dir = MC_STEAL(dir), .dir_fd = fd};
	pthread_mutex_init(&o->writing, NULL);
	pthread_mutex_init(&o->mutex, NULL);
	pthread_cond_init(&o->changed, NULL);
	return o;
}

/* --- writing ---------------------------------------------------------------- */

struct stale {
	int64_t seq;
	char id[MC_ID_LEN];
};

static int keep_stale(void *list, int64_t seq, const char *id)
{
	struct stale s = {.seq = seq};

	if (strlen(id) < sizeof(s.id))
		memcpy(s.id, id, strlen(id));
	list_add(list, &s);
	return 0;
}

/* As mc_fs_write() does, but without crash points: how often this is done beside what somebody asked for differs from
 * one time to the next, and is to leave no trace in what they number. One writer, one name for what is half-written. */
static int write_file(struct owners *o, const char *name, const char *text, mc_err **err)
{
	mc_auto_fd int fd = openat(o->dir_fd, WRITING, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t len = strlen(text);

	errno = fd < 0 ? errno : 0;
	if (fd >= 0 && write(fd, text, len) == (ssize_t)len && fsync(fd) == 0 &&
	    renameat(o->dir_fd, WRITING, o->dir_fd, name) == 0)
		return 0;
	mc_err_set(err, errno ? errno : ENOSPC, "cannot write %s/%s", o->dir, name);
	unlinkat(o->dir_fd, WRITING, 0);
	return -1;
}

static char *name_of(const char *id)
{
	return mc_strf("%s" SUFFIX, id);
}

static int write_one(struct owners *o, const char *id, mc_err **err)
{
	mc_autofree char *name = name_of(id);
	mc_auto_json json_t *doc = NULL;
	mc_autofree char *text = NULL;
	int r = graph_owner_doc(o->graph, id, &doc, err);

	if (r < 0)
		return -1;
	if (r > 0)
		return unlinkat(o->dir_fd, name, 0) == 0 || errno == ENOENT
			       ? 0 : mc_err_set(err, errno, "cannot remove %s/%s", o->dir, name);
	text = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS);
	return write_file(o, name, text, err);
}

/* What is noted as written is on the disk; a row that changed meanwhile is noted under another number. */
static int write_all(struct owners *o, const struct list *stale, mc_err **err)
{
	for (size_t i = 0; i < stale->n; i++)
		if (write_one(o, ((const struct stale *)list_at(stale, i))->id, err) < 0)
			return -1;
	if (stale->n > 0 && fsync(o->dir_fd) < 0)
		return mc_err_set(err, errno, "cannot sync %s", o->dir);
	for (size_t i = 0; i < stale->n; i++)
		if (graph_owner_written(o->graph, ((const struct stale *)list_at(stale, i))->seq, err) < 0)
			return -1;
	return 0;
}

int owners_write(struct owners *o, mc_err **err)
{
	auto_list struct list stale = {.size = sizeof(struct stale)};
	int r;

	pthread_mutex_lock(&o->writing);
	r = graph_owners_stale(o->graph, keep_stale, &stale, err);
	if (r == 0)
		r = write_all(o, &stale, err);
	pthread_mutex_unlock(&o->writing);
	return r;
}

/* --- the thread ------------------------------------------------------------- */

static int write_and_log(struct owners *o)
{
	mc_auto_err mc_err *err = NULL;
	int r = owners_write(o, &err);

	if (r < 0)
		mc_log(MC_LOG_WARNING, AREA, "cannot be written now", "reason", mc_err_msg(err), NULL);
	return r;
}

static void wait_for_change(struct owners *o, bool failed)
{
	int64_t until = mc_clock_wall() + RETRY;
	struct timespec t = {.tv_sec = until / MC_SECOND, .tv_nsec = until % MC_SECOND};

	if (!failed)
		pthread_cond_wait(&o->changed, &o->mutex);
	else if (pthread_cond_timedwait(&o->changed, &o->mutex, &t) == ETIMEDOUT)
		o->wanted = true;
}

static void *run(void *arg)
{
	struct owners *o = arg;
	bool failed = false;

	pthread_mutex_lock(&o->mutex);
	while (!o->stopping) {
		if (!o->wanted) {
			wait_for_change(o, failed);
			continue;
		}
		o->wanted = false;
		pthread_mutex_unlock(&o->mutex);
		failed = write_and_log(o) < 0;
		pthread_mutex_lock(&o->mutex);
	}
	pthread_mutex_unlock(&o->mutex);
	return NULL;
}

static void wake(void *arg)
{
	struct owners *o = arg;

	pthread_mutex_lock(&o->mutex);
	o->wanted = true;
	pthread_cond_signal(&o->changed);
	pthread_mutex_unlock(&o->mutex);
}

int owners_start(struct owners *o, mc_err **err)
{
	int r;

	unlinkat(o->dir_fd, WRITING, 0); /* a killed one's */
	o->wanted = true;
	r = pthread_create(&o->thread, NULL, run, o);
	if (r != 0)
		return mc_err_set(err, r, "cannot start the thread that writes the owners");
	o->started = true;
	graph_on_change(o->graph, wake, o);
	return 0;
}

static void stop(struct owners *o)
{
	graph_on_change(o->graph, NULL, NULL);
	pthread_mutex_lock(&o->mutex);
	o->stopping = true;
	pthread_cond_signal(&o->changed);
	pthread_mutex_unlock(&o->mutex);
	pthread_join(o->thread, NULL);
	write_and_log(o);
}

void owners_close(struct owners *o)
{
	if (!o)
		return;
	if (o->started)
		stop(o);
	close(o->dir_fd);
	pthread_mutex_destroy(&o->writing);
	pthread_mutex_destroy(&o->mutex);
	pthread_cond_destroy(&o->changed);
	free(o->dir);
	free(o);
}

/* --- reading ---------------------------------------------------------------- */

/* The id of a document's name, or false where it is none. */
static bool id_of(const char *name, char ret[MC_ID_LEN])
{
	static const char *const prefixes[] = {"vol", "snap", "ami", "lay", STORE_RAW};
	size_t n = strlen(name), suffix = strlen(SUFFIX);

	if (n <= suffix || n - suffix >= MC_ID_LEN || strcmp(name + n - suffix, SUFFIX) != 0)
		return false;
	memcpy(ret, name, n - suffix);
	ret[n - suffix] = '\0';
	for (size_t i = 0; i < MC_ARRAY_SIZE(prefixes); i++)
		if (mc_id_valid(prefixes[i], ret))
			return true;
	return false;
}

/* A row's values are texts and numbers, and it belongs to this id. */
static bool row_right(const json_t *row, const char *column, const char *id)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)row, key, value)
		if (!json_is_string(value) && !json_is_integer(value))
			return false;
	return json_is_object(row) && strcmp(mc_json_str(row, column, ""), id) == 0;
}

static bool doc_right(const json_t *doc, const char *id)
{
	const char *table;
	json_t *rows;
	const json_t *row;
	size_t i;

	json_object_foreach((json_t *)doc, table, rows) {
		const char *column = strcmp(table, "opens") == 0 ? "volume" : strcmp(table, "merges") == 0 ? "upper" : "id";

		if (!json_is_array(rows))
			return false;
		json_array_foreach(rows, i, row)
			if (!row_right(row, column, id))
				return false;
	}
	return json_is_object(doc);
}

static json_t *load(const struct owners *o, const char *id, mc_err **err)
{
	mc_autofree char *name = name_of(id);
	mc_autofree char *path = mc_strf("%s/%s", o->dir, name);
	mc_autofree char *text = mc_fs_read(path, DOC_MAX, NULL, err);
	json_t *doc = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

	if (text && (!doc || !doc_right(doc, id))) {
		json_decref(doc);
		doc = NULL;
		mc_err_set(err, 0, "its owner document is malformed");
	}
	return doc;
}

typedef int each_name(void *ctx, const char *name, const char *id);

/* A file that is no document is told with id NULL. */
static int each_file(const struct owners *o, each_name *fn, void *ctx, mc_err **err)
{
	DIR *dir = opendir(o->dir);
	const struct dirent *e;
	char id[MC_ID_LEN];

	if (!dir)
		return mc_err_set(err, errno, "cannot list %s", o->dir);
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			fn(ctx, e->d_name, id_of(e->d_name, id) ? id : NULL);
	closedir(dir);
	return 0;
}

struct reading {
	const struct owners *owners;
	json_t *docs;
	graph_found *found;
	void *ctx;
};

static int read_one(void *ctx, const char *name, const char *id)
{
	struct reading *r = ctx;
	mc_auto_err mc_err *err = NULL;
	json_t *doc = id ? load(r->owners, id, &err) : NULL;

	(void)name;
	if (doc)
		json_object_set_new(r->docs, id, doc);
	else if (id)
		r->found(r->ctx, id, mc_err_msg(err));
	return 0;
}

json_t *owners_read(const struct owners *o, graph_found *found, void *ctx, mc_err **err)
{
	struct reading r = {o, json_object(), found, ctx};

	if (each_file(o, read_one, &r, err) == 0)
		return r.docs;
	json_decref(r.docs);
	return NULL;
}

/* --- checking --------------------------------------------------------------- */

static int note_id(void *ids, int64_t seq, const char *id)
{
	(void)seq;
	return json_object_set_new(ids, id, json_true());
}

struct checking {
	json_t *right, *stale; /* ids */
	graph_found *found;
	void *ctx;
};

static int check_name(void *ctx, const char *name, const char *id)
{
	struct checking *c = ctx;

	if (id ? !json_object_get(c->right, id) && !json_object_get(c->stale, id) : strcmp(name, WRITING) != 0)
		c->found(c->ctx, id ? id : name, "an owner document without a record");
	return 0;
}

/* 1 where it is as it should be, 0, -1 and *err; *ret_there: it can be read. */
static int doc_fits(struct owners *o, const char *id, bool *ret_there, mc_err **err)
{
	mc_auto_json json_t *want = NULL;
	mc_auto_json json_t *have = load(o, id, NULL);

	*ret_there = have;
	return graph_owner_doc(o->graph, id, &want, err) < 0 ? -1 : !want || (have && json_equal(want, have));
}

/* A storaged that is at work may just be writing it: then it is another one at the second look, or waits again. */
static int check_doc(struct owners *o, const char *id, const struct checking *c, mc_err **err)
{
	mc_auto_json json_t *stale = json_object();
	bool there;
	int r = doc_fits(o, id, &there, err);

	if (r == 0)
		r = graph_owners_stale(o->graph, note_id, stale, err) < 0 ? -1 : json_object_get(stale, id) != NULL;
	if (r == 0)
		r = doc_fits(o, id, &there, err);
	if (r == 0)
		c->found(c->ctx, id, there ? "its owner document differs from the records" : "its owner document is missing or malformed");
	return r < 0 ? -1 : 0;
}

int owners_check(struct owners *o, graph_found *found, void *ctx, mc_err **err)
{
	mc_auto_json json_t *right = json_object();
	mc_auto_json json_t *stale = json_object();
	struct checking c = {right, stale, found, ctx};
	const char *id;
	json_t *value;

	if (graph_owners_stale(o->graph, note_id, stale, err) < 0 || graph_owners(o->graph, note_id, right, err) < 0)
		return -1;
	json_object_foreach(right, id, value)
		if (!json_object_get(stale, id) && check_doc(o, id, &c, err) < 0)
			return -1;
	return each_file(o, check_name, &c, err);
}
