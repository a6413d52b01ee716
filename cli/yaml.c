/* Answers as YAML 1.1 (libyaml), as the AWS CLI's --output yaml. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "cli/output.h"
#include "cli/path.h"
#include "common/cleanup.h"

/* A string that readers would take for a number, a date, a truth value or nothing if it stood
 * without quotes. Some more are quoted than need it; that does no harm. */
static bool looks_like_another_type(const char *text)
{
	static const char *const words[] = { "y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "<<", "=" };

	if (!*text || strchr("+-.0123456789", *text))
		return true;
	for (size_t i = 0; i < MC_ARRAY_SIZE(words); i++)
		if (strcasecmp(text, words[i]) == 0)
			return true;
	return false;
}

static void emit(yaml_emitter_t *emitter, yaml_event_t *event)
{
	/* Both fail only without memory, or where the file cannot be written: its error stays set. */
	(void)!yaml_emitter_emit(emitter, event);
}

static void put_scalar(yaml_emitter_t *e, const char *text, bool plain)
{
	yaml_event_t event;

	yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text), plain, 1,
				     YAML_ANY_SCALAR_STYLE);
	emit(e, &event);
}

static void put_value(yaml_emitter_t *e, const json_t *value);

static void put_object(yaml_emitter_t *e, const json_t *object)
{
	yaml_event_t event;
	const char *key;
	json_t *value;

	yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
					    json_object_size(object) ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE);
	emit(e, &event);
	json_object_foreach((json_t *)object, key, value) {
		put_scalar(e, key, !looks_like_another_type(key));
		put_value(e, value);
	}
	yaml_mapping_end_event_initialize(&event);
	emit(e, &event);
}

static void put_array(yaml_emitter_t *e, const json_t *array)
{
	yaml_event_t event;

	yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
					     json_array_size(array) ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE);
	emit(e, &event);
	for (size_t i = 0; i < json_array_size(array); i++)
		put_value(e, json_array_get(array, i));
	yaml_sequence_end_event_initialize(&event);
	emit(e, &event);
}

static void put_value(yaml_emitter_t *e, const json_t *value)
{
	const char *string = json_string_value(value);

	if (json_is_object(value)) {
		put_object(e, value);
	} else if (json_is_array(value)) {
		put_array(e, value);
	} else if (string) {
		put_scalar(e, string, !looks_like_another_type(string));
	} else {
		mc_autofree char *text = path_scalar(value);

		put_scalar(e, *text ? text : "null", true);
	}
}

void output_yaml(const json_t *value, FILE *out)
{
	yaml_emitter_t e;
	yaml_event_t event;

	if (!yaml_emitter_initialize(&e))
		abort();
	yaml_emitter_set_output_file(&e, out);
	yaml_emitter_set_unicode(&e, 1);
	yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
	emit(&e, &event);
	yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1);
	emit(&e, &event);
	put_value(&e, value);
	yaml_document_end_event_initialize(&event, 1);
	emit(&e, &event);
	yaml_stream_end_event_initialize(&event);
	emit(&e, &event);
	yaml_emitter_flush(&e);
	yaml_emitter_delete(&e);
}
