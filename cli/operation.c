#include "cli/operation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bill.h"
#include "cli/help.h"
#include "cli/key_file.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/request.h"
#include "cli/transport.h"
#include "cli/value.h"
#include "common/cleanup.h"
#include "common/json.h"

/* Append the lists of a further page to those of the answer so far. */
static void merge_page(json_t *all, json_t *page)
{
	const char *key;
	json_t *value;

	json_object_foreach(page, key, value) {
		json_t *there = json_object_get(all, key);

		if (json_is_array(there) && json_is_array(value))
			json_array_extend(there, value);
		else
			json_object_set(all, key, value);
	}
	if (!json_object_get(page, "NextToken"))
		json_object_del(all, "NextToken");
}

static bool wants_all_pages(const struct cli *cli, const struct model_operation *op,
			    const json_t *doc)
{
	return cli->paginate && model_operation_paginated(op) &&
	       !json_object_get(doc, "NextToken") && !json_object_get(doc, "MaxResults");
}

int operation_ask(const struct cli *cli, const struct model_operation *op, json_t *doc,
		  json_t **ret_doc)
{
	bool follow = wants_all_pages(cli, op, doc);
	mc_auto_json json_t *all = NULL;
	int code = transport_ask(cli, op, doc, &all);

	while (code == 0 && follow && *mc_json_str(all, "NextToken", "")) {
		mc_auto_json json_t *page = NULL;
		json_t *token = json_object_get(all, "NextToken");

		json_object_set(doc, "NextToken", token);
		code = transport_ask(cli, op, doc, &page);
		if (code)
			break;
		if (json_equal(json_object_get(page, "NextToken"), token)) {
			fputs("minicloud: the service repeats its NextToken\n", stderr);
			return CLI_FAILURE;
		}
		merge_page(all, page);
	}
	if (code == 0)
		*ret_doc = MC_STEAL(all);
	return code;
}

/* What is no UTF-8 on a console (a guest may print anything) becomes '?'. */
static json_t *readable(char *bytes, size_t len)
{
	json_t *text = json_stringn(bytes, len);

	if (text)
		return text;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)bytes[i] >= 0x80)
			bytes[i] = '?';
	return json_stringn(bytes, len);
}

/* GetConsoleOutput answers base64; people and the AWS CLI's users want the text. */
static void decode_console(struct request *r, json_t *doc)
{
	const char *output = mc_json_str(doc, "Output", NULL);
	size_t len = 0;
	mc_autofree char *plain = output ? value_unbase64(output, &len) : NULL;

	(void)r;
	if (plain)
		json_object_set_new(doc, "Output", readable(plain, len));
}

static void save_key(struct request *r, json_t *doc)
{
	mc_auto_err mc_err *err = NULL;
	mc_autofree char *path = NULL;
	const char *material = mc_json_str(doc, "KeyMaterial", "");

	if (!r->save)
		return;
	path = key_file_save(mc_json_str(r->doc, "KeyName", ""), material, &err);
	if (!path) {
		/* The service will not show it again: better on the screen than lost. */
		fprintf(stderr, "minicloud: %s\n", mc_err_msg(err));
		return;
	}
	fprintf(stderr, "The private key is in %s\n", path);
	json_object_del(doc, "KeyMaterial");
}

static const struct {
	const char *name;
	void (*amend)(struct request *r, json_t *doc);
} amendments[] = {
	{ "get-console-output", decode_console },
	{ "create-key-pair", save_key },
};

/* The answer is out; what comes is for people's eyes alone. */
static int follow(const struct cli *cli, const struct request *r, const json_t *doc)
{
	if (strcmp(r->name, "run-instances") != 0 || r->no_wait || !progress_wanted())
		return CLI_OK;
	return progress_follow(cli, doc);
}

static int finish(struct cli *cli, struct request *r, json_t *doc)
{
	int code;

	for (size_t i = 0; i < MC_ARRAY_SIZE(amendments); i++)
		if (strcmp(amendments[i].name, r->name) == 0)
			amendments[i].amend(r, doc);
	if ((cli->output == CLI_TABLE || cli->output == CLI_CSV) && !cli->query)
		bill_annotate(cli, model_operation_name(r->op), doc);
	code = output_print(cli, model_operation_name(r->op), doc);
	return code ? code : follow(cli, r, doc);
}

int operation_run(struct cli *cli, const struct model_operation *op, int argc, char **argv)
{
	__attribute__((cleanup(request_deinit))) struct request r = { 0 };
	mc_auto_json json_t *doc = NULL;
	int code = request_parse(op, argc, argv, &r);

	if (code)
		return code;
	if (r.help) {
		help_operation(&(struct manual){ .out = stdout }, op);
		return CLI_OK;
	}
	if (r.estimate)
		return bill_estimate(cli, r.doc);
	code = operation_ask(cli, op, r.doc, &doc);
	return code ? code : finish(cli, &r, doc);
}
