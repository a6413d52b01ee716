/* Findings of api/reach.h in plain words. */
#ifndef MC_API_WHY_H
#define MC_API_WHY_H

#include "api/action.h"
#include "api/reach.h"

extern const struct action page_why;

/* What is in the way, as a sentence; what to do about it, as commands, one a line (NULL:
 * nothing can be done). Allocated. */
char *why_text(const struct reach_question *q, const json_t *explanation);
char *why_remedy(const struct reach_question *q, const json_t *explanation);

/* The components of a path as words: ["i-…", "sg-…: tcp 22 from 0.0.0.0/0", …]. New reference. */
json_t *why_path(const json_t *components);

#endif
