/* Reading of VMDK files of one piece that nobody has to trust yet (VMware's "Virtual Disk Format 1.1"). */
#ifndef MC_STORAGED_VMDK_H
#define MC_STORAGED_VMDK_H

#include <sys/stat.h>

#include "storaged/foreign.h"

/* Only monolithicSparse and streamOptimized ones, with their one extent within. As foreign_inspect(). */
int vmdk_inspect(int fd, const struct stat *st, struct foreign *ret, mc_err **err);

#endif
