/* Managed prefix lists (VPC User Guide, "Managed prefix lists"). */
#include <inttypes.h>
#include <string.h>

#include "api/action.h"
#include "api/cidr.h"
#include "api/describe.h"
#include "api/gateway_endpoint.h"
#include "api/prefix_list.h"
#include "api/route_table.h"
#include "api/view.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define MAX_VERSIONS 1000 /* VPC User Guide, "Quotas": the oldest one goes */
#define MAX_ENTRIES 1000
#define MAX_CHANGES 100   /* entries per call */

/* --- shown -------------------------------------------------------------------- */

static const struct filter filters[] = {
	{ "owner-id", "OwnerId" }, { "prefix-list-id", "PrefixListId" }, { "prefix-list-name", "PrefixListName" }, { 0 },
};

static json_t *list_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "PrefixListId", "OwnerId");
	bool aws = gateway_endpoint_owns(r);
	mc_autofree char *arn = aws ? mc_strf("arn:aws:ec2:%s:aws:prefix-list/%s", r->region, r->id) : resource_arn(r);

	(void)call;
	if (aws)
		json_object_set_new(v, "OwnerId", json_string("AWS"));
	json_object_set_new(v, "PrefixListArn", json_string(arn));
	return v;
}

static int describe_managed_prefix_lists(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_PREFIX_LIST, .list = "PrefixLists", .ids = "PrefixListIds", .filters = filters, .view = list_view,
		.page_min = 1, .page_max = 100,
	};

	return describe_run(call, &d);
}

/* This one shows the lists of the cloud's own services alone. */
static json_t *service_view(struct call *call, const struct resource *r)
{
	json_t *cidrs, *entry;
	size_t i;

	if (!gateway_endpoint_owns(r))
		return NULL;
	cidrs = json_array();
	json_array_foreach(prefix_list_entries(call->tx, r->id), i, entry)
		json_array_append(cidrs, json_object_get(entry, "Cidr"));
	return json_pack("{s:s, s:O, s:o}", "PrefixListId", r->id, "PrefixListName", json_object_get(r->doc, "PrefixListName"), "Cidrs", cidrs);
}

static int describe_prefix_lists(struct call *call)
{
	static const struct filter own_filters[] = {
		{ "prefix-list-id", "PrefixListId" }, { "prefix-list-name", "PrefixListName" }, { 0 },
	};
	static const struct describe d = {
		.kind = KIND_PREFIX_LIST, .list = "PrefixLists", .ids = "PrefixListIds", .filters = own_filters,
		.view = service_view, .page_min = 5, .page_max = 1000,
	};

	return describe_run(call, &d);
}

/* --- entries -------------------------------------------------------------------- */

static int check_name(struct call *call, const char *name)
{
	if (!name || strlen(name) > 255)
		return action_invalid(call, "A prefix list name has from 1 to 255 characters");
	if (strncmp(name, "com.amazonaws", strlen("com.amazonaws")) == 0)
		return action_invalid(call, "The prefix list name cannot start with com.amazonaws.");
	return 0;
}

/* The place of the block in the entries; -1: it is not there. */
static int place_of(const json_t *entries, const char *block)
{
	size_t i;
	json_t *e;

	json_array_foreach(entries, i, e)
		if (strcmp(mc_json_str(e, "Cidr", ""), block) == 0)
			return (int)i;
	return -1;
}

/* The block of one entry of the request, canonical and allocated; NULL after action_fail. */
static char *block_of(struct call *call, const json_t *in)
{
	const char *text = mc_json_str(in, "Cidr", "");
	struct cidr cidr;

	if (!cidr_parse(text, &cidr)) {
		action_invalid(call, "The CIDR ('%s') is not valid for the address family IPv4.", text);
		return NULL;
	}
	return cidr_text(cidr);
}

/* An entry that is there already gets the new description. */
static int add_entry(struct call *call, json_t *entries, const json_t *in)
{
	const char *description = mc_json_str(in, "Description", NULL);
	mc_autofree char *block = block_of(call, in);
	json_t *entry;
	int place;

	if (!block)
		return 1;
	if (description && strlen(description) > 255)
		return action_invalid(call, "An entry's description has at most 255 characters");
	entry = json_pack("{s:s, s:s*}", "Cidr", block, "Description", description && *description ? description : NULL);
	place = place_of(entries, block);
	if (place >= 0 && json_equal(json_array_get(entries, (size_t)place), entry)) {
		json_decref(entry);
		return action_refuse(call, "InvalidPrefixListModification", "An entry with the CIDR (%s) and description (%s) already exists.",
				     block, description ? description : "");
	}
	if (place < 0)
		json_array_append_new(entries, entry);
	else
		json_array_set_new(entries, (size_t)place, entry);
	return 0;
}

static int remove_entry(struct call *call, json_t *entries, const json_t *in)
{
	mc_autofree char *block = block_of(call, in);
	int place = block ? place_of(entries, block) : -1;

	if (!block)
		return 1;
	if (place < 0)
		return action_refuse(call, "InvalidPrefixListModification", "An entry with the CIDR (%s) does not exist.", block);
	json_array_remove(entries, (size_t)place);
	return 0;
}

typedef int entry_fn(struct call *call, json_t *entries, const json_t *in);

/* Apply the request's list of entries to the copy at work: 0, or action_fail. */
static int apply(struct call *call, const char *member, json_t *entries, entry_fn *fn)
{
	const json_t *list = mc_json_arr(call->in, member);
	mc_auto_json json_t *seen = json_object();
	size_t i;
	json_t *in;

	if (json_array_size(list) > MAX_CHANGES)
		return action_invalid(call, "The request cannot contain more than %d entry additions or removals.", MAX_CHANGES);
	json_array_foreach(list, i, in) {
		const char *text = mc_json_str(in, "Cidr", "");

		if (json_object_get(seen, text))
			return action_invalid(call, "The CIDR ('%s') is there twice in %s", text, member);
		json_object_set_new(seen, text, json_true());
		if (fn(call, entries, in))
			return 1;
	}
	return 0;
}

static int check_size(struct call *call, const json_t *entries, int64_t max)
{
	if (max < 1 || max > MAX_ENTRIES)
		return action_invalid(call, "Value (%" PRId64 ") for parameter maxEntries is invalid. It must be from 1 to %d.", max, MAX_ENTRIES);
	if ((int64_t)json_array_size(entries) > max)
		return action_fail(call, API_PREFIX_LIST_FULL, (long long)max);
	return 0;
}

/* --- versions -------------------------------------------------------------------- */

static void put_version(struct resource *r, int64_t version, json_t *entries)
{
	json_t *versions = json_object_get(r->spec, "versions");
	mc_autofree char *key = mc_strf("%" PRId64, version);
	mc_autofree char *oldest = mc_strf("%" PRId64, version - MAX_VERSIONS);

	json_object_set(versions, key, entries);
	json_object_del(versions, oldest);
	json_object_set_new(r->doc, "Version", json_integer(version));
}

static void change_user(void *ctx, const struct resource *user)
{
	vpc_change(ctx, user->parent);
}

/* The list says something else now: to netd, too. */
static void new_version(struct call *call, struct resource *r, json_t *entries, const char *state)
{
	put_version(r, mc_json_int(r->doc, "Version", 1) + 1, entries);
	json_object_set_new(r->doc, "State", json_string(state));
	prefix_list_users(call->tx, r, change_user, call);
}

/* The request's CurrentVersion is the present one: 0, or action_fail. */
static int check_version(struct call *call, const struct resource *r)
{
	int64_t version = mc_json_int(r->doc, "Version", 1);

	if (!json_object_get(call->in, "CurrentVersion"))
		return action_fail(call, API_MISSING_PARAMETER, "CurrentVersion");
	return mc_json_int(call->in, "CurrentVersion", 0) == version ? 0 : action_fail(call, API_PREFIX_LIST_VERSION);
}

/* The entries of an older version; NULL after action_fail. Borrowed. */
static const json_t *entries_at(struct call *call, const struct resource *r, int64_t version)
{
	mc_autofree char *key = mc_strf("%" PRId64, version);
	const json_t *entries = mc_json_arr(mc_json_obj(r->spec, "versions"), key);

	if (!entries)
		action_invalid(call, "The prefix list %s has no version %" PRId64, r->id, version);
	return entries;
}

/* --- life ------------------------------------------------------------------------ */

static const struct resource *list_of_request(struct call *call)
{
	return action_resource(call, KIND_PREFIX_LIST, mc_json_str(call->in, "PrefixListId", NULL));
}

/* The list that the request changes: the services' own ones are nobody's to change. NULL after action_fail. */
static const struct resource *own_list_of_request(struct call *call)
{
	const struct resource *r = list_of_request(call);
	mc_autofree char *text = r ? mc_strf("The prefix list %s is AWS-managed and cannot be modified", r->id) : NULL;

	if (!r || !gateway_endpoint_owns(r))
		return r;
	action_fail(call, API_NOT_PERMITTED, text);
	return NULL;
}

static int check_new(struct call *call)
{
	struct store_iter it = store_iter(call->tx, KIND_PREFIX_LIST, call->caller->account, call->caller->region);
	const char *family = mc_json_str(call->in, "AddressFamily", "");
	const struct resource *r;
	long n = 0;

	if (check_name(call, action_text(call, "PrefixListName")))
		return 1;
	if (strcmp(family, "IPv6") == 0)
		return action_fail(call, API_UNSUPPORTED, "The address family IPv6 is not supported by this cloud: it has IPv4 only");
	if (strcmp(family, "IPv4") != 0)
		return action_invalid(call, "Value (%s) for parameter addressFamily is invalid. It is IPv4 or IPv6.", family);
	while ((r = store_next(&it)))
		n += !gateway_endpoint_owns(r);
	return action_check_quota(call, n, call->api->config.quota_prefix_lists, "PrefixListLimitExceeded", "prefix lists");
}

static int create_managed_prefix_list(struct call *call)
{
	static const char *const types[] = { "prefix-list", NULL };
	int64_t max = mc_json_int(call->in, "MaxEntries", 0);
	mc_auto_json json_t *entries = json_array();
	struct resource *r;

	if (check_new(call) || action_check_tag_types(call, types) || apply(call, "Entries", entries, add_entry) ||
	    check_size(call, entries, max))
		return 1;
	r = store_insert(call->tx, KIND_PREFIX_LIST, call->caller->account, call->caller->region);
	json_object_update_new(r->doc, json_pack("{s:s, s:s, s:s, s:I}", "AddressFamily", "IPv4", "PrefixListName",
		action_text(call, "PrefixListName"), "State", "create-complete", "MaxEntries", (json_int_t)max));
	json_object_set_new(r->spec, "versions", json_object());
	put_version(r, 1, entries);
	if (action_apply_tags(call, "prefix-list", r))
		return 1;
	call->out = json_pack("{s:o}", "PrefixList", list_view(call, r));
	return 0;
}

struct growth {
	struct call *call;
	int64_t by;
	bool too_much;
};

static void check_user(void *ctx, const struct resource *user)
{
	struct growth *g = ctx;
	long quota = g->call->api->config.quota_routes;

	if (user->kind == KIND_ROUTE_TABLE && quota && route_table_weight(g->call->tx, user) + g->by > quota)
		g->too_much = true;
}

/* A new MaxEntries: what names the list must have room for it. */
static int resize(struct call *call, const struct resource *r, int64_t max)
{
	struct growth g = { .call = call, .by = max - mc_json_int(r->doc, "MaxEntries", 0) };

	if (check_size(call, prefix_list_entries(call->tx, r->id), max))
		return 1;
	if (g.by > 0)
		prefix_list_users(call->tx, r, check_user, &g);
	if (g.too_much)
		return action_fail(call, API_LIMIT, "RouteLimitExceeded", "routes");
	json_object_set_new(store_edit(call->tx, r->id)->doc, "MaxEntries", json_integer(max));
	return 0;
}

static int modify_entries(struct call *call, const struct resource *r)
{
	mc_auto_json json_t *entries = json_deep_copy(prefix_list_entries(call->tx, r->id));

	if (check_version(call, r) || apply(call, "RemoveEntries", entries, remove_entry) ||
	    apply(call, "AddEntries", entries, add_entry) || check_size(call, entries, mc_json_int(r->doc, "MaxEntries", 0)))
		return 1;
	new_version(call, store_edit(call->tx, r->id), entries, "modify-complete");
	return 0;
}

static int modify_managed_prefix_list(struct call *call)
{
	const struct resource *r = own_list_of_request(call);
	const char *name = action_text(call, "PrefixListName");
	bool entries = json_array_size(mc_json_arr(call->in, "AddEntries")) || json_array_size(mc_json_arr(call->in, "RemoveEntries"));
	bool size = json_object_get(call->in, "MaxEntries") != NULL;

	if (!r || (name && check_name(call, name)))
		return 1;
	if (entries && size)
		return action_fail(call, API_PARAMETER_COMBINATION,
				   "The entries of a prefix list and its maximum cannot be modified in the same request");
	if ((entries && modify_entries(call, r)) || (size && resize(call, r, mc_json_int(call->in, "MaxEntries", 0))))
		return 1;
	if (name)
		json_object_set_new(store_edit(call->tx, r->id)->doc, "PrefixListName", json_string(name));
	json_object_set_new(store_edit(call->tx, r->id)->doc, "State", json_string("modify-complete"));
	call->out = json_pack("{s:o}", "PrefixList", list_view(call, store_get(call->tx, r->id)));
	return 0;
}

static int restore_managed_prefix_list_version(struct call *call)
{
	const struct resource *r = own_list_of_request(call);
	const json_t *before;
	mc_auto_json json_t *entries = NULL;

	if (!r || check_version(call, r))
		return 1;
	before = entries_at(call, r, mc_json_int(call->in, "PreviousVersion", 0));
	if (!before)
		return 1;
	entries = json_deep_copy(before);
	if (check_size(call, entries, mc_json_int(r->doc, "MaxEntries", 0)))
		return 1;
	new_version(call, store_edit(call->tx, r->id), entries, "restore-complete");
	call->out = json_pack("{s:o}", "PrefixList", list_view(call, store_get(call->tx, r->id)));
	return 0;
}

static void note_user(void *ctx, const struct resource *user)
{
	json_array_append_new(ctx, json_pack("{s:s, s:s}", "ResourceId", user->id, "ResourceOwner", user->account));
}

static int delete_managed_prefix_list(struct call *call)
{
	const struct resource *r = own_list_of_request(call);
	mc_auto_json json_t *users = json_array();

	if (!r)
		return 1;
	prefix_list_users(call->tx, r, note_user, users);
	if (json_array_size(users))
		return action_fail(call, API_HAS_DEPENDENCIES, "prefixList", r->id);
	call->out = json_pack("{s:o}", "PrefixList", list_view(call, r));
	json_object_set_new(json_object_get(call->out, "PrefixList"), "State", json_string("delete-in-progress"));
	store_delete(call->tx, r->id);
	return 0;
}

/* --- what is in it, who names it -------------------------------------------------- */

static int get_managed_prefix_list_entries(struct call *call)
{
	const struct resource *r = list_of_request(call);
	const json_t *entries = r ? entries_at(call, r, mc_json_int(call->in, "TargetVersion", mc_json_int(r->doc, "Version", 1))) : NULL;

	return entries ? describe_answer_page(call, "Entries", entries, 1, 100) : 1;
}

static int get_managed_prefix_list_associations(struct call *call)
{
	const struct resource *r = list_of_request(call);
	mc_auto_json json_t *users = json_array();

	if (!r)
		return 1;
	prefix_list_users(call->tx, r, note_user, users);
	return describe_answer_page(call, "PrefixListAssociations", users, 5, 255);
}

const struct action actions_prefix_list[] = {
	{ .service = "ec2", .name = "DescribeManagedPrefixLists", .fn = describe_managed_prefix_lists },
	{ .service = "ec2", .name = "DescribePrefixLists", .fn = describe_prefix_lists },
	{ .service = "ec2", .name = "CreateManagedPrefixList", .fn = create_managed_prefix_list, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ModifyManagedPrefixList", .fn = modify_managed_prefix_list, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "RestoreManagedPrefixListVersion", .fn = restore_managed_prefix_list_version, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteManagedPrefixList", .fn = delete_managed_prefix_list, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "GetManagedPrefixListEntries", .fn = get_managed_prefix_list_entries },
	{ .service = "ec2", .name = "GetManagedPrefixListAssociations", .fn = get_managed_prefix_list_associations },
	{ 0 },
};
