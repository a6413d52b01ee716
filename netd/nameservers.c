#include "netd/nameservers.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"

#define PORT "53"
#define BLANK " \t\r"
#define FILE_MAX (64u << 10)

/* "10.0.0.1" or "fe80::1%eth0", with or without "#5353". */
static bool parse(char *text, struct nameserver *ret)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM };
	char *port = strchr(text, '#');
	struct addrinfo *found = NULL;
	struct in_addr quad;

	if (port)
		*port++ = '\0';
	/* getaddrinfo() takes "10.1" for an address and 70000 for a port, too. */
	if ((!strchr(text, ':') && inet_pton(AF_INET, text, &quad) != 1) || (port && strtol(port, NULL, 10) > UINT16_MAX))
		return false;
	if (getaddrinfo(text, port ? port : PORT, &hints, &found) != 0)
		return false;
	memset(ret, 0, sizeof(*ret));
	memcpy(&ret->addr, found->ai_addr, found->ai_addrlen);
	ret->len = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

/* How many of the list; -1: one of them is none, or they are too many. */
static int read_list(const char *text, struct nameserver ret[NAMESERVERS_MAX])
{
	mc_autofree char *copy = mc_strdup(text);
	char *rest = copy, *word;
	int n = 0;

	while ((word = strsep(&rest, ",")))
		if (n == NAMESERVERS_MAX || !parse(word, &ret[n++]))
			return -1;
	return n;
}

static size_t read_file(const char *file, struct nameserver ret[NAMESERVERS_MAX])
{
	mc_autofree char *text = mc_fs_read(file, FILE_MAX, NULL, NULL);
	char *rest = text, *line;
	size_t n = 0;

	while (rest && n < NAMESERVERS_MAX && (line = strsep(&rest, "\n"))) {
		char *at = NULL, *key = strtok_r(line, BLANK, &at);
		char *value = key && strcmp(key, "nameserver") == 0 ? strtok_r(NULL, BLANK, &at) : NULL;

		/* There it is an address alone. */
		if (value && !strchr(value, '#') && parse(value, &ret[n]))
			n++;
	}
	return n;
}

int nameservers_check(const char *text, mc_err **err)
{
	struct nameserver servers[NAMESERVERS_MAX];

	if (strcmp(text, NAMESERVERS_HOST) == 0 || strcmp(text, NAMESERVERS_NONE) == 0 ||
	    read_list(text, servers) > 0)
		return 0;
	return mc_err_set(err, 0, "%s is neither %s nor %s nor a list of at most %d addresses", text,
			  NAMESERVERS_HOST, NAMESERVERS_NONE, NAMESERVERS_MAX);
}

size_t nameservers_read(const char *text, const char *file, struct nameserver ret[NAMESERVERS_MAX])
{
	int n = 0;

	if (strcmp(text, NAMESERVERS_HOST) == 0)
		return read_file(file, ret);
	if (strcmp(text, NAMESERVERS_NONE) != 0)
		n = read_list(text, ret);
	return n > 0 ? (size_t)n : 0;
}
