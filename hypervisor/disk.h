/* A disk of an instance: its document (docs/ipc.md), its XML, what a live domain has. */
#ifndef MC_HYPERVISOR_DISK_H
#define MC_HYPERVISOR_DISK_H

#include <jansson.h>
#include <stdbool.h>

#include "common/error.h"
#include "common/json.h"
#include "hypervisor/xml.h"

#define DISK_MAX 26 /* vda to vdz */

/* An element of an instance's `disks`; and the body of PUT …/disks/{vol}, which has no `volume`. */
extern const struct mc_field disk_fields[], disk_put_fields[];
/* The body of POST …/disks/{vol}/limits: {iotune}. */
extern const struct mc_field disk_limits_fields[];

/* Do its files lie under one of the comma-separated roots? 0, or -1 with *err naming the member,
 * `where` ("disks[0].", "") before its name. */
int disk_check(const json_t *disk, const char *where, const char *disk_roots, mc_err **err);

/* The <disk> element; target: "vdb". */
void disk_put_xml(struct xml *x, const char *volume, const json_t *disk, const char *target, bool boot);

/* A <source> element; key: the data key of an encrypted file, or NULL. */
void disk_put_source(struct xml *x, const char *path, const char *key);

/* What libvirt calls the disk of this volume: "ua-vol-…". Allocated. */
char *disk_alias(const char *volume);

/* Where a domain's metadata say which disks are ejected (hypervisor/eject.h): <ejected:disks volumes='vol-… vol-…'/>. */
#define DISK_EJECTED_KEY "ejected"
#define DISK_EJECTED_NAMESPACE "https://minicloud.dev/ejected/1"

/* The disks of volumes in a domain's XML as libvirt writes it: [{volume, path, target, ejected?: true}]. New reference. */
json_t *disk_list(const char *domain_xml);

/* Take the ejected ones out of such a list: for their volumes they are not there any more. */
void disk_drop_ejected(json_t *list);

/* By what numbers libvirt calls the nodes of the volume's disk in QEMU, from its top down ("libvirt-4-format",
 * "libvirt-4-storage"); NULL where there is no such disk. New reference. */
json_t *disk_sources(const char *domain_xml, const char *volume);

/* The files of the volume's disk in such an XML, from its top down to its base; NULL where there is no
 * such disk. New reference. */
json_t *disk_chain(const char *domain_xml, const char *volume);

/* The one of this volume that is not ejected, or any one at this target, in such a list, or NULL. Borrowed. */
const json_t *disk_find(const json_t *list, const char *volume);
const json_t *disk_find_target(const json_t *list, const char *target);

/* Is there an ejected one of this volume? */
bool disk_is_ejected(const json_t *list, const char *volume);

/* Note in such a list that QEMU has met an error with the disk at this target: it found no room, or another. */
void disk_set_error(json_t *list, const char *target, bool no_space);

/* A target that none in the list has; 0, or -1 where there are DISK_MAX. */
int disk_free_target(const json_t *list, char ret_target[8]);

#endif
