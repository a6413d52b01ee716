/* EBS volume types: what each may have, and what its volumes can do a second
 * (EBS User Guide, "Amazon EBS volume types"). */
#ifndef MC_API_VOLUME_TYPE_H
#define MC_API_VOLUME_TYPE_H

#include "api/action.h"

/* What a volume is to be; 0: not given, then set to the type's default where it has one. */
struct volume_shape {
	const char *type;
	int64_t gib, iops, throughput; /* MiB/s */
	bool multi_attach;
};

#define VOLUME_TYPE_DEFAULT "gp2"

/* Check the shape as CreateVolume and ModifyVolume do, and fill in what was not given: 0 or action_fail. */
int volume_type_check(struct call *call, struct volume_shape *shape);

/* The shape's Iops and Throughput as DescribeVolumes shows them, into doc; of what the type does
 * not have, none. With Size and VolumeType. */
void volume_type_show(const struct volume_shape *shape, json_t *doc);

/* The shape of a volume's doc. Its strings are borrowed. */
struct volume_shape volume_type_shape(const json_t *doc);

/* Iops of a shape that becomes this type, where none are asked for: those it has where it stays what it is,
 * 3,000 where they are provisioned (EC2 API reference, ModifyVolume), else none. */
int64_t volume_type_kept_iops(const struct volume_shape *shape, const char *type);

/* The limits of a disk, in the words of docs/ipc.md (`iotune`). New reference. */
json_t *volume_type_limits(const struct volume_shape *shape);

#endif
