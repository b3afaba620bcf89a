/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fetch_progress.h - how far a download is, for a person: a line that changes on a terminal, a new
 * line now and then elsewhere. */
#ifndef KW_CLI_NET_FETCH_PROGRESS_H
#define KW_CLI_NET_FETCH_PROGRESS_H

#include "cli/cli.h"
#include "hub/fetch.h"

typedef struct kw_fetch_line {
    kw_cli *cli;
    uint64_t told_ns; /* when a line was last written where there is no terminal */
} kw_fetch_line;

void kw_fetch_line_show(kw_fetch_line *line, const char *file, const kw_fetch_progress *progress);
/* "http (huggingface.co) 1.20 GiB, peers 300 MiB": who sent how much; out holds size bytes. */
char *kw_print_shares(const kw_fetch_share *shares, size_t n, char *out, size_t size);
/* "500K", "1.5M", "2G", "1000": bytes (a second) in powers of 1024; KW_E_ARG names the option. */
kw_status kw_parse_rate(const char *option, const char *text, uint64_t *out, kw_error *err);

#endif
