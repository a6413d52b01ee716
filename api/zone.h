/* The Availability Zones of a region: a, b and c in each. */
#ifndef MC_API_ZONE_H
#define MC_API_ZONE_H

#include <stddef.h>

#define ZONE_LETTERS "abc"

/* The zone's name by its name ("us-east-1a") or its id ("use1-az1") in the region:
 * allocated, NULL where there is no such zone. */
char *zone_by_name(const char *region, const char *name);
char *zone_by_id(const char *region, const char *id);
/* The i-th zone's name, allocated. */
char *zone_at(const char *region, size_t i);
/* "us-east-1a, us-east-1b, us-east-1c", allocated. */
char *zone_list(const char *region);

#endif
