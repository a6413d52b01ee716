/* One HTTP exchange with the API: over the unix socket (the kernel says who we are) or, with
 * an endpoint, over the network, signed with AWS keys. */
#ifndef MC_CLI_EXCHANGE_H
#define MC_CLI_EXCHANGE_H

#include <curl/curl.h>
#include <stdbool.h>

#include "cli/cli.h"
#include "common/error.h"

struct exchange {
	struct curl_slist *headers;
	char *url, *socket; /* socket NULL: over the network */
	char *host;         /* as in the Host header */
	char *body;         /* NULL: a GET */
	bool direct;        /* no proxy, whatever the environment says */
};

/* POST an operation ("ec2", "ec2.DescribeVpcs"); body is taken over. 0, or -1 and *err. */
int exchange_operation(struct exchange *x, const struct cli *cli, const char *service, const char *target,
		       char *body, mc_err **err);

/* GET a page, or POST x->body to it ("/v1/events?kind=volume", escaped by the caller), with further headers: pairs of
 * name and value, ended by NULL; may be NULL. 0, or -1 and *err. */
int exchange_page(struct exchange *x, const struct cli *cli, const char *page, const char *const *more,
		  mc_err **err);

/* A handle with all of this set; the exchange must live as long. For curl_easy_cleanup(). */
CURL *exchange_handle(const struct exchange *x);

/* After a failure in *err: say what keeps us from asking, in words that help. Returns -1. */
int exchange_explain(const struct exchange *x, mc_err **err);

void exchange_deinit(struct exchange *x);
#define auto_exchange __attribute__((cleanup(exchange_deinit)))

#endif
