#include "netd/nft.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/json.h"
#include "netd/netns.h"

#define VERSION_PREFIX "version_"
#define EPOCH_PREFIX "epoch_"
#define ERROR_SHOWN 300 /* characters of nft's own words kept in our error */

static int open_here(void *arg)
{
	*(struct nft_ctx **)arg = nft_ctx_new(NFT_CTX_DEFAULT);
	return 0;
}

struct nft_ctx *nft_open(int ns_fd, mc_err **err)
{
	struct nft_ctx *nft = NULL;

	if (ns_fd < 0)
		open_here(&nft);
	else if (netns_call(ns_fd, open_here, &nft, err) < 0)
		return NULL;
	if (!nft) {
		mc_err_set(err, 0, "cannot open a libnftables context");
		return NULL;
	}
	nft_ctx_buffer_output(nft);
	nft_ctx_buffer_error(nft);
	return nft;
}

int nft_run(struct nft_ctx *nft, const char *text, mc_err **err)
{
	int r = 0;

	if (*text) {
		MC_CRASH_POINT();
		r = nft_run_cmd_from_buffer(nft, text);
		MC_CRASH_POINT();
	}
	if (r == 0)
		return 0;
	return mc_err_set(err, 0, "nft transaction refused: %.*s", ERROR_SHOWN,
			  nft_ctx_get_error_buffer(nft));
}

/* --- reading back --------------------------------------------------------------- */

static json_t *list(struct nft_ctx *nft, const char *what)
{
	mc_autofree char *command = mc_strf("list %s", what);
	json_t *doc;
	int r;

	nft_ctx_output_set_flags(nft, NFT_CTX_OUTPUT_JSON);
	r = nft_run_cmd_from_buffer(nft, command);
	nft_ctx_output_set_flags(nft, 0);
	/* Both buffers start anew with the next command only when they were taken. */
	doc = json_loads(nft_ctx_get_output_buffer(nft), 0, NULL);
	nft_ctx_get_error_buffer(nft);
	if (r == 0)
		return doc;
	json_decref(doc);
	return NULL;
}

/* The JSON forms of a value, written as nft's text has them. */
static char *value_text(const json_t *v)
{
	const json_t *parts = mc_json_arr(v, "concat");
	const json_t *prefix = mc_json_obj(v, "prefix"), *jump = mc_json_obj(v, "jump");
	char *text = NULL;

	if (json_is_string(v))
		return mc_strdup(json_string_value(v));
	if (prefix)
		return mc_strf("%s/%d", mc_json_str(prefix, "addr", ""),
			       (int)mc_json_int(prefix, "len", 32));
	if (jump)
		return mc_strf("jump %s", mc_json_str(jump, "target", ""));
	for (size_t i = 0; i < json_array_size(parts); i++) {
		mc_autofree char *part = value_text(json_array_get(parts, i));
		mc_autofree char *before = text;

		text = before ? mc_strf("%s . %s", before, part) : mc_strdup(part);
	}
	return text ? text : mc_strdup("");
}

static void read_element(struct ruleset *r, const char *set, const json_t *elem)
{
	const json_t *key = json_is_array(elem) ? json_array_get(elem, 0) : elem;
	const json_t *data = json_is_array(elem) ? json_array_get(elem, 1) : NULL;
	const json_t *wrapped = mc_json_obj(key, "elem"), *counter = mc_json_obj(wrapped, "counter");
	mc_autofree char *key_text = value_text(wrapped ? json_object_get(wrapped, "val") : key);
	mc_autofree char *data_text = value_text(data);
	struct ruleset_element *e = ruleset_add_element(r, set, key_text, data_text,
							mc_json_str(wrapped, "comment", ""));

	e->packets = (uint64_t)mc_json_int(counter, "packets", 0);
	e->bytes = (uint64_t)mc_json_int(counter, "bytes", 0);
}

static void read_set(struct ruleset *r, const json_t *set, const char *table)
{
	const char *name = mc_json_str(set, "name", "");
	mc_autofree char *full = mc_strf("%s %s", table, name);
	const json_t *elems = mc_json_arr(set, "elem");

	if (ruleset_set_managed(name))
		ruleset_add_set(r, name);
	for (size_t i = 0; i < json_array_size(elems); i++)
		read_element(r, full, json_array_get(elems, i));
}

static void read_chain(struct ruleset *r, const char *name, const json_t *digests)
{
	if (ruleset_chain_managed(name))
		ruleset_add_present_chain(r, name, mc_json_str(digests, name, ""));
	else if (strncmp(name, VERSION_PREFIX, strlen(VERSION_PREFIX)) == 0)
		snprintf(r->version, sizeof(r->version), "%s", name + strlen(VERSION_PREFIX));
	else if (strncmp(name, EPOCH_PREFIX, strlen(EPOCH_PREFIX)) == 0)
		snprintf(r->epoch, sizeof(r->epoch), "%s", name + strlen(EPOCH_PREFIX));
}

/* The comment of each chain's first rule, by chain. */
static json_t *first_comments(const json_t *objects)
{
	json_t *comments = json_object();

	for (size_t i = 0; i < json_array_size(objects); i++) {
		const json_t *rule = mc_json_obj(json_array_get(objects, i), "rule");
		const char *chain = mc_json_str(rule, "chain", "");

		if (rule && !json_object_get(comments, chain))
			json_object_set_new(comments, chain,
					    json_string(mc_json_str(rule, "comment", "")));
	}
	return comments;
}

static void read_table(struct ruleset *r, const json_t *doc, const char *table)
{
	const json_t *objects = mc_json_arr(doc, "nftables");
	mc_auto_json json_t *digests = first_comments(objects);

	for (size_t i = 0; i < json_array_size(objects); i++) {
		const json_t *o = json_array_get(objects, i);
		const json_t *set = mc_json_obj(o, "set"), *map = mc_json_obj(o, "map");
		const json_t *chain = mc_json_obj(o, "chain");

		if (set || map)
			read_set(r, set ? set : map, table);
		else if (chain)
			read_chain(r, mc_json_str(chain, "name", ""), digests);
	}
}

static bool has_table(const json_t *objects, const char *table)
{
	for (size_t i = 0; i < json_array_size(objects); i++) {
		const json_t *t = mc_json_obj(json_array_get(objects, i), "table");
		mc_autofree char *name = mc_strf("%s %s", mc_json_str(t, "family", ""),
						 mc_json_str(t, "name", ""));

		if (strcmp(name, table) == 0)
			return true;
	}
	return false;
}

bool nft_has_tables(struct nft_ctx *nft, const char *const *tables)
{
	mc_auto_json json_t *doc = list(nft, "tables");

	for (const char *const *t = tables; *t; t++)
		if (!has_table(mc_json_arr(doc, "nftables"), *t))
			return false;
	return true;
}

void nft_read_set(struct nft_ctx *nft, struct ruleset *ruleset, const char *table, const char *name)
{
	mc_autofree char *what = mc_strf("set %s %s", table, name);
	mc_auto_json json_t *doc = list(nft, what);

	if (doc)
		read_table(ruleset, doc, table);
}

struct ruleset *nft_read(struct nft_ctx *nft, const char *const *tables, const char *home)
{
	struct ruleset *r = ruleset_new(tables, home, NULL);
	bool whole = true;

	for (const char *const *t = tables; *t; t++) {
		mc_autofree char *what = mc_strf("table %s", *t);
		mc_auto_json json_t *doc = list(nft, what);

		if (doc)
			read_table(r, doc, *t);
		else
			whole = false;
	}
	if (!whole)
		r->version[0] = '\0';
	return r;
}

void nft_read_epoch(struct nft_ctx *nft, const char *table, char ret_epoch[RULESET_DIGEST_LEN])
{
	mc_auto_json json_t *doc = list(nft, "chains");
	const json_t *objects = mc_json_arr(doc, "nftables");

	ret_epoch[0] = '\0';
	for (size_t i = 0; i < json_array_size(objects); i++) {
		const json_t *c = mc_json_obj(json_array_get(objects, i), "chain");
		const char *name = mc_json_str(c, "name", "");
		mc_autofree char *of = mc_strf("%s %s", mc_json_str(c, "family", ""), mc_json_str(c, "table", ""));

		if (strncmp(name, EPOCH_PREFIX, strlen(EPOCH_PREFIX)) == 0 && strcmp(of, table) == 0)
			snprintf(ret_epoch, RULESET_DIGEST_LEN, "%s", name + strlen(EPOCH_PREFIX));
	}
}

/* Counters that are carried over go on; where there are none to carry, they begin. */
static void set_epoch(struct ruleset *wanted, const struct ruleset *present)
{
	if (*present->epoch)
		snprintf(wanted->epoch, sizeof(wanted->epoch), "%s", present->epoch);
	else
		mc_random_hex((RULESET_DIGEST_LEN - 1) / 2, wanted->epoch);
}

int nft_apply(struct nft_ctx *nft, struct ruleset *wanted, bool *ret_shrank, mc_err **err)
{
	auto_ruleset struct ruleset *present = nft_read(nft, wanted->tables, wanted->home);
	struct ruleset_diff diff;
	int r;

	set_epoch(wanted, present);
	ruleset_diff(present, wanted, &diff);
	r = nft_run(nft, diff.text, err);
	free(diff.text);
	if (r == 0 && ret_shrank)
		*ret_shrank = diff.shrinks;
	return r;
}

json_t *nft_foreign_forward_drops(struct nft_ctx *nft, mc_err **err)
{
	mc_auto_json json_t *doc = list(nft, "chains");
	const json_t *objects = mc_json_arr(doc, "nftables");
	json_t *found = json_array();

	if (!doc) {
		json_decref(found);
		mc_err_set(err, 0, "cannot list the host's nft chains");
		return NULL;
	}
	for (size_t i = 0; i < json_array_size(objects); i++) {
		const json_t *c = mc_json_obj(json_array_get(objects, i), "chain");

		if (strcmp(mc_json_str(c, "hook", ""), "forward") == 0 &&
		    strcmp(mc_json_str(c, "policy", ""), "drop") == 0)
			json_array_append_new(found, json_sprintf("%s %s %s",
								  mc_json_str(c, "family", ""),
								  mc_json_str(c, "table", ""),
								  mc_json_str(c, "name", "")));
	}
	return found;
}
