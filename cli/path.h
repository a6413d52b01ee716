/* Short paths into answers: "Reservations.Instances", "State.Name", "Tags:Name".
 * Arrays on the way are looked through. */
#ifndef MC_CLI_PATH_H
#define MC_CLI_PATH_H

#include <jansson.h>

/* All values at the path, in order: a new array of borrowed-and-counted values. */
json_t *path_all(const json_t *doc, const char *path);

/* The value as text for people: scalars, lists with commas between, "Key" of a tag
 * list after a colon. Allocated; "" where there is none. */
char *path_text(const json_t *doc, const char *path);

/* One scalar as text ("true", "12", the string). Allocated. */
char *path_scalar(const json_t *value);

#endif
