/* What is billed: one row per meter says of which resources, in which states, how much of what.
 * A meter that reads a resource the store holds needs no code, only its row. */
#ifndef MC_API_BILLING_METER_H
#define MC_API_BILLING_METER_H

#include <stdbool.h>
#include <stdint.h>

#include "api/billing/money.h"
#include "api/resource.h"

enum meter_unit {
	METER_HOURS,         /* amount: ns of each unit of quantity; priced by the hour */
	METER_GIB_MONTHS,    /* amount: ns of each GiB; priced by the month */
	METER_BYTE_MONTHS,   /* amount: ns of each byte; priced by the GiB and month */
	METER_IOPS_MONTHS,
	METER_MIBPS_MONTHS,
	METER_KEY_MONTHS,
	METER_GIB,           /* amount: bytes; priced by the GiB */
	METER_VCPU_HOURS,    /* amount: ns of processor; priced by the hour of one */
	METER_UNIT_MAX
};

struct meter_unit_info {
	const char *name; /* as AWS's bills have it: "Hrs", "GB-Mo" */
	bool timed;       /* its quantity runs with time: opened and closed; else it is counted */
	bool monthly;     /* by the month, which has as many days as it has */
	int64_t divisor;  /* units of quantity in one that is priced */
};

struct meter {
	/* Kept in the database: never renamed and never taken away. */
	const char *name;
	const char *kind;     /* of resources, as in tags; one that is not there yet is passed over */
	const char *states;   /* "running stopping:spec.hibernating": billed in these, the latter only while that is so; NULL: in all */
	const char *when, *unless; /* paths that must (not) be there and true ("spec.manager=CUSTOMER": this text); NULL: none */
	const char *quantity; /* path of an integer, or "spec.list[].member": how many in the list have it; NULL: 1 */
	const char *type;     /* path of what the price depends on; NULL: "" */
	const char *types;    /* billed for these types only; NULL: for all */
	const char *option;   /* "on-demand", "spot" */
	const char *price;    /* the meter's name in the price list */
	enum meter_unit unit;
	int64_t minimum, step; /* ns that a run is billed at least, and in multiples of which */
	const char *product;   /* service code of the price list: "AmazonEC2" */
	const char *service;   /* Cost Explorer's SERVICE */
	const char *usage, *operation; /* its USAGE_TYPE and OPERATION; %s: the type */
};

/* All rows, ended by a NULL name. */
extern const struct meter meters[];
const struct meter *meter_find(const char *name);
const struct meter_unit_info *meter_unit_info(enum meter_unit unit);

/* One thing that a resource is billed for now. */
struct meter_reading {
	const struct meter *meter;
	const char *type; /* borrowed from the resource */
	int64_t quantity;
};

#define METER_READINGS_MAX 16

/* What the resource (NULL: none) is billed for in its present state, timed meters alone. How many. */
size_t meter_read(const struct resource *r, struct meter_reading ret[METER_READINGS_MAX]);

/* Could meter_read() find anything, by its kind and state alone? Its documents are left alone. */
bool meter_possible(const struct resource *bare);

/* Where a resource keeps its tags. Borrowed. */
const json_t *meter_tags_of(const struct resource *r);
/* The tags that go into a record: the user's own, as sorted JSON text. Allocated. */
char *meter_tags(const struct resource *r);

/* The ns that a run of this length is billed for besides: up to the minimum and the next whole step. */
int64_t meter_extra(const struct meter *m, int64_t run_ns);

/* What one priced unit is in amounts times quantity: ns in an hour or in this month, GiB in bytes ...
 * month is year * 12 + month - 1. */
money_wide meter_denominator(const struct meter *m, int month);

/* USAGE_TYPE without its region's prefix, and OPERATION. Allocated. */
char *meter_usage_type(const struct meter *m, const char *type);
char *meter_operation(const struct meter *m, const char *type);

#endif
