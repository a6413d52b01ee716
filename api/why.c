/* The page GET /v1/why: may SOURCE reach DESTINATION? In plain words, with what to do. */
#include <stdlib.h>
#include <string.h>

#include "api/action.h"
#include "api/interface.h"
#include "api/reach.h"
#include "api/reach_rule.h"
#include "api/why.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define INTERNET "internet"

/* --- who is meant ------------------------------------------------------------- */

static const struct resource *by_name(struct call *call, const char *name, bool *ret_several)
{
	struct store_iter it = store_iter(call->tx, KIND_INSTANCE, call->caller->account, call->caller->region);
	const struct resource *r, *found = NULL;

	while ((r = store_next(&it))) {
		if (strcmp(mc_json_str(r->tags, "Name", ""), name) != 0 || json_array_size(mc_json_arr(r->spec, "enis")) == 0)
			continue;
		*ret_several = *ret_several || found;
		found = r;
	}
	return found;
}

/* The caller's interface with this private address, in whichever VPC; or with this public one. */
static const struct resource *by_address(struct call *call, uint32_t ip, bool *ret_several)
{
	struct store_iter it = store_iter(call->tx, KIND_VPC, call->caller->account, call->caller->region);
	const struct resource *vpc, *eni, *found = reach_by_public(call->tx, ip);

	while (!found && (vpc = store_next(&it))) {
		eni = reach_by_private(call->tx, vpc->id, ip);
		*ret_several = *ret_several || (eni && found);
		found = eni ? eni : found;
	}
	return found;
}

struct end {
	const struct resource *r; /* NULL: the internet, or an address nobody here has */
	uint32_t ip;
};

static int read_end(struct call *call, const char *text, struct end *ret)
{
	enum kind kind = kind_by_id(text);
	bool several = false;

	memset(ret, 0, sizeof(*ret));
	if (strcmp(text, INTERNET) == 0)
		return 0;
	ret->ip = reach_ip(text);
	if (ret->ip)
		ret->r = by_address(call, ret->ip, &several);
	else if (kind == KIND_INSTANCE || kind == KIND_NETWORK_INTERFACE || kind == KIND_INTERNET_GATEWAY)
		ret->r = action_resource(call, kind, text);
	else
		ret->r = by_name(call, text, &several);
	if (several)
		return action_invalid(call, "Several things are called %s: use an instance's or a network interface's id.", text);
	if (call->error)
		return 1;
	if (!ret->r && !ret->ip)
		return action_invalid(call, "There is no %s: use an id, an address, an instance's Name tag, or '" INTERNET "'.", text);
	return 0;
}

/* The destination's packets carry its public address where that was asked for. */
static bool is_public(const struct end *end)
{
	return end->r && end->r->kind == KIND_NETWORK_INTERFACE && reach_private_of(end->r, end->ip);
}

static int read_protocol(struct call *call, struct reach_question *q)
{
	static const struct { const char *name; enum reach_protocol protocol; } names[] = {
		{ "tcp", REACH_TCP }, { "udp", REACH_UDP }, { "icmp", REACH_ICMP },
	};
	const char *port = mc_json_str(call->in, "port", NULL), *name = mc_json_str(call->in, "protocol", port ? "tcp" : "icmp");
	char *end = NULL;

	q->port = port ? (int)strtol(port, &end, 10) : 0;
	if (port && (*end || !*port || q->port < 0 || q->port > 65535))
		return action_invalid(call, "port: a number from 0 to 65535");
	for (size_t i = 0; i < MC_ARRAY_SIZE(names); i++)
		if (strcmp(names[i].name, name) == 0) {
			q->protocol = names[i].protocol;
			return q->protocol == REACH_ICMP || port ? 0 : action_fail(call, API_MISSING_PARAMETER, "port");
		}
	return action_invalid(call, "protocol: tcp, udp or icmp");
}

/* --- the answer ---------------------------------------------------------------- */

static char *label_of(struct call *call, const struct end *end, const char *text)
{
	const struct resource *inst = end->r && end->r->kind == KIND_NETWORK_INTERFACE ?
					      store_get(call->tx, mc_json_str(end->r->spec, "instance", NULL)) : end->r;
	const char *name = inst ? mc_json_str(inst->tags, "Name", NULL) : NULL;

	if (!inst || strcmp(inst->id, text) == 0)
		return name ? mc_strf("%s (%s)", text, name) : mc_strdup(text);
	return mc_strf("%s (%s)", text, inst->id);
}

static json_t *problems_of(const struct reach_question *q, const struct reach_answer *a)
{
	json_t *list = json_array(), *one;
	size_t i;

	json_array_foreach(a->explanations, i, one) {
		mc_autofree char *text = why_text(q, one), *remedy = why_remedy(q, one);

		json_array_append_new(list, json_pack("{s:O, s:s, s:s*, s:b}", "code", json_object_get(one, "ExplanationCode"), "text", text,
						      "remedy", remedy, "returning", mc_json_bool(one, REACH_RETURNING, false)));
	}
	return list;
}

static int why(struct call *call)
{
	const char *source = mc_json_str(call->in, "source", ""), *destination = mc_json_str(call->in, "destination", "");
	mc_autofree char *from_label = NULL, *to_label = NULL, *from_ip = NULL;
	struct reach_question q = { 0 };
	struct reach_answer a;
	struct end from, to;
	bool only;

	if (read_end(call, source, &from) || read_end(call, destination, &to) || read_protocol(call, &q))
		return 1;
	if (from.r && from.r->kind != KIND_INTERNET_GATEWAY && reach_ip(source) && reach_private_of(from.r, from.ip))
		from.ip = reach_private_of(from.r, from.ip);
	q.source = from.r;
	q.source_ip = from.ip;
	q.destination = to.r;
	q.destination_ip = to.ip && (!to.r || is_public(&to) || interface_slots(to.r) > 1) ? to.ip : 0;
	reach_analyse(call->tx, &q, &a);
	from_label = label_of(call, &from, source);
	to_label = label_of(call, &to, destination);
	from_ip = reach_ip_text(a.source_ip);
	/* From the internet at large nobody's address was named: one was found that rules let in. */
	only = a.found && (!from.r || from.r->kind == KIND_INTERNET_GATEWAY) && !from.ip && a.source_ip != REACH_SOMEBODY;
	call->out = json_pack("{s:b, s:s, s:s, s:s, s:i, s:s, s:b, s:o, s:o, s:o, s:b}", "reachable", a.found, "source", from_label, "destination", to_label,
		"protocol", q.protocol == REACH_TCP ? "tcp" : q.protocol == REACH_UDP ? "udp" : "icmp", "port", q.port, "source_ip", from_ip,
		"only_some", only,
		"path", why_path(a.forward), "answer_path", why_path(a.back), "problems", problems_of(&q, &a), "forwarded", a.forwarded);
	reach_answer_deinit(&a);
	return 0;
}

const struct action page_why = { .service = "minicloud", .name = "why", .fn = why };
