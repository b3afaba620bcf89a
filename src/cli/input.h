/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* input.h - text that a user hands to a command: files, standard input, escape sequences. */
#ifndef KW_CLI_INPUT_H
#define KW_CLI_INPUT_H

#include "base/buf.h"
#include "cli/cli.h"

/* Most bytes a prompt or a list of tokens may have. */
#define KW_INPUT_MAX_BYTES ((size_t)1 << 30)

/* Appends a whole file, or standard input for "-". */
kw_status kw_input_read(kw_cli *cli, const char *path, kw_buf *out, kw_error *err);
/* Says what the command waits for when nothing arrives on standard input for a second. */
void kw_input_announce(kw_cli *cli, const char *what);
/* Drops one line end from the end. */
void kw_input_chomp(kw_buf *buf);
/* Appends text with \n \t \r \e \" \' \\ \xNN \uNNNN replaced; anything else stays as it is. */
void kw_input_unescape(const char *text, size_t len, kw_buf *out);
/* The ids of a list given as text, or in a file when text is NULL ("-", or no file: standard
 * input); each at least 0. *ids is malloc'ed. */
kw_status kw_input_ids(kw_cli *cli, const char *text, const char *path, int32_t **ids, size_t *n,
                       kw_error *err);

#endif
