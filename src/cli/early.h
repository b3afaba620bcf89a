/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* early.h - a model that is fetched while it runs: --pull. */
#ifndef KW_CLI_EARLY_H
#define KW_CLI_EARLY_H

#include "cli/cli.h"

#include <kwaai/arrival.h>

typedef struct kw_early kw_early;

/* Where the model of this name is to be loaded from: *path is owned by the caller, or NULL when the
 * name is a path. What no store of this machine has is fetched: *out is NULL when that is done,
 * else it goes on, and kw_cli_early_ask says what has come. */
kw_status kw_cli_early_begin(kw_cli *cli, const char *name, kw_early **out, char **path,
                             kw_error *err);
/* A kw_arrival_fn, with a kw_early as user. */
kw_arrival kw_cli_early_ask(void *early, uint64_t offset, uint64_t len, uint32_t wait_ms);
/* The model is loaded: from now on an interrupt is its session's, and does not end waiting. */
void kw_cli_early_loaded(kw_early *early);
bool kw_cli_early_over(kw_early *early);
/* Waits until the file is whole and verified, or ends the fetch, which keeps what has arrived. The
 * failure of the fetch, or where the file is now; the path is valid until kw_cli_early_free. */
kw_status kw_cli_early_end(kw_early *early, bool wait, const char **path, kw_error *err);
void kw_cli_early_free(kw_early *early);

#endif
