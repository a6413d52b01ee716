/* The names AWS derives from regions and addresses (VPC User Guide, "DNS
 * attributes for your VPC"). All allocated. us-east-1, the oldest region, has
 * names of its own. */
#ifndef MC_API_DNS_NAME_H
#define MC_API_DNS_NAME_H

char *dns_name_domain(const char *region);                   /* "ec2.internal" */
char *dns_name_host(const char *ip);                         /* "ip-172-31-0-10" */
char *dns_name_private(const char *region, const char *ip);  /* "ip-172-31-0-10.ec2.internal" */
char *dns_name_public(const char *region, const char *ip);   /* "ec2-203-0-113-5.compute-1.amazonaws.com" */
char *dns_name_public_domain(const char *region);            /* "compute-1.amazonaws.com" */
char *dns_name_lower(const char *name); /* names have no case */

#endif
