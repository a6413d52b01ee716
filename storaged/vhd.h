/* Reading of VHD files that nobody has to trust yet (Microsoft's "Virtual Hard Disk Image Format Specification"). */
#ifndef MC_STORAGED_VHD_H
#define MC_STORAGED_VHD_H

#include <sys/stat.h>

#include "storaged/foreign.h"

/* Fixed and dynamic ones. As foreign_inspect(). */
int vhd_inspect(int fd, const struct stat *st, struct foreign *ret, mc_err **err);

#endif
