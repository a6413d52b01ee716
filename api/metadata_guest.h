/* Who is asking: the guest of an address in a VPC, read from the store. */
#ifndef MC_API_METADATA_GUEST_H
#define MC_API_METADATA_GUEST_H

#include "api/metadata_tree.h"
#include "api/store.h"

/* A guest with the text it owns. Its other members are borrowed from the
 * transaction: use it before store_end(). */
struct metadata_found {
	struct metadata_guest guest;
	char *owned[3 * METADATA_MAX_NICS];
	size_t n_owned;
};

/* Fill *ret for the instance whose interface has this private address in this
 * VPC: true; false, with *ret empty, where there is none. Free with
 * metadata_found_free() in either case. */
bool metadata_guest_find(struct store_tx *tx, const char *vpc_id, const char *ip,
			 struct metadata_found *ret);
void metadata_found_free(struct metadata_found *found);

#endif
