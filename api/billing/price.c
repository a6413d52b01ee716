#include "api/billing/price.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "api/billing/calendar.h"
#include "api/billing/meter.h"
#include "api/billing/money.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define ON_DEMAND "on-demand"
#define MAX_UNITS 1000000000000LL

struct prices {
	json_t *file;       /* what the rows' texts are borrowed from */
	struct price *rows; /* sorted */
	size_t n;
	struct price_region *regions;
	size_t n_regions;
	struct price_free *free;
	size_t n_free;
	atomic_int refs;
};

/* --- the schema -------------------------------------------------------------- */

static bool check_price(const char *text)
{
	int64_t nano;

	return money_parse(text, &nano) == 0;
}

static bool check_day(const char *text)
{
	int64_t day;

	return calendar_day_parse(text, &day) == 0;
}

static bool check_meter(const char *text)
{
	for (const struct meter *m = meters; m->name; m++)
		if (strcmp(m->price, text) == 0)
			return true;
	return false;
}

static bool check_scope(const char *text)
{
	return strcmp(text, "month") == 0 || strcmp(text, "quantity") == 0;
}

static const struct mc_field region_fields[] = {
	{ .name = "region", .type = MC_FIELD_STRING, .required = true, .min = 1, .max = 32 },
	{ .name = "location", .type = MC_FIELD_STRING, .required = true, .min = 1, .max = 64 },
	{ .name = "prefix", .type = MC_FIELD_STRING, .required = true, .max = 16 },
	{ .name = "like", .type = MC_FIELD_STRING, .min = 1, .max = 32 },
	{ 0 },
};

static const struct mc_field free_fields[] = {
	{ .name = "name", .type = MC_FIELD_STRING, .required = true, .min = 1, .max = 64 },
	{ .name = "meters", .type = MC_FIELD_STRINGS, .required = true, .min = 1, .max = 32, .check = check_meter },
	{ .name = "types", .type = MC_FIELD_STRINGS, .min = 1, .max = 200 },
	{ .name = "amount", .type = MC_FIELD_INTEGER, .required = true, .min = 1, .max = MAX_UNITS },
	{ .name = "months", .type = MC_FIELD_INTEGER, .min = 1, .max = 1200 },
	{ 0 },
};

static const struct mc_field tier_fields[] = {
	{ .name = "up_to", .type = MC_FIELD_INTEGER, .min = 1, .max = MAX_UNITS },
	{ .name = "price", .type = MC_FIELD_STRING, .required = true, .check = check_price },
	{ 0 },
};

static const struct mc_field entry_fields[] = {
	{ .name = "type", .type = MC_FIELD_STRING, .min = 1, .max = 64 },
	{ .name = "price", .type = MC_FIELD_STRING, .check = check_price },
	{ .name = "tiers", .type = MC_FIELD_OBJECTS, .min = 1, .max = 20, .sub = tier_fields },
	{ 0 },
};

static const struct mc_field price_fields[] = {
	{ .name = "meter", .type = MC_FIELD_STRING, .required = true, .check = check_meter },
	{ .name = "region", .type = MC_FIELD_STRING, .required = true, .min = 1, .max = 32 },
	{ .name = "option", .type = MC_FIELD_STRING, .required = true, .min = 1, .max = 32 },
	{ .name = "unit", .type = MC_FIELD_STRING, .min = 1, .max = 32 },
	{ .name = "from", .type = MC_FIELD_STRING, .required = true, .check = check_day },
	{ .name = "until", .type = MC_FIELD_STRING, .check = check_day },
	{ .name = "scope", .type = MC_FIELD_STRING, .check = check_scope },
	{ .name = "percent_of_on_demand", .type = MC_FIELD_INTEGER, .min = 1, .max = 1000 },
	{ .name = "list", .type = MC_FIELD_OBJECTS, .min = 1, .max = 5000, .sub = entry_fields },
	{ 0 },
};

static const struct mc_field file_fields[] = {
	{ .name = "comment", .type = MC_FIELD_STRING },
	{ .name = "currency", .type = MC_FIELD_STRING, .required = true, .min = 3, .max = 3 },
	{ .name = "regions", .type = MC_FIELD_OBJECTS, .required = true, .min = 1, .max = 100, .sub = region_fields },
	{ .name = "free", .type = MC_FIELD_OBJECTS, .max = 100, .sub = free_fields },
	{ .name = "prices", .type = MC_FIELD_OBJECTS, .required = true, .min = 1, .max = 10000, .sub = price_fields },
	{ 0 },
};

/* --- order and look-up -------------------------------------------------------- */

static int compare_keys(const struct price *a, const struct price *b)
{
	int d = strcmp(a->meter, b->meter);

	if (d == 0)
		d = strcmp(a->region, b->region);
	if (d == 0)
		d = strcmp(a->type, b->type);
	return d ? d : strcmp(a->option, b->option);
}

static int compare_rows(const void *a, const void *b)
{
	const struct price *x = a, *y = b;
	int d = compare_keys(x, y);

	return d ? d : (x->from > y->from) - (x->from < y->from);
}

/* The first row that is not before the key and day: what is wanted is just before it. */
static size_t upper_bound(const struct prices *p, const struct price *key)
{
	size_t lo = 0, hi = p->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (compare_rows(&p->rows[mid], key) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static const struct price *find_exactly(const struct prices *p, const struct price *key)
{
	size_t at = upper_bound(p, key);
	const struct price *row = at > 0 ? &p->rows[at - 1] : NULL;

	return row && compare_keys(row, key) == 0 && key->from < row->until ? row : NULL;
}

static const struct price *find_in(const struct prices *p, struct price key)
{
	const struct price *row = find_exactly(p, &key);
	mc_autofree char *family = NULL;

	if (!row && strchr(key.type, '.')) {
		family = strndup(key.type, strcspn(key.type, "."));
		key.type = family;
		row = find_exactly(p, &key);
	}
	if (!row && *key.type) {
		key.type = "";
		row = find_exactly(p, &key);
	}
	return row;
}

const struct price *prices_find(const struct prices *p, const char *meter, const char *region, const char *type,
				const char *option, int64_t day)
{
	struct price key = { .meter = meter, .region = region, .type = type, .option = option, .from = day };
	const struct price *row = find_in(p, key);
	const struct price_region *r = prices_region(p, region);

	if (row || !r->like)
		return row;
	key.region = r->like;
	return find_in(p, key);
}

/* --- reading ------------------------------------------------------------------- */

static struct price *add_row(struct prices *p, const json_t *group)
{
	struct price *row;

	p->rows = realloc(p->rows, (p->n + 1) * sizeof(*p->rows));
	if (!p->rows)
		abort();
	row = &p->rows[p->n++];
	*row = (struct price){ .meter = mc_json_str(group, "meter", ""), .region = mc_json_str(group, "region", ""),
			       .option = mc_json_str(group, "option", ""), .type = "", .until = INT64_MAX };
	calendar_day_parse(mc_json_str(group, "from", ""), &row->from);
	if (mc_json_str(group, "until", NULL))
		calendar_day_parse(mc_json_str(group, "until", ""), &row->until);
	row->by_quantity = strcmp(mc_json_str(group, "scope", "month"), "quantity") == 0;
	return row;
}

/* Tiers go up and end with one that has no bound. */
static int read_tiers(struct price *row, const json_t *tiers, mc_err **err)
{
	json_t *tier;
	size_t i;

	row->tiers = mc_alloc(json_array_size(tiers) * sizeof(*row->tiers));
	json_array_foreach(tiers, i, tier) {
		struct price_tier *t = &row->tiers[row->n++];

		t->up_to = mc_json_int(tier, "up_to", INT64_MAX);
		money_parse(mc_json_str(tier, "price", "0"), &t->nano);
		if ((i > 0 && t->up_to <= t[-1].up_to) || (t->up_to == INT64_MAX) != (i + 1 == json_array_size(tiers)))
			return mc_err_set(err, 0, "%s %s %s: tiers must go up, and the last one has no up_to", row->meter, row->region,
					  row->type);
	}
	return 0;
}

static int read_entry(struct prices *p, const json_t *group, const json_t *entry, mc_err **err)
{
	const json_t *tiers = json_object_get(entry, "tiers");
	const char *text = mc_json_str(entry, "price", NULL);
	struct price *row = add_row(p, group);

	row->type = mc_json_str(entry, "type", "");
	if ((tiers != NULL) == (text != NULL))
		return mc_err_set(err, 0, "%s %s %s: needs a price or tiers", row->meter, row->region, row->type);
	if (tiers)
		return read_tiers(row, tiers, err);
	row->tiers = mc_alloc(sizeof(*row->tiers));
	row->tiers[row->n++].up_to = INT64_MAX;
	return money_parse(text, &row->tiers[0].nano);
}

static bool unit_fits(const json_t *group)
{
	const char *unit = mc_json_str(group, "unit", NULL);

	for (const struct meter *m = meters; m->name; m++)
		if (strcmp(m->price, mc_json_str(group, "meter", "")) == 0)
			return !unit || strcmp(unit, meter_unit_info(m->unit)->name) == 0;
	return false;
}

static int read_lists(struct prices *p, mc_err **err)
{
	size_t i, j;
	json_t *group, *entry;

	json_array_foreach(mc_json_arr(p->file, "prices"), i, group) {
		bool share = json_object_get(group, "percent_of_on_demand") != NULL;

		if (!unit_fits(group) || share != !json_object_get(group, "list"))
			return mc_err_set(err, 0, "prices[%zu] (%s): %s", i, mc_json_str(group, "meter", ""),
					  unit_fits(group) ? "needs a list or percent_of_on_demand" : "the meter has another unit");
		json_array_foreach(mc_json_arr(group, "list"), j, entry)
			if (read_entry(p, group, entry, err) < 0)
				return -1;
	}
	return 0;
}

static void add_share(struct prices *p, const json_t *group, const char *type, const struct price_tier *tiers, size_t n,
		      int64_t percent)
{
	struct price *row = add_row(p, group);

	row->type = type;
	row->n = n;
	row->tiers = mc_alloc(n * sizeof(*tiers));
	for (size_t i = 0; i < n; i++)
		row->tiers[i] = (struct price_tier){ tiers[i].up_to, money_round((money_wide)tiers[i].nano * percent, 100) };
}

/* A share of what on-demand costs when the share begins. */
static void read_share(struct prices *p, const json_t *group, size_t n_lists)
{
	int64_t percent = mc_json_int(group, "percent_of_on_demand", 0), from = 0;

	if (!percent)
		return;
	calendar_day_parse(mc_json_str(group, "from", ""), &from);
	for (size_t i = 0; i < n_lists; i++) {
		const struct price row = p->rows[i];

		if (strcmp(row.meter, mc_json_str(group, "meter", "")) == 0 && strcmp(row.option, ON_DEMAND) == 0 &&
		    strcmp(row.region, mc_json_str(group, "region", "")) == 0 && row.from <= from && from < row.until)
			add_share(p, group, row.type, row.tiers, row.n, percent);
	}
}

static int read_prices(struct prices *p, mc_err **err)
{
	size_t i, n_lists;
	json_t *group;

	if (read_lists(p, err) < 0)
		return -1;
	n_lists = p->n;
	json_array_foreach(mc_json_arr(p->file, "prices"), i, group)
		read_share(p, group, n_lists);
	qsort(p->rows, p->n, sizeof(*p->rows), compare_rows);
	for (i = 0; i < p->n; i++) {
		struct price *row = &p->rows[i], *next = i + 1 < p->n ? row + 1 : NULL;

		if (next && compare_rows(row, next) == 0)
			return mc_err_set(err, 0, "%s %s %s %s: two prices from the same day", row->meter, row->region, row->type,
					  row->option);
		if (row->until <= row->from)
			return mc_err_set(err, 0, "%s %s %s %s: ends before it begins", row->meter, row->region, row->type, row->option);
	}
	return 0;
}

static void read_regions(struct prices *p)
{
	const json_t *list = mc_json_arr(p->file, "regions");
	json_t *one;
	size_t i;

	p->regions = mc_alloc(json_array_size(list) * sizeof(*p->regions));
	json_array_foreach(list, i, one)
		p->regions[p->n_regions++] = (struct price_region){
			mc_json_str(one, "region", ""), mc_json_str(one, "location", ""), mc_json_str(one, "prefix", ""),
			mc_json_str(one, "like", NULL),
		};
}

static void read_free(struct prices *p)
{
	const json_t *list = mc_json_arr(p->file, "free");
	json_t *one;
	size_t i;

	p->free = mc_alloc((json_array_size(list) + 1) * sizeof(*p->free));
	json_array_foreach(list, i, one)
		p->free[p->n_free++] = (struct price_free){
			.name = mc_json_str(one, "name", ""), .meters = mc_json_arr(one, "meters"),
			.types = mc_json_arr(one, "types"), .amount = mc_json_int(one, "amount", 0),
			.months = mc_json_int(one, "months", 0),
		};
}

struct prices *prices_parse(const json_t *file, mc_err **err)
{
	struct prices *p;

	if (mc_fields_check(file_fields, file, err) < 0)
		return NULL;
	p = mc_alloc(sizeof(*p));
	p->refs = 1;
	p->file = json_deep_copy(file);
	read_regions(p);
	read_free(p);
	if (read_prices(p, err) == 0)
		return p;
	prices_unref(p);
	return NULL;
}

struct prices *prices_load(const char *path, mc_err **err)
{
	mc_auto_json json_t *file = mc_json_load(path, err);
	struct prices *p = file ? prices_parse(file, err) : NULL;

	if (!p)
		mc_err_wrap(err, "price list %s", path);
	return p;
}

struct prices *prices_ref(struct prices *p)
{
	p->refs++;
	return p;
}

void prices_unref(struct prices *p)
{
	if (!p || --p->refs > 0)
		return;
	for (size_t i = 0; i < p->n; i++)
		free(p->rows[i].tiers);
	free(p->rows);
	free(p->regions);
	free(p->free);
	json_decref(p->file);
	free(p);
}

/* --- the rest of the list ------------------------------------------------------- */

const char *prices_currency(const struct prices *p)
{
	return mc_json_str(p->file, "currency", "USD");
}

const struct price_region *prices_region(const struct prices *p, const char *region)
{
	static const struct price_region unknown = { "", "", "", NULL };

	for (size_t i = 0; i < p->n_regions; i++)
		if (strcmp(p->regions[i].region, region) == 0)
			return &p->regions[i];
	return &unknown;
}

const struct price_region *prices_regions(const struct prices *p, size_t *ret_n)
{
	*ret_n = p->n_regions;
	return p->regions;
}

const struct price_free *prices_free(const struct prices *p, size_t *ret_n)
{
	*ret_n = p->n_free;
	return p->free;
}

bool price_free_covers(const struct price_free *f, const char *meter, const char *type)
{
	return mc_json_has_str(f->meters, meter) && (!f->types || mc_json_has_str(f->types, type));
}

const struct price *prices_rows(const struct prices *p, size_t *ret_n)
{
	*ret_n = p->n;
	return p->rows;
}
