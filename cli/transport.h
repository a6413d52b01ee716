/* Ask the API: over the unix socket (the kernel says who we are) or, with an endpoint,
 * over the network with AWS keys. The JSON protocol on both. */
#ifndef MC_CLI_TRANSPORT_H
#define MC_CLI_TRANSPORT_H

#include <jansson.h>

#include "api/model/model.h"
#include "cli/cli.h"
#include "common/error.h"

/* Call an operation. 0 and *ret_doc (an object, new reference); 1 where the service
 * answered an error, *ret_doc then {"code", "message"}; -1 and *err where it could not
 * be asked or did not answer in JSON. */
int transport_call(const struct cli *cli, const struct model_operation *op, const json_t *doc,
		   json_t **ret_doc, mc_err **err);

/* GET one of the daemon's own pages (docs/pages.md). 0 and *ret_doc, or -1 and *err. */
int transport_page(const struct cli *cli, const char *page, json_t **ret_doc, mc_err **err);

/* POST a document to one of them. The same. */
int transport_post(const struct cli *cli, const char *page, const json_t *doc, json_t **ret_doc, mc_err **err);

/* Call and print an error as the AWS CLI does. 0 and *ret_doc, or an exit code. */
int transport_ask(const struct cli *cli, const struct model_operation *op, const json_t *doc,
		  json_t **ret_doc);

#endif
