/* What actions and steps share about volumes. */
#ifndef MC_API_VOLUME_H
#define MC_API_VOLUME_H

#include "api/action.h"
#include "api/volume_type.h"

/* What a volume is made of, followed from the request. */
struct volume_source {
	const char *snapshot; /* SnapshotId; NULL: none */
	const char *stored;   /* storaged's image; NULL: none */
	const char *kms_key;  /* its key's ARN; NULL: it is not encrypted */
	int64_t rate;         /* VolumeInitializationRate, MiB/s; 0: none */
};

/* A new row in state creating. Owned by the transaction. */
struct resource *volume_make(struct call *call, const struct volume_shape *shape, const struct volume_source *source,
			     const char *az);

/* VolumeInitializationRate of `in`, a request or an EbsBlockDevice, for a volume of a snapshot or not (EBS User
 * Guide, "Provisioned Rate for Volume Initialization"): 0 and *ret, 0 where none is asked for, or action_fail. */
int volume_read_rate(struct call *call, const json_t *in, bool of_snapshot, int64_t *ret);

/* The Volume of DescribeVolumes. New reference. */
json_t *volume_view(struct call *call, const struct resource *r);

#endif
