/* Costs of what does not run: a plan's month, a launch's estimate, another price list. */
#include <stdlib.h>
#include <string.h>

#include "cli/bill.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/transport.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define COLUMNS 16

static enum table_style style_of(const struct cli *cli)
{
	return cli->output == CLI_CSV ? TABLE_CSV : cli->color ? TABLE_COLOR : TABLE_PLAIN;
}

static bool wants_document(const struct cli *cli)
{
	return cli->query || cli->output == CLI_JSON || cli->output == CLI_TEXT;
}

/* --- bill simulate --------------------------------------------------------------------- */

/* A row of texts and, behind them, the costs by option. */
static void add_costs(struct table *table, const json_t *options, const json_t *costs, const char *a, const char *b, const char *c)
{
	char texts[COLUMNS][BILL_MONEY];
	const char *cells[COLUMNS] = { a, b, c };

	for (size_t i = 0; i < json_array_size(options) && i + 3 < COLUMNS; i++) {
		const char *cost = mc_json_str(costs, mc_json_at(options, i), NULL);

		if (cost)
			bill_money(cost, 2, texts[i]);
		cells[i + 3] = cost ? texts[i] : NULL;
	}
	table_add(table, cells);
}

static void print_plan(const struct cli *cli, const json_t *doc)
{
	const json_t *options = mc_json_arr(doc, "options");
	const char *titles[COLUMNS] = { "Name", "Usage type", "Used" };
	size_t n = 3, i;
	struct table *table;
	json_t *line;

	for (i = 0; i < json_array_size(options) && n < COLUMNS; i++)
		titles[n++] = mc_json_at(options, i);
	table = table_new(titles, n);
	for (i = 2; i < n; i++)
		table_right(table, i);
	json_array_foreach(mc_json_arr(doc, "lines"), i, line) {
		mc_autofree char *used = mc_strf("%s %s", mc_json_str(line, "units", ""), mc_json_str(line, "unit", ""));

		add_costs(table, options, mc_json_obj(line, "costs"), mc_json_str(line, "name", ""), mc_json_str(line, "usage_type", ""), used);
	}
	add_costs(table, options, mc_json_obj(doc, "totals"), "total", "", "");
	table_print(table, style_of(cli), stdout);
	table_free(table);
}

static void print_planned(const json_t *planned)
{
	static const char *const members[] = { "reserved", "savings_plan", "on_demand", "other", "total", "unused" };
	static const char *const titles[] = { "reserved, used or not", "savings plan's commitment", "on demand for the rest",
					      "everything else", "total", "paid and not used" };

	printf("\nWith the reservations and the savings plan of this plan:\n");
	for (size_t i = 0; i < MC_ARRAY_SIZE(members); i++) {
		char text[BILL_MONEY];

		bill_money(mc_json_str(planned, members[i], "0"), 2, text);
		printf("  %-28s%14s\n", titles[i], text);
	}
}

int bill_simulate(struct cli *cli, const char *path)
{
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *plan = mc_json_load(path, &err);
	mc_auto_json json_t *doc = NULL;

	if (!plan || transport_post(cli, "/v1/bill/simulate", plan, &doc, &err) < 0)
		return cli_failed(err);
	if (wants_document(cli))
		return output_print(cli, NULL, doc);
	if (cli->output == CLI_TABLE)
		printf("%s in %s, %lld hours, in %s\n\n", mc_json_str(doc, "month", ""), mc_json_str(doc, "region", ""),
		       (long long)mc_json_int(doc, "hours", 0), mc_json_str(doc, "currency", ""));
	print_plan(cli, doc);
	if (cli->output == CLI_TABLE && mc_json_obj(doc, "planned"))
		print_planned(mc_json_obj(doc, "planned"));
	return CLI_OK;
}

/* --- run-instances --estimate -------------------------------------------------------------- */

static void add_estimate(struct table *table, const char *what, const char *used, const json_t *doc)
{
	char hour[BILL_MONEY], month[BILL_MONEY];

	bill_money(mc_json_str(doc, "hour", "0"), 6, hour);
	bill_money(mc_json_str(doc, "month", "0"), 2, month);
	table_add(table, (const char *const[]){ what, used, hour, month });
}

static void print_estimate(const struct cli *cli, const json_t *doc)
{
	mc_autofree char *hour = mc_strf("%s per hour", mc_json_str(doc, "currency", ""));
	mc_autofree char *month = mc_strf("per month (%lld h)", (long long)mc_json_int(doc, "month_hours", 0));
	const char *const titles[] = { "Usage type", "Quantity", hour, month };
	struct table *table = table_new(titles, MC_ARRAY_SIZE(titles));
	json_t *line;
	size_t i;

	for (i = 1; i < MC_ARRAY_SIZE(titles); i++)
		table_right(table, i);
	json_array_foreach(mc_json_arr(doc, "lines"), i, line) {
		mc_autofree char *used = mc_strf("%lld", (long long)mc_json_int(line, "quantity", 0));

		add_estimate(table, mc_json_str(line, "usage_type", ""), used, line);
	}
	add_estimate(table, "total", "", doc);
	table_print(table, style_of(cli), stdout);
	table_free(table);
}

int bill_estimate(const struct cli *cli, const json_t *request)
{
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *doc = NULL;

	if (transport_post(cli, "/v1/estimate", request, &doc, &err) < 0)
		return cli_failed(err);
	if (wants_document(cli))
		return output_print(cli, NULL, doc);
	print_estimate(cli, doc);
	return CLI_OK;
}

/* --- meters -------------------------------------------------------------------------------------- */

int command_meters(struct cli *cli, int argc, char **argv)
{
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *doc = NULL;

	(void)argv;
	if (argc)
		return cli_usage("meters", "meters takes no arguments");
	if (transport_page(cli, "/v1/credentials", &doc, &err) < 0)
		return cli_failed(err);
	puts(mc_json_str(doc, "meters", ""));
	return CLI_OK;
}

/* --- billing reprice ------------------------------------------------------------------------- */

static const char reprice_usage[] =
	"minicloud billing reprice --month YYYY-MM [--prices FILE] --dry-run\n"
	"minicloud billing reprice --month YYYY-MM\n\n"
	"With --dry-run: what the month's usage costs by the price list in FILE (or the one in force), beside\n"
	"what was billed. Without: rate the month and those after it anew, by the list in force.\n"
	"For root on the cloud's own host.\n";

static int print_comparison(const struct cli *cli, const json_t *doc)
{
	static const char *const titles[] = { "Usage type", "billed", "repriced" };
	struct table *table = table_new(titles, MC_ARRAY_SIZE(titles));
	json_t *g;
	size_t i;

	table_right(table, 1);
	table_right(table, 2);
	json_array_foreach(mc_json_arr(doc, "groups"), i, g)
		table_add(table, (const char *const[]){ mc_json_str(g, "key", ""), mc_json_str(g, "billed", ""), mc_json_str(g, "repriced", "") });
	table_add(table, (const char *const[]){ "total", mc_json_str(doc, "billed", ""), mc_json_str(doc, "repriced", "") });
	table_print(table, style_of(cli), stdout);
	table_free(table);
	if (cli->output == CLI_TABLE)
		printf("\ndifference %s\n", mc_json_str(doc, "difference", ""));
	bill_clock(doc, cli->output == CLI_TABLE ? stdout : stderr);
	return CLI_OK;
}

static int reprice(struct cli *cli, const char *month, const char *file, bool dry_run)
{
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *prices = file ? mc_json_load(file, &err) : NULL;
	mc_auto_json json_t *body = json_pack("{s:s, s:b, s:O*}", "month", month, "dry_run", dry_run, "prices", prices);
	mc_auto_json json_t *doc = NULL;

	if (cli->endpoint)
		mc_err_set(&err, 0, "bills are rated anew by root on the cloud's own host, over its socket: unset AWS_ENDPOINT_URL, and leave out --endpoint-url");
	if (cli->endpoint || (file && !prices) || transport_post(cli, "/v1/bill/reprice", body, &doc, &err) < 0)
		return cli_failed(err);
	return wants_document(cli) ? output_print(cli, NULL, doc) : print_comparison(cli, doc);
}

int command_billing(struct cli *cli, int argc, char **argv)
{
	const char *month = NULL, *file = NULL;
	bool dry_run = false;

	if (argc == 0 || strcmp(argv[0], "reprice") != 0) {
		fputs(reprice_usage, argc ? stdout : stderr);
		return argc && strcmp(argv[0], "--help") == 0 ? CLI_OK : CLI_USAGE;
	}
	/* argv ends with a NULL, which no option's value is. */
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--dry-run") == 0)
			dry_run = true;
		else if (strcmp(argv[i], "--month") == 0)
			month = argv[++i];
		else if (strcmp(argv[i], "--prices") == 0)
			file = argv[++i];
		else
			return cli_usage("billing", "unknown option %s", argv[i]);
	}
	if (!month)
		return cli_usage("billing", "--month YYYY-MM is needed");
	if (file && !dry_run)
		return cli_usage("billing", "--prices goes with --dry-run; to change prices for good, edit the list and reload it");
	return reprice(cli, month, file, dry_run);
}
