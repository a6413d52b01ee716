#include "storaged/list.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK 64

void *list_at(const struct list *list, size_t i)
{
	return (char *)list->items + i * list->size;
}

void list_add(struct list *list, const void *item)
{
	if (list->n % CHUNK == 0) {
		list->items = reallocarray(list->items, list->n + CHUNK, list->size);
		if (!list->items)
			abort();
	}
	memcpy(list_at(list, list->n++), item, list->size);
}

void list_free(struct list *list)
{
	free(list->items);
	list->items = NULL;
	list->n = 0;
}
