/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* http_head.c - the head of an HTTP message: its first line, its fields, a range in one of them.
 *
 * Strict: CRLF ends a line, names are tokens without space before the colon, folded lines and
 * control characters are refused. Source: RFC 9112, sections 2 to 5; RFC 9110, section 14. */
#include "net/http.h"

#include "base/check.h"

size_t kw_http_head_size(kw_str text)
{
    for (size_t i = 3; i < text.len; i++)
        if (memcmp(text.data + i - 3, "\r\n\r\n", 4) == 0)
            return i + 1;
    return 0;
}

static bool is_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c));
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool same(kw_str a, const char *b)
{
    size_t i = 0;
    while (i < a.len && b[i] && lower(a.data[i]) == lower(b[i]))
        i++;
    return i == a.len && b[i] == 0;
}

static kw_str trim(kw_str s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Cuts the next line off the front of *text, without its CRLF. Every head ends in one. */
static kw_str cut_line(kw_str *text)
{
    size_t n = 0;
    while (n + 1 < text->len && !(text->data[n] == '\r' && text->data[n + 1] == '\n'))
        n++;
    const kw_str line = {text->data, n};
    const size_t used = KW_MIN(n + 2, text->len);
    text->data += used;
    text->len -= used;
    return line;
}

static kw_status first_line(kw_str line, kw_http_head *out, kw_error *err)
{
    size_t part = 0, begin = 0;
    for (size_t i = 0; i <= line.len; i++) {
        if (i < line.len && (line.data[i] != ' ' || part == 2)) {
            if ((unsigned char)line.data[i] < 0x20 || line.data[i] == 0x7f)
                return kw_fail(err, KW_E_FORMAT, "http: control character in the first line");
            continue;
        }
        out->line[part++] = (kw_str){line.data + begin, i - begin};
        begin = i + 1;
    }
    if (part < 2 || out->line[0].len == 0 || out->line[1].len == 0)
        return kw_fail(err, KW_E_FORMAT, "http: first line \"%.*s\"", KW_FMT(line));
    return KW_OK;
}

static kw_status field(kw_str line, kw_http_head *out, kw_error *err)
{
    size_t n = 0;
    while (n < line.len && is_token(line.data[n]))
        n++;
    if (n == 0 || n == line.len || line.data[n] != ':')
        return kw_fail(err, KW_E_FORMAT, "http: field \"%.*s\"", KW_FMT(line));
    if (out->n == KW_HTTP_FIELDS_MAX)
        return kw_fail(err, KW_E_LIMIT, "http: more than %d fields", KW_HTTP_FIELDS_MAX);
    const kw_str value = trim((kw_str){line.data + n + 1, line.len - n - 1});
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.data[i] < 0x20 && value.data[i] != '\t')
            return kw_fail(err, KW_E_FORMAT, "http: control character in a field");
    out->names[out->n] = (kw_str){line.data, n};
    out->values[out->n++] = value;
    return KW_OK;
}

kw_status kw_http_head_get(kw_str text, kw_http_head *out, kw_error *err)
{
    *out = (kw_http_head){.n = 0};
    KW_TRY(first_line(cut_line(&text), out, err));
    for (;;) {
        const kw_str line = cut_line(&text);
        if (line.len == 0)
            return KW_OK;
        KW_TRY(field(line, out, err));
    }
}

kw_str kw_http_head_field(const kw_http_head *head, const char *name)
{
    for (size_t i = 0; i < head->n; i++)
        if (same(head->names[i], name))
            return head->values[i];
    return (kw_str){"", 0};
}

bool kw_http_list_has(kw_str list, const char *word)
{
    while (list.len > 0) {
        size_t n = 0;
        while (n < list.len && list.data[n] != ',')
            n++;
        if (same(trim((kw_str){list.data, n}), word))
            return true;
        n = KW_MIN(n + 1, list.len);
        list.data += n;
        list.len -= n;
    }
    return false;
}

/* A number from the front of *text; false: none, or above 2^63. */
static bool number(kw_str *text, uint64_t *out)
{
    size_t n = 0;
    *out = 0;
    for (; n < text->len && text->data[n] >= '0' && text->data[n] <= '9'; n++) {
        if (*out >= UINT64_MAX / 20)
            return false;
        *out = *out * 10 + (uint64_t)(text->data[n] - '0');
    }
    text->data += n;
    text->len -= n;
    return n > 0;
}

kw_status kw_http_range(kw_str text, uint64_t size, uint64_t *from, uint64_t *to)
{
    const kw_str unit = KW_STR("bytes=");
    uint64_t a, b;
    if (!kw_str_starts(text, unit))
        return KW_E_NOTFOUND;
    text.data += unit.len;
    text.len -= unit.len;
    const bool has_a = number(&text, &a);
    if (text.len == 0 || text.data[0] != '-')
        return KW_E_NOTFOUND;
    text.data++;
    text.len--;
    const bool has_b = number(&text, &b);
    if (text.len > 0 || (!has_a && !has_b) || (has_a && has_b && b < a))
        return KW_E_NOTFOUND;
    if (!has_a) { /* the last b bytes */
        a = b < size ? size - b : 0;
        b = b == 0 ? 0 : size - 1;
    } else if (!has_b || b >= size) {
        b = size - 1;
    }
    if (size == 0 || a >= size || (!has_a && b == 0 && size != 1))
        return KW_E_LIMIT;
    *from = a;
    *to = b + 1;
    return KW_OK;
}
