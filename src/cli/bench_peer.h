/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bench_peer.h - another program's benchmark, run in turn with ours and read from its table. */
#ifndef KW_CLI_BENCH_PEER_H
#define KW_CLI_BENCH_PEER_H

#include "base/error.h"

#include <stddef.h>

/* One row of llama-bench's Markdown table. */
typedef struct kw_peer_row {
    char test[48]; /* "pp512", "tg128 @ d4096" */
    int n_threads; /* 0: the table does not say */
    double rate;   /* tokens per second */
} kw_peer_row;

#define KW_PEER_MAX_ROWS 64

/* The rows of the tables in text[0..len): lines that begin with '|', columns found by the names
 * "test", "t/s" and "threads" in a table's first line. At most KW_PEER_MAX_ROWS. */
size_t kw_peer_parse(const char *text, size_t len, kw_peer_row rows[KW_PEER_MAX_ROWS]);
/* Runs a shell command and reads its table. Fails when it cannot be run, ends with a failure or
 * prints no row. Its standard error goes where ours goes. */
kw_status kw_peer_run(const char *command, kw_peer_row rows[KW_PEER_MAX_ROWS], size_t *n_rows,
                      kw_error *err);

#endif
