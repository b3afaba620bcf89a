/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* node_pull.h - a file that the node of this home fetches (node/pulls.h). */
#ifndef KW_CLI_NET_NODE_PULL_H
#define KW_CLI_NET_NODE_PULL_H

#include "cli/cli.h"
#include "hub/pull.h"
#include "node/routing.h"

typedef struct kw_node_pull {
    const char *dir, *model; /* of the home; in the store */
    const kw_listed *file;   /* with a root */
    bool http;               /* its URL may be used */
    uint64_t bytes_per_s;
    const kw_text_list *peers, *gateways;
    const kw_routed *routed; /* more of both, as far as the node takes them */
    bool (*progress)(void *user, const kw_listed *file, const kw_fetch_progress *progress);
    void *user;
} kw_node_pull;

/* Whether a node runs with this home. */
bool kw_node_pull_runs(const char *dir);
/* An address at which that node can be dialed from here; false: none runs, or it has none. */
bool kw_node_addr(const char *dir, kw_multiaddr *out);
/* Asks the node for the file, and waits for it; as kw_pull_file. When progress returns false the
 * node is told to end it. */
kw_status kw_node_pull_run(const kw_node_pull *pull, kw_buf *path, kw_fetch_result *result,
                           bool *there, kw_error *err);

#endif
