/* Block public access: whether an account's images and snapshots may be shared with everybody in a region
 * (EC2 User Guide, "Block public access to your AMIs"; EBS User Guide, "Block public access for snapshots").
 * A new account may. */
#ifndef MC_API_PUBLIC_ACCESS_H
#define MC_API_PUBLIC_ACCESS_H

#include "api/action.h"

/* May the caller make one public? 0 or action_fail. */
int public_access_check_image(struct call *call);
int public_access_check_snapshot(struct call *call);

#endif
