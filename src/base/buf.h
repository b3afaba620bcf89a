/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* buf.h - a growing text, for printers and messages. A failed allocation is sticky: later calls do
 * nothing, and kw_buf_status tells once at the end. */
#ifndef KW_BASE_BUF_H
#define KW_BASE_BUF_H

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

/* Zero-initialised is a valid empty buffer. */
typedef struct kw_buf {
    char *data; /* owned; terminated once anything was added */
    size_t len, cap;
    bool failed;
} kw_buf;

void kw_buf_add(kw_buf *buf, const char *text, size_t len);
void kw_buf_printf(kw_buf *buf, const char *fmt, ...) KW_PRINTF(2, 3);
/* The text as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
void kw_buf_json(kw_buf *buf, kw_str text);
/* KW_OK, or KW_E_NOMEM when something is missing from the text. */
kw_status kw_buf_status(const kw_buf *buf, kw_error *err);
void kw_buf_free(kw_buf *buf);

#endif
