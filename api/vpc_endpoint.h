/* VPC endpoints: this cloud's own API at addresses inside VPCs, or behind routes of theirs. */
#ifndef MC_API_VPC_ENDPOINT_H
#define MC_API_VPC_ENDPOINT_H

#include "api/action.h"

/* The services that endpoints can be made for: names as in credential scopes ("ec2"),
 * which are labels of their host names as well. NULL behind the last. */
const char *vpc_endpoint_service_at(size_t i);
/* The address that gateway endpoints lead to, in every VPC; allocated. */
char *vpc_endpoint_service_ip(const char *service);
/* That of an endpoint, NULL where the endpoint is NULL. A constant. */
const char *vpc_endpoint_service(const struct resource *endpoint);

/* Is the name, "com.amazonaws.us-east-1.ec2", that of one of the services in the region? Its label
 * as above, NULL: no. */
const char *vpc_endpoint_service_by_name(const char *region, const char *name);

/* "com.amazonaws.us-east-1.ec2", "ec2.us-east-1.amazonaws.com", and the domain of the
 * names of single endpoints, "ec2.us-east-1.vpce.amazonaws.com". Allocated. */
char *vpc_endpoint_service_name(const char *region, const char *service);
char *vpc_endpoint_private_name(const char *region, const char *service);
char *vpc_endpoint_domain(const char *region, const char *service);

/* The names of the endpoint itself, and of the one of its addresses in this zone (NULL:
 * of all). Allocated. */
char *vpc_endpoint_own_name(const struct resource *endpoint, const char *zone);

#endif
