/* The Describe engine: ids, filters and pages by tables. */
#ifndef MC_API_DESCRIBE_H
#define MC_API_DESCRIBE_H

#include "api/action.h"

/* { "instance-state-name", "State.Name" }: arrays on the way are looked through;
 * values match with * and ?. tag:KEY, tag-key are always known. What the view does
 * not show is named with an @: "@account", "@zone-id", or a member of the resource's spec.
 * "=text" is what is the same for all that there can be. */
struct filter {
	const char *name, *path;
};

/* What AWS shows of the resource: a new reference, or NULL to leave it out. It
 * shows what doc has as doc has it (filters look there first), and values shared
 * with doc are never changed in place. */
typedef json_t *describe_view(struct call *call, const struct resource *r);

struct describe {
	enum kind kind;
	const char *list;     /* "Vpcs" */
	const char *ids;      /* "VpcIds", or NULL */
	const char *names;    /* "KeyNames", "GroupNames", or NULL; matched with name_member */
	const char *name_member;
	const char *name_not_found; /* error code */
	const struct filter *filters; /* ends with a NULL name */
	describe_view *view;
	/* The view depends on nothing but what it looks at in the store, what never changes
	 * while the daemon runs, and the resource's own account and region: then encoded items are
	 * kept until any of what was looked at changes (api/describe_cache.h). */
	bool keep;
	/* A number for what the view looks at by store_peek(): another one when that changes what
	 * it shows. NULL: it does not. bare: without documents. */
	uint64_t (*aside)(struct call *call, const struct resource *bare);
	int page_min, page_max;       /* MaxResults; 0: not paginated */
	bool ids_with_page_refused;
	/* The items are members of the rows of `list`: DescribeInstances lists Reservations
	 * with their Instances. All three or none. inside: the member; group: the row's name, of
	 * r's documents (borrowed); add: puts the item of r, which may be without documents, into the
	 * list's row of that name, taking it over. */
	const char *inside;
	const char *(*group)(const struct resource *r);
	void (*add)(json_t *list, const struct resource *r, const char *group, json_t *item);
	/* Is it for this caller? It is asked for those of all accounts and regions; NULL:
	 * what is the caller's own, in the call's region. */
	bool (*visible)(struct call *call, const struct resource *r);
	/* May a name mean this one? NULL: any of that name. */
	bool (*named)(struct call *call, const struct resource *r);
};

/* Fill call->out = {LIST: [...], NextToken?}. 0 or action_fail. */
int describe_run(struct call *call, const struct describe *d);

/* Do all filters of call->in match this view? 1, 0, or <0 after action_fail... the
 * filters are checked against the table first by describe_check_filters (0 or action_fail). */
int describe_check_filters(struct call *call, const struct filter *table);
bool describe_matches(struct call *call, const struct filter *table, const json_t *view,
		      const struct resource *r);
/* Glob with * and ? and backslash escapes, as EC2 filters have it. */
bool describe_glob(const char *pattern, const char *text);

/* Pages over items in ascending order of a positive number `seq`: *ret_after is the seq
 * of the last item before NextToken (0 at the start), *ret_limit the page size (0: all).
 * 0 or action_fail. describe_token is the NextToken after seq, allocated. */
int describe_page(struct call *call, int min, int max, int64_t *ret_after, int64_t *ret_limit);
char *describe_token(const struct call *call, int64_t seq);
/* For what is no resource: the page of `items` that the request asks for is the answer's
 * `member`. 0 or action_fail. */
int describe_answer_page(struct call *call, const char *member, const json_t *items, int min, int max);

#endif
