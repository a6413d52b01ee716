/* A growing array of what a query found, to be worked on after it. */
#ifndef MC_STORAGED_LIST_H
#define MC_STORAGED_LIST_H

#include <stddef.h>

struct list {
	size_t size; /* of one item; set it first */
	size_t n;
	void *items; /* list_free() */
};

/* Append a copy of the item. */
void list_add(struct list *list, const void *item);

/* The i'th, i < n. Valid until the next list_add(). */
void *list_at(const struct list *list, size_t i);

void list_free(struct list *list);
#define auto_list __attribute__((cleanup(list_free)))

#endif
