#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bill.h"
#include "cli/human.h"
#include "cli/path.h"
#include "cli/transport.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

void bill_money(const char *text, int decimals, char out[BILL_MONEY])
{
	bool negative = *text == '-', up;
	size_t whole, keep;

	text += negative;
	whole = strcspn(text, ".");
	keep = whole + (decimals ? 1 + (size_t)decimals : 0);
	if (strlen(text) <= keep || keep + 2 >= BILL_MONEY) {
		snprintf(out, BILL_MONEY, "%s%s", negative ? "-" : "", text);
		return;
	}
	up = text[decimals ? keep : keep + 1] >= '5';
	snprintf(out, BILL_MONEY, "0%.*s", (int)keep, text); /* room for a carry */
	for (size_t i = strlen(out); up && i-- > 0;) {
		if (out[i] == '.')
			continue;
		up = out[i] == '9';
		out[i] = up ? '0' : (char)(out[i] + 1);
	}
	if (out[0] == '0' && out[1] != '.' && out[1])
		memmove(out, out + 1, strlen(out));
	if (negative) {
		memmove(out + 1, out, strlen(out) + 1);
		out[0] = '-';
	}
}

void bill_clock(const json_t *doc, FILE *out)
{
	long long scale = mc_json_int(doc, "time_scale", 1), lead = mc_json_int(doc, "lead_seconds", 0);
	char age[HUMAN_LEN];

	if (scale == 1 && lead == 0)
		return;
	human_age(lead, age);
	fprintf(out, "[");
	if (scale != 1)
		fprintf(out, "the meters run %lld times as fast as time, ", scale);
	fprintf(out, "%s ahead of the clock]\n", age);
}

static void add_argument(char **page, const char *name, const char *value)
{
	char *escaped = value ? curl_easy_escape(NULL, value, 0) : NULL;
	char *longer;

	if (!escaped)
		return;
	longer = mc_strf("%s%c%s=%s", *page, strchr(*page, '?') ? '&' : '?', name, escaped);
	curl_free(escaped);
	free(*page);
	*page = longer;
}

int bill_fetch(const struct cli *cli, const char *month, const char *by, const char *resource, json_t **ret_doc,
	       mc_err **err)
{
	mc_autofree char *page = mc_strdup("/v1/bill");

	add_argument(&page, "month", month);
	add_argument(&page, "by", by);
	add_argument(&page, "resource", resource);
	return transport_page(cli, page, ret_doc, err);
}

/* --- costs beside what is described -------------------------------------------------- */

static const struct {
	const char *operation, *rows, *id;
} priced[] = {
	{ "DescribeInstances", "Reservations.Instances", "InstanceId" },
	{ "DescribeVolumes", "Volumes", "VolumeId" },
	{ "DescribeSnapshots", "Snapshots", "SnapshotId" },
	{ "DescribeAddresses", "Addresses", "AllocationId" },
	{ "DescribeNetworkInterfaces", "NetworkInterfaces", "NetworkInterfaceId" },
	{ "DescribeNatGateways", "NatGateways", "NatGatewayId" },
};

static void annotate_rows(json_t *rows, const char *id, const json_t *costs)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const json_t *cost = json_object_get(costs, mc_json_str(row, id, ""));
		char text[BILL_MONEY];

		if (!cost)
			continue;
		bill_money(mc_json_str(cost, "rate", "0"), 4, text);
		json_object_set_new(row, "CostPerHour", json_string(mc_json_bool(cost, "open", false) ? text : "-"));
		bill_money(mc_json_str(cost, "cost", "0"), 4, text);
		json_object_set_new(row, "CostThisMonth", json_string(text));
	}
}

static void annotate(const struct cli *cli, const char *path, const char *id, json_t *doc)
{
	mc_auto_json json_t *bill = NULL;
	mc_auto_json json_t *costs = json_object();
	mc_auto_json json_t *rows = path_all(doc, path);
	json_t *group;
	size_t i;

	/* Without a bill the columns are empty; the answer is what was asked for. */
	if (json_array_size(rows) == 0 || bill_fetch(cli, NULL, "resource", NULL, &bill, NULL) < 0)
		return;
	json_array_foreach(mc_json_arr(bill, "groups"), i, group)
		json_object_set(costs, mc_json_str(group, "key", ""), group);
	annotate_rows(rows, id, costs);
	bill_clock(bill, stderr);
}

void bill_annotate(const struct cli *cli, const char *operation, json_t *doc)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(priced); i++)
		if (strcmp(priced[i].operation, operation) == 0)
			annotate(cli, priced[i].rows, priced[i].id, doc);
}
