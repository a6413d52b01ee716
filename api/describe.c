#include "api/describe.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/describe_cache.h"
#include "api/describe_filter.h"
#include "api/protocol/buffer.h"
#include "api/protocol/xml.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

/* --- pages ---------------------------------------------------------------- */

static const char *operation_of(const struct call *call)
{
	return call->op ? model_operation_name(call->op) : "";
}

/* Exchange the two characters in which base64 and base64url differ, and cut the padding. */
static void to_url(char *text)
{
	for (; *text; text++) {
		if (*text == '+')
			*text = '-';
		else if (*text == '/')
			*text = '_';
		else if (*text == '=')
			*text = '\0';
	}
}

char *describe_token(const struct call *call, int64_t seq)
{
	mc_autofree char *plain = mc_strf("%s:%" PRId64, operation_of(call), seq);
	size_t n = strlen(plain);
	char *token = mc_alloc(4 * ((n + 2) / 3) + 1);

	EVP_EncodeBlock((unsigned char *)token, (const unsigned char *)plain, (int)n);
	to_url(token);
	return token;
}

/* base64url decoded, NULL where it is none. Allocated, NUL-terminated. */
static char *from_url(const char *token)
{
	size_t n = strlen(token), padded = (n + 3) / 4 * 4;
	mc_autofree char *text = NULL;
	mc_autofree char *plain = NULL;
	int len;

	if (n > 256 || strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != n)
		return NULL;
	text = mc_strf("%s%.*s", token, (int)(padded - n), "===");
	for (char *c = text; *c; c++)
		*c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
	plain = mc_alloc(padded + 1);
	len = EVP_DecodeBlock((unsigned char *)plain, (const unsigned char *)text, (int)padded);
	if (len < 0)
		return NULL;
	plain[(size_t)len - (padded - n)] = '\0';
	return MC_STEAL(plain);
}

/* The seq of a token that this operation has given out, or -1. */
static int64_t token_seq(const struct call *call, const char *token)
{
	mc_autofree char *plain = from_url(token);
	const char *operation = operation_of(call);
	size_t n = strlen(operation);
	char *end = NULL;
	int64_t seq;

	if (!plain || strncmp(plain, operation, n) != 0 || plain[n] != ':' ||
	    plain[n + 1] < '0' || plain[n + 1] > '9')
		return -1;
	seq = strtoll(plain + n + 1, &end, 10);
	return *end ? -1 : seq;
}

int describe_page(struct call *call, int min, int max, int64_t *ret_after, int64_t *ret_limit)
{
	const char *token = mc_json_str(call->in, "NextToken", "");
	int64_t limit = mc_json_int(call->in, "MaxResults", 0), after = 0;

	if (json_object_get(call->in, "MaxResults") && (limit < min || limit > max))
		return action_fail(call, API_INVALID_PAGE, (long long)limit, min, max);
	if (*token) {
		after = token_seq(call, token);
		if (after < 0)
			return action_fail(call, API_INVALID_NEXT_TOKEN, token);
		limit = limit ? limit : max;
	}
	*ret_after = after;
	*ret_limit = limit;
	return 0;
}

int describe_answer_page(struct call *call, const char *member, const json_t *items, int min, int max)
{
	int64_t after, limit;
	size_t n = json_array_size(items), end;

	if (describe_page(call, min, max, &after, &limit))
		return 1;
	end = limit && (size_t)(after + limit) < n ? (size_t)(after + limit) : n;
	call->out = json_pack("{s:[]}", member);
	for (size_t i = (size_t)after; i < end; i++)
		json_array_append(json_object_get(call->out, member), json_array_get(items, i));
	if (end < n) {
		mc_autofree char *token = describe_token(call, (int64_t)end);

		json_object_set_new(call->out, "NextToken", json_string(token));
	}
	return 0;
}

/* --- one run -------------------------------------------------------------- */

struct run {
	struct call *call;
	const struct describe *d;
	struct clauses clauses;
	const json_t *ids, *names; /* NULL: not asked for any */
	const struct resource **chosen; /* what ids and names mean */
	size_t n_chosen;
	json_t *list;
	int64_t after, limit, last, n;
	bool more;
	const struct model_shape *shape; /* of an item, NULL: leave it a document */
	struct buffer encoded;           /* the item at work */
	struct buffer kept;              /* its group, a NUL, its text */
	struct store_seen seen;          /* what was looked at for it */
};

static const char *account_of(const struct run *run)
{
	return run->d->visible ? NULL : run->call->caller->account;
}

static const char *region_of(const struct run *run)
{
	return run->d->visible ? NULL : run->call->caller->region;
}

static bool visible(const struct run *run, const struct resource *bare)
{
	return !run->d->visible || run->d->visible(run->call, store_load(run->call->tx, bare));
}

/* What an item is in the model, where the answer goes out as XML. */
static const struct model_shape *item_shape(const struct call *call, const struct describe *d)
{
	const struct model_shape *shape = call->xml ? model_operation_output(call->op) : NULL;
	const char *const members[] = { d->list, d->inside };

	for (size_t i = 0; i < MC_ARRAY_SIZE(members) && shape && members[i]; i++) {
		const struct model_member *m = model_shape_find(shape, members[i]);

		shape = m ? model_shape_element(model_member_shape(m)) : NULL;
	}
	return shape;
}

/* The view as its text, which takes a fifth of the tree's memory and is not taken
 * apart again. One that cannot be encoded stays: the answer's encoder says why. */
static json_t *encode(struct run *run, json_t *view)
{
	json_t *text;

	if (!run->shape || protocol_xml_inside(run->shape, view, &run->encoded, NULL) < 0)
		return view;
	text = json_stringn_nocheck(run->encoded.data, run->encoded.len);
	json_decref(view);
	return text;
}

static void add(struct run *run, const struct resource *r, const char *group, json_t *item)
{
	if (run->d->add)
		run->d->add(run->list, r, group, item);
	else
		json_array_append_new(run->list, item);
	run->last = r->seq;
	run->n++;
}

static bool keeps(const struct run *run)
{
	return run->shape && run->d->keep;
}

/* Of a text kept from another time. */
static json_t *kept_item(const struct run *run, const char **ret_group)
{
	const char *text = run->kept.data + strlen(run->kept.data) + 1;

	*ret_group = run->kept.data;
	return json_stringn_nocheck(text, run->kept.len - (size_t)(text - run->kept.data));
}

static uint64_t aside(const struct run *run, const struct resource *r)
{
	return run->d->aside ? run->d->aside(run->call, r) : 0;
}

static void keep_item(struct run *run, const struct resource *r, const char *group, const json_t *item)
{
	if (!keeps(run) || !json_is_string(item))
		return;
	run->kept.len = 0;
	buffer_add(&run->kept, group, strlen(group) + 1);
	buffer_add(&run->kept, json_string_value(item), json_string_length(item));
	describe_cache_put(run->call->api->describe_cache, run->call->tx, r, aside(run, r), run->kept.data, run->kept.len, &run->seen);
}

static json_t *view_of(struct run *run, const struct resource *r)
{
	struct store_tx *tx = run->call->tx;
	json_t *view;

	if (!keeps(run))
		return run->d->view(run->call, r);
	store_watch(tx, &run->seen);
	store_get_bare(tx, r->id); /* it is looked at itself */
	view = run->d->view(run->call, r);
	store_watch(tx, NULL);
	return view;
}

/* The item, NULL: r does not match. */
static json_t *item_of(struct run *run, const struct resource *r, const char **ret_group)
{
	bool kept;
	json_t *item;

	if (!visible(run, r))
		return NULL;
	kept = keeps(run) && describe_cache_get(run->call->api->describe_cache, run->call->tx, r, aside(run, r), &run->kept);
	if (kept && run->clauses.n == 0)
		return kept_item(run, ret_group);
	r = store_load(run->call->tx, r);
	if (!clauses_may_match(&run->clauses, r))
		return NULL;
	item = view_of(run, r);
	if (!item || !clauses_match(&run->clauses, item, r)) {
		json_decref(item);
		return NULL;
	}
	if (kept) {
		json_decref(item);
		return kept_item(run, ret_group);
	}
	item = encode(run, item);
	*ret_group = run->d->group ? run->d->group(r) : "";
	keep_item(run, r, *ret_group, item);
	return item;
}

/* False: the page is full. */
static bool offer(struct run *run, const struct resource *r)
{
	size_t mark = store_mark(run->call->tx);
	const char *group = "";
	json_t *item = r->seq > run->after ? item_of(run, r, &group) : NULL;

	if (item && run->limit && run->n == run->limit) {
		json_decref(item);
		run->more = true;
	} else if (item) {
		add(run, r, group, item);
	}
	/* Who lists all needs the documents of one. */
	store_release(run->call->tx, mark);
	return !run->more;
}

static void choose(struct run *run, const struct resource *r)
{
	run->chosen = realloc(run->chosen, (run->n_chosen + 1) * sizeof(*run->chosen));
	if (!run->chosen)
		abort();
	run->chosen[run->n_chosen++] = r;
}

static int fail_missing(struct run *run, const char *code, const json_t *missing)
{
	mc_autofree char *list = mc_strdup(mc_json_at(missing, 0));
	mc_autofree char *text = NULL;

	for (size_t i = 1; i < json_array_size(missing); i++) {
		char *longer = mc_strf("%s, %s", list, mc_json_at(missing, i));

		free(list);
		list = longer;
	}
	text = kind_missing_text(run->d->kind, list, json_array_size(missing) > 1);
	return action_fail(run->call, API_NOT_FOUND, code, text);
}

static int choose_ids(struct run *run)
{
	const struct kind_info *k = kind_info(run->d->kind);
	mc_auto_json json_t *missing = json_array();
	size_t i;
	json_t *id;

	json_array_foreach(run->ids, i, id) {
		const char *text = json_is_string(id) ? json_string_value(id) : "";
		const struct resource *r;

		if (!mc_id_valid(k->prefix, text))
			return action_malformed(run->call, run->d->kind, text);
		r = store_find_bare(run->call->tx, run->d->kind, account_of(run), region_of(run), text);
		if (r && visible(run, r))
			choose(run, r);
		else
			json_array_append(missing, id);
	}
	return json_array_size(missing) ? fail_missing(run, k->not_found, missing) : 0;
}

static int choose_names(struct run *run)
{
	mc_auto_json json_t *missing = json_array(), *found = json_object();
	struct store_iter it = store_iter(run->call->tx, run->d->kind, account_of(run), region_of(run));
	const struct resource *r;
	size_t i;
	json_t *name;

	while ((r = store_next(&it))) {
		const char *own = mc_json_str(r->doc, run->d->name_member, "");

		if (!mc_json_has_str(run->names, own) || (run->d->named && !run->d->named(run->call, r)))
			continue;
		choose(run, r);
		json_object_set_new(found, own, json_true());
	}
	json_array_foreach(run->names, i, name)
		if (!json_object_get(found, json_string_value(name)))
			json_array_append(missing, name);
	return json_array_size(missing) ? fail_missing(run, run->d->name_not_found, missing) : 0;
}

static int by_seq(const void *a, const void *b)
{
	const struct resource *const *x = a, *const *y = b;

	return ((*x)->seq > (*y)->seq) - ((*x)->seq < (*y)->seq);
}

static int offer_chosen(struct run *run)
{
	if ((run->ids && choose_ids(run)) || (run->names && choose_names(run)))
		return 1;
	qsort(run->chosen, run->n_chosen, sizeof(*run->chosen), by_seq);
	for (size_t i = 0; i < run->n_chosen; i++)
		if ((i == 0 || run->chosen[i]->seq != run->chosen[i - 1]->seq) && !offer(run, run->chosen[i]))
			break;
	return 0;
}

static void offer_all(struct run *run)
{
	struct store_iter it = store_iter(run->call->tx, run->d->kind, account_of(run), region_of(run));
	const struct resource *r;

	while ((r = store_next_bare(&it)) && offer(run, r))
		;
}

/* AWS names the sets as its old wire had them: InstanceIds is instancesSet. */
static int check_ids_with_page(struct run *run)
{
	const char *ids = run->d->ids;
	mc_autofree char *text = NULL;

	if (!run->ids || !run->d->ids_with_page_refused || !json_object_get(run->call->in, "MaxResults"))
		return 0;
	text = mc_strf("The parameter %c%.*ssSet cannot be used with the parameter maxResults",
		       ids[0] | 0x20, (int)(strlen(ids) - strlen("Ids") - 1), ids + 1);
	return action_fail(run->call, API_PARAMETER_COMBINATION, text);
}

static const json_t *asked(const struct call *call, const char *member)
{
	const json_t *list = member ? mc_json_arr(call->in, member) : NULL;

	return json_array_size(list) ? list : NULL;
}

static int run_start(struct run *run)
{
	struct call *call = run->call;

	if (clauses_init(call, run->d->filters, &run->clauses))
		return 1;
	run->ids = asked(call, run->d->ids);
	run->names = asked(call, run->d->names);
	if (check_ids_with_page(run))
		return 1;
	if (!run->d->page_max)
		return 0;
	return describe_page(call, run->d->page_min, run->d->page_max, &run->after, &run->limit);
}

int describe_run(struct call *call, const struct describe *d)
{
	struct run run = { .call = call, .d = d, .shape = item_shape(call, d) };
	mc_auto_json json_t *list = run.list = json_array();
	int r = run_start(&run);

	if (r == 0 && (run.ids || run.names))
		r = offer_chosen(&run);
	else if (r == 0)
		offer_all(&run);
	free(run.chosen);
	free(run.seen.slots);
	buffer_deinit(&run.encoded);
	buffer_deinit(&run.kept);
	if (r)
		return r;
	call->out = json_pack("{s:O}", d->list, list);
	if (run.more) {
		mc_autofree char *token = describe_token(call, run.last);

		json_object_set_new(call->out, "NextToken", json_string(token));
	}
	return 0;
}
