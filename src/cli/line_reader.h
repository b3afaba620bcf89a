/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* line_reader.h - lines from a person: edited on a terminal, plain from anything else. */
#ifndef KW_CLI_LINE_READER_H
#define KW_CLI_LINE_READER_H

#include "cli/edit.h"
#include "cli/history.h"

typedef enum kw_line_status {
    KW_LINE_READ,
    KW_LINE_END,        /* end of the input, Ctrl-D */
    KW_LINE_INTERRUPTED /* Ctrl-C on an empty line */
} kw_line_status;

typedef struct kw_line_reader {
    kw_history history;
    int draw_fd; /* where the editor draws; -1: plain lines, no prompt */
    kw_keys keys;
    char input[4096]; /* read and not used yet: [at, n) */
    size_t at, n;
} kw_line_reader;

/* The editor when standard input is a terminal that can be drawn on, else plain lines. */
void kw_line_reader_open(kw_line_reader *reader, kw_env_fn env, bool keep_history);
void kw_line_reader_close(kw_line_reader *reader);
/* One line without its end (a pasted text may have line ends inside) into out, which is emptied
 * first. Outside this call the terminal is in the mode it was found in. */
kw_line_status kw_line_read(kw_line_reader *reader, const char *prompt, kw_buf *out);

#endif
