/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* input.c - reading what a user hands over. */
#include "cli/input.h"

#include "base/utf8.h"
#include "cli/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static kw_status read_all(int fd, const char *name, kw_buf *out, kw_error *err)
{
    char block[16384];
    for (;;) {
        const ssize_t n = read(fd, block, sizeof block);
        if (n == 0)
            return KW_OK;
        if (n < 0 && errno == EINTR) {
            if (kw_interrupt_seen())
                return kw_fail(err, KW_E_CANCELLED, "%s: interrupted", name);
            continue;
        }
        if (n < 0)
            return kw_fail(err, KW_E_IO, "%s: %s", name, strerror(errno));
        if (out->len + (size_t)n > KW_INPUT_MAX_BYTES)
            return kw_fail(err, KW_E_LIMIT, "%s: more than %zu bytes", name, KW_INPUT_MAX_BYTES);
        kw_buf_add(out, block, (size_t)n);
        KW_TRY(kw_buf_status(out, err));
    }
}

kw_status kw_input_read(kw_cli *cli, const char *path, kw_buf *out, kw_error *err)
{
    if (strcmp(path, "-") == 0) {
        kw_input_announce(cli, "text");
        return read_all(STDIN_FILENO, "standard input", out, err);
    }
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return kw_fail(err, KW_E_IO, "%s: %s", path, strerror(errno));
    const kw_status status = read_all(fd, path, out, err);
    (void)close(fd);
    return status;
}

void kw_input_announce(kw_cli *cli, const char *what)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&input, 1, 1000) == 0)
        kw_cli_note(cli, "waiting for %s on standard input (Ctrl-D ends it)", what);
}

void kw_input_chomp(kw_buf *buf)
{
    if (buf->len > 0 && buf->data[buf->len - 1] == '\n')
        buf->len--;
    else
        return;
    if (buf->len > 0 && buf->data[buf->len - 1] == '\r')
        buf->len--;
    buf->data[buf->len] = '\0';
}

/* The value of exactly n hexadecimal digits, or -1. */
static long hex(const char *text, size_t len, size_t n)
{
    long value = 0;
    if (len < n)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const char *digits = "0123456789abcdef";
        const char lower = (char)(text[i] >= 'A' && text[i] <= 'F' ? text[i] + 32 : text[i]);
        const char *digit = lower != '\0' ? strchr(digits, lower) : NULL;
        if (!digit)
            return -1;
        value = value * 16 + (digit - digits);
    }
    return value;
}

/* One escape sequence after its backslash; returns the bytes it took, 0 when it is none. */
static size_t unescape_one(const char *text, size_t len, kw_buf *out)
{
    static const char from[] = "ntre\"'\\", to[] = "\n\t\r\033\"'\\";
    if (len == 0 || text[0] == '\0')
        return 0;
    const char *simple = strchr(from, text[0]);
    if (simple) {
        kw_buf_add(out, &to[simple - from], 1);
        return 1;
    }
    if (text[0] == 'x') {
        const long value = hex(text + 1, len - 1, 2);
        const char byte = (char)(unsigned char)value;
        if (value < 0)
            return 0;
        kw_buf_add(out, &byte, 1);
        return 3;
    }
    if (text[0] == 'u') {
        const long value = hex(text + 1, len - 1, 4);
        char bytes[4];
        const size_t n = value < 0 ? 0 : kw_utf8_encode((uint32_t)value, bytes);
        kw_buf_add(out, bytes, n);
        return n > 0 ? 5 : 0;
    }
    return 0;
}

void kw_input_unescape(const char *text, size_t len, kw_buf *out)
{
    for (size_t i = 0; i < len;) {
        const size_t n = text[i] == '\\' ? unescape_one(text + i + 1, len - i - 1, out) : 0;
        if (n == 0)
            kw_buf_add(out, text + i, 1);
        i += n + 1;
    }
}

static kw_status narrow(const int64_t *numbers, size_t n, int32_t **ids, kw_error *err)
{
    *ids = malloc((n ? n : 1) * sizeof **ids);
    if (!*ids)
        return kw_fail(err, KW_E_NOMEM, "no memory for %zu tokens", n);
    for (size_t i = 0; i < n; i++)
        (*ids)[i] = (int32_t)numbers[i];
    return KW_OK;
}

kw_status kw_input_ids(kw_cli *cli, const char *text, const char *path, int32_t **ids, size_t *n,
                       kw_error *err)
{
    kw_buf buf = {0};
    int64_t *numbers = NULL;
    kw_status status = KW_OK;
    const char *subject = "token ids";
    if (text) {
        kw_buf_add(&buf, text, strlen(text));
        status = kw_buf_status(&buf, err);
    } else {
        subject = path ? path : "standard input";
        status = kw_input_read(cli, path ? path : "-", &buf, err);
    }
    if (status == KW_OK)
        status = kw_parse_ints(buf.data ? buf.data : "", buf.len, 0, INT32_MAX, subject, &numbers,
                               n, err);
    if (status == KW_OK)
        status = narrow(numbers, *n, ids, err);
    free(numbers);
    kw_buf_free(&buf);
    return status;
}
