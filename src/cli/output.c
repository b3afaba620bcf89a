/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* output.c - checked writing to stdout, numbers for people, JSON (RFC 8259). */
#include "cli/output.h"

#include "base/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

void kw_out_init(kw_out *out, FILE *file)
{
    *out = (kw_out){.file = file, .tty = isatty(fileno(file)) == 1, .last = '\n'};
}

static void note_failure(kw_out *out)
{
    out->error = errno ? errno : EIO;
}

void kw_out_write(kw_out *out, const char *text, size_t len)
{
    if (out->error || len == 0)
        return;
    errno = 0;
    if (fwrite(text, 1, len, out->file) != len)
        note_failure(out);
    out->last = text[len - 1];
}

void kw_out_puts(kw_out *out, const char *text)
{
    kw_out_write(out, text, strlen(text));
}

void kw_out_printf(kw_out *out, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char small[512];
    const int n = vsnprintf(small, sizeof small, fmt, args);
    va_end(args);
    if (n < 0)
        return;
    if ((size_t)n < sizeof small) {
        kw_out_write(out, small, (size_t)n);
        return;
    }
    va_start(args, fmt);
    errno = 0;
    if (!out->error && vfprintf(out->file, fmt, args) < 0)
        note_failure(out);
    va_end(args);
    out->last = '\0';
}

void kw_text_clean(kw_buf *buf, const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint32_t c;
        const size_t n = kw_utf8_decode(text + i, len - i, &c);
        const bool plain = (c >= 0x20 && c < 0x7f) || c >= 0xa0 || c == '\n' || c == '\t';
        if (plain && c != KW_UTF8_BAD)
            kw_buf_add(buf, text + i, n);
        else
            kw_buf_add(buf, "\xEF\xBF\xBD", 3);
        i += n;
    }
}

void kw_out_foreign(kw_out *out, const char *text, size_t len)
{
    if (!out->tty) {
        kw_out_write(out, text, len);
        return;
    }
    kw_buf buf = {0};
    kw_text_clean(&buf, text, len);
    if (!buf.failed)
        kw_out_write(out, buf.data ? buf.data : "", buf.len);
    kw_buf_free(&buf);
}

bool kw_out_flush(kw_out *out)
{
    errno = 0;
    if (!out->error && fflush(out->file) != 0)
        note_failure(out);
    return out->error == 0;
}

char *kw_print_bytes(uint64_t bytes, char out[16])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double x = (double)bytes;
    size_t unit = 0;
    while (x >= 1024.0 && unit < 6) {
        x /= 1024.0;
        unit++;
    }
    (void)snprintf(out, 16, "%.*f %s", unit == 0 ? 0 : 2, x, units[unit]);
    return out;
}

char *kw_print_count(uint64_t n, char out[16])
{
    static const char *const units[] = {"", " K", " M", " B", " T"};
    double x = (double)n;
    size_t unit = 0;
    while (x >= 1000.0 && unit < 4) {
        x /= 1000.0;
        unit++;
    }
    (void)snprintf(out, 16, "%.*f%s", unit == 0 ? 0 : 2, x, units[unit]);
    return out;
}

char *kw_print_ns(uint64_t ns, char out[16])
{
    const double ms = (double)ns / 1e6;
    if (ms < 1000.0)
        (void)snprintf(out, 16, "%.1f ms", ms);
    else
        (void)snprintf(out, 16, "%.2f s", ms / 1000.0);
    return out;
}

/* ---- JSON ---- */

static void next_line(kw_json_writer *w)
{
    if (!w->pretty || w->depth == 0)
        return;
    kw_out_puts(w->out, "\n");
    for (int i = 0; i < w->depth; i++)
        kw_out_puts(w->out, "  ");
}

static void quoted(kw_json_writer *w, const char *text, size_t len)
{
    kw_buf buf = {0};
    kw_buf_json(&buf, (kw_str){text, len});
    if (!buf.failed)
        kw_out_write(w->out, buf.data, buf.len);
    else
        kw_out_puts(w->out, "null");
    kw_buf_free(&buf);
}

/* The comma after what came before, the key. */
static void begin(kw_json_writer *w, const char *key)
{
    const uint32_t bit = 1u << w->depth;
    if (w->filled & bit)
        kw_out_puts(w->out, w->pretty ? "," : ", ");
    w->filled |= bit;
    next_line(w);
    if (key) {
        quoted(w, key, strlen(key));
        kw_out_puts(w->out, ": ");
    }
}

void kw_json_open(kw_json_writer *w, const char *key, char bracket)
{
    begin(w, key);
    kw_out_write(w->out, &bracket, 1);
    w->depth++;
    w->filled &= ~(1u << w->depth);
}

void kw_json_close(kw_json_writer *w, char bracket)
{
    const bool filled = (w->filled & (1u << w->depth)) != 0;
    w->depth--;
    if (filled && w->pretty) {
        kw_out_puts(w->out, "\n");
        for (int i = 0; i < w->depth; i++)
            kw_out_puts(w->out, "  ");
    }
    kw_out_write(w->out, &bracket, 1);
    if (w->depth == 0) {
        kw_out_puts(w->out, "\n");
        w->filled = 0;
    }
}

void kw_json_text(kw_json_writer *w, const char *key, const char *text, size_t len)
{
    begin(w, key);
    quoted(w, text, len);
}

void kw_json_puts(kw_json_writer *w, const char *key, const char *text)
{
    begin(w, key);
    if (text)
        quoted(w, text, strlen(text));
    else
        kw_out_puts(w->out, "null");
}

void kw_json_int(kw_json_writer *w, const char *key, int64_t value)
{
    begin(w, key);
    kw_out_printf(w->out, "%lld", (long long)value);
}

void kw_json_real(kw_json_writer *w, const char *key, double value)
{
    begin(w, key);
    if (isfinite(value))
        kw_out_printf(w->out, "%.10g", value);
    else
        kw_out_puts(w->out, "null");
}

void kw_json_bool(kw_json_writer *w, const char *key, bool value)
{
    begin(w, key);
    kw_out_puts(w->out, value ? "true" : "false");
}
