/* The file in which libvirtd notes of a running domain what its successor has to know of it (libvirt's
 * /run/libvirt/qemu/NAME.xml, as 9.0 writes it: <domstatus>). libvirtd writes it at the end of what it does: one that was killed
 * after QEMU had switched a disk to another file leaves a note of the file before, and its successor believes it. */
#ifndef MC_HYPERVISOR_STATUS_H
#define MC_HYPERVISOR_STATUS_H

#include <jansson.h>
#include <stddef.h>

#include "common/error.h"

/* The note with each disk's chain of files as QEMU has it, which has no job and gave these answers: {blocks: of query-block, nodes: of
 * query-named-block-nodes, graph: of x-debug-query-block-graph} (docs/interop/qemu-qmp-ref). What is noted of the job of such a disk goes. Left as
 * noted are disks that are copied, and those of which not every node is one that libvirt names. Allocated, NULL where nothing is to change, or, with
 * *err, where it is no such note. *ret_mended: how many disks were changed. */
char *status_mend(const char *xml, const json_t *qemu, size_t *ret_mended, mc_err **err);

/* The path of QEMU's monitor, allocated; NULL where the note has none. *ret_pid: QEMU's, 0 where libvirtd did not know it yet. */
char *status_monitor(const char *xml, int *ret_pid, mc_err **err);

#endif
