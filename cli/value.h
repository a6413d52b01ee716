/* Command-line words become typed values of the model's shapes. */
#ifndef MC_CLI_VALUE_H
#define MC_CLI_VALUE_H

#include <jansson.h>
#include <stddef.h>

#include "api/model/model.h"
#include "common/error.h"

#define VALUE_MAX_FILE (8u << 20)

/* The value of an option from its n words: a scalar, JSON, shorthand, file://PATH or
 * fileb://PATH (- : standard input). New reference, or NULL and *err. */
json_t *value_parse(const struct model_shape *shape, char *const *words, size_t n,
		    mc_err **err);

/* The bytes that a word stands for (file:// and fileb:// are read), allocated,
 * NUL-terminated. NULL and *err. */
char *value_bytes(const char *word, size_t *ret_len, mc_err **err);

/* Base64 both ways; allocated. value_unbase64: NULL where the text is none. */
char *value_base64(const void *data, size_t len);
char *value_unbase64(const char *text, size_t *ret_len);

/* Is this structure only a wrapper {Value: scalar}, given by its plain value? */
const struct model_shape *value_wrapped(const struct model_shape *shape);

#endif
