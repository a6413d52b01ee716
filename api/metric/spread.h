/* Values and how often each was there, in order: what percentiles are taken from. Up to SPREAD_MAX
 * different ones are kept exactly; more are brought together, each within 1 per cent. */
#ifndef MC_API_METRIC_SPREAD_H
#define MC_API_METRIC_SPREAD_H

#include <stdbool.h>
#include <stddef.h>

#define SPREAD_MAX 256

struct spread_item {
	double value, count;
};

struct spread {
	struct spread_item *items;
	size_t n, size;
};

void spread_add(struct spread *s, double value, double count);
void spread_merge(struct spread *s, const struct spread *from);
void spread_deinit(struct spread *s);

/* The smallest value that at least so many per cent (0 to 100) of all are not above; 0 of none. */
double spread_percentile(const struct spread *s, double percent);

/* "3.5:2 4:1" and back; the text is allocated. False: it is no such text. */
char *spread_text(const struct spread *s);
bool spread_parse(struct spread *s, const char *text);

#endif
