/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* history.h - what was typed before, kept in $XDG_STATE_HOME/kwaai/history, readable by its owner
 * only. A file that cannot be read or written costs the history, nothing else. */
#ifndef KW_CLI_HISTORY_H
#define KW_CLI_HISTORY_H

#include "base/buf.h"
#include "cli/options.h"

#define KW_HISTORY_MAX 1000

/* Zero-initialised is an empty history without a file. */
typedef struct kw_history {
    char **entries; /* owned, oldest first */
    size_t n, capacity;
    char *path; /* owned; NULL: not kept */
} kw_history;

/* Reads the file of this user, if there is one. */
void kw_history_open(kw_history *history, kw_env_fn env);
/* Remembers a text, unless it is empty or the same as the last one. */
void kw_history_add(kw_history *history, const char *text, size_t len);
void kw_history_free(kw_history *history);
/* "DIR/kwaai" of an XDG variable, or of $HOME and its fallback; false when neither is set. */
bool kw_xdg_dir(kw_env_fn env, const char *variable, const char *fallback, kw_buf *out);

#endif
