/* EBS encryption by default, of an account in a region: is it on, and with which key. */
#ifndef MC_API_ENCRYPTION_DEFAULT_H
#define MC_API_ENCRYPTION_DEFAULT_H

#include "api/store.h"

bool encryption_by_default(struct store_tx *tx, const char *account, const char *region);
/* The key that was set, else alias/aws/ebs, made where it is missing: a write transaction. */
const struct resource *encryption_default_key(struct store_tx *tx, const char *account, const char *region);

#endif
