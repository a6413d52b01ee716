#include "cli/waiter.h"

#include <stdlib.h>
#include <string.h>

#include "cli/name.h"
#include "cli/output.h"
#include "cli/path.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

const struct model_waiter *waiter_find(const char *name)
{
	char own[NAME_MAX_LEN];

	for (size_t s = 0; s < model_service_count(); s++) {
		const struct model_service *service = model_service_at(s);

		for (size_t i = 0; i < model_service_waiters(service); i++) {
			const struct model_waiter *w = model_waiter_at(service, i);

			name_kebab(model_waiter_name(w), own);
			if (strcmp(own, name) == 0)
				return w;
		}
	}
	return NULL;
}

/* The expression's values in the answer; one that is no list is a list of one. NULL and *err. */
static json_t *values_of(const struct model_acceptor *a, const json_t *doc, mc_err **err)
{
	const char *path = model_acceptor_path(a);
	json_t *picked;

	if (*path)
		return path_all(doc, path);
	picked = output_query(model_acceptor_expression(a), doc, err);
	return !picked || json_is_array(picked) ? picked : json_pack("[o]", picked);
}

static size_t count_expected(const struct model_acceptor *a, const json_t *values)
{
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(values); i++) {
		mc_autofree char *text = path_scalar(json_array_get(values, i));

		n += strcmp(text, model_acceptor_expected(a)) == 0;
	}
	return n;
}

static size_t count_some(const json_t *values)
{
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(values); i++) {
		const char *text = json_string_value(json_array_get(values, i));

		n += !text || *text;
	}
	return n;
}

/* 1: it holds, 0: not, -1 and *err. */
static int holds_in(const struct model_acceptor *a, const json_t *doc, mc_err **err)
{
	mc_auto_json json_t *values = values_of(a, doc, err);
	size_t n = json_array_size(values), expected;

	if (!values)
		return -1;
	expected = count_expected(a, values);
	switch (model_acceptor_match(a)) {
	case MODEL_MATCH_SOME: return count_some(values) > 0;
	case MODEL_MATCH_PATH_ALL: return n > 0 && expected == n;
	case MODEL_MATCH_PATH: return n == 1 && expected == 1;
	default: return expected > 0;
	}
}

static int holds(const struct model_acceptor *a, bool answered, const json_t *doc, mc_err **err)
{
	switch (model_acceptor_match(a)) {
	case MODEL_MATCH_STATUS:
		return answered && strcmp(model_acceptor_expected(a), "200") == 0;
	case MODEL_MATCH_ERROR:
		return !answered && strcmp(model_acceptor_expected(a), mc_json_str(doc, "code", "")) == 0;
	default:
		return answered ? holds_in(a, doc, err) : 0;
	}
}

static char *explain(const struct model_acceptor *a, const json_t *doc)
{
	switch (model_acceptor_match(a)) {
	case MODEL_MATCH_PATH_ANY:
		return mc_strf("Waiter encountered a terminal failure state: For expression \"%s\" we matched expected "
			       "path: \"%s\" at least once", model_acceptor_expression(a), model_acceptor_expected(a));
	case MODEL_MATCH_ERROR:
		return mc_strf("An error occurred (%s): %s", mc_json_str(doc, "code", ""), mc_json_str(doc, "message", ""));
	default:
		return mc_strf("Waiter encountered a terminal failure state: For expression \"%s\" all members matched "
			       "expected path: \"%s\"", model_acceptor_expression(a), model_acceptor_expected(a));
	}
}

int waiter_judge(const struct model_waiter *w, bool answered, const json_t *doc, char **ret_why, mc_err **err)
{
	for (size_t i = 0; i < model_waiter_acceptors(w); i++) {
		const struct model_acceptor *a = model_waiter_acceptor(w, i);
		int r = holds(a, answered, doc, err);

		if (r < 0)
			return -1;
		if (r == 0)
			continue;
		if (model_acceptor_verdict(a) == MODEL_WAITER_FAILURE)
			*ret_why = explain(a, doc);
		return model_acceptor_verdict(a);
	}
	if (answered)
		return MODEL_WAITER_RETRY;
	*ret_why = mc_strf("An error occurred (%s): %s", mc_json_str(doc, "code", ""), mc_json_str(doc, "message", ""));
	return MODEL_WAITER_FAILURE;
}
