/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pull_routes.h - who has the files of a pull, as delegated routers know it. */
#ifndef KW_CLI_NET_PULL_ROUTES_H
#define KW_CLI_NET_PULL_ROUTES_H

#include "cli/cli.h"
#include "hub/pull.h"
#include "node/routing.h"

/* Asks the routers of --router for the roots of these files; without any, and without --gateway,
 * the usual one. At most ten seconds; a router that does not answer is a note, nothing more. */
void kw_pull_routes(kw_cli *cli, kw_web *web, const kw_listing *files, kw_routed *out);

#endif
