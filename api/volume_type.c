#include "api/volume_type.h"

#include <string.h>

#include "common/cleanup.h"
#include "common/json.h"

#define MIB (1LL << 20)
#define TIB_GIB 1024
#define SSD_IO (256 << 10) /* bytes that count as one operation */
#define HDD_IO (1 << 20)

struct volume_type {
	const char *name;
	int64_t gib_min, gib_max;
	int64_t iops_min, iops_max, iops_default; /* iops_max 0: cannot be given; default 0: must be given */
	int64_t iops_per_gib;
	int64_t throughput_min, throughput_max, throughput_default; /* MiB/s; max 0: cannot be given */
	bool multi_attach;
	json_t *(*limits)(const struct volume_shape *shape);
};

static int64_t clamp(int64_t n, int64_t min, int64_t max)
{
	return n < min ? min : n > max ? max : n;
}

/* --- what each type does a second ------------------------------------------ */

static json_t *limits_standard(const struct volume_shape *shape)
{
	(void)shape;
	return json_pack("{s:i, s:i, s:i, s:I, s:i}", "iops", 100, "iops_max", 300, "iops_max_s", 600, "bytes", 90 * MIB,
			 "io_bytes", SSD_IO);
}

static int64_t gp2_baseline(int64_t gib)
{
	return clamp(3 * gib, 100, 16000);
}

/* 5.4 million credits: a full bucket that drains by the baseline and lasts half an hour
 * at 3,000 a second where the baseline is none. */
static json_t *limits_gp2(const struct volume_shape *shape)
{
	int64_t baseline = gp2_baseline(shape->gib);
	json_t *limits = json_pack("{s:I, s:I, s:i}", "iops", (json_int_t)baseline, "bytes",
				   (json_int_t)(shape->gib <= 170 ? 128 : 250) * MIB, "io_bytes", SSD_IO);

	if (baseline < 3000)
		json_object_update_new(limits, json_pack("{s:i, s:i}", "iops_max", 3000, "iops_max_s", 1800));
	return limits;
}

static json_t *limits_gp3(const struct volume_shape *shape)
{
	return json_pack("{s:I, s:I, s:i}", "iops", (json_int_t)shape->iops, "bytes", (json_int_t)shape->throughput * MIB,
			 "io_bytes", SSD_IO);
}

/* 256 KiB an operation to 500 MiB/s, then 16 KiB an operation to 1,000. */
static json_t *limits_io1(const struct volume_shape *shape)
{
	int64_t wide = clamp(shape->iops * SSD_IO, 0, 500 * MIB);
	int64_t narrow = clamp(shape->iops * (16 << 10), 0, 1000 * MIB);

	return json_pack("{s:I, s:I, s:i}", "iops", (json_int_t)shape->iops, "bytes",
			 (json_int_t)(wide > narrow ? wide : narrow), "io_bytes", SSD_IO);
}

static json_t *limits_io2(const struct volume_shape *shape)
{
	return json_pack("{s:I, s:I, s:i}", "iops", (json_int_t)shape->iops, "bytes",
			 (json_int_t)clamp(shape->iops * SSD_IO, 0, 4000 * MIB), "io_bytes", SSD_IO);
}

/* Disks give so much a TiB, more while their credit lasts, which is as large as they are. */
static json_t *limits_hdd(const struct volume_shape *shape, int64_t per_tib, int64_t burst_per_tib, int64_t most,
			  int iops)
{
	int64_t bytes = clamp(per_tib * MIB * shape->gib / TIB_GIB, MIB, most * MIB);
	int64_t burst = clamp(burst_per_tib * MIB * shape->gib / TIB_GIB, bytes, most * MIB);
	json_t *limits = json_pack("{s:i, s:I, s:i}", "iops", iops, "bytes", (json_int_t)bytes, "io_bytes", HDD_IO);

	if (burst > bytes)
		json_object_update_new(limits, json_pack("{s:I, s:I}", "bytes_max", (json_int_t)burst, "bytes_max_s",
							 (json_int_t)(shape->gib * 1024 * MIB / burst)));
	return limits;
}

static json_t *limits_st1(const struct volume_shape *shape)
{
	return limits_hdd(shape, 40, 250, 500, 500);
}

static json_t *limits_sc1(const struct volume_shape *shape)
{
	return limits_hdd(shape, 12, 80, 250, 250);
}

static const struct volume_type types[] = {
	{ "standard", 1, 1024, 0, 0, 0, 0, 0, 0, 0, false, limits_standard },
	{ "gp2", 1, 16384, 0, 0, 0, 0, 0, 0, 0, false, limits_gp2 },
	{ "gp3", 1, 65536, 3000, 80000, 3000, 500, 125, 2000, 125, false, limits_gp3 },
	{ "io1", 4, 16384, 100, 64000, 0, 50, 0, 0, 0, true, limits_io1 },
	{ "io2", 4, 65536, 100, 256000, 0, 1000, 0, 0, 0, true, limits_io2 },
	{ "st1", 125, 16384, 0, 0, 0, 0, 0, 0, 0, false, limits_st1 },
	{ "sc1", 125, 16384, 0, 0, 0, 0, 0, 0, 0, false, limits_sc1 },
};

static const struct volume_type *find_type(const char *name)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(types); i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

/* --- checking --------------------------------------------------------------- */

static int check_size(struct call *call, const struct volume_type *t, const struct volume_shape *s)
{
	if (s->gib < t->gib_min)
		return action_refuse(call, "InvalidParameterValue", "The volume size is invalid for %s volumes: %lld GiB. %s volumes must "
				     "be at least %lld GiB in size. Please specify a volume size above the minimum limit.", t->name,
				     (long long)s->gib, t->name, (long long)t->gib_min);
	if (s->gib > t->gib_max)
		return action_refuse(call, "InvalidParameterValue", "The volume size is invalid for %s volumes: %lld GiB. %s volumes must "
				     "be at most %lld GiB in size. Please specify a volume size below the maximum limit.", t->name,
				     (long long)s->gib, t->name, (long long)t->gib_max);
	return 0;
}

static int check_iops(struct call *call, const struct volume_type *t, struct volume_shape *s)
{
	if (s->iops && !t->iops_max)
		return action_refuse(call, "InvalidParameterCombination", "The parameter iops is not supported for %s volumes.",
				     t->name);
	if (!s->iops && t->iops_max && !t->iops_default)
		return action_refuse(call, "InvalidParameterCombination", "The parameter iops must be specified for %s volumes.", t->name);
	if (!s->iops)
		s->iops = t->iops_default;
	if (t->iops_max && s->iops < t->iops_min)
		return action_refuse(call, "InvalidParameterValue", "Volume iops of %lld is too low; minimum is %lld.",
				     (long long)s->iops, (long long)t->iops_min);
	if (t->iops_max && s->iops > t->iops_max)
		return action_refuse(call, "InvalidParameterValue", "Volume iops of %lld is too high; maximum is %lld.",
				     (long long)s->iops, (long long)t->iops_max);
	/* What every volume of the type has is not too much for a small one. */
	if (t->iops_max && s->iops > t->iops_default && s->iops > s->gib * t->iops_per_gib)
		return action_refuse(call, "InvalidParameterValue", "Iops to volume size ratio of %.6f is too high; maximum is %lld",
				     (double)s->iops / (double)s->gib, (long long)t->iops_per_gib);
	return 0;
}

/* A quarter of a MiB/s for each operation. */
static int check_throughput(struct call *call, const struct volume_type *t, struct volume_shape *s)
{
	if (s->throughput && !t->throughput_max)
		return action_refuse(call, "InvalidParameterCombination", "The parameter throughput is not supported for %s volumes.",
				     t->name);
	if (!s->throughput)
		s->throughput = t->throughput_default;
	if (s->throughput < t->throughput_min)
		return action_refuse(call, "InvalidParameterValue", "Volume throughput of %lld MiBps is too low; minimum is %lld MiBps.",
				     (long long)s->throughput, (long long)t->throughput_min);
	if (t->throughput_max && s->throughput > t->throughput_max)
		return action_refuse(call, "InvalidParameterValue", "Volume throughput of %lld MiBps is too high; maximum is %lld MiBps.",
				     (long long)s->throughput, (long long)t->throughput_max);
	if (t->throughput_max && s->throughput * 4 > s->iops)
		return action_refuse(call, "InvalidParameterValue", "Throughput (MiBps) to iops ratio of %.6f is too high; maximum is "
				     "0.250000 MiBps per iops.", (double)s->throughput / (double)s->iops);
	return 0;
}

int volume_type_check(struct call *call, struct volume_shape *s)
{
	const struct volume_type *t = find_type(s->type);

	if (!t)
		return action_refuse(call, "UnknownVolumeType", "Unsupported volume type '%s' for volume creation.", s->type);
	if (s->multi_attach && !t->multi_attach)
		return action_refuse(call, "InvalidParameterCombination", "The parameter MultiAttachEnabled is not supported for %s "
				     "volumes.", t->name);
	return check_size(call, t, s) || check_iops(call, t, s) || check_throughput(call, t, s);
}

/* --- showing ---------------------------------------------------------------- */

void volume_type_show(const struct volume_shape *s, json_t *doc)
{
	int64_t iops = strcmp(s->type, "gp2") == 0 ? gp2_baseline(s->gib) : s->iops;

	json_object_update_new(doc, json_pack("{s:I, s:s}", "Size", (json_int_t)s->gib, "VolumeType", s->type));
	json_object_del(doc, "Iops");
	json_object_del(doc, "Throughput");
	if (iops)
		json_object_set_new(doc, "Iops", json_integer(iops));
	if (s->throughput)
		json_object_set_new(doc, "Throughput", json_integer(s->throughput));
}

struct volume_shape volume_type_shape(const json_t *doc)
{
	return (struct volume_shape){
		.type = mc_json_str(doc, "VolumeType", VOLUME_TYPE_DEFAULT), .gib = mc_json_int(doc, "Size", 1),
		.iops = mc_json_int(doc, "Iops", 0), .throughput = mc_json_int(doc, "Throughput", 0),
		.multi_attach = mc_json_bool(doc, "MultiAttachEnabled", false),
	};
}

int64_t volume_type_kept_iops(const struct volume_shape *shape, const char *type)
{
	const struct volume_type *t = find_type(type);

	if (!t || !t->iops_max)
		return 0;
	return strcmp(shape->type, type) == 0 ? shape->iops : 3000;
}

json_t *volume_type_limits(const struct volume_shape *shape)
{
	const struct volume_type *t = find_type(shape->type);

	return t ? t->limits(shape) : json_object();
}
