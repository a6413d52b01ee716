/* A tiny XML writer: escapes, indents, and cannot leave an element open. */
#ifndef MC_HYPERVISOR_XML_H
#define MC_HYPERVISOR_XML_H

struct xml;

struct xml *xml_new(void);
void xml_free(struct xml *x);

/* Attributes everywhere: pairs of `name, value` ended by NULL; a NULL value leaves its
 * attribute out. Names are ours and not escaped; values and text are escaped, control
 * characters that XML forbids are dropped. */

/* <name a="v">, to be closed by xml_end(). The name must live until then. */
void xml_begin(struct xml *x, const char *name, ...) __attribute__((sentinel));
void xml_end(struct xml *x);

/* <name a="v"/> */
void xml_empty(struct xml *x, const char *name, ...) __attribute__((sentinel));

/* <name a="v">text</name> */
void xml_leaf(struct xml *x, const char *name, const char *text, ...) __attribute__((sentinel));

/* The text so far with every open element closed, owned by the caller; x is freed. */
char *xml_finish(struct xml *x);

#endif
