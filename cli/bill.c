/* `minicloud bill`: this month's costs; as they tick; explained; as an invoice; of a plan. */
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/bill.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/screen.h"
#include "cli/table.h"
#include "cli/transport.h"
#include "cli/tty.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define CTRL_C 3
#define TICK_MS 1000

struct options {
	const char *month, *by, *resource;
	bool watch, explain;
	long rounds; /* of --watch; 0: until it is left */
};

/* --- the table ----------------------------------------------------------------------- */

static void add_row(struct table *table, const json_t *g)
{
	const char *key = mc_json_str(g, "key", ""), *quantity = mc_json_str(g, "quantity", NULL);
	mc_autofree char *used = quantity ? mc_strf("%s %s", quantity, mc_json_str(g, "unit", "")) : NULL;
	char cost[BILL_MONEY], rate[BILL_MONEY];

	bill_money(mc_json_str(g, "cost", "0"), 6, cost);
	bill_money(mc_json_str(g, "rate", "0"), 4, rate);
	table_add(table, (const char *const[]){ *key ? key : "(none)", used, cost, mc_json_bool(g, "open", false) ? rate : NULL,
						mc_json_bool(g, "unpriced", false) ? "no price for some of it" : "" });
}

static void print_groups(const struct cli *cli, const json_t *doc, const char *by, FILE *out)
{
	const char *currency = mc_json_str(doc, "currency", "");
	/* A file's columns all have names. */
	const char *const titles[] = { by, "Used", currency, "now per hour", cli->output == CLI_CSV ? "note" : "" };
	struct table *table = table_new(titles, MC_ARRAY_SIZE(titles));
	json_t *g;
	size_t i;

	for (i = 1; i < 4; i++)
		table_right(table, i);
	json_array_foreach(mc_json_arr(doc, "groups"), i, g)
		add_row(table, g);
	table_print(table, cli->output == CLI_CSV ? TABLE_CSV : cli->color ? TABLE_COLOR : TABLE_PLAIN, out);
	table_free(table);
}

static void print_sums(const json_t *doc, FILE *out)
{
	static const struct {
		const char *member, *title;
		int decimals;
	} sums[] = {
		{ "total", "total", 6 }, { "today", "of it today", 6 }, { "rate", "now per hour", 4 }, { "forecast", "forecast for the month", 2 },
	};

	fputc('\n', out);
	for (size_t i = 0; i < MC_ARRAY_SIZE(sums); i++) {
		char text[BILL_MONEY];

		bill_money(mc_json_str(doc, sums[i].member, "0"), sums[i].decimals, text);
		fprintf(out, "%-24s%16s %s\n", sums[i].title, text, mc_json_str(doc, "currency", ""));
	}
}

static void print_table(const struct cli *cli, const struct options *o, const json_t *doc, FILE *out)
{
	const char *now = mc_json_str(doc, "now", "");

	if (cli->output == CLI_CSV) {
		bill_clock(doc, stderr);
		print_groups(cli, doc, o->by, out);
		return;
	}
	fprintf(out, "bill of %s  as of %.10s %.8sZ\n", mc_json_str(doc, "month", ""), now, now + 11);
	bill_clock(doc, out);
	fputc('\n', out);
	print_groups(cli, doc, o->by, out);
	print_sums(doc, out);
}

static bool wants_document(const struct cli *cli)
{
	return cli->query || cli->output == CLI_JSON || cli->output == CLI_TEXT;
}

static int show(struct cli *cli, const struct options *o, bool screen)
{
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *doc = NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (bill_fetch(cli, o->month, o->by, o->resource, &doc, &err) < 0)
		return cli_failed(err);
	if (wants_document(cli))
		return output_print(cli, NULL, doc);
	out = open_memstream(&text, &len);
	print_table(cli, o, doc, out);
	fclose(out);
	if (screen)
		screen_draw(text);
	else
		fputs(text, stdout);
	free(text);
	return fflush(stdout) == 0 ? CLI_OK : CLI_FAILURE;
}

/* --- explaining ------------------------------------------------------------------------ */

static int explain(struct cli *cli, const struct options *o)
{
	char *resource = o->resource ? curl_easy_escape(NULL, o->resource, 0) : NULL;
	mc_autofree char *page = mc_strf("/v1/bill/explain?%s%s%s%s", o->month ? "month=" : "", o->month ? o->month : "",
					 resource ? "&resource=" : "", resource ? resource : "");
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *doc = NULL;
	int r = transport_page(cli, page, &doc, &err);

	curl_free(resource);
	if (r < 0)
		return cli_failed(err);
	if (wants_document(cli))
		return output_print(cli, NULL, doc);
	bill_clock(doc, stdout);
	fputs(mc_json_str(doc, "text", ""), stdout);
	return CLI_OK;
}

/* --- watching ---------------------------------------------------------------------------- */

/* True: somebody wants to leave. */
static bool wait_a_tick(struct tty *tty)
{
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = tty ? tty_signal_fd(tty) : -1, .events = POLLIN } };
	char key;

	if (poll(fds, tty ? 2 : 0, TICK_MS) <= 0)
		return false;
	if (fds[0].revents && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == CTRL_C))
		return true;
	if (fds[1].revents) {
		int sig = tty_signal(tty);

		return sig && sig != SIGWINCH;
	}
	return false;
}

static int watch(struct cli *cli, const struct options *o)
{
	bool screen = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !wants_document(cli);
	mc_auto_err mc_err *err = NULL;
	struct tty *tty = screen ? tty_raw(&err) : NULL;
	int code = CLI_OK;

	if (err)
		return cli_failed(err);
	if (tty)
		screen_open();
	for (long n = 1; code == CLI_OK; n++) {
		code = show(cli, o, tty != NULL);
		if ((o->rounds && n >= o->rounds) || wait_a_tick(tty))
			break;
	}
	if (tty)
		screen_close();
	tty_restore(tty);
	return code;
}

/* --- the command line ----------------------------------------------------------------------- */

static int take_count(const char *text, long *ret)
{
	char *end = NULL;

	*ret = text ? strtol(text, &end, 10) : 0;
	return text && !*end && *ret > 0 ? 0 : cli_usage("bill", "--count expects a number");
}

/* The option's text, from behind it. */
static int take_text(const char *option, const char *text, const char **ret)
{
	*ret = text;
	return text && *text ? 0 : cli_usage("bill", "%s expects a value", option);
}

static int parse(int argc, char **argv, struct options *o)
{
	int code = 0;

	/* argv ends with a NULL, which no option's value is. */
	for (int i = 0; i < argc && code == 0; i++) {
		if (strcmp(argv[i], "--watch") == 0)
			o->watch = true;
		else if (strcmp(argv[i], "--explain") == 0)
			o->explain = true;
		else if (strcmp(argv[i], "--count") == 0)
			code = take_count(argv[++i], &o->rounds);
		else if (strcmp(argv[i], "--month") == 0)
			code = take_text("--month", argv[++i], &o->month);
		else if (strcmp(argv[i], "--by") == 0)
			code = take_text("--by", argv[++i], &o->by);
		else if (strcmp(argv[i], "--resource") == 0)
			code = take_text("--resource", argv[++i], &o->resource);
		else
			return cli_usage("bill", "unknown option %s", argv[i]);
	}
	if (code == 0 && o->month && strspn(o->month, "0123456789-") != strlen(o->month))
		return cli_usage("bill", "--month expects YYYY-MM");
	return code;
}

static int invoice(struct cli *cli, int argc, char **argv)
{
	if (argc == 1)
		return bill_invoice(cli, NULL, argv[0]);
	if (argc == 3 && strcmp(argv[1], "--month") == 0)
		return bill_invoice(cli, argv[2], argv[0]);
	return cli_usage("bill", "bill invoice FILE [--month YYYY-MM]");
}

int command_bill(struct cli *cli, int argc, char **argv)
{
	struct options o = { .by = "service" };
	int code;

	if (argc > 0 && strcmp(argv[0], "simulate") == 0)
		return argc == 2 ? bill_simulate(cli, argv[1]) : cli_usage("bill", "bill simulate PLAN.json");
	if (argc > 0 && strcmp(argv[0], "invoice") == 0)
		return invoice(cli, argc - 1, argv + 1);
	code = parse(argc, argv, &o);
	if (code)
		return code;
	return o.explain ? explain(cli, &o) : o.watch ? watch(cli, &o) : show(cli, &o, false);
}
