/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* buf.c - a growing text. Invariant: data[len] is the terminator whenever data is set. */
#include "base/buf.h"

#include "base/check.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static bool reserve(kw_buf *buf, size_t more)
{
    size_t need;
    if (buf->failed)
        return false;
    if (!kw_add_size(buf->len, more, &need) || need > SIZE_MAX / 2 - 1) {
        buf->failed = true;
        return false;
    }
    if (need + 1 <= buf->cap)
        return true;
    const size_t cap = KW_MAX(buf->cap * 2, need + 64);
    char *data = realloc(buf->data, cap);
    if (!data) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

void kw_buf_add(kw_buf *buf, const char *text, size_t len)
{
    if (!reserve(buf, len))
        return;
    if (len > 0)
        memcpy(buf->data + buf->len, text, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void kw_buf_printf(kw_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0 || !reserve(buf, (size_t)n))
        return;
    va_start(args, fmt);
    (void)vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, args);
    va_end(args);
    buf->len += (size_t)n;
}

void kw_buf_json(kw_buf *buf, kw_str text)
{
    kw_buf_add(buf, "\"", 1);
    for (size_t i = 0; i < text.len;) {
        uint32_t c;
        const size_t n = kw_utf8_decode(text.data + i, text.len - i, &c);
        if (c == KW_UTF8_BAD)
            kw_buf_add(buf, "\\ufffd", 6);
        else if (c == '"' || c == '\\')
            kw_buf_printf(buf, "\\%c", (char)c);
        else if (c == '\n')
            kw_buf_add(buf, "\\n", 2);
        else if (c < 0x20 || c == 0x7f)
            kw_buf_printf(buf, "\\u%04x", (unsigned)c);
        else
            kw_buf_add(buf, text.data + i, n);
        i += n;
    }
    kw_buf_add(buf, "\"", 1);
}

kw_status kw_buf_status(const kw_buf *buf, kw_error *err)
{
    if (buf->failed)
        return kw_fail(err, KW_E_NOMEM, "text: no memory after %zu bytes", buf->len);
    return KW_OK;
}

void kw_buf_free(kw_buf *buf)
{
    free(buf->data);
    *buf = (kw_buf){0};
}
