#include "api/metric/health.h"

#include <stdbool.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/json.h"

static void copy(json_t *to, const json_t *from, const char *key)
{
	if (json_object_get(from, key))
		json_object_set(to, key, json_object_get(from, key));
}

/* Of the run that the guest is in now. */
static int64_t age(const json_t *is)
{
	int64_t launched;

	return mc_clock_parse(mc_json_str(is, "launched", ""), &launched) < 0 ? 0 : mc_clock_wall() - launched;
}

static void note_answer(const json_t *was, json_t *is)
{
	const json_t *answers = json_object_get(is, "answers");

	copy(is, was, "heard");
	copy(is, was, "silent_ns");
	if (json_is_true(answers)) {
		json_object_set_new(is, "heard", json_true());
		json_object_del(is, "silent_ns");
	} else if (json_is_false(answers) && !json_object_get(is, "silent_ns")) {
		json_object_set_new(is, "silent_ns", json_integer(mc_clock_boot()));
	}
}

static bool is_silent(const json_t *is)
{
	int64_t since = mc_json_int(is, "silent_ns", 0);

	if (!since)
		return false;
	if (!mc_json_bool(is, "heard", false))
		return age(is) > HEALTH_BOOT_S * MC_SECOND;
	return mc_clock_boot() - since > HEALTH_SILENCE_S * MC_SECOND;
}

static void note_since(const json_t *was, json_t *is, const char *failed, const char *since)
{
	if (!mc_json_int(is, failed, 0))
		return;
	copy(is, was, since);
	if (!json_object_get(is, since))
		json_object_set_new(is, since, json_integer(mc_clock_wall()));
}

void health_judge(const json_t *was, json_t *is)
{
	if (was && strcmp(mc_json_str(was, "launched", ""), mc_json_str(is, "launched", "")) != 0)
		was = NULL;
	note_answer(was, is);
	if (is_silent(is))
		json_object_set_new(is, "instance_failed", json_integer(1));
	note_since(was, is, "instance_failed", "instance_since");
	note_since(was, is, "system_failed", "system_since");
}

static json_t *check_doc(const json_t *row, const char *failed, const char *since, bool known)
{
	bool bad = mc_json_int(row, failed, 0) != 0;
	json_t *detail = json_pack("{s:s, s:s}", "Name", "reachability", "Status", bad ? "failed" : known ? "passed" : "initializing");
	char text[MC_ISO8601_LEN];

	if (bad) {
		mc_clock_iso8601(mc_json_int(row, since, 0), text);
		json_object_set_new(detail, "ImpairedSince", json_string(text));
	}
	return json_pack("{s:s, s:[o]}", "Status", bad ? "impaired" : known ? "ok" : "initializing", "Details", detail);
}

json_t *health_instance_doc(const json_t *row)
{
	return check_doc(row, "instance_failed", "instance_since", mc_json_bool(row, "heard", false));
}

json_t *health_system_doc(const json_t *row)
{
	return check_doc(row, "system_failed", "system_since", row != NULL);
}
