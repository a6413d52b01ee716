/* What the walk in api/reach.c notes down: its components and what was in the way, in the
 * API's shapes. */
#ifndef MC_API_REACH_STEP_H
#define MC_API_REACH_STEP_H

#include "api/reach_rule.h"

struct reach_steps {
	json_t *forward, *back, *explanations;
	json_t *path;    /* that which grows; borrowed */
	bool returning;
};

void reach_steps_init(struct reach_steps *s);
/* From now on it is the answer's way. */
void reach_steps_turn(struct reach_steps *s);
/* Hand the arrays over. */
void reach_steps_take(struct reach_steps *s, json_t **ret_forward, json_t **ret_back, json_t **ret_explanations);

/* One more component on the way: an interface, a gateway, a peering, with the packet's header there. */
void reach_step(struct reach_steps *s, const struct resource *r, const struct reach_header *h);
/* What else belongs to the last one. */
void reach_step_component(struct reach_steps *s, const char *member, const struct resource *r);
void reach_step_group(struct reach_steps *s, const struct resource *group, const struct resource *rule);
void reach_step_acl(struct reach_steps *s, const struct resource *acl, const json_t *entry);
void reach_step_route(struct reach_steps *s, const struct resource *table, const json_t *route);

/* Something in the way: a code of AWS's, with a component under this member (NULL: none), and
 * the interface it is about (NULL: none). The others add to the last one. All return false,
 * which is what a walk returns that gets no further. */
bool reach_explain(struct reach_steps *s, const char *code, const char *member, const struct resource *r, const struct resource *eni);
bool reach_explain_text(struct reach_steps *s, const char *member, const char *text);
bool reach_explain_component(struct reach_steps *s, const char *member, const struct resource *r);
bool reach_explain_groups(struct reach_steps *s, struct store_tx *tx, const struct resource *eni);
bool reach_explain_entry(struct reach_steps *s, const json_t *entry);
bool reach_explain_route(struct reach_steps *s, const json_t *route);
bool reach_explain_header(struct reach_steps *s, const struct reach_header *h); /* as REACH_HEADER */
void reach_explain_number(struct reach_steps *s, const char *member, int number); /* 0: nothing is added */

#endif
