/* `minicloud top`: what the instances do just now, drawn anew when something changes. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/human.h"
#include "cli/meter.h"
#include "cli/output.h"
#include "cli/screen.h"
#include "cli/stream.h"
#include "cli/table.h"
#include "cli/transport.h"
#include "cli/tty.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define CTRL_C 3
#define RECONNECT_MS 1000
#define SHORTEST_MS 150

struct options {
	bool batch;
	long rounds; /* 0: for ever */
	long delay_s;
};

struct top {
	struct cli *cli;
	struct options o;
	struct meter *meter;
	struct stream *stream;
	struct tty *tty; /* NULL: batch */
	char order;      /* one of the keys of orders[] */
	bool leave;
	bool hypervisor; /* did it answer? */
	bool api;        /* did the API, just now? */
};

/* --- drawing ---------------------------------------------------------------------- */

static void bytes_cell(char out[HUMAN_LEN], const json_t *row, const char *key)
{
	json_t *n = json_object_get(row, key);

	snprintf(out, HUMAN_LEN, "-");
	if (n)
		human_bytes(json_number_value(n), out);
}

static void percent_cell(char out[HUMAN_LEN], const json_t *row)
{
	json_t *n = json_object_get(row, "cpu_percent");

	snprintf(out, HUMAN_LEN, "-");
	if (n)
		snprintf(out, HUMAN_LEN, "%.1f", json_number_value(n));
}

static void add_row(struct table *table, const json_t *row)
{
	static const char *const keys[] = { "memory_bytes", "memory_size_bytes", "net_in_per_s", "net_out_per_s",
					    "disk_read_per_s", "disk_written_per_s" };
	char cpu[HUMAN_LEN], figures[MC_ARRAY_SIZE(keys)][HUMAN_LEN], age[HUMAN_LEN];

	percent_cell(cpu, row);
	for (size_t i = 0; i < MC_ARRAY_SIZE(keys); i++)
		bytes_cell(figures[i], row, keys[i]);
	human_age(mc_json_int(row, "age_s", 0), age);
	table_add(table, (const char *const[]){
		mc_json_str(row, "name", NULL), mc_json_str(row, "id", ""), mc_json_str(row, "state", ""),
		mc_json_str(row, "type", ""), cpu, figures[0], figures[1], figures[2], figures[3], figures[4],
		figures[5], age });
}

static void print_rows(const struct top *t, const json_t *rows, FILE *out)
{
	static const char *const titles[] = { "Name", "InstanceId", "State", "Type", "CPU %", "Memory", "of", "In/s",
					      "Out/s", "Read/s", "Write/s", "Age" };
	struct table *table = table_new(titles, MC_ARRAY_SIZE(titles));

	for (size_t i = 4; i < MC_ARRAY_SIZE(titles); i++)
		table_right(table, i);
	for (size_t i = 0; i < json_array_size(rows); i++)
		add_row(table, json_array_get(rows, i));
	table_print(table, t->cli->color ? TABLE_COLOR : TABLE_PLAIN, out);
	table_free(table);
}

static size_t count_running(const json_t *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(rows); i++)
		n += strcmp(mc_json_str(json_array_get(rows, i), "state", ""), "running") == 0;
	return n;
}

static void print_head(const struct top *t, const json_t *rows, FILE *out)
{
	char now[MC_ISO8601_LEN];

	mc_clock_iso8601(mc_clock_wall(), now);
	fprintf(out, "minicloud top  %.8sZ  %s  %zu instances, %zu running%s%s\n\n", now + 11, t->cli->region,
		json_array_size(rows), count_running(rows), !t->api ? "  [the API does not answer: this is how it was]" :
		!t->hypervisor ? "  [the hypervisor daemon does not answer]" : "",
		t->tty ? "  (q leaves; sort by c, m, n, d, a)" : "");
}

/* --- order -------------------------------------------------------------------------- */

static const struct {
	char key;
	const char *first, *second; /* the sum of these counts */
} orders[] = {
	{ 'c', "cpu_percent", "" },
	{ 'm', "memory_bytes", "" },
	{ 'n', "net_in_per_s", "net_out_per_s" },
	{ 'd', "disk_read_per_s", "disk_written_per_s" },
	{ 'a', "age_s", "" },
};

static double weight(const json_t *row, char key)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(orders); i++)
		if (orders[i].key == key)
			return json_number_value(json_object_get(row, orders[i].first)) +
			       json_number_value(json_object_get(row, orders[i].second));
	return 0;
}

/* Largest first; what is equal keeps its order. New reference. */
static json_t *sorted(const json_t *rows, char key)
{
	json_t *out = json_array();

	for (size_t i = 0; i < json_array_size(rows); i++) {
		json_t *row = json_array_get(rows, i);
		size_t at = json_array_size(out);

		while (key && at > 0 && weight(json_array_get(out, at - 1), key) < weight(row, key))
			at--;
		json_array_insert(out, at, row);
	}
	return out;
}

/* --- the loop ------------------------------------------------------------------------ */

static int take_sample(struct top *t, mc_err **err)
{
	mc_auto_json json_t *stats = NULL;

	t->api = transport_page(t->cli, "/v1/stats", &stats, err) == 0;
	if (!t->api)
		return -1;
	t->hypervisor = mc_json_bool(stats, "hypervisor", true);
	meter_sample(t->meter, stats);
	return 0;
}

static int show_json(const struct top *t, const json_t *rows)
{
	mc_auto_json json_t *doc = json_pack("{s:O}", "Instances", rows);

	return output_print(t->cli, NULL, doc);
}

static int show(struct top *t)
{
	mc_auto_json json_t *all = meter_rows(t->meter), *rows = sorted(all, t->order);
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (t->cli->output != CLI_TABLE || t->cli->query)
		return show_json(t, rows);
	out = open_memstream(&text, &len);
	print_head(t, rows, out);
	print_rows(t, rows, out);
	fclose(out);
	if (t->tty)
		screen_draw(text);
	else
		printf("%s\n", text);
	fflush(stdout);
	free(text);
	return CLI_OK;
}

static void on_key(struct top *t)
{
	char key;

	if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == CTRL_C) {
		t->leave = true;
		return;
	}
	for (size_t i = 0; i < MC_ARRAY_SIZE(orders); i++)
		if (orders[i].key == key)
			t->order = key;
}

/* What the person or the system says, as far as there is something. */
static void on_input(struct top *t)
{
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = tty_signal_fd(t->tty), .events = POLLIN } };

	if (poll(fds, 2, 0) <= 0)
		return;
	if (fds[0].revents)
		on_key(t);
	if (fds[1].revents) {
		int sig = tty_signal(t->tty);

		t->leave = t->leave || (sig && sig != SIGWINCH);
	}
}

/* Until it is time for the next sample: events, keys and signals come before it. */
static void wait_for_news(struct top *t, int ms)
{
	const int fds[] = { STDIN_FILENO, t->tty ? tty_signal_fd(t->tty) : -1 };
	unsigned n = t->tty ? 2 : 0;
	enum stream_news news = stream_wait(t->stream, ms, fds, n);

	/* Many events in a row are one look. */
	if (news == STREAM_NONE || news == STREAM_CHANGED) {
		struct pollfd p[] = { { .fd = fds[0], .events = POLLIN }, { .fd = fds[1], .events = POLLIN } };

		if (poll(p, n, news == STREAM_NONE ? RECONNECT_MS : SHORTEST_MS) > 0)
			news = STREAM_INPUT;
	}
	if (news == STREAM_INPUT)
		on_input(t);
}

static int live(struct top *t, mc_err **err)
{
	int code = CLI_OK;

	if (take_sample(t, err) < 0)
		return CLI_FAILURE;
	while (!t->leave && code == CLI_OK) {
		take_sample(t, NULL); /* a daemon that restarts comes back */
		code = show(t);
		if (code == CLI_OK)
			wait_for_news(t, (int)t->o.delay_s * 1000);
	}
	return code;
}

/* Rates need two looks: the first one shows nothing. */
static int batch(struct top *t, mc_err **err)
{
	int code = CLI_OK;

	if (take_sample(t, err) < 0)
		return CLI_FAILURE;
	for (long i = 0; code == CLI_OK && (t->o.rounds == 0 || i < t->o.rounds); i++) {
		poll(NULL, 0, (int)t->o.delay_s * 1000);
		if (take_sample(t, err) < 0)
			return CLI_FAILURE;
		code = show(t);
	}
	return code;
}

static int run(struct top *t)
{
	mc_autofree char *query = mc_strf("?kind=instance&region=%s", t->cli->region);
	mc_auto_err mc_err *err = NULL;
	int code;

	t->meter = meter_new();
	t->stream = stream_new(t->cli, query);
	t->tty = t->o.batch ? NULL : tty_raw(&err);
	if (t->tty)
		screen_open();
	code = err ? CLI_FAILURE : t->tty ? live(t, &err) : batch(t, &err);
	if (t->tty)
		screen_close();
	tty_restore(t->tty);
	stream_free(t->stream);
	meter_free(t->meter);
	return err ? cli_failed(err) : code;
}

static int take_number(const char *option, const char *text, long *ret)
{
	char *end = NULL;

	*ret = text ? strtol(text, &end, 10) : 0;
	if (!text || *end || *ret < 1 || *ret > 86400)
		return cli_usage("top", "%s expects a number from 1 to 86400", option);
	return 0;
}

static int parse(int argc, char **argv, struct options *o)
{
	int code = 0;

	/* argv ends with a NULL, which no option's value is. */
	for (int i = 0; i < argc && code == 0; i++) {
		if (strcmp(argv[i], "--once") == 0)
			o->batch = true, o->rounds = 1;
		else if (strcmp(argv[i], "--batch") == 0)
			o->batch = true;
		else if (strcmp(argv[i], "--count") == 0)
			code = take_number("--count", argv[++i], &o->rounds);
		else if (strcmp(argv[i], "--delay") == 0)
			code = take_number("--delay", argv[++i], &o->delay_s);
		else
			return cli_usage("top", "unknown option %s", argv[i]);
	}
	return code;
}

int command_top(struct cli *cli, int argc, char **argv)
{
	struct top t = { .cli = cli, .o = { .delay_s = 2 } };
	int code = parse(argc, argv, &t.o);

	if (code)
		return code;
	if (t.o.rounds || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		t.o.batch = true;
	return run(&t);
}
