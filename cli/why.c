/* `minicloud why SOURCE DEST:PORT`: what is in the way, and what to do about it. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/transport.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define USAGE "SOURCE DEST[:PORT[/udp]]; each an instance's id or Name tag, a network interface, an address or \"internet\""

/* "web:53/udp" in parts; port and protocol may be NULL. Cuts text up. */
static void take_apart(char *text, char **ret_port, char **ret_protocol)
{
	*ret_port = strrchr(text, ':');
	*ret_protocol = NULL;
	if (!*ret_port)
		return;
	*(*ret_port)++ = '\0';
	*ret_protocol = strchr(*ret_port, '/');
	if (*ret_protocol)
		*(*ret_protocol)++ = '\0';
}

/* The text for a URL's query: what is not plain as %XX. Allocated. */
static char *encoded(const char *text)
{
	char *out = mc_alloc(3 * strlen(text) + 1), *to = out;

	for (; *text; text++) {
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~", *text))
			*to++ = *text;
		else
			to += snprintf(to, 4, "%%%02X", (unsigned char)*text);
	}
	return out;
}

static char *page_of(const char *from, const char *to, const char *port, const char *protocol)
{
	mc_autofree char *a = encoded(from), *b = encoded(to), *c = encoded(port ? port : ""), *d = encoded(protocol ? protocol : "");

	return mc_strf("/v1/why?source=%s&destination=%s%s%s%s%s", a, b, port ? "&port=" : "", c, protocol ? "&protocol=" : "", d);
}

/* --- the answer -------------------------------------------------------------------- */

static void print_head(const json_t *doc)
{
	const char *protocol = mc_json_str(doc, "protocol", "");

	printf("%s: %s %s %s", mc_json_bool(doc, "reachable", false) ? "Yes" : "No", mc_json_str(doc, "source", ""),
	       mc_json_bool(doc, "reachable", false) ? "reaches" : "does not reach", mc_json_str(doc, "destination", ""));
	if (strcmp(protocol, "icmp") == 0)
		printf(" by ping");
	else
		printf(" at %s port %lld", strcmp(protocol, "udp") == 0 ? "UDP" : "TCP", (long long)mc_json_int(doc, "port", 0));
	if (mc_json_bool(doc, "only_some", false))
		printf(", but not from everywhere there: the rules let in %s, for one", mc_json_str(doc, "source_ip", "?"));
	puts(".");
}

static void print_problems(const json_t *problems)
{
	size_t i;
	json_t *one;

	json_array_foreach(problems, i, one) {
		const char *remedy = mc_json_str(one, "remedy", NULL);

		printf("\n%zu. %s\n   [%s]\n", i + 1, mc_json_str(one, "text", ""), mc_json_str(one, "code", ""));
		if (remedy)
			printf("   Remedy: %s\n", remedy);
	}
}

static void print_path(const char *title, const json_t *path)
{
	size_t i;
	json_t *one;

	if (json_array_size(path))
		printf("\n%s:\n", title);
	json_array_foreach(path, i, one)
		printf("  %s\n", json_string_value(one));
}

static void print_answer(const json_t *doc)
{
	print_head(doc);
	print_problems(mc_json_arr(doc, "problems"));
	print_path(mc_json_bool(doc, "reachable", false) ? "The way there" : "The way so far", mc_json_arr(doc, "path"));
	print_path("The way back", mc_json_arr(doc, "answer_path"));
	if (mc_json_bool(doc, "forwarded", false))
		puts("\nAn instance is on the way: whether its guest forwards packets is for you to see.");
	if (mc_json_bool(doc, "reachable", false))
		puts("\nThis is the cloud's side. A firewall inside the guest, or nobody listening there, is for you to see.");
}

/* 0 where it can be reached, 1 where it cannot: a script may ask. */
int command_why(struct cli *cli, int argc, char **argv)
{
	mc_auto_json json_t *doc = NULL;
	mc_autofree char *to = argc == 2 ? mc_strdup(argv[1]) : NULL, *page = NULL;
	char *port, *protocol;
	mc_err *err = NULL;

	if (argc != 2)
		return cli_usage("why", "expected " USAGE);
	take_apart(to, &port, &protocol);
	page = page_of(argv[0], to, port, protocol);
	if (transport_page(cli, page, &doc, &err) < 0) {
		int r = cli_failed(err);

		mc_err_free(err);
		return r;
	}
	print_answer(doc);
	return mc_json_bool(doc, "reachable", false) ? CLI_OK : 1;
}
