/* `minicloud bill invoice FILE`: the month's bill as a page, or through weasyprint for printing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bill.h"
#include "cli/transport.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/spawn.h"

#define TIMEOUT_MS 120000

static void escape(FILE *out, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '<': fputs("&lt;", out); break;
		case '>': fputs("&gt;", out); break;
		case '&': fputs("&amp;", out); break;
		case '"': fputs("&quot;", out); break;
		default: fputc(*text, out);
		}
}

static void cell(FILE *out, const char *tag, const char *text)
{
	fprintf(out, "<%s>", tag);
	escape(out, text);
	fprintf(out, "</%.2s>", tag);
}

static const char style[] =
	"@page{size:A4;margin:18mm}body{font:10pt sans-serif;color:#222;max-width:52em;margin:2em auto;padding:0 1em}"
	"h1{font-size:18pt;margin:0 0 .2em}h2{font-size:12pt;margin:1.6em 0 .4em}p{margin:.2em 0}"
	"table{border-collapse:collapse;width:100%}th{text-align:left;border-bottom:1px solid #444}"
	"td,th{padding:.25em .5em .25em 0;vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;padding-right:0}"
	"tr{break-inside:avoid}tbody tr+tr td{border-top:1px solid #ddd}tfoot td{border-top:2px solid #444;font-weight:bold}"
	".part{color:#555;font-size:9pt}.mark{background:#fe9;padding:.1em .4em}";

static void print_head(FILE *out, const json_t *bill)
{
	const char *now = mc_json_str(bill, "now", ""), *month = mc_json_str(bill, "month", "");
	bool over = strncmp(now, month, 7) > 0;
	char *clock = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&clock, &len);

	bill_clock(bill, f);
	fclose(f);
	fprintf(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Invoice %.7s</title><style>%s</style></head><body>\n"
		"<h1>Invoice %.7s</h1>\n<p>minicloud%s</p><p>As of %.10s %.8s UTC</p>\n", month, style, month,
		over ? "" : " &mdash; <span class=\"mark\">the month is not over</span>", now, now + 11);
	if (*clock) {
		fputs("<p><span class=\"mark\">", out);
		escape(out, clock);
		fputs("</span></p>\n", out);
	}
	free(clock);
}

static void print_services(FILE *out, const json_t *bill)
{
	char money[BILL_MONEY];
	json_t *g;
	size_t i;

	fputs("<h2>By service</h2>\n<table><thead><tr><th>Service</th><th class=\"n\">", out);
	escape(out, mc_json_str(bill, "currency", ""));
	fputs("</th></tr></thead><tbody>\n", out);
	json_array_foreach(mc_json_arr(bill, "groups"), i, g) {
		fputs("<tr>", out);
		cell(out, "td", mc_json_str(g, "key", ""));
		bill_money(mc_json_str(g, "cost", "0"), 2, money);
		cell(out, "td class=\"n\"", money);
		fputs("</tr>\n", out);
	}
	bill_money(mc_json_str(bill, "total", "0"), 2, money);
	fprintf(out, "</tbody><tfoot><tr><td>Total</td><td class=\"n\">%s</td></tr></tfoot></table>\n", money);
}

static void print_part(FILE *out, const json_t *line, const json_t *part)
{
	char price[BILL_MONEY];

	fputs("<div class=\"part\">", out);
	escape(out, mc_json_str(part, "units", ""));
	fputc(' ', out);
	escape(out, mc_json_str(line, "unit", ""));
	if (mc_json_str(part, "free", NULL)) {
		fputs(" free</div>", out);
		return;
	}
	bill_money(mc_json_str(part, "price", "0"), 9, price);
	fprintf(out, " &times; %s = %s</div>", price, mc_json_str(part, "cost", ""));
}

static void print_lines(FILE *out, const json_t *explanation)
{
	json_t *line, *part;
	size_t i, k;

	fputs("<h2>Line by line</h2>\n<table><thead><tr><th>Resource</th><th>Usage</th><th class=\"n\">Cost</th></tr></thead><tbody>\n", out);
	json_array_foreach(mc_json_arr(explanation, "lines"), i, line) {
		fputs("<tr>", out);
		cell(out, "td", mc_json_str(line, "resource", ""));
		fputs("<td>", out);
		escape(out, mc_json_str(line, "usage_type", ""));
		json_array_foreach(mc_json_arr(line, "parts"), k, part)
			print_part(out, line, part);
		fputs("</td>", out);
		cell(out, "td class=\"n\"", mc_json_str(line, "cost", ""));
		fputs("</tr>\n", out);
	}
	fputs("</tbody></table>\n</body></html>\n", out);
}

static char *make_page(const struct cli *cli, const char *month, mc_err **err)
{
	mc_autofree char *page = mc_strf("/v1/bill/explain%s%s", month ? "?month=" : "", month ? month : "");
	mc_auto_json json_t *bill = NULL;
	mc_auto_json json_t *explanation = NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (bill_fetch(cli, month, "service", NULL, &bill, err) < 0 || transport_page(cli, page, &explanation, err) < 0)
		return NULL;
	out = open_memstream(&text, &len);
	print_head(out, bill);
	print_services(out, bill);
	print_lines(out, explanation);
	fclose(out);
	return text;
}

static int print_pdf(const char *html, const char *path, mc_err **err)
{
	const char *const argv[] = { "weasyprint", "--quiet", html, path, NULL };
	mc_auto_spawn_result struct mc_spawn_result result = { 0 };
	const struct mc_spawn spawn = { .argv = argv, .timeout_ms = TIMEOUT_MS };

	if (mc_spawn_run(&spawn, &result, err) < 0 || result.status == 127) {
		mc_err_clear(err);
		return mc_err_set(err, 0, "a PDF needs the program weasyprint: apt install weasyprint");
	}
	return result.status == 0 ? 0 : mc_err_set(err, 0, "weasyprint: %.200s", result.errout);
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), k = strlen(end);

	return n > k && strcmp(text + n - k, end) == 0;
}

int bill_invoice(struct cli *cli, const char *month, const char *path)
{
	bool pdf = ends_with(path, ".pdf");
	mc_autofree char *html = pdf ? mc_strf("%.*s.html", (int)(strlen(path) - 4), path) : mc_strdup(path);
	mc_auto_err mc_err *err = NULL;
	mc_autofree char *text = NULL;

	if (!pdf && !ends_with(path, ".html"))
		return cli_usage("bill", "an invoice is a file.html or a file.pdf");
	if (month && strspn(month, "0123456789-") != strlen(month))
		return cli_usage("bill", "--month expects YYYY-MM");
	text = make_page(cli, month, &err);
	if (!text || mc_fs_write(html, text, strlen(text), 0644, &err) < 0 || (pdf && print_pdf(html, path, &err) < 0))
		return cli_failed(err);
	fprintf(stderr, "The invoice is in %s\n", path);
	return CLI_OK;
}
