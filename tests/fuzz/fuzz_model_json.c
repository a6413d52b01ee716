/* Any bytes as the body of any operation in the JSON protocol.
 * Input: "SERVICE TARGET\n" and the body. */
#include "api/protocol/json.h"
#include "common/cleanup.h"
#include "tests/fuzz/fuzz.h"

static const struct model_operation *operation(char *line)
{
	char *target = line + strcspn(line, " ");
	const struct model_operation *op;

	if (*target)
		*target++ = '\0';
	op = model_operation(model_service(line), protocol_json_target(target));
	return op ? op : model_operation(model_service("ec2"), "RunInstances");
}

static void check_settled(const struct model_operation *op, const json_t *doc)
{
	mc_autofree char *text = json_dumps(doc, JSON_COMPACT);
	mc_auto_json json_t *again = NULL;
	struct protocol_error error;

	FUZZ_CHECK(text);
	FUZZ_CHECK(protocol_json_decode(op, text, strlen(text), &again, &error) == 0);
	FUZZ_CHECK(json_equal(doc, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mc_autofree char *text = fuzz_text(data, size);
	char *body = text;
	const struct model_operation *op = operation(fuzz_line(&body, &size));
	struct protocol_error error = { 0 };
	mc_auto_json json_t *doc = NULL;

	if (protocol_json_decode(op, body, size, &doc, &error) == 0) {
		check_settled(op, doc);
		return 0;
	}
	mc_autofree char *answer = protocol_json_error(error.code, error.message);
	mc_auto_json json_t *parsed = json_loads(answer, 0, NULL);

	FUZZ_CHECK(error.status >= 400 && json_is_object(parsed));
	FUZZ_CHECK(strcmp(json_string_value(json_object_get(parsed, "__type")), error.code) == 0);
	return 0;
}
