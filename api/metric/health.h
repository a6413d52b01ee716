/* What the status checks say of an instance, from one look to the next (EC2 User Guide, "Status checks for
 * your instances"): the system's, whether there is a QEMU for it; the instance's, whether the guest runs and answers to ARP. */
#ifndef MC_API_METRIC_HEALTH_H
#define MC_API_METRIC_HEALTH_H

#include <jansson.h>

#define HEALTH_SILENCE_S 120 /* a guest that was heard before may be silent so long */
#define HEALTH_BOOT_S 600    /* a guest may take so long until it is heard first */

/* was (NULL: none) and is are rows of an instance of two looks (api/metric/look.h), `is` the later one. To what `is` has
 * (system_failed, instance_failed, answers?) are added: heard, silent_ns (boot clock, since when it is silent), system_since and
 * instance_since (wall clock, ns; while failed); instance_failed is also 1 where it does not answer. */
void health_judge(const json_t *was, json_t *is);

/* {Status, Details} of DescribeInstanceStatus; row NULL: it was not looked at yet. New reference. */
json_t *health_instance_doc(const json_t *row);
json_t *health_system_doc(const json_t *row);

#endif
