#include "netd/flowspool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"
#include "netd/nft.h"
#include "netd/nftbatch.h"
#include "netd/nftread.h"
#include "netd/vpcrules.h"

#define CHUNK 512 /* elements that are taken away in one transaction */
#define LOG_MODE 0644

static char *path_of(const char *dir, enum flow_interval i, const char *suffix)
{
	return mc_strf("%s/flow-%d.%s", dir, flowrules_seconds(i), suffix);
}

/* --- the time ------------------------------------------------------------------------------- */

int64_t flowspool_since(const char *dir, enum flow_interval i)
{
	mc_autofree char *path = path_of(dir, i, "since");
	mc_autofree char *text = mc_fs_read(path, 32, NULL, NULL);

	return text ? strtoll(text, NULL, 10) : 0;
}

int flowspool_set_since(const char *dir, enum flow_interval i, int64_t since, mc_err **err)
{
	mc_autofree char *path = path_of(dir, i, "since");
	mc_autofree char *text = mc_strf("%lld\n", (long long)since);

	return mc_fs_write(path, text, strlen(text), 0640, err);
}

/* --- writing it ------------------------------------------------------------------------------- */

static int64_t size_of(const char *log_dir, const char *file)
{
	mc_autofree char *path = mc_strf("%s/%s", log_dir, file);
	struct stat st;

	return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

int flowspool_write(const char *dir, const char *log_dir, enum flow_interval i, const json_t *keys,
		    const json_t *texts, char active, int64_t end, mc_err **err)
{
	const char side[] = { active, '\0' };
	mc_autofree char *path = path_of(dir, i, "spool");
	mc_auto_json json_t *files = json_array(), *doc = NULL;
	mc_autofree char *text = NULL;
	const char *file;
	json_t *lines;

	json_object_foreach((json_t *)texts, file, lines)
		json_array_append_new(files, json_pack("{s:s, s:I, s:O}", "file", file, "size",
						       (json_int_t)size_of(log_dir, file), "text",
						       lines));
	doc = json_pack("{s:s, s:I, s:O, s:O}", "active", side, "end", (json_int_t)end, "keys", keys,
			"files", files);
	text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
	if (!text)
		return mc_err_set(err, ENOMEM, "cannot write %s", path);
	return mc_fs_write(path, text, strlen(text), 0640, err);
}

/* --- ending it --------------------------------------------------------------------------------- */

/* The set's type as its elements are written: text and number are the same thing. */
static const char *const specs[FLOW_CLASS_MAX] = { "tcp", "udp", "other" };

static char *spec_of(const char *set)
{
	const char *first = strstr(set, "_out_") ? "ether_addr" : "ipv4_addr";
	const char *class = strrchr(set, '_') + 1;
	bool ports = strcmp(class, specs[FLOW_OTHER]) != 0;

	return mc_strf("type %s . ipv4_addr . ipv4_addr . %s;", first,
		       ports ? "inet_service . inet_service" : "inet_proto");
}

static int delete_chunk(struct nl_sock *sk, const struct ruleset *types,
			struct rulediff_element *rows, size_t n, mc_err **err)
{
	struct rulediff d = { .wanted = types, .gone = rows, .n_gone = n };
	uint32_t generation;
	int r;

	do {
		if (nftread_generation(sk, &generation, err) < 0)
			return -1;
		r = nftbatch_run(sk, &d, generation, err);
	} while (r == 0);
	return r < 0 ? -1 : 0;
}

static json_t *as_object(const json_t *keys)
{
	json_t *object = json_object();

	for (size_t i = 0; i < json_array_size(keys); i++)
		json_object_set_new(object, mc_json_at(keys, i), json_true());
	return object;
}

/* Those of the keys that are still there: an earlier run may have taken some away. */
static int delete_keys(struct nl_sock *sk, const char *set_name, const json_t *keys, mc_err **err)
{
	auto_ruleset struct ruleset *present = ruleset_new(vpcrules_tables, VPCRULES_HOME, NULL);
	auto_ruleset struct ruleset *types = ruleset_new(vpcrules_tables, VPCRULES_HOME, NULL);
	mc_auto_json json_t *doomed = as_object(keys);
	mc_autofree char *spec = spec_of(set_name);
	mc_autofree struct rulediff_element *rows = mc_alloc(CHUNK * sizeof(*rows));
	const char *bare = set_name + strlen(VPCRULES_HOME) + 1;
	const struct ruleset_set *set;
	size_t n = 0;

	if (nftread_set(sk, present, VPCRULES_HOME, bare, err) < 0)
		return -1;
	if (present->n_sets == 0)
		return 0;
	set = present->sets[0];
	ruleset_add_set(types, bare, spec);
	for (size_t i = 0; i < set->n_elements; i++) {
		if (json_object_get(doomed, set->elements[i].key))
			rows[n++] = (struct rulediff_element){ set, &set->elements[i] };
		if (n > 0 && (n == CHUNK || i + 1 == set->n_elements)) {
			if (delete_chunk(sk, types, rows, n, err) < 0)
				return -1;
			n = 0;
		}
	}
	return 0;
}

static int delete_all(const json_t *keys, int ns_fd, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_NETFILTER, ns_fd, err);
	const char *set;
	json_t *list;

	if (!sk)
		return -1;
	json_object_foreach((json_t *)keys, set, list)
		if (delete_keys(sk, set, list, err) < 0)
			return -1;
	return 0;
}

/* What an earlier run wrote of it goes first; a file that was rotated since goes on at its end. */
static int append(const char *log_dir, const json_t *row, mc_err **err)
{
	mc_autofree char *path = mc_strf("%s/%s", log_dir, mc_json_str(row, "file", ""));
	const char *text = mc_json_str(row, "text", "");
	off_t size = (off_t)mc_json_int(row, "size", 0);
	size_t len = strlen(text), done = 0;
	struct stat st;
	mc_auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
				 LOG_MODE);

	if (fd < 0 || fstat(fd, &st) < 0 || (st.st_size > size && ftruncate(fd, size) < 0))
		return mc_err_set(err, errno, "cannot open %s", path);
	while (done < len) {
		ssize_t n = write(fd, text + done, len - done);

		if (n < 0)
			return mc_err_set(err, errno, "cannot write %s", path);
		done += (size_t)n;
	}
	return 0;
}

int flowspool_end(const char *dir, const char *log_dir, enum flow_interval i, int ns_fd,
		  char *ret_active, mc_err **err)
{
	mc_autofree char *path = path_of(dir, i, "spool");
	mc_auto_json json_t *doc = NULL;
	const json_t *files;

	if (access(path, F_OK) < 0)
		return 0;
	doc = mc_json_load(path, err);
	if (!doc || delete_all(mc_json_obj(doc, "keys"), ns_fd, err) < 0)
		return -1;
	files = mc_json_arr(doc, "files");
	for (size_t k = 0; k < json_array_size(files); k++)
		if (append(log_dir, json_array_get(files, k), err) < 0)
			return -1;
	if (flowspool_set_since(dir, i, mc_json_int(doc, "end", 0), err) < 0)
		return -1;
	if (ret_active && mc_json_str(doc, "active", "")[0])
		*ret_active = mc_json_str(doc, "active", "")[0];
	if (unlink(path) < 0)
		return mc_err_set(err, errno, "cannot remove %s", path);
	return 0;
}
