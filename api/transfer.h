/* Imports and exports of disks: tasks that storaged works on. A task's spec.disks are
 * [{snapshot, source, format, kms_key?, device?, url?, bucket?, key?, description?, percent, bytes?, done?}];
 * an export has one, whose `target` it writes. The rows of an import's snapshots and image
 * are there from the first, pending. */
#ifndef MC_API_TRANSFER_H
#define MC_API_TRANSFER_H

#include "api/action.h"
#include "api/api.h"

/* Is it a snapshot that a task brings in? Its own step leaves it alone. */
bool transfer_brings(const struct resource *snapshot);

/* The disk's size and data are in the snapshot's row; edited. */
void transfer_complete(struct store_tx *tx, struct resource *snapshot, const json_t *report);

/* It has ended: status message (NULL: none), and what it made so far goes. r edited, in state active or deleting. */
void transfer_end(struct store_tx *tx, struct resource *r, const char *message);

/* Its step takes it back. 0 or action_fail. */
int transfer_cancel(struct call *call, const struct resource *r);

/* ImportImageTask, ImportSnapshotTask, ExportImageTask. New reference. */
json_t *transfer_view(struct call *call, const struct resource *r);

#endif
