/* Any bytes as the body of any operation in CBOR.
 * Input: "SERVICE OPERATION\n" and the body. */
#include "api/protocol/cbor.h"
#include "common/cleanup.h"
#include "tests/fuzz/fuzz.h"

static const struct model_operation *operation(char *line)
{
	char *name = line + strcspn(line, " ");
	const struct model_operation *op;

	if (*name)
		*name++ = '\0';
	op = model_operation(model_service(line), name);
	return op ? op : model_operation(model_service("monitoring"), "PutMetricData");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mc_autofree char *text = fuzz_text(data, size);
	char *body = text;
	const struct model_operation *op = operation(fuzz_line(&body, &size));
	struct protocol_error error = { 0 };
	mc_auto_json json_t *doc = NULL;
	mc_autofree char *answer = NULL;
	size_t len = 0;

	if (protocol_cbor_decode(op, body, size, &doc, &error) == 0) {
		FUZZ_CHECK(json_is_object(doc));
		answer = protocol_cbor_encode(op, doc, &len); /* as an answer: whatever it holds can be written */
	} else {
		FUZZ_CHECK(error.status >= 400 && *error.code);
		answer = protocol_cbor_error(error.code, error.message, &len);
	}
	FUZZ_CHECK(answer && len > 0);
	return 0;
}
