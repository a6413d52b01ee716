/* Is a text well-formed enough that no value can have broken out of its element? */
#ifndef MC_TESTS_FUZZ_XML_H
#define MC_TESTS_FUZZ_XML_H

#include <stdbool.h>

#include "tests/fuzz/fuzz.h"

#define FUZZ_XML_DEPTH 64

/* One tag from behind its '<'; the place behind its '>', or NULL. */
static inline const char *fuzz_xml_tag(const char *p, const char **open, size_t *depth)
{
	bool closes = *p == '/';
	const char *name = p + closes, *end = strchr(name, '>');
	size_t n = strcspn(name, " />");

	if (!end || n == 0)
		return NULL;
	if (closes && (*depth == 0 || strncmp(open[*depth - 1], name, n) != 0 ||
		       !strchr(" />", open[*depth - 1][n])))
		return NULL;
	if (closes)
		(*depth)--;
	else if (end[-1] != '/' && *depth < FUZZ_XML_DEPTH)
		open[(*depth)++] = name;
	return end + 1;
}

static inline bool fuzz_xml_reference(const char *p)
{
	static const char *const known[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&#xD;" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strncmp(p, known[i], strlen(known[i])) == 0)
			return true;
	return false;
}

static inline bool fuzz_xml_well_formed(const char *xml)
{
	const char *open[FUZZ_XML_DEPTH];
	const char *p = strstr(xml, "?>");
	size_t depth = 0;

	for (p = p ? p + 2 : xml; *p;) {
		if (*p == '<') {
			p = fuzz_xml_tag(p + 1, open, &depth);
			if (!p)
				return false;
			continue;
		}
		if (((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t') || *p == '>' ||
		    (*p == '&' && !fuzz_xml_reference(p)))
			return false;
		p++;
	}
	return depth == 0;
}

#endif
