#include "api/billing/meter.h"

#include <string.h>

#include "api/billing/calendar.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define COMPUTE "Amazon Elastic Compute Cloud - Compute"
#define OTHER "EC2 - Other"
#define VPC "Amazon Virtual Private Cloud"
/* EC2 On-Demand pricing, EBS pricing, VPC pricing: per second, with a minimum of 60. */
#define SECONDS .minimum = 60 * MC_SECOND, .step = MC_SECOND
/* VPC pricing, NAT gateway: each partial hour is a full one. */
#define WHOLE_HOURS .minimum = CALENDAR_HOUR, .step = CALENDAR_HOUR
#define MONTHS .minimum = 0, .step = 1

const struct meter meters[] = {
	{ .name = "instance", .kind = "instance", .states = "running stopping:spec.hibernating", .unless = "spec.spot",
	  .type = "doc.InstanceType", .option = "on-demand", .price = "instance", .unit = METER_HOURS, SECONDS,
	  .product = "AmazonEC2", .service = COMPUTE, .usage = "BoxUsage:%s", .operation = "RunInstances" },
	{ .name = "instance-spot", .kind = "instance", .states = "running stopping:spec.hibernating", .when = "spec.spot",
	  .type = "doc.InstanceType", .option = "spot", .price = "instance", .unit = METER_HOURS, SECONDS,
	  .product = "AmazonEC2", .service = COMPUTE, .usage = "SpotUsage:%s", .operation = "RunInstances:SV001" },
	{ .name = "cpu-credits", .kind = "instance", .type = "doc.InstanceType", .option = "on-demand", .price = "cpu-credits",
	  .unit = METER_VCPU_HOURS, .product = "AmazonEC2", .service = COMPUTE, .usage = "CPUCredits:%f",
	  .operation = "RunInstances" },
	{ .name = "volume", .kind = "volume", .states = "available in-use", .quantity = "doc.Size", .type = "doc.VolumeType",
	  .option = "on-demand", .price = "volume", .unit = METER_GIB_MONTHS, SECONDS, .product = "AmazonEC2",
	  .service = OTHER, .usage = "EBS:VolumeUsage.%s", .operation = "CreateVolume-%s" },
	{ .name = "volume-iops", .kind = "volume", .states = "available in-use", .quantity = "doc.Iops",
	  .type = "doc.VolumeType", .types = "gp3 io1 io2", .option = "on-demand", .price = "volume-iops",
	  .unit = METER_IOPS_MONTHS, SECONDS, .product = "AmazonEC2", .service = OTHER, .usage = "EBS:VolumeP-IOPS.%s",
	  .operation = "CreateVolume-%s" },
	{ .name = "volume-throughput", .kind = "volume", .states = "available in-use", .quantity = "doc.Throughput",
	  .type = "doc.VolumeType", .types = "gp3", .option = "on-demand", .price = "volume-throughput",
	  .unit = METER_MIBPS_MONTHS, SECONDS, .product = "AmazonEC2", .service = OTHER,
	  .usage = "EBS:VolumeP-Throughput.%s", .operation = "CreateVolume-%s" },
	{ .name = "snapshot", .kind = "snapshot", .states = "completed recoverable deleting", .quantity = "spec.stored_bytes",
	  .option = "on-demand", .price = "snapshot", .unit = METER_BYTE_MONTHS, MONTHS, .product = "AmazonEC2",
	  .service = OTHER, .usage = "EBS:SnapshotUsage", .operation = "CreateSnapshot" },
	{ .name = "image", .kind = "image", .states = "available", .quantity = "spec.stored_bytes", .option = "on-demand",
	  .price = "snapshot", .unit = METER_BYTE_MONTHS, MONTHS, .product = "AmazonEC2", .service = OTHER,
	  .usage = "EBS:SnapshotUsage", .operation = "CreateImage" },
	{ .name = "public-ipv4", .kind = "network-interface", .when = "spec.public_ip", .option = "on-demand",
	  .price = "public-ipv4", .unit = METER_HOURS, SECONDS, .product = "AmazonVPC", .service = VPC,
	  .usage = "PublicIPv4:InUseAddress", .operation = "RunInstances" },
	{ .name = "public-ipv4-secondary", .kind = "network-interface", .quantity = "spec.secondary[].public_ip",
	  .option = "on-demand", .price = "public-ipv4", .unit = METER_HOURS, SECONDS, .product = "AmazonVPC", .service = VPC,
	  .usage = "PublicIPv4:InUseAddress", .operation = "RunInstances" },
	{ .name = "public-ipv4-idle", .kind = "elastic-ip", .unless = "spec.eni", .option = "on-demand",
	  .price = "public-ipv4-idle", .unit = METER_HOURS, SECONDS, .product = "AmazonVPC", .service = VPC,
	  .usage = "PublicIPv4:IdleAddress", .operation = "AllocateAddressVPC" },
	{ .name = "nat-gateway", .kind = "natgateway", .states = "available", .option = "on-demand", .price = "nat-gateway",
	  .unit = METER_HOURS, WHOLE_HOURS, .product = "AmazonEC2", .service = OTHER, .usage = "NatGateway-Hours",
	  .operation = "NatGateway" },
	{ .name = "nat-gateway-bytes", .kind = "natgateway", .option = "on-demand", .price = "nat-gateway-bytes",
	  .unit = METER_GIB, .product = "AmazonEC2", .service = OTHER, .usage = "NatGateway-Bytes", .operation = "NatGateway" },
	{ .name = "data-out", .kind = "instance", .option = "on-demand", .price = "data-out", .unit = METER_GIB,
	  .product = "AWSDataTransfer", .service = OTHER, .usage = "DataTransfer-Out-Bytes", .operation = "RunInstances" },
	{ .name = "flow-log-bytes", .kind = "vpc-flow-log", .option = "on-demand", .price = "flow-log-bytes",
	  .unit = METER_GIB, .product = "AmazonCloudWatch", .service = "AmazonCloudWatch", .usage = "VendedLog-Bytes",
	  .operation = "VPCFlowLogs" },
	/* KMS pricing: keys that AWS manages cost nothing, nor do those that wait for their deletion. */
	{ .name = "kms-key", .kind = "kms-key", .states = "Enabled Disabled", .when = "spec.manager=CUSTOMER", .option = "on-demand", .price = "kms-key",
	  .unit = METER_KEY_MONTHS, MONTHS, .product = "awskms", .service = "AWS Key Management Service",
	  .usage = "KMS-Keys", .operation = "Unknown" },
	/* The same: the first rotation and the second each cost as much as the key, further ones nothing. */
	{ .name = "kms-key-rotations", .kind = "kms-key", .states = "Enabled Disabled", .when = "spec.manager=CUSTOMER",
	  .quantity = "spec.rotation.charged", .option = "on-demand", .price = "kms-key", .unit = METER_KEY_MONTHS, MONTHS, .product = "awskms",
	  .service = "AWS Key Management Service", .usage = "KMS-Keys", .operation = "Unknown" },
	{ .name = NULL },
};

static const struct meter_unit_info units[METER_UNIT_MAX] = {
	[METER_HOURS] = { "Hrs", true, false, 1 },
	[METER_GIB_MONTHS] = { "GB-Mo", true, true, 1 },
	[METER_BYTE_MONTHS] = { "GB-Mo", true, true, 1LL << 30 },
	[METER_IOPS_MONTHS] = { "IOPS-Mo", true, true, 1 },
	[METER_MIBPS_MONTHS] = { "MiBps-Mo", true, true, 1 },
	[METER_KEY_MONTHS] = { "Keys", true, true, 1 },
	[METER_GIB] = { "GB", false, false, 1LL << 30 },
	[METER_VCPU_HOURS] = { "vCPU-Hours", false, false, CALENDAR_HOUR },
};

const struct meter_unit_info *meter_unit_info(enum meter_unit unit)
{
	return &units[unit];
}

const struct meter *meter_find(const char *name)
{
	for (const struct meter *m = meters; m->name; m++)
		if (strcmp(m->name, name) == 0)
			return m;
	return NULL;
}

/* --- reading a resource --------------------------------------------------- */

/* "doc.Size", "spec.hibernation.on" */
static const json_t *follow(const struct resource *r, const char *path)
{
	const json_t *at = strncmp(path, "doc.", 4) == 0 ? r->doc : r->spec;

	path = strchr(path, '.');
	while (path && at) {
		size_t n = strcspn(path + 1, ".");
		mc_autofree char *key = strndup(path + 1, n);

		at = json_object_get(at, key);
		path = path[1 + n] ? path + 1 + n : NULL;
	}
	return at;
}

static bool truthy(const struct resource *r, const char *path)
{
	const char *equals = strchr(path, '=');
	mc_autofree char *plain = equals ? strndup(path, (size_t)(equals - path)) : NULL;
	const json_t *v = follow(r, plain ? plain : path);

	if (equals)
		return json_is_string(v) && strcmp(json_string_value(v), equals + 1) == 0;
	if (json_is_string(v))
		return json_string_length(v) > 0;
	return v && !json_is_null(v) && !json_is_false(v);
}

/* The word in a list of words with blanks between; what follows it, or NULL. */
static const char *find_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += n)
		if ((at == list || at[-1] == ' ') && strchr(" :", at[n]))
			return at + n;
	return NULL;
}

static bool billed_state(const struct meter *m, const struct resource *r)
{
	const char *rest = m->states ? find_word(m->states, state_name(r)) : NULL;
	mc_autofree char *condition = NULL;

	if (!m->states || !rest)
		return !m->states;
	if (*rest != ':')
		return true;
	condition = strndup(rest + 1, strcspn(rest + 1, " "));
	return truthy(r, condition);
}

static bool applies(const struct meter *m, const struct resource *r)
{
	return units[m->unit].timed && strcmp(m->kind, kind_info(r->kind)->name) == 0 && billed_state(m, r) &&
	       (!m->when || truthy(r, m->when)) && (!m->unless || !truthy(r, m->unless));
}

bool meter_possible(const struct resource *bare)
{
	for (const struct meter *m = meters; m->name; m++)
		if (units[m->unit].timed && strcmp(m->kind, kind_info(bare->kind)->name) == 0 &&
		    (!m->states || find_word(m->states, state_name(bare))))
			return true;
	return false;
}

static int64_t count_having(const json_t *list, const char *member)
{
	int64_t n = 0;
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		n += json_object_get(one, member) != NULL;
	return n;
}

static int64_t read_quantity(const struct resource *r, const char *path)
{
	const char *each = path ? strstr(path, "[].") : NULL;
	mc_autofree char *list = each ? strndup(path, (size_t)(each - path)) : NULL;

	if (!path)
		return 1;
	return each ? count_having(follow(r, list), each + strlen("[].")) : json_integer_value(follow(r, path));
}

static bool read_one(const struct meter *m, const struct resource *r, struct meter_reading *ret)
{
	const char *type = m->type ? json_string_value(follow(r, m->type)) : "";

	ret->meter = m;
	ret->type = type ? type : "";
	ret->quantity = read_quantity(r, m->quantity);
	return ret->quantity > 0 && (!m->types || find_word(m->types, ret->type));
}

size_t meter_read(const struct resource *r, struct meter_reading ret[METER_READINGS_MAX])
{
	size_t n = 0;

	if (!r)
		return 0;
	for (const struct meter *m = meters; m->name && n < METER_READINGS_MAX; m++)
		if (applies(m, r) && read_one(m, r, &ret[n]))
			n++;
	return n;
}

const json_t *meter_tags_of(const struct resource *r)
{
	return r->kind == KIND_KMS_KEY ? mc_json_obj(r->spec, "tags") : r->tags;
}

char *meter_tags(const struct resource *r)
{
	mc_auto_json json_t *own = json_object();
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)meter_tags_of(r), key, value)
		if (strncmp(key, "aws:", 4) != 0)
			json_object_set(own, key, value);
	return json_dumps(own, JSON_COMPACT | JSON_SORT_KEYS);
}

/* --- arithmetic ------------------------------------------------------------ */

int64_t meter_extra(const struct meter *m, int64_t run_ns)
{
	int64_t step = m->step > 0 ? m->step : 1, up = run_ns % step;
	int64_t whole = up ? run_ns + step - up : run_ns;

	return (whole < m->minimum ? m->minimum : whole) - run_ns;
}

money_wide meter_denominator(const struct meter *m, int month)
{
	const struct meter_unit_info *u = &units[m->unit];

	if (!u->timed)
		return u->divisor;
	return (money_wide)u->divisor * (u->monthly ? calendar_month_days(month) * CALENDAR_DAY : CALENDAR_HOUR);
}

/* --- names ----------------------------------------------------------------- */

/* %s: the type; %f: the family before its dot. */
static char *fill(const char *format, const char *type, bool capital)
{
	const char *mark = strchr(format, '%');
	size_t n = mark && mark[1] == 'f' ? strcspn(type, ".") : strlen(type);
	char *text;

	if (!mark)
		return mc_strdup(format);
	text = mc_strf("%.*s%.*s%s", (int)(mark - format), format, (int)n, type, mark + 2);
	if (capital && text[mark - format] >= 'a' && text[mark - format] <= 'z')
		text[mark - format] = (char)(text[mark - format] - 'a' + 'A');
	return text;
}

char *meter_usage_type(const struct meter *m, const char *type)
{
	/* What EC2 calls io1, bills call piops. */
	return fill(m->usage, strcmp(type, "io1") == 0 ? "piops" : type, false);
}

char *meter_operation(const struct meter *m, const char *type)
{
	return fill(m->operation, type, true);
}
