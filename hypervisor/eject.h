/* A disk taken away from a guest that does not let go of it. Its device stays until the guest does, at the latest until it
 * is reset, but nothing is behind it any more: each read and write fails at once in the guest, whose QEMU has closed the files.
 * libvirt, which knows of no such thing, keeps the disk in the domain's XML; the domain's metadata say that it is ejected. */
#ifndef MC_HYPERVISOR_EJECT_H
#define MC_HYPERVISOR_EJECT_H

#include <libvirt/libvirt.h>

/* Of a disk that is in the running domain; no job works on it. 0: its files are closed, and that is noted. -1: QEMU or libvirt
 * has refused; it is to be tried again. */
int eject_disk(virDomainPtr domain, const char *volume);

/* Forget those whose device is gone: one of them is about to be plugged in again. 0, or -1 after a libvirt error. */
int eject_forget_gone(virDomainPtr domain);

#endif
