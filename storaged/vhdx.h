/* Reading of VHDX files that nobody has to trust yet (Microsoft's [MS-VHDX]). */
#ifndef MC_STORAGED_VHDX_H
#define MC_STORAGED_VHDX_H

#include <sys/stat.h>

#include "storaged/foreign.h"

/* Without a parent, with an empty log. As foreign_inspect(). */
int vhdx_inspect(int fd, const struct stat *st, struct foreign *ret, mc_err **err);

#endif
