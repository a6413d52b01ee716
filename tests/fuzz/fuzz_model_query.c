/* Any form as the parameters of any operation; what comes out is encoded as XML.
 * Input: "SERVICE OPERATION\n" and the form. */
#include "api/protocol/json.h"
#include "api/protocol/query.h"
#include "api/protocol/xml.h"
#include "common/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_xml.h"

#define MAX_TAGS 64

static const struct model_operation *operation(char *line)
{
	char *name = line + strcspn(line, " ");
	const struct model_operation *op;

	if (*name)
		*name++ = '\0';
	op = model_operation(model_service(line), name);
	return op ? op : model_operation(model_service("ec2"), "RunInstances");
}

/* What was accepted once is accepted again and stays as it is. */
static void check_settled(const struct model_operation *op, const json_t *doc)
{
	mc_autofree char *text = json_dumps(doc, JSON_COMPACT);
	mc_auto_json json_t *again = NULL;
	struct protocol_error error;

	FUZZ_CHECK(text);
	FUZZ_CHECK(protocol_json_decode(op, text, strlen(text), &again, &error) == 0);
	FUZZ_CHECK(json_equal(doc, again));
}

/* The form's texts as tags, the freest text there is in answers. */
static void encode_tags(const struct protocol_form *form)
{
	const struct model_operation *op = model_operation(model_service("ec2"), "DescribeTags");
	json_t *tags = json_array();
	mc_auto_json json_t *doc = json_pack("{s:o}", "Tags", tags);
	mc_auto_err mc_err *err = NULL;
	mc_autofree char *xml = NULL;
	size_t len;

	for (size_t i = 0; i < form->n && i < MAX_TAGS; i++)
		json_array_append_new(tags, json_pack("{s:s, s:s}", "Key", form->params[i].name,
						      "Value", form->params[i].value));
	xml = protocol_xml_answer(op, doc, "request", &len, &err);
	FUZZ_CHECK(xml && strlen(xml) == len && fuzz_xml_well_formed(xml));
}

static void encode_error(const struct model_operation *op, const struct protocol_error *error)
{
	mc_autofree char *xml = protocol_xml_error(model_operation_service(op), error->status,
						   error->code, error->message, "request");

	FUZZ_CHECK(error->status >= 400 && error->code[0] && fuzz_xml_well_formed(xml));
}

static void decode(const struct model_operation *op, const struct protocol_form *form)
{
	struct protocol_error error = { 0 };
	mc_auto_json json_t *doc = NULL;
	mc_auto_err mc_err *err = NULL;
	mc_autofree char *xml = NULL;
	size_t len;

	if (protocol_query_decode(op, form->params, form->n, &doc, &error) < 0) {
		encode_error(op, &error);
		return;
	}
	check_settled(op, doc);
	/* A request is seldom an answer too; what must hold is that either comes out. */
	xml = protocol_xml_answer(op, doc, "request", &len, &err);
	FUZZ_CHECK(xml ? fuzz_xml_well_formed(xml) : err != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mc_autofree char *text = fuzz_text(data, size);
	char *rest = text;
	const struct model_operation *op = operation(fuzz_line(&rest, &size));
	struct protocol_form form = { 0 };
	struct protocol_error error = { 0 };

	if (protocol_form_parse(&form, rest, size, &error) < 0) {
		encode_error(op, &error);
	} else {
		encode_tags(&form);
		decode(op, &form);
	}
	protocol_form_free(&form);
	return 0;
}
