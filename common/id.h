/* Resource ids ("i-" and 17 hex digits) and the names derived from them. */
#ifndef MC_COMMON_ID_H
#define MC_COMMON_ID_H

#include <stdbool.h>
#include <stddef.h>

#define MC_ID_LEN 40      /* any id and its NUL */
#define MC_IFNAME_LEN 16  /* IFNAMSIZ */
#define MC_MAC_LEN 18
#define MC_UUID_LEN 37

/* A new id "<prefix>-<17 hex>" from getrandom(2). */
void mc_id_new(const char *prefix, char out[MC_ID_LEN]);

/* Is text exactly "<prefix>-" and 17 (or, as AWS's old ids, 8) lower-case hex digits? */
bool mc_id_valid(const char *prefix, const char *text);

/* Is text any well-formed id, whatever its prefix ([a-z]{1,12}-hex{8|17})? */
bool mc_id_valid_any(const char *text);

/* Linux names, see decisions.md "Names". The id must be valid. */
void mc_id_tap(const char *eni_id, char out[MC_IFNAME_LEN]);       /* mt + 13 hex */
void mc_id_bridge(const char *subnet_id, char out[MC_IFNAME_LEN]); /* mb + 13 hex */
void mc_id_mac(const char *eni_id, char out[MC_MAC_LEN]);          /* 06: + low 40 bits */
void mc_id_uuid(const char *instance_id, char out[MC_UUID_LEN]);   /* ec2xxxxx-... lower case */
void mc_id_disk_serial(const char *volume_id, char out[21]);       /* vol + 17 hex */

/* n random bytes as 2n lower-case hex digits and a NUL. */
void mc_random_hex(size_t n, char *out);
/* A random UUID (version 4), for request ids. */
void mc_random_uuid(char out[MC_UUID_LEN]);
void mc_random_bytes(void *out, size_t n);

#endif
